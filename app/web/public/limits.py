"""How often one address may knock at the doors that anybody can reach.

Counted in the memory of each web process: a flood is slowed down without any shared store, and the
numbers are far above what people and verifiers do.
"""

from __future__ import annotations

import time
from collections import Counter
from math import ceil
from threading import Lock
from typing import Final

from flask import Flask, current_app, request
from werkzeug.exceptions import TooManyRequests

MINUTE: Final = 60

LIMITS: Final = {
    "lti.login": 3000,
    "lti.notices": 600,
    "lti.again": 600,
    "lti.prove": 3000,
    "lti.session_of_code": 3000,
    "lti.afresh": 600,
    "lti.register": 30,
    "lti.register_confirm": 10,
    "operator.enter": 30,
    "operator.enter_confirm": 10,
    "operator.sign_in_begin": 20,
    "operator.sign_in_callback": 20,
    "wallet.issuer_metadata": 600,
    "wallet.server_metadata": 600,
    "wallet.offer": 60,
    "wallet.token": 60,
    "wallet.nonce": 120,
    "wallet.credential": 60,
    "wallet.notification": 60,
    "wallet.exchange": 60,
    "apps.metadata": 600,
    "apps.discovery": 600,
    "apps.about": 300,
    "apps.ask": 120,
    "apps.register": 10,
    "apps.token": 120,
    "apps.revoke": 120,
    "apps.credentials": 300,
    "apps.profile": 300,
    "endorser.invited": 60,
    "endorser.receive": 10,
    "endorser.words": 20,
    "endorser.take_back": 10,
    "public.badge": 120,
    "public.earlier": 120,
    "public.credential_json": 120,
    "public.credential_jwt": 120,
    "public.credential_png": 60,
    "public.embed": 300,
    "public.card": 60,
    "public.issuer": 300,
    "public.did_document": 600,
    "public.jwks": 600,
    "public.status_list": 600,
    "public.verify_shown": 20,
    "api.verify": 60,
    "public.catalogue": 300,
    "public.catalogue_ctdl": 60,
    "public.achievement": 300,
    "public.endorsement": 300,
    "public.achievement_png": 300,
    "public.achievement_svg": 300,
}
"""Endpoint to requests a minute of one address; 429 with Retry-After beyond it."""


PER_LEARNER: Final = {"learner.record_file": 12}
"""Endpoint to requests a minute of one learner, who may come from anywhere: each is a signature."""
WINDOW: Final = "tassel_window"


class Window:
    """How often each caller came in the present minute; what was before is forgotten."""

    def __init__(self) -> None:
        self._minute, self._counts = 0, Counter[tuple[str, str]]()
        self._lock = Lock()

    def count(self, who: tuple[str, str], now: float) -> int:
        """One more of ``who`` (endpoint, address), at ``now`` in seconds; how many it has been."""
        with self._lock:
            minute = int(now // MINUTE)
            if minute != self._minute:
                self._minute, self._counts = minute, Counter()
            self._counts[who] += 1
            return self._counts[who]


def limit(app: Flask) -> None:
    """Hold every request against :data:`LIMITS` before its view; TooManyRequests beyond them."""
    app.extensions[WINDOW] = Window()

    def knock() -> None:
        allowed = LIMITS.get(request.endpoint or "")
        if allowed is not None:
            _count(request.remote_addr or "", allowed)

    app.before_request(knock)


def hold_learner(learner_id: str) -> None:
    """Hold a request against :data:`PER_LEARNER`; TooManyRequests beyond it."""
    _count(learner_id, PER_LEARNER[request.endpoint or ""])


def _count(who: str, allowed: int) -> None:
    now = time.time()
    if current_app.extensions[WINDOW].count((request.endpoint or "", who), now) > allowed:
        raise TooManyRequests(retry_after=ceil(MINUTE - now % MINUTE) or MINUTE)
