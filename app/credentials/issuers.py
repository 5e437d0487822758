"""Issuers with their keys, and everything that their names resolve to."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from random import SystemRandom
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.credentials import did, status
from app.credentials.document import IssuerProfile, issuer_object
from app.credentials.keys import KeyKind, PublicKey, SigningKey, generate
from app.credentials.proofs import data_integrity
from app.db import new_id
from app.errors import NotFound
from app.models import Award, Issuer, IssuerKey, StatusList
from app.secrets import SecretBox

DEFAULT_SLUG = "campus"
_random = SystemRandom()


def ensure_default(
    session: Session, public_url: str, name: str, box: SecretBox, now: datetime
) -> Issuer:
    """The campus's first issuer, made with its keys when there is none."""
    found = session.scalar(select(Issuer).where(Issuer.slug == DEFAULT_SLUG))
    if found is None:
        found = create(session, public_url, DEFAULT_SLUG, name, box, now)
    return found


def create(
    session: Session, public_url: str, slug: str, name: str, box: SecretBox, now: datetime
) -> Issuer:
    """A new issuer with an Ed25519 and an RSA key. Raises Invalid for an unusable slug."""
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
    for kind in (KeyKind.ED25519, KeyKind.RSA_2048):
        add_key(session, box, issuer, kind, now)
    return issuer


def add_key(
    session: Session, box: SecretBox, issuer: Issuer, kind: KeyKind, now: datetime
) -> IssuerKey:
    """Generate a key and keep its private half under the master key."""
    key = generate(kind)
    row = IssuerKey(
        issuer_id=issuer.id,
        kind=kind.value,
        fragment=key.fragment,
        sealed=box.seal(key.to_pem()),
        public_jwk=key.public.jwk,
        public_multibase=key.public.multikey,
        created_at=now,
    )
    session.add(row)
    session.flush()
    return row


def rotate(
    session: Session, box: SecretBox, issuer: Issuer, kind: KeyKind, now: datetime
) -> IssuerKey:
    """A new signing key; the old one stays listed, so that old badges keep verifying."""
    old = session.scalars(
        select(IssuerKey).where(
            IssuerKey.issuer_id == issuer.id,
            IssuerKey.kind == kind.value,
            IssuerKey.state == "active",
        )
    )
    for row in old:
        row.state = "retired"
        row.retired_at = now
    return add_key(session, box, issuer, kind, now)


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


def signing_key(session: Session, box: SecretBox, issuer_id: str, kind: KeyKind) -> SigningKey:
    """The active key of a kind, loaded once per process (an RSA key costs 37 ms to load)."""
    row = session.scalar(
        select(IssuerKey)
        .where(
            IssuerKey.issuer_id == issuer_id,
            IssuerKey.kind == kind.value,
            IssuerKey.state == "active",
        )
        .order_by(IssuerKey.created_at.desc())
        .limit(1)
    )
    if row is None:
        raise NotFound(
            "issuer-key-missing", "This issuer has no active key.", fix="Rotate its keys."
        )
    return _loaded(box, row.sealed)


@lru_cache(maxsize=64)
def _loaded(box: SecretBox, sealed: str) -> SigningKey:
    return SigningKey.from_pem(box.open(sealed))


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


def _current_list(session: Session, issuer: Issuer) -> StatusList:
    """The newest list, locked: two workers must not draw the same entry."""
    query = select(StatusList).where(StatusList.issuer_id == issuer.id)
    newest = session.scalar(query.order_by(StatusList.number.desc()).limit(1).with_for_update())
    return newest or _new_list(session, issuer, 1)


def _new_list(session: Session, issuer: Issuer, number: int) -> StatusList:
    made = StatusList(id=new_id(), issuer_id=issuer.id, number=number, used=0, revision=0)
    session.add(made)
    session.flush()
    return made


def _taken(session: Session, status_list: StatusList) -> set[int]:
    query = select(Award.status_index).where(Award.status_list_id == status_list.id)
    return {index for index in session.scalars(query) if index is not None}


def sign_status_list(
    session: Session, box: SecretBox, public_url: str, status_list: StatusList, now: datetime
) -> None:
    """Sign the list as it stands after the caller's changes; what is served is only ever this."""
    issuer = session.get_one(Issuer, status_list.issuer_id)
    revoked = select(Award.status_index).where(
        Award.status_list_id == status_list.id, Award.revoked_at.is_not(None)
    )
    indexes = {index for index in session.scalars(revoked) if index is not None}
    document = status.list_credential(
        url=status_url(public_url, issuer, status_list.number),
        issuer_did=issuer.did,
        bits=status.with_set(indexes),
        valid_from=now,
    )
    key = signing_key(session, box, issuer.id, KeyKind.ED25519)
    status_list.signed = data_integrity.sign(document, key, now=now)
    status_list.signed_revision = status_list.revision
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
