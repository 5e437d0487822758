"""OAuth 2 client credentials (RFC 6749 4.4), as the OneRoster security framework asks for."""

from __future__ import annotations

import threading
import time
from typing import Any, Literal

from app.delivery.port import Answer, Http, Outcome
from app.delivery.sis.messages import OPERATOR, SIS_ADMIN
from app.delivery.sis.oneroster_answers import Said, judge, listen

EARLY_SECONDS = 30.0
DEFAULT_LIFE = 300.0


class TokenRefusedError(Exception):
    """No token was given; ``outcome`` says why in the words of a delivery."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


class TokenSource:
    """One access token, kept until shortly before it ends. Safe for many threads.

    ``style`` ``basic`` sends id and secret in the Authorization header, ``post`` in the form. The
    header carries them as they are: servers that decode percent signs are rarer than servers that
    do not.
    """

    def __init__(
        self,
        http: Http,
        *,
        url: str,
        client_id: str,
        client_secret: str,
        style: Literal["basic", "post"],
        scope: str,
        system: str,
    ) -> None:
        self._http = http
        self.url = url
        self._client = (client_id, client_secret)
        self._style = style
        self._scope = scope
        self._system = system
        self._lock = threading.Lock()
        self._token = ""
        self._ends = 0.0

    def get(self) -> str:
        """A token that is good for a while. Raises TokenRefusedError or UpstreamError."""
        with self._lock:
            if not self._token or time.monotonic() >= self._ends:
                self._token, life = self._fetch()
                self._ends = time.monotonic() + max(life - EARLY_SECONDS, life / 2)
            return self._token

    def discard(self, token: str) -> None:
        """Forget ``token`` because the server no longer takes it."""
        with self._lock:
            if self._token == token:
                self._token = ""

    def _fetch(self) -> tuple[str, float]:
        form = {"grant_type": "client_credentials", "scope": self._scope}
        if self._style == "post":
            form |= {"client_id": self._client[0], "client_secret": self._client[1]}
        answer = self._http.request(
            "POST",
            self.url,
            system=self._system,
            headers={"Accept": "application/json"},
            data=form,
            auth=self._client if self._style == "basic" else None,
            ok=any_status,
        )
        return self._read(answer)

    def _read(self, answer: Answer) -> tuple[str, float]:
        said = listen(answer, [self._client[1]])
        if said.status in (400, 401, 403) and isinstance(said.body, dict):
            raise TokenRefusedError(_denied(said, self._system))
        outcome = judge(said, self._system)
        if outcome is not None:
            raise TokenRefusedError(outcome)
        token = said.body.get("access_token") if isinstance(said.body, dict) else None
        if not isinstance(token, str) or not token:
            raise TokenRefusedError(_no_token(said, self._system))
        return token, _life(said.body.get("expires_in"))


def any_status(status: int) -> bool:
    """Every answer is read here, whatever its status."""
    return status > 0


def _life(value: Any) -> float:
    """Seconds from ``expires_in``, which some servers send as text or leave out."""
    try:
        return max(1.0, float(value))
    except (TypeError, ValueError):
        return DEFAULT_LIFE


def _denied(said: Said, system: str) -> Outcome:
    """RFC 6749 5.2: the token endpoint says no."""
    error = str(said.body.get("error", ""))
    if error == "invalid_scope":
        why, fix = (
            "does not grant the permissions asked for",
            ("Enter the scopes that the SIS administrator allows into this connection."),
        )
    else:
        why, fix = (
            "refused the client id or its secret",
            (
                "Get a valid id and secret from the SIS administrator (secrets often expire after a"
                " year) and enter them into this connection."
            ),
        )
    detail = str(said.body.get("error_description") or said.description)
    return Outcome(
        "later",
        "sis-unauthorized",
        f"{system} {why} ({said.status}). It said: {detail or 'nothing more'}",
        fix=fix,
        who=SIS_ADMIN,
        status=said.status,
        raw=said.raw,
        attention=True,
    )


def _no_token(said: Said, system: str) -> Outcome:
    return Outcome(
        "later",
        "sis-no-token",
        f"{system} answered the request for a token without one ({said.status}).",
        fix="Check the token address of this connection.",
        who=OPERATOR,
        status=said.status,
        # A token in an unknown place would be a secret in the ledger.
        raw="",
        attention=True,
    )
