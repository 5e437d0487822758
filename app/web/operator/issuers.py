"""Issuers: the profile that stands in every badge, and the keys that sign."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from app import audit
from app.credentials.keys import KeyKind
from app.errors import Invalid, NotFound
from app.models import Achievement, Award, Issuer, IssuerKey
from app.pipeline import issuer_keys
from app.web import session
from app.web.operator.blueprint import actor, bp, done

_MAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


@dataclass(frozen=True)
class IssuerForm:
    """The profile as typed."""

    name: str
    url: str
    email: str
    description: str


def parse(form: MultiDict[str, str]) -> IssuerForm:
    """Raises Invalid with a message per field."""
    found = IssuerForm(
        name=form.get("name", "").strip()[:300],
        url=form.get("url", "").strip()[:500],
        email=form.get("email", "").strip()[:320],
        description=form.get("description", "").strip()[:5000],
    )
    fields = {}
    if not found.name:
        fields["name"] = gettext("Give the name that stands on the badges.")
    if not found.url.startswith(("https://", "http://")):
        fields["url"] = gettext("Give a web address that begins with https://.")
    if found.email and not _MAIL.fullmatch(found.email):
        fields["email"] = gettext("This is not an e-mail address.")
    if fields:
        raise Invalid("bad-issuer", "The issuer was not saved.", fields=fields)
    return found


def _form_of(issuer: Issuer) -> IssuerForm:
    return IssuerForm(issuer.name, issuer.url, issuer.email or "", issuer.description)


@bp.get("/issuers")
def issuers() -> ResponseReturnValue:
    """Every issuer with its badges, awards and keys."""
    with session.campus().db.reading() as db:
        awards = (
            select(Achievement.issuer_id, func.count(Award.id))
            .join(Award, Award.achievement_id == Achievement.id)
            .group_by(Achievement.issuer_id)
        )
        return render_template(
            "operator/issuers.html",
            issuers=list(db.scalars(select(Issuer).order_by(Issuer.created_at))),
            awards=dict(db.execute(awards).all()),
            keys=_keys(db, None),
            now=session.campus().clock(),
            campus_name=session.campus().settings.campus_name,
        )


@bp.post("/issuers")
def issuer_make() -> ResponseReturnValue:
    """The campus's first issuer with its keys; a repeat finds the one that is there."""
    made = issuer_keys.default_issuer(session.campus(), actor())
    return done("operator.issuer", "issuer_saved", issuer_id=made)


def _keys(db: Session, issuer_id: str | None) -> list[IssuerKey]:
    query = select(IssuerKey).order_by(IssuerKey.created_at.desc(), IssuerKey.kind)
    if issuer_id:
        query = query.where(IssuerKey.issuer_id == issuer_id)
    return list(db.scalars(query))


@bp.get("/issuers/<issuer_id>")
def issuer(issuer_id: str) -> ResponseReturnValue:
    """Profile form and keys."""
    with session.campus().db.reading() as db:
        return _page(db, issuer_id, None, {})


def _page(db: Session, issuer_id: str, form: IssuerForm | None, errors: dict[str, str]) -> str:
    row = _issuer(db, issuer_id)
    return render_template(
        "operator/issuer.html",
        issuer=row,
        form=form or _form_of(row),
        errors=errors,
        keys=_keys(db, issuer_id),
        now=session.campus().clock(),
        public_url=session.campus().settings.public_url,
    )


def _issuer(db: Session, issuer_id: str) -> Issuer:
    row = db.get(Issuer, issuer_id)
    if row is None:
        raise NotFound("no-such-issuer", "There is no such issuer.")
    return row


@bp.post("/issuers/<issuer_id>")
def issuer_save(issuer_id: str) -> ResponseReturnValue:
    """Save the profile. Badges that are signed keep the text they were signed with."""
    campus = session.campus()
    try:
        form = parse(request.form)
    except Invalid as error:
        with campus.db.reading() as db:
            return _page(db, issuer_id, _typed(request.form), error.fields), 422
    now = campus.clock()
    with campus.db.transaction() as db:
        row = _issuer(db, issuer_id)
        row.name, row.url, row.description = form.name, form.url, form.description
        row.email = form.email or None
        audit.record(db, actor(), "issuer.changed", f"issuer:{row.id}", {}, now)
    return done("operator.issuer", "issuer_saved", issuer_id=issuer_id)


def _typed(form: MultiDict[str, str]) -> IssuerForm:
    names = ("name", "url", "email", "description")
    return IssuerForm(*(form.get(name, "") for name in names))


@bp.get("/issuers/<issuer_id>/rotate/<kind>")
def issuer_rotate(issuer_id: str, kind: str) -> ResponseReturnValue:
    """Say what a new key means, and ask."""
    with session.campus().db.reading() as db:
        row = _issuer(db, issuer_id)
        old = [
            key
            for key in _keys(db, issuer_id)
            if key.kind == _kind(kind).value and key.state == "active"
        ]
    return render_template("operator/issuer_rotate.html", issuer=row, kind=kind, old=old)


def _kind(kind: str) -> KeyKind:
    try:
        return KeyKind(kind)
    except ValueError as error:
        raise NotFound("no-such-kind", "There is no such kind of key.") from error


@bp.post("/issuers/<issuer_id>/rotate/<kind>")
def issuer_rotate_confirm(issuer_id: str, kind: str) -> ResponseReturnValue:
    """List the new key; the old one signs until its time has come, and stays listed."""
    issuer_keys.rotate(session.campus(), issuer_id, _kind(kind), actor())
    return done("operator.issuer", "rotated", issuer_id=issuer_id)
