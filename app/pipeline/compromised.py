"""The drill for a signing key in wrong hands: out of the list, what it signed revoked and signed anew.

Every step is a row that says so, so the command can be given again after a kill at any line and goes
on where it was. A learner keeps the award, its date and its links; only the credential changes, and
a mail says so. An award that was revoked before stays revoked and is not signed again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session

from app import audit
from app.credentials import issuers
from app.credentials.keyring import NewKey
from app.credentials.keys import KeyKind
from app.errors import NotFound
from app.models import (
    Achievement,
    Award,
    Credential,
    Issuer,
    IssuerKey,
    OptOut,
    Person,
    StatusList,
)
from app.pipeline import award as signing
from app.pipeline import holders
from app.pipeline.campus import Campus
from app.pipeline.supersede import KEY_COMPROMISED, supersede_in

GROUP = 100


@dataclass(frozen=True)
class Count:
    """What the drill has to do, or had left to do when it was counted."""

    signed: int
    """Credentials that the key ever signed."""
    replace: int
    """Awards whose present credential is one of them: it is revoked and signed anew."""
    waiting: int
    """Awards that are revoked already and wait for their new signature."""
    revoked: int
    """Awards that were taken back before: they stay so."""
    unreachable: int
    """Learners among ``replace`` who get no mail: without an address, or who want none."""


def find(campus: Campus, fragment: str) -> tuple[IssuerKey, Issuer]:
    """The key with this name (a unique beginning will do) and its issuer. Raises NotFound."""
    with campus.db.reading() as session:
        query = (
            select(IssuerKey, Issuer)
            .join(Issuer, Issuer.id == IssuerKey.issuer_id)
            .where(IssuerKey.fragment.startswith(fragment, autoescape=True))
        )
        found = session.execute(query.limit(2)).all()
    if len(found) != 1 or len(fragment) < 8:
        raise NotFound(
            "no-such-key",
            "No single signing key has a name that begins so.",
            fix="Copy the name from Issuers and keys, or from the DID document after the #.",
        )
    return found[0][0], found[0][1]


def count(campus: Campus, fragment: str) -> Count:
    """What is to be done; nothing is changed."""
    key, _ = find(campus, fragment)
    with campus.db.reading() as session:
        present = _present(key)
        opted_out = select(OptOut.learner_id).where(OptOut.kind == "mail")
        unheard = or_(Person.email.is_(None), Award.learner_id.in_(opted_out))
        return Count(
            signed=_number(session, select(func.count(Credential.id)).where(_by(key))),
            replace=_states(session, present, "issued"),
            waiting=_states(session, present, "waiting", "needs_recipient"),
            revoked=_states(session, present, "revoked", "superseded"),
            unreachable=_number(
                session,
                select(func.count(Award.id))
                .join(Person, Person.id == Award.person_id)
                .where(present, Award.state == "issued", unheard),
            ),
        )


def run(campus: Campus, fragment: str, actor: str) -> Count:
    """Do it all; returns what is left, which is nothing but awards without a recipient's address.

    Raises NotFound, and UpstreamError of a keeper: give the command again then.
    """
    key, issuer = find(campus, fragment)
    begin(campus, key, issuer, actor)
    while replace_some(campus, key, actor):
        pass
    me = holders.process_name()
    while batches := signing.claim(campus, holder=me):
        for batch in batches:
            signing.run(campus, batch.ids)
    return count(campus, key.fragment)


def begin(campus: Campus, key: IssuerKey, issuer: Issuer, actor: str) -> None:
    """Take the key out of the DID document and let another one sign at once; repeatable.

    Its issuer's status lists are signed anew, since whatever the key vouched for is worth nothing.
    """
    kind = KeyKind(key.kind)
    spare = campus.keyring.make(issuer.slug, kind)
    with campus.db.transaction() as session:
        row = session.get_one(IssuerKey, key.id, with_for_update=True)
        if row.state == "compromised":
            return
        now = campus.clock()
        row.state, row.retired_at = "compromised", row.retired_at or now
        successor = _succeed(session, issuer, kind, spare, now)
        detail = {"kind": key.kind, "fragment": key.fragment, "successor": successor}
        audit.record(session, actor, "issuer.key-compromised", f"issuer:{issuer.id}", detail, now)
        if kind is KeyKind.ED25519:
            query = select(StatusList).where(StatusList.issuer_id == issuer.id)
            for status_list in session.scalars(query.order_by(StatusList.id).with_for_update()):
                _sign(campus, session, status_list, now)


def _succeed(session: Session, issuer: Issuer, kind: KeyKind, spare: NewKey, now: datetime) -> str:
    """The fragment of the key that signs from now on: one that waits for its time, or ``spare``."""
    left = issuers.open_keys(session, issuer.id, kind)
    if left:
        left[-1].signs_from = min(left[-1].signs_from, now)
        session.flush()
        return left[-1].fragment
    return issuers.add_key(session, issuer, spare, now, signs_from=now).fragment


def replace_some(campus: Campus, key: IssuerKey, actor: str) -> int:
    """Revoke the credentials of up to a hundred awards and let them be signed anew; how many."""
    with campus.db.transaction() as session:
        now = campus.clock()
        query = (
            select(Award)
            .where(_present(key), Award.state == "issued")
            .order_by(Award.id)
            .limit(GROUP)
            .with_for_update(of=Award)
        )
        awards = list(session.scalars(query))
        if not awards:
            return 0
        note = {"key": key.fragment}
        supersede_in(campus, session, awards, KEY_COMPROMISED, actor, now, note=note)
        return len(awards)


def _sign(campus: Campus, session: Session, status_list: StatusList, now: datetime) -> None:
    """As served from now on. A list that nobody was given yet is signed with its first award."""
    if status_list.signed is not None:
        url = campus.settings.public_url
        issuers.sign_status_list(session, campus.keyring, url, status_list, now)


def unfinished(session: Session) -> dict[str, int]:
    """Compromised keys and how many awards still show a credential of theirs."""
    found = {}
    for key in session.scalars(select(IssuerKey).where(IssuerKey.state == "compromised")):
        left = _states(session, _present(key), "issued")
        if left:
            found[key.fragment] = left
    return found


def _by(key: IssuerKey) -> ColumnElement[bool]:
    return or_(Credential.embedded_key == key.fragment, Credential.token_key == key.fragment)


def _present(key: IssuerKey) -> ColumnElement[bool]:
    """Awards of the issuer whose newest credential the key signed."""
    last = (
        select(func.max(Credential.number))
        .where(Credential.award_id == Award.id)
        .correlate(Award)
        .scalar_subquery()
    )
    newest = select(Credential.award_id).where(_by(key), Credential.number == last)
    return Award.id.in_(newest.correlate(Award)) & Award.achievement_id.in_(
        select(Achievement.id).where(Achievement.issuer_id == key.issuer_id)
    )


def _states(session: Session, present: ColumnElement[bool], *states: str) -> int:
    return _number(session, select(func.count(Award.id)).where(present, Award.state.in_(states)))


def _number(session: Session, query: Select[int]) -> int:
    return int(session.scalar(query) or 0)


def as_lines(counted: Count) -> list[str]:
    """For people at a terminal."""
    words = {
        "signed": "credentials were signed with this key",
        "replace": "awards have to be revoked and signed again",
        "waiting": "awards are revoked and wait for their new signature",
        "revoked": "awards were taken back before and stay so",
        "unreachable": "learners among them get no mail (no address, or they want none)",
    }
    return [f"{value:6}  {words[name]}" for name, value in asdict(counted).items()]
