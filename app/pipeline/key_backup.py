"""What a campus needs to stand behind its badges when the database is lost: identities, keys, lists.

A backup holds every issuer with its private keys (under the passphrase, not the master key), and
which entries of its status lists are used and which are set, so that no revoked badge comes back and
no entry is given away twice. Keys that a vault keeps are in it by name only. Restoring adds what is
missing and changes nothing that is there, so it can be repeated.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import audit
from app.credentials import issuers, sealed_file, status
from app.credentials.keyring import FILE
from app.credentials.keys import KeyKind, PublicKey, SigningKey
from app.db import new_id
from app.errors import Conflict, Invalid
from app.models import Issuer, IssuerKey, SpentEntry, StatusList, SystemFact
from app.pipeline.campus import Campus

FORMAT: Final = 1
_PROFILE: Final = ("slug", "did", "name", "url", "email", "description")


def backup(campus: Campus, passphrase: str, actor: str) -> bytes:
    """Everything of every issuer, sealed. Raises Invalid for a short passphrase."""
    with campus.db.transaction() as session:
        now = campus.clock()
        found = list(session.scalars(select(Issuer).order_by(Issuer.created_at, Issuer.slug)))
        content = {
            "format": FORMAT,
            "made_at": now.isoformat(),
            "public_url": campus.settings.public_url,
            "issuers": [_issuer(campus, session, row) for row in found],
        }
        sealed = sealed_file.seal(json.dumps(content).encode(), passphrase)
        audit.record(session, actor, "keys.backed-up", "keys", {"issuers": len(found)}, now)
    return sealed


def _issuer(campus: Campus, session: Session, row: Issuer) -> dict[str, Any]:
    keys = select(IssuerKey).where(IssuerKey.issuer_id == row.id).order_by(IssuerKey.created_at)
    lists = select(StatusList).where(StatusList.issuer_id == row.id).order_by(StatusList.number)
    return {
        **{name: getattr(row, name) for name in _PROFILE},
        "created_at": row.created_at.isoformat(),
        "keys": [_key(campus, key) for key in session.scalars(keys)],
        "lists": [
            {"number": one.number, "revoked": sorted(issuers.revoked_entries(session, one))}
            for one in session.scalars(lists)
        ],
    }


def _key(campus: Campus, row: IssuerKey) -> dict[str, Any]:
    pem = campus.box.open(row.sealed).decode("ascii") if row.keeper == FILE else ""
    return {
        "kind": row.kind,
        "keeper": row.keeper,
        "remote": row.remote,
        "pem": pem,
        "jwk": row.public_jwk,
        "state": row.state,
        "created_at": row.created_at.isoformat(),
        "signs_from": row.signs_from.isoformat(),
        "retired_at": row.retired_at.isoformat() if row.retired_at else None,
    }


def restore(campus: Campus, content: bytes, passphrase: str, actor: str) -> tuple[int, int]:
    """Bring issuers and keys back; returns how many of each were added.

    Raises Invalid for a file or passphrase that does not fit, Conflict when this server has
    another public address than the one that the badges name.
    """
    try:
        found = json.loads(sealed_file.unseal(content, passphrase))
        if found["format"] != FORMAT:
            raise Invalid("other-backup", "This backup was made by another version of Tassel.")
    except (ValueError, KeyError, TypeError):
        raise Invalid("not-a-backup", "This file holds no backup of keys.") from None
    url = campus.settings.public_url
    if found["public_url"] != url:
        raise Conflict(
            "other-public-url",
            f"The badges of this backup name {found['public_url']}, this server is {url}.",
            fix="Set TASSEL_PUBLIC_URL to the address that the badges name.",
        )
    with campus.db.transaction() as session:
        before = _numbers(session)
        for one in found["issuers"]:
            _restore_issuer(campus, session, one)
        after = _numbers(session)
        added = after[0] - before[0], after[1] - before[1]
        now = campus.clock()
        if session.get(SystemFact, "public_url") is None and any(
            one["lists"] for one in found["issuers"]
        ):
            session.add(SystemFact(key="public_url", value=url, at=now))
        detail = {"issuers": added[0], "keys": added[1]}
        audit.record(session, actor, "keys.restored", "keys", detail, now)
    return added


def _numbers(session: Session) -> tuple[int, int]:
    """Issuers and keys that are here."""
    tables = (Issuer, IssuerKey)
    found = [session.scalar(select(func.count()).select_from(one)) or 0 for one in tables]
    return found[0], found[1]


def _restore_issuer(campus: Campus, session: Session, found: dict[str, Any]) -> None:
    issuer = session.scalar(select(Issuer).where(Issuer.did == found["did"]))
    if issuer is None:
        profile = {name: found[name] for name in _PROFILE}
        issuer = Issuer(id=new_id(), created_at=_moment(found["created_at"]), **profile)
        session.add(issuer)
        session.flush()
    for key in found["keys"]:
        _restore_key(campus, session, issuer, key)
    for one in found["lists"]:
        _restore_list(campus, session, issuer, one)


def _restore_key(campus: Campus, session: Session, issuer: Issuer, found: dict[str, Any]) -> None:
    public = PublicKey.from_jwk(found["jwk"])
    query = select(IssuerKey).where(
        IssuerKey.issuer_id == issuer.id, IssuerKey.fragment == public.fragment
    )
    row = session.scalar(query)
    if row is not None:
        return
    sealed = ""
    if found["keeper"] == FILE:
        private = SigningKey.from_pem(found["pem"].encode("ascii"))
        sealed = campus.box.seal(private.to_pem())
    session.add(
        IssuerKey(
            issuer_id=issuer.id,
            kind=KeyKind(found["kind"]).value,
            fragment=public.fragment,
            keeper=found["keeper"],
            sealed=sealed,
            remote=found["remote"],
            public_jwk=public.jwk,
            public_multibase=public.multikey,
            state=found["state"],
            created_at=_moment(found["created_at"]),
            signs_from=_moment(found["signs_from"]),
            retired_at=_moment(found["retired_at"]) if found["retired_at"] else None,
        )
    )
    session.flush()


def _restore_list(campus: Campus, session: Session, issuer: Issuer, found: dict[str, Any]) -> None:
    """A list that is not here, with its bits; full, so that no entry is given to somebody else."""
    query = select(StatusList.id).where(
        StatusList.issuer_id == issuer.id, StatusList.number == found["number"]
    )
    if session.scalar(query) is not None:
        return
    now = campus.clock()
    made = StatusList(
        id=new_id(), issuer_id=issuer.id, number=found["number"], used=status.COMFORTABLE
    )
    made.revision = 0
    session.add(made)
    session.flush()
    for index in found["revoked"]:
        entry = {"status_list_id": made.id, "status_index": index, "reason": "restored"}
        session.add(SpentEntry(id=new_id(), at=now, **entry))
    session.flush()
    issuers.sign_status_list(session, campus.keyring, campus.settings.public_url, made, now)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
