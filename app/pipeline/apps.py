"""APPS: a learner lets an app read the own record, the app gets its tokens, and either ends it.

The rows and what may become of them stand in :mod:`app.wallet.app_clients` and ``app_tokens``; here are
the transactions and what the audit log says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import audit
from app.errors import NotFound
from app.models import AppClient, AppConsent, Person
from app.pipeline.campus import Campus
from app.wallet import app_clients, app_tokens
from app.wallet.app_clients import Registered
from app.wallet.app_tokens import Proof, Tokens
from app.wallet.errors import WalletRefused


@dataclass(frozen=True)
class Asked:
    """What an app asks a learner for; checked against its registration."""

    client: AppClient
    redirect_uri: str
    scopes: tuple[str, ...]
    state: str
    challenge: str


@dataclass(frozen=True)
class Credentials:
    """How an app says who it is at the token endpoint."""

    client_id: str
    secret: str | None
    method: str


def register(campus: Campus, said: Mapping[str, Any]) -> Registered:
    """Keep an app's description of itself. Raises WalletRefused."""
    with campus.db.transaction() as session:
        return app_clients.register(session, said, campus.clock())


def allow(campus: Campus, asked: Asked, person_id: str) -> str:
    """The learner agrees; returns the code for the app."""
    now = campus.clock()

    def keep(session: Session) -> str:
        client = session.get_one(AppClient, asked.client.id)
        consent, code = app_tokens.begin(
            session, client, person_id, asked.scopes, asked.redirect_uri, asked.challenge, now
        )
        detail = {"client": client.id, "scopes": list(asked.scopes)}
        audit.record(
            session, f"person:{person_id}", "app.allowed", f"consent:{consent.id}", detail, now
        )
        return code

    return campus.db.settle(keep)


def redeem(campus: Campus, who: Credentials, proof: Proof) -> Tokens:
    """A code against tokens. Raises WalletRefused (``invalid_client``, ``invalid_grant``)."""
    now = campus.clock()
    return _kept(
        campus, who, lambda session, client: app_tokens.redeem(session, client, proof, now)
    )


def refresh(campus: Campus, who: Credentials, token: str, scopes: Sequence[str]) -> Tokens:
    """A refresh token against a new pair. Raises WalletRefused."""
    now = campus.clock()
    return _kept(
        campus, who, lambda session, client: app_tokens.refresh(session, client, token, scopes, now)
    )


def _kept(
    campus: Campus, who: Credentials, use: Callable[[Session, AppClient], Tokens | None]
) -> Tokens:
    """Tokens, or a refusal after what was found out is kept."""
    with campus.db.transaction() as session:
        made = use(session, _client(session, who))
    if made is None:
        raise WalletRefused("invalid_grant", "This code or token is unknown, used or over.")
    return made


def _client(session: Session, who: Credentials) -> AppClient:
    return app_clients.authenticate(session, who.client_id, who.secret, who.method)


def give_up(campus: Campus, who: Credentials, token: str) -> None:
    """The app wants a token no more. Raises WalletRefused (``invalid_client``)."""
    with campus.db.transaction() as session:
        app_tokens.give_up(session, _client(session, who), token, campus.clock())


def end(campus: Campus, consent_id: str, learner_id: str, actor: str) -> None:
    """The learner takes a consent back. Raises NotFound for one of somebody else."""
    now = campus.clock()
    with campus.db.transaction() as session:
        mine = _of(learner_id).where(AppConsent.id == consent_id).with_for_update(of=AppConsent)
        found = session.execute(mine).one_or_none()
        if found is None:
            raise NotFound("consent-unknown", "You have no such app.")
        app_tokens.end(session, found[0], now)
        audit.record(session, actor, "app.ended", f"consent:{consent_id}", {}, now)


def of_learner(session: Session, learner_id: str) -> Sequence[tuple[AppConsent, AppClient]]:
    """Apps that may read the record of a learner, over all accounts, latest consent first."""
    query = _of(learner_id).where(AppConsent.ended_at.is_(None))
    rows = session.execute(query.order_by(AppConsent.started_at.desc(), AppConsent.id))
    return [(consent, client) for consent, client in rows]


def registered(session: Session) -> Sequence[tuple[AppClient, int]]:
    """Apps that were not ended, with how many consents each has, oldest first."""
    living = (
        select(func.count())
        .where(AppConsent.client_id == AppClient.id, AppConsent.ended_at.is_(None))
        .scalar_subquery()
    )
    query = select(AppClient, living).where(AppClient.ended_at.is_(None))
    rows = session.execute(query.order_by(AppClient.created_at, AppClient.id))
    return [(client, count) for client, count in rows]


def close(campus: Campus, client_id: str, actor: str) -> int:
    """An operator ends an app with all its consents; how many there were. Raises NotFound."""
    now = campus.clock()
    with campus.db.transaction() as session:
        client = app_clients.by_id(session, client_id)
        if client is None:
            raise NotFound("app-unknown", "There is no such app.", fix="See: tassel app list")
        client.ended_at = now
        living = select(AppConsent).where(
            AppConsent.client_id == client.id, AppConsent.ended_at.is_(None)
        )
        found = session.scalars(living.with_for_update()).all()
        for consent in found:
            app_tokens.end(session, consent, now)
        audit.record(
            session, actor, "app.closed", f"app:{client.id}", {"consents": len(found)}, now
        )
    return len(found)


def _of(learner_id: str) -> Any:
    return (
        select(AppConsent, AppClient)
        .join(AppClient, AppClient.id == AppConsent.client_id)
        .join(Person, Person.id == AppConsent.person_id)
        .where(Person.learner_id == learner_id)
    )
