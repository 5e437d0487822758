"""The Open Badges API (Open Badges 3.0, sections 6 and 7) as provider of a learner's record.

An app registers itself, the learner agrees on a page, the app reads badges and profile with its token
until the learner or the app ends that. Nothing is written by this way.
"""

from __future__ import annotations

from app.web.apps import authorize, oauth, record
from app.web.apps.blueprint import bp

__all__ = ["authorize", "bp", "oauth", "record"]
