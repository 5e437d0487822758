"""Codes and tokens of apps: each belongs to one consent, works once or for a while, and is kept as hash.

Whatever shows that a code or refresh token is in two hands ends the whole consent: the learner is
asked again. Functions that find that out return None, so that the caller keeps it and then refuses.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.models import AppClient, AppConsent, AppToken
from app.secrets import new_token, token_hash
from app.wallet.app_clients import OFFLINE
from app.wallet.errors import WalletRefused, invalid_token

CODE_LIFE: Final = timedelta(minutes=2)
ACCESS_LIFE: Final = timedelta(hours=1)
REFRESH_LIFE: Final = timedelta(days=90)
"""Since it was used last."""
REMEMBERED: Final = timedelta(days=1)
"""How long a code or token is known after its end."""


@dataclass(frozen=True)
class Tokens:
    """What an app gets; nothing of it is kept as it is."""

    access: str
    refresh: str | None
    scopes: Sequence[str]


@dataclass(frozen=True)
class Proof:
    """What an app brings with a code."""

    code: str
    redirect_uri: str
    verifier: str


def begin(
    session: Session,
    client: AppClient,
    person_id: str,
    scopes: Sequence[str],
    redirect_uri: str,
    challenge: str,
    now: datetime,
) -> tuple[AppConsent, str]:
    """A learner agrees: the consent, begun anew, and the code for the app. Older tokens end."""
    client.used_at = client.used_at or now
    query = select(AppConsent).where(
        AppConsent.client_id == client.id, AppConsent.person_id == person_id
    )
    consent = session.scalar(query.with_for_update())
    if consent is None:
        consent = AppConsent(client_id=client.id, person_id=person_id)
        session.add(consent)
    else:
        _forget(session, consent)
    consent.scopes, consent.started_at = list(scopes), now
    consent.place = urlsplit(redirect_uri).netloc
    consent.read_at = consent.ended_at = None
    session.flush()
    code = _issue(
        session, consent, "code", scopes, now + CODE_LIFE, redirect_uri=redirect_uri, challenge=challenge
    )  # fmt: skip
    return consent, code


def _issue(
    session: Session,
    consent: AppConsent,
    kind: str,
    scopes: Sequence[str],
    expires_at: datetime,
    **more: str,
) -> str:
    token = new_token(32)
    session.add(
        AppToken(
            token_hash=token_hash(token),
            consent_id=consent.id,
            kind=kind,
            scopes=list(scopes),
            expires_at=expires_at,
            **more,
        )
    )
    session.flush()
    return token


def _forget(session: Session, consent: AppConsent) -> None:
    session.execute(delete(AppToken).where(AppToken.consent_id == consent.id))


def end(session: Session, consent: AppConsent, now: datetime) -> None:
    """The consent is over, with every code and token of it."""
    _forget(session, consent)
    consent.ended_at = consent.ended_at or now
    session.flush()


def redeem(session: Session, client: AppClient, proof: Proof, now: datetime) -> Tokens | None:
    """Use a code up. None: it was used before, or what came with it is wrong; keep that.

    Raises WalletRefused (``invalid_grant``) for a code that this app was never given.
    """
    consent, code = _known(session, client, proof.code, "code")
    if code.used_at is not None:
        end(session, consent, now)
        return None
    code.used_at = now
    known = create_s256_code_challenge(proof.verifier)
    fits = secrets.compare_digest(known, code.challenge or "")
    if not fits or code.expires_at <= now or code.redirect_uri != proof.redirect_uri:
        return None
    return _pair(session, consent, code.scopes, code.scopes, now)


def refresh(
    session: Session, client: AppClient, token: str, asked: Sequence[str], now: datetime
) -> Tokens | None:
    """A refresh token against a new pair, for all its scopes or fewer. None as for :func:`redeem`.

    Raises WalletRefused (``invalid_grant``, ``invalid_scope``).
    """
    consent, known = _known(session, client, token, "refresh")
    if known.used_at is not None:
        end(session, consent, now)
        return None
    if known.expires_at <= now:
        return None
    if not set(asked) <= set(known.scopes):
        raise WalletRefused("invalid_scope", "More is asked for than the learner agreed to.")
    known.used_at = now
    access = delete(AppToken).where(AppToken.consent_id == consent.id, AppToken.kind == "access")
    session.execute(access)
    return _pair(session, consent, known.scopes, list(asked) or known.scopes, now)


def _pair(
    session: Session,
    consent: AppConsent,
    scopes: Sequence[str],
    narrowed: Sequence[str],
    now: datetime,
) -> Tokens:
    old = delete(AppToken).where(
        AppToken.consent_id == consent.id, AppToken.expires_at < now - REMEMBERED
    )
    session.execute(old)
    access = _issue(session, consent, "access", narrowed, now + ACCESS_LIFE)
    again = None
    if OFFLINE in scopes:
        again = _issue(session, consent, "refresh", scopes, now + REFRESH_LIFE)
    return Tokens(access, again, narrowed)


def _known(
    session: Session, client: AppClient, token: str, kind: str
) -> tuple[AppConsent, AppToken]:
    """A token of this app with its consent, both locked: of two at once the second finds it used."""
    query = (
        select(AppConsent, AppToken)
        .join(AppToken, AppToken.consent_id == AppConsent.id)
        .where(
            AppToken.token_hash == token_hash(token),
            AppToken.kind == kind,
            AppConsent.client_id == client.id,
            AppConsent.ended_at.is_(None),
        )
        .with_for_update()
    )
    found = session.execute(query).one_or_none()
    if found is None:
        raise WalletRefused("invalid_grant", "This code or token is unknown, used or over.")
    return found[0], found[1]


def give_up(session: Session, client: AppClient, token: str, now: datetime) -> None:
    """The app wants a token no more (RFC 7009): an access token goes, a refresh token ends the consent.

    Tokens of others, and unknown ones, are passed over in silence.
    """
    query = select(AppConsent, AppToken).join(AppToken, AppToken.consent_id == AppConsent.id)
    mine = query.where(AppToken.token_hash == token_hash(token), AppConsent.client_id == client.id)
    found = session.execute(mine.with_for_update()).one_or_none()
    if found is None:
        return
    consent, known = found
    if known.kind == "access":
        session.delete(known)
    else:
        end(session, consent, now)


def by_access(
    session: Session, token: str, scope: str, now: datetime, *, lock: bool = False
) -> AppConsent:
    """The consent that an access token stands for. Raises WalletRefused (401, or 403 for the scope).

    :param lock: hold it until the end of the transaction, so that it does not end meanwhile.
    """
    query = (
        select(AppConsent, AppToken.scopes)
        .join(AppToken, AppToken.consent_id == AppConsent.id)
        .where(
            AppToken.token_hash == token_hash(token),
            AppToken.kind == "access",
            AppToken.expires_at > now,
            AppConsent.ended_at.is_(None),
        )
    )
    if lock:
        query = query.with_for_update(of=AppConsent)
    found = session.execute(query).one_or_none()
    if found is None:
        raise invalid_token()
    if scope not in found[1]:
        raise WalletRefused("insufficient_scope", "The learner did not agree to this.", 403)
    return found[0]
