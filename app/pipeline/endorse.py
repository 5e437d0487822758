"""A partner endorses a badge: invited by a link, signed with the partner's own key, accepted, carried.

The link opens one badge for one partner and takes one endorsement. What comes back is believed for
nothing but its signature: the verifier reads it as it reads any stranger's document, and somebody
who answers for the badge accepts it before anyone else sees it. It counts for the wording that the
partner saw; a later wording asks again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import audit
from app.credentials import endorsed, endorsement, issuing
from app.credentials.verify import Report, say
from app.db import new_id
from app.errors import Conflict, Invalid, NotFound
from app.models import Achievement, AchievementVersion, Endorsement, Issuer
from app.pipeline import freeze
from app.pipeline.campus import Campus
from app.secrets import new_token, token_hash

LIFE: Final = timedelta(days=30)
"""How long a link takes an endorsement."""
MOST_OPEN: Final = 20
"""Links and endorsements of one badge that are not settled."""

Judge = Callable[[bytes], Report]
"""The verifier with its guarded look-ups."""


@dataclass(frozen=True)
class Invited:
    """What a link opens: the badge, and what became of the invitation."""

    row: Endorsement
    version: AchievementVersion
    """The wording that is published now."""
    issuer: Issuer
    open: bool
    """Whether it takes an endorsement."""


def invite(campus: Campus, achievement_id: str, partner: str, actor: str) -> str:
    """A link's token for ``partner``; only its hash is kept. Raises Invalid, Conflict, NotFound."""
    partner = " ".join(partner.split())
    if not 2 <= len(partner) <= endorsement.NAME_LENGTH:
        raise Invalid(
            "partner-name", "Say whom the link is for.", fields={"partner": "2 to 200 characters"}
        )
    token, now = new_token(), campus.clock()
    with campus.db.transaction() as session:
        badge = _published(session, achievement_id)
        open_ones = select(Endorsement.id).where(
            Endorsement.achievement_id == badge.id, Endorsement.state.in_(("invited", "received"))
        )
        if len(session.scalars(open_ones).all()) >= MOST_OPEN:
            raise Conflict(
                "endorsements-open",
                say("Many links of this badge are open already."),
                fix=say("Take back those that nobody uses."),
            )
        row = Endorsement(
            id=new_id(),
            achievement_id=badge.id,
            partner=partner,
            token_hash=token_hash(token),
            state="invited",
            invited_by=actor,
            created_at=now,
            expires_at=now + LIFE,
        )
        session.add(row)
        session.flush()
        _note(session, row, actor, "invited", now)
    return token


def _published(session: Session, achievement_id: str) -> Achievement:
    badge = session.get(Achievement, achievement_id, with_for_update=True)
    if badge is None:
        raise NotFound("badge-unknown", "There is no such badge.")
    if badge.published_version is None:
        raise Conflict(
            "badge-draft", "Only a published badge can be endorsed.", fix="Publish it first."
        )
    return badge


def look(campus: Campus, token: str) -> Invited:
    """What the link with ``token`` opens; NotFound for one that was never made or is dead.

    A link that was used goes on showing what became of the endorsement.
    """
    with campus.db.reading() as session:
        return _look(session, token, campus.clock())


def _look(session: Session, token: str, now: datetime) -> Invited:
    row = session.scalar(select(Endorsement).where(Endorsement.token_hash == token_hash(token)))
    waits = row is not None and row.state == "invited"
    if row is None or row.state == "closed" or (waits and row.expires_at <= now):
        raise NotFound(
            "no-endorsement-link",
            "This link is not open (any more).",
            fix="Ask the people who sent it to you for a new one.",
        )
    badge = session.get_one(Achievement, row.achievement_id)
    version = session.scalars(
        select(AchievementVersion).where(
            AchievementVersion.achievement_id == badge.id,
            AchievementVersion.number == badge.published_version,
        )
    ).one()
    return Invited(row, version, session.get_one(Issuer, badge.issuer_id), waits)


def about(campus: Campus, achievement_id: str) -> str:
    """The address that an endorsement has to name."""
    return f"{campus.settings.public_url}/achievements/{achievement_id}"


