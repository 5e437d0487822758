"""Issuers with their keys, and everything that their names resolve to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Any

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from app.credentials import did, status
from app.credentials.document import IssuerProfile, issuer_object
from app.credentials.keyring import FILE, Keyring, NewKey
from app.credentials.keys import KeyKind, PublicKey, Signer
from app.credentials.proofs import data_integrity
from app.db import new_id
from app.errors import Conflict, NotFound
from app.models import Award, ErasedEntry, Issuer, IssuerKey, SpentEntry, StatusList

DEFAULT_SLUG = "campus"
OVERLAP = timedelta(hours=1)
"""A new key is listed for so long before it signs: longer than caches keep a DID document."""
_random = SystemRandom()


def fresh_keys(keyring: Keyring, slug: str, kinds: Iterable[KeyKind] = KeyKind) -> list[NewKey]:
    """Keys for an issuer, made outside any transaction: a keeper may be far away."""
    return [keyring.make(slug, kind) for kind in kinds]


def create(
    session: Session, public_url: str, slug: str, name: str, keys: list[NewKey], now: datetime
) -> Issuer:
    """A new issuer with its first keys. Raises Invalid for an unusable slug."""
    issuer = Issuer(
        id=new_id(),
        slug=slug,
        did=did.did_for(public_url, slug),
        name=name,
        url=f"{public_url}/issuers/{slug}/profile",
        created_at=now,
    )
    session.add(issuer)
    session.flush()
    for key in keys:
        add_key(session, issuer, key, now, signs_from=now)
    return issuer


def add_key(
    session: Session, issuer: Issuer, key: NewKey, now: datetime, *, signs_from: datetime
) -> IssuerKey:
    """Keep a key that was made; listed from now on, signing from ``signs_from`` on."""
    row = IssuerKey(
        issuer_id=issuer.id,
        kind=key.public.kind.value,
        fragment=key.public.fragment,
        keeper=key.keeper,
        sealed=key.sealed,
        remote=key.remote,
        public_jwk=key.public.jwk,
        public_multibase=key.public.multikey,
        created_at=now,
        signs_from=signs_from,
    )
    session.add(row)
    session.flush()
    return row


def rotate(
    session: Session, issuer: Issuer, key: NewKey, now: datetime, *, overlap: timedelta = OVERLAP
) -> IssuerKey:
    """List a new key now; it signs after ``overlap``, and until then its predecessor does.

    The old one stays listed for ever, so that old badges keep verifying. Raises Conflict while an
    earlier successor waits for its time.
    """
    begins = now + overlap
    old = open_keys(session, issuer.id, key.public.kind)
    waiting = [row for row in old if row.signs_from > now]
    if waiting:
        raise Conflict(
            "issuer-key-waiting",
            f"A new key is listed already and signs from {waiting[0].signs_from:%Y-%m-%d %H:%M} UTC.",
            fix="Wait until it signs, then rotate again.",
        )
    for row in old:
        row.state, row.retired_at = "retired", begins
    return add_key(session, issuer, key, now, signs_from=begins)


def open_keys(session: Session, issuer_id: str, kind: KeyKind) -> list[IssuerKey]:
    """Keys of a kind whose end is not fixed; the rows are locked against another rotation."""
    query = (
        select(IssuerKey)
        .where(
            IssuerKey.issuer_id == issuer_id,
            IssuerKey.kind == kind.value,
            IssuerKey.state == "active",
        )
        .order_by(IssuerKey.signs_from)
        .with_for_update()
    )
    return list(session.scalars(query))


def by_slug(session: Session, slug: str) -> Issuer:
    """The issuer at ``/issuers/<slug>``; raises NotFound."""
    found = session.scalar(select(Issuer).where(Issuer.slug == slug))
    if found is None:
        raise NotFound("issuer-unknown", "There is no such issuer here.")
    return found


def public_keys(session: Session, issuer: Issuer) -> list[PublicKey]:
    """Every key that verifies, oldest first; compromised ones are left out."""
    query = (
        select(IssuerKey)
        .where(IssuerKey.issuer_id == issuer.id, IssuerKey.state != "compromised")
        .order_by(IssuerKey.created_at, IssuerKey.kind, IssuerKey.id)
    )
    return [PublicKey.from_jwk(row.public_jwk) for row in session.scalars(query)]


def key_row(session: Session, issuer_id: str, kind: KeyKind, now: datetime) -> IssuerKey:
    """The key of a kind that signs at ``now``. Raises NotFound when there is none."""
    row = session.scalar(
        select(IssuerKey)
        .where(
            IssuerKey.issuer_id == issuer_id,
            IssuerKey.kind == kind.value,
            IssuerKey.state != "compromised",
            IssuerKey.signs_from <= now,
            or_(IssuerKey.retired_at.is_(None), IssuerKey.retired_at > now),
        )
        .order_by(IssuerKey.signs_from.desc(), IssuerKey.created_at.desc())
        .limit(1)
    )
    if row is None:
        raise NotFound(
            "issuer-key-missing", "This issuer has no active key.", fix="Rotate its keys."
        )
    return row


def signing_key(
    session: Session, keyring: Keyring, issuer_id: str, kind: KeyKind, now: datetime
) -> Signer:
    """What signs for the issuer at ``now``. Raises NotFound when there is no such key."""
    return keyring.signer(key_row(session, issuer_id, kind, now))


def did_document(session: Session, issuer: Issuer) -> dict[str, Any]:
    """What the issuer's DID resolves to."""
    return did.did_document(issuer.did, public_keys(session, issuer))


