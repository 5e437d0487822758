"""The API, version 1: what staff and IT automate. Its description is made from this code.

Every route names its scope in ``web.access``; errors are problem+json (RFC 9457); lists are read
with opaque cursors; writes take an ``Idempotency-Key``. Learners appear by id: names, mails and
student numbers need the scope ``people:read``.
"""

from __future__ import annotations

from app.web.api import awards, courses, credentials, deliveries, verify
from app.web.api.blueprint import bp
from app.web.api.description import describe, make_app, register

__all__ = [
    "awards",
    "bp",
    "courses",
    "credentials",
    "deliveries",
    "describe",
    "make_app",
    "register",
    "verify",
]