def receive(campus: Campus, token: str, raw: bytes, seen: int, judge: Judge) -> Report:
    """Take what a partner brought; it is kept exactly when every check of the report passed.

    :param seen: number of the wording that the partner's page showed.
    :raises NotFound: the link is dead. Conflict: it was used, or the wording is another one now.
    :raises Invalid: it is no endorsement of this badge.
    """
    found = look(campus, token)
    _must_take(found, seen)
    text = endorsement.brought(raw)
    report = judge(text)
    if report.verdict != "valid" or report.document is None:
        return report
    now = campus.clock()
    with campus.db.transaction() as session:
        ours = set(session.scalars(select(Issuer.did)))
        endorsement.check(report.document, about(campus, found.row.achievement_id), ours)
        _published(session, found.row.achievement_id)
        session.get(Endorsement, found.row.id, with_for_update=True)
        again = _look(session, token, now)
        _must_take(again, seen)
        _must_be_new(session, again.row.achievement_id, endorsement.read(text).id)
        again.row.state, again.row.received_at = "received", now
        again.row.document, again.row.version = text, seen
        _note(session, again.row, f"endorser:{again.row.id}", "received", now)
    return report


def _must_take(found: Invited, seen: int) -> None:
    if not found.open:
        raise Conflict("endorsement-given", say("This link was used: it takes one endorsement."))
    if found.version.number != seen:
        raise Conflict(
            "badge-changed",
            say("The badge has been worded anew while you looked at it."),
            fix=say("Open the link again and read what it says now."),
        )


def _must_be_new(session: Session, achievement_id: str, identifier: str) -> None:
    query = select(Endorsement.document).where(
        Endorsement.achievement_id == achievement_id, Endorsement.document.is_not(None)
    )
    if any(endorsement.read(one or b"").id == identifier for one in session.scalars(query)):
        raise Conflict("endorsement-known", say("This endorsement was brought before."))


def close(campus: Campus, achievement_id: str, endorsement_id: str, actor: str) -> None:
    """Take back a link that nobody has used."""
    _move(campus, achievement_id, endorsement_id, "invited", "closed", actor)


def accept(campus: Campus, achievement_id: str, endorsement_id: str, actor: str) -> None:
    """Show it to everybody, and let badges that are signed from now on carry it.

    Raises Conflict when it does not wait for that, Invalid when a badge that carries it would not
    be read alike by every verifier.
    """
    _move(campus, achievement_id, endorsement_id, "received", "accepted", actor)


def decline(campus: Campus, achievement_id: str, endorsement_id: str, actor: str) -> None:
    """Nobody gets to see it."""
    _move(campus, achievement_id, endorsement_id, "received", "declined", actor)


def withdraw(campus: Campus, achievement_id: str, endorsement_id: str, actor: str) -> None:
    """Badges signed from now on do not carry it; those that do say on their pages that it is gone."""
    _move(campus, achievement_id, endorsement_id, "accepted", "withdrawn", actor)


def take_back(campus: Campus, token: str) -> None:
    """The same by the partner: whatever stands of the endorsement ends."""
    row = look(campus, token).row
    actor = f"endorser:{row.id}"
    if row.state == "received":
        _move(campus, row.achievement_id, row.id, "received", "withdrawn", actor)
    else:
        withdraw(campus, row.achievement_id, row.id, actor)


def _move(
    campus: Campus, achievement_id: str, endorsement_id: str, old: str, new: str, actor: str
) -> None:
    now = campus.clock()
    with campus.db.transaction() as session:
        row = session.get(Endorsement, endorsement_id, with_for_update=True)
        if row is None or row.achievement_id != achievement_id:
            raise NotFound("endorsement-unknown", "This badge has no such endorsement.")
        if row.state != old:
            raise Conflict(
                "endorsement-state",
                say(
                    "Something has become of this endorsement meanwhile, so this step does not fit."
                ),
                fix=say("Open the page again and see what became of it."),
            )
        row.state = new
        if new == "withdrawn":
            row.withdrawn_at, row.withdrawn_by = now, actor
        else:
            row.decided_at, row.decided_by = now, actor
        session.flush()
        if new == "accepted":
            _must_be_portable(campus, session, row)
        _note(session, row, actor, new, now)


def _must_be_portable(campus: Campus, session: Session, row: Endorsement) -> None:
    """A sample of the badge with what it carries now, held against the verifiers' rules."""
    key = (row.achievement_id, row.version or 0)
    inside = endorsed.carried(session, {key}).get(key, ())
    badge = session.get_one(Achievement, row.achievement_id)
    version = session.scalars(
        select(AchievementVersion).where(
            AchievementVersion.achievement_id == badge.id, AchievementVersion.number == key[1]
        )
    ).one()
    sample = freeze.compose_sample(campus, session, badge, version)
    freeze.check(issuing.endorsed(sample, inside))


def _note(session: Session, row: Endorsement, actor: str, what: str, now: datetime) -> None:
    detail = {"achievement": row.achievement_id}
    audit.record(session, actor, f"endorsement.{what}", f"endorsement:{row.id}", detail, now)
