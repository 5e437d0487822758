"""Access tokens for the LMS's services: client credentials with a signed assertion (RFC 7523).

Kept sealed in the database by registration and scopes, so two schools that share an issuer never
share a token, and every process uses the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import jwt
from sqlalchemy import Select, delete, select
from sqlalchemy.exc import IntegrityError

from app.db import Database
from app.errors import UpstreamError
from app.http import HttpClient, Response, failure
from app.lti import wire
from app.lti.keys import ALGORITHM, KeyCache, SigningKey, signing_key
from app.lti.platforms import Lms
from app.models import AccessToken
from app.secrets import SecretBox, new_token

LEEWAY = timedelta(seconds=60)
ASSERTION_LIFE = timedelta(seconds=60)
DEFAULT_LIFE = 300.0
LONGEST_LIFE = 86_400.0
_JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True)
class Registered:
    """What the service client needs to know of one registration."""

    platform_id: str
    client_id: str
    token_url: str
    token_audience: str | None
    scopes: frozenset[str]
    """Granted ones as the registration said; empty = not known."""
    lms: Lms
    name: str
    """The installation's name, for messages."""


class Tokens:
    """Fetches, keeps and drops access tokens."""

    def __init__(
        self, db: Database, box: SecretBox, http: HttpClient, clock: Callable[[], datetime]
    ) -> None:
        """``clock`` returns aware UTC."""
        self._db, self._box, self._http, self._clock = db, box, http, clock
        self._keys = KeyCache()

    def get(self, platform: Registered, scopes: Sequence[str]) -> str:
        """A token that lives for another minute at least. UpstreamError when none is given."""
        wanted = _joined(scopes)
        with self._db.reading() as session:
            row = session.scalar(_chosen(platform, wanted))
        if row is not None and row.expires_at > self._clock() + LEEWAY:
            return self._box.open(row.sealed).decode("ascii")
        token, expires_at = self._fetch(platform, wanted)
        self._keep(platform, wanted, token, expires_at)
        return token

    def drop(self, platform: Registered, scopes: Sequence[str]) -> None:
        """Forget a token that the LMS did not accept."""
        with self._db.transaction() as session:
            session.execute(
                delete(AccessToken).where(
                    AccessToken.platform_id == platform.platform_id,
                    AccessToken.scopes == _joined(scopes),
                )
            )

    def _keep(self, platform: Registered, scopes: str, token: str, expires_at: datetime) -> None:
        """Store the token; of two processes that fetched at once the first one's row stays."""
        sealed = self._box.seal(token.encode("ascii"))
        try:
            with self._db.transaction() as session:
                row = session.scalar(_chosen(platform, scopes))
                if row is None:
                    row = AccessToken(platform_id=platform.platform_id, scopes=scopes)
                    session.add(row)
                row.sealed, row.expires_at = sealed, expires_at
        except IntegrityError:
            return

    def ask(self, platform: Registered, scopes: Sequence[str]) -> Response:
        """The LMS's answer to a new token request, whatever it says; nothing is kept of it."""
        return self._request(platform, _joined(scopes), self._clock())

    def _fetch(self, platform: Registered, scopes: str) -> tuple[str, datetime]:
        now = self._clock()
        answer = self._request(platform, scopes, now)
        if answer.status >= 500 or answer.status == 429:
            raise failure(answer)
        if answer.status >= 400:
            raise _refusal(platform, answer)
        return _read(platform, answer, scopes, now)

    def _request(self, platform: Registered, scopes: str, now: datetime) -> Response:
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": _JWT_BEARER,
            "client_assertion": self._assertion(platform, now),
            "scope": scopes,
        }
        return self._http.request(
            "POST",
            platform.token_url,
            system=platform.name,
            data=form,
            headers={"Accept": "application/json"},
            ok=lambda _status: True,
        )

    def signing_key(self) -> SigningKey:
        """The LTI key that signs now."""
        return signing_key(self._db, self._box, self._keys, self._clock())

    def _assertion(self, platform: Registered, now: datetime) -> str:
        """``private_key_jwt`` (IMS security framework 4.1.1): unique ``jti``, one minute."""
        key = self.signing_key()
        claims = {
            "iss": platform.client_id,
            "sub": platform.client_id,
            "aud": platform.lms.token_audience(platform.token_url, platform.token_audience),
            "iat": int(now.timestamp()),
            "exp": int((now + ASSERTION_LIFE).timestamp()),
            "jti": new_token(),
        }
        return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"kid": key.kid})


def _joined(scopes: Sequence[str]) -> str:
    return " ".join(sorted(scopes))


def _chosen(platform: Registered, scopes: str) -> Select[AccessToken]:
    return select(AccessToken).where(
        AccessToken.platform_id == platform.platform_id, AccessToken.scopes == scopes
    )


def _read(
    platform: Registered, answer: Response, scopes: str, now: datetime
) -> tuple[str, datetime]:
    """Token and expiry out of the answer, whatever media type it came under."""
    body = wire.decoded(answer)
    token = body.get("access_token") if isinstance(body, dict) else None
    if not isinstance(token, str) or not token.isascii():
        raise UpstreamError(
            "lti-no-token",
            f"{platform.name} answered the token request without a token.",
            system=platform.name,
            permanent=False,
            status=answer.status,
            body=answer.text,
            fix=f"Ask the administrator of {platform.name} whether its token address is right.",
        )
    granted = body.get("scope")
    missing = set(scopes.split()) - set(granted.split()) if isinstance(granted, str) else set()
    if missing:
        raise _missing_scope(platform, sorted(missing))
    life = wire.number_of(body.get("expires_in"))
    seconds = DEFAULT_LIFE if life is None else float(life)
    return token, now + timedelta(seconds=min(max(seconds, 0.0), LONGEST_LIFE))


def _missing_scope(platform: Registered, scopes: Sequence[str]) -> UpstreamError:
    names = ", ".join(scope.rsplit("/", 1)[-1] for scope in scopes)
    return UpstreamError(
        "lti-scope-missing",
        f"{platform.name} does not let Tassel use: {names}.",
        system=platform.name,
        permanent=True,
        fix=f"The administrator of {platform.name} can allow it in the settings of the tool.",
    )


def _refusal(platform: Registered, answer: Response) -> UpstreamError:
    """Why no token was given, as far as the LMS says it (RFC 6749 5.2)."""
    if "invalid_scope" in answer.text:
        return UpstreamError(
            "lti-scope-missing",
            f"{platform.name} does not let Tassel use the service it needs.",
            system=platform.name,
            permanent=True,
            status=answer.status,
            body=answer.text,
            fix=f"The administrator of {platform.name} can allow grades and members in the settings of the tool.",
        )
    return UpstreamError(
        "lti-token-refused",
        f"{platform.name} refused Tassel's signature ({answer.status}).",
        system=platform.name,
        permanent=False,
        status=answer.status,
        body=answer.text,
        fix=f"The administrator of {platform.name} should check that the tool is active there and that {platform.name} can fetch Tassel's public keys (address /lti/jwks) from its own network.",
    )
