"""What strangers open: shared badges, the names that credentials carry, and the probes.

Nothing here knows a visitor. No address and no page holds a learner's name, mail or LMS id, except
the name on a shared badge whose holder allowed it.
"""

from __future__ import annotations

from app.web.public import badge, card, catalogue, names, probes, verify
from app.web.public.blueprint import bp
from app.web.public.limits import limit

__all__ = ["badge", "bp", "card", "catalogue", "limit", "names", "probes", "verify"]
