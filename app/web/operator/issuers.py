"""Issuers: the profile that stands in every badge, and the keys that sign."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from app import audit
from app.credentials import endorsed
from app.credentials.issuers import DEFAULT_SLUG
from app.credentials.keys import KeyKind
from app.errors import Invalid, NotFound
from app.models import Achievement, Award, Issuer, IssuerKey
from app.pipeline import endorse, issuer_keys, publication
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
    admits: bool = False
    """Whether teachers publish in its name themselves."""


def parse(form: MultiDict[str, str]) -> IssuerForm:
    """Raises Invalid with a message per field."""
    found = IssuerForm(
        name=form.get("name", "").strip()[:300],
        url=form.get("url", "").strip()[:500],
        email=form.get("email", "").strip()[:320],
        description=form.get("description", "").strip()[:5000],
        admits="admits" in form,
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
    return IssuerForm(
        issuer.name,
        issuer.url,
        issuer.email or "",
        issuer.description,
        publication.admits(issuer),
    )


@bp.get("/issuers")
def issuers() -> ResponseReturnValue:
    """Every issuer with its badges, awards and keys."""
    return _list({}, {})


def _list(typed: Mapping[str, str], errors: Mapping[str, str]) -> str:
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
            admits=publication.admits,
            typed=typed,
            errors=errors,
        )


@bp.post("/issuers")
def issuer_make() -> ResponseReturnValue:
    """The campus's first issuer with its keys; a repeat finds the one that is there."""
    made = issuer_keys.default_issuer(session.campus(), actor())
    return done("operator.issuer", "issuer_saved", issuer_id=made)


@bp.post("/issuers/more")
def issuer_found() -> ResponseReturnValue:
    """One more issuer, with keys of its own."""
    slug, name = (request.form.get(field, "").strip() for field in ("slug", "name"))
    try:
        made = issuer_keys.found_department(session.campus(), slug, name, actor())
    except Invalid as error:
        said = {
            "name": gettext("Give a name of 2 to 300 characters."),
            "slug": gettext(
                "Small letters, digits and hyphens, at most 60, not used by another issuer."
            ),
        }
        return _list(request.form, {field: said[field] for field in error.fields}), 422
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
        first=row.slug == DEFAULT_SLUG,
        form=form or _form_of(row),
        errors=errors,
        keys=_keys(db, issuer_id),
        endorsements=endorsed.of_issuer(db, issuer_id),
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
        row.admits_instructors = form.admits
        detail = {"admits": form.admits}
        audit.record(db, actor(), "issuer.changed", f"issuer:{row.id}", detail, now)
    return done("operator.issuer", "issuer_saved", issuer_id=issuer_id)


def _typed(form: MultiDict[str, str]) -> IssuerForm:
    name, url, email, description = (
        form.get(field, "") for field in ("name", "url", "email", "description")
    )
    return IssuerForm(name, url, email, description, "admits" in form)


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


@bp.post("/issuers/<issuer_id>/endorsements/<endorsement_id>/withdraw")
def endorsement_withdraw(issuer_id: str, endorsement_id: str) -> ResponseReturnValue:
    """Take back what a course accepted; badges that are signed from now on do not carry it."""
    with session.campus().db.reading() as db:
        standing = endorsed.of_issuer(db, issuer_id)
    found = next((badge for _, badge, one in standing if one.id == endorsement_id), None)
    if found is None:
        raise NotFound("endorsement-unknown", "No badge of this issuer has such an endorsement.")
    endorse.withdraw(session.campus(), found, endorsement_id, actor())
    return done("operator.issuer", "endorsement_withdrawn", issuer_id=issuer_id)
