"""Issuers and their keys: made, completed, rotated. Keys are made outside transactions.

A new key is listed at once and signs an hour later; what it replaces stays listed for ever.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import audit
from app.credentials import issuers
from app.credentials.keyring import NewKey
from app.credentials.keys import KeyKind
from app.errors import Invalid, NotFound
from app.models import Issuer, IssuerKey
from app.pipeline.campus import Campus

_SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,58}[a-z0-9])?")


def default_issuer(campus: Campus, actor: str = "system") -> str:
    """The id of the campus's first issuer, made with its keys when there is none."""
    slug = issuers.DEFAULT_SLUG
    with campus.db.reading() as session:
        found = session.scalar(select(Issuer.id).where(Issuer.slug == slug))
    if found is not None:
        return found
    keys = issuers.fresh_keys(campus.keyring, slug)
    name = campus.settings.campus_name
    return campus.db.settle(partial(_make, campus, slug, name, keys, actor, exist_ok=True))


def found_department(campus: Campus, slug: str, name: str, actor: str) -> str:
    """One more issuer with keys of its own; returns its id. Raises Invalid.

    ``slug`` becomes the end of its DID and never changes.
    """
    name = " ".join(name.split())
    fields = {}
    if not _SLUG.fullmatch(slug):
        fields["slug"] = "1 to 60 small letters, digits and inner hyphens"
    if not 2 <= len(name) <= 300:
        fields["name"] = "2 to 300 characters"
    with campus.db.reading() as session:
        if session.scalar(select(Issuer.id).where(Issuer.slug == slug)) is not None:
            fields["slug"] = "this one is taken"
    if fields:
        raise Invalid("bad-issuer", "The issuer was not made.", fields=fields)
    keys = issuers.fresh_keys(campus.keyring, slug)
    return campus.db.settle(partial(_make, campus, slug, name, keys, actor, exist_ok=False))


def _make(
    campus: Campus,
    slug: str,
    name: str,
    keys: list[NewKey],
    actor: str,
    session: Session,
    *,
    exist_ok: bool,
) -> str:
    there = session.scalar(select(Issuer).where(Issuer.slug == slug))
    if there is not None and not exist_ok:
        taken = {"slug": "this one is taken"}
        raise Invalid("bad-issuer", "The issuer was not made.", fields=taken)
    if there is not None:
        return there.id
    now = campus.clock()
    made = issuers.create(session, campus.settings.public_url, slug, name, keys, now)
    audit.record(session, actor, "issuer.made", f"issuer:{made.id}", {}, now)
    return made.id


def complete(campus: Campus) -> int:
    """Give every issuer the kinds of keys that it lacks; returns how many were made.

    An issuer of an earlier version has no P-256 key. Raises UpstreamError of a keeper.
    """
    with campus.db.reading() as session:
        rows = session.execute(
            select(Issuer.id, Issuer.slug, IssuerKey.kind)
            .outerjoin(IssuerKey, IssuerKey.issuer_id == Issuer.id)
            .order_by(Issuer.created_at)
        ).all()
    present = {(issuer_id, kind) for issuer_id, _, kind in rows}
    lacking = [
        (issuer_id, slug, kind)
        for issuer_id, slug in dict.fromkeys((row[0], row[1]) for row in rows)
        for kind in KeyKind
        if (issuer_id, kind.value) not in present
    ]
    for issuer_id, slug, kind in lacking:
        key = campus.keyring.make(slug, kind)
        with campus.db.transaction() as session:
            issuer = session.get_one(Issuer, issuer_id, with_for_update=True)
            now = campus.clock()
            made = issuers.add_key(session, issuer, key, now, signs_from=now)
            detail = {"kind": kind.value, "fragment": made.fragment}
            audit.record(session, "system", "issuer.key-added", f"issuer:{issuer_id}", detail, now)
    return len(lacking)


def rotate(campus: Campus, issuer_id: str, kind: KeyKind, actor: str) -> IssuerKey:
    """List a new key that signs an hour later. Raises NotFound, Conflict, UpstreamError."""
    with campus.db.reading() as session:
        slug = session.scalar(select(Issuer.slug).where(Issuer.id == issuer_id))
    if slug is None:
        raise NotFound("no-such-issuer", "There is no such issuer.")
    key = campus.keyring.make(slug, kind)
    with campus.db.transaction() as session:
        issuer = session.get_one(Issuer, issuer_id, with_for_update=True)
        now = campus.clock()
        made = issuers.rotate(session, issuer, key, now)
        detail = {"kind": kind.value, "fragment": made.fragment}
        audit.record(session, actor, "issuer.key-rotated", f"issuer:{issuer_id}", detail, now)
    return made
