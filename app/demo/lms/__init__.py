"""A demo LMS: an LTI 1.3 platform on loopback with one mode per vendor.

``create_lms(LmsConfig(...))`` makes the app and ``serve(app, port)`` runs it in threads;
``python -m app.demo.lms`` does both. The rooms: ``state`` and ``campus`` (what it holds and how it
is filled), ``vendors/`` (what each LMS does differently), ``oidc``, ``registration``, ``tokens``,
``ags``, ``nrps``, ``deep_link`` (the protocol), ``pages``, ``gradebook``, ``admin`` (for people),
``control``, ``dump``, ``forge`` (for tests).
"""

from __future__ import annotations

from app.demo.lms.config import LmsConfig
from app.demo.lms.server import LmsServer, create_lms, serve

__all__ = ["LmsConfig", "LmsServer", "create_lms", "serve"]