def jwks(session: Session, issuer: Issuer) -> dict[str, Any]:
    """The same keys as a JWK set."""
    return did.jwks(issuer.did, public_keys(session, issuer))


def profile(issuer: Issuer) -> IssuerProfile:
    """The facts that stand in each credential."""
    return IssuerProfile(
        did=issuer.did,
        name=issuer.name,
        url=issuer.url,
        email=issuer.email,
        description=issuer.description or None,
    )


def profile_json(issuer: Issuer) -> dict[str, Any]:
    """The issuer's profile as served at its address."""
    return issuer_object(profile(issuer))


def status_url(public_url: str, issuer: Issuer, number: int) -> str:
    """Where a status list stands for ever."""
    return f"{public_url}/issuers/{issuer.slug}/status/{number}"


def reserve_status(session: Session, issuer: Issuer, awards: list[Award]) -> None:
    """Give each award a random free entry of the issuer's current list (a new one near 50,000)."""
    todo = [award for award in awards if award.status_list_id is None]
    if not todo:
        return
    lock(session, [issuer.id])
    current = _current_list(session, issuer)
    taken = _taken(session, current)
    for award in todo:
        if current.used >= status.COMFORTABLE:
            current = _new_list(session, issuer, current.number + 1)
            taken = set()
        award.status_list_id = current.id
        award.status_index = status.pick_index(taken, _random)
        taken.add(award.status_index)
        current.used += 1
    session.flush()


def lock(session: Session, issuer_ids: Iterable[str]) -> None:
    """Keep others from beginning lists of these issuers; to be taken before any list is locked.

    A lock on the newest list is not enough: whoever waited for one that is full by now would not
    see the list that was begun meanwhile, and begin it again.
    """
    rows = select(Issuer.id).where(Issuer.id.in_(set(issuer_ids))).order_by(Issuer.id)
    session.execute(rows.with_for_update(key_share=True))


def _current_list(session: Session, issuer: Issuer) -> StatusList:
    """The newest list, locked against those who sign it."""
    query = select(StatusList).where(StatusList.issuer_id == issuer.id)
    newest = session.scalar(query.order_by(StatusList.number.desc()).limit(1).with_for_update())
    return newest or _new_list(session, issuer, 1)


def _new_list(session: Session, issuer: Issuer, number: int) -> StatusList:
    made = StatusList(id=new_id(), issuer_id=issuer.id, number=number, used=0, revision=0)
    session.add(made)
    session.flush()
    return made


def _taken(session: Session, status_list: StatusList) -> set[int]:
    awarded = select(Award.status_index).where(Award.status_list_id == status_list.id)
    erased = select(ErasedEntry.status_index).where(ErasedEntry.status_list_id == status_list.id)
    return _indexes(session, awarded) | _indexes(session, erased) | _spent(session, status_list)


def revoked_entries(session: Session, status_list: StatusList) -> set[int]:
    """The bits that are set: of revoked awards, and of credentials that others replaced."""
    revoked = select(Award.status_index).where(
        Award.status_list_id == status_list.id, Award.revoked_at.is_not(None)
    )
    return _indexes(session, revoked) | _spent(session, status_list)


def _spent(session: Session, status_list: StatusList) -> set[int]:
    return _indexes(
        session,
        select(SpentEntry.status_index).where(SpentEntry.status_list_id == status_list.id),
    )


def _indexes(session: Session, query: Select[int] | Select[int | None]) -> set[int]:
    return {index for index in session.scalars(query) if index is not None}


def list_document(
    session: Session, public_url: str, status_list: StatusList, now: datetime
) -> dict[str, Any]:
    """The unsigned list as it stands after the caller's changes."""
    issuer = session.get_one(Issuer, status_list.issuer_id)
    return status.list_credential(
        url=status_url(public_url, issuer, status_list.number),
        issuer_did=issuer.did,
        bits=status.with_set(revoked_entries(session, status_list)),
        valid_from=now,
    )


def sign_status_list(
    session: Session, keyring: Keyring, public_url: str, status_list: StatusList, now: datetime
) -> None:
    """Sign the list as it stands after the caller's changes; what is served is only ever this.

    A key that is kept elsewhere is not asked inside a transaction: the list is left as due, and
    ``pipeline.lists`` has it signed a moment later.
    """
    key = key_row(session, status_list.issuer_id, KeyKind.ED25519, now)
    if key.keeper != FILE:
        status_list.signed_revision = -1
        return
    document = list_document(session, public_url, status_list, now)
    keep_signed(
        status_list,
        data_integrity.sign(document, keyring.signer(key), now=now),
        status_list.revision,
        now,
    )


def keep_signed(status_list: StatusList, signed: bytes, revision: int, now: datetime) -> None:
    """Serve ``signed``, which says what the list was at ``revision``."""
    status_list.signed = signed
    status_list.signed_revision = revision
    status_list.signed_at = now


def status_list_bytes(session: Session, issuer: Issuer, number: int) -> bytes:
    """The signed list as served; raises NotFound."""
    query = select(StatusList.signed).where(
        StatusList.issuer_id == issuer.id, StatusList.number == number
    )
    signed = session.scalar(query)
    if signed is None:
        raise NotFound("status-list-unknown", "There is no such status list.")
    return signed
