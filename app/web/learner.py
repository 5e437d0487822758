"""The learner's pages: what is earned, what is missing, who may see it.

Everything here is looked up through the visitor's own person and learner; no id in an address
opens somebody else's badge.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from flask import Blueprint, Response, make_response, request, url_for
from sqlalchemy.orm import Session

from app.credentials import endorsed, files, replaced, shares
from app.credentials.details import Details
from app.errors import Invalid, NotFound
from app.models import Award, Credential, Disclosure, OptOut, Person
from app.pipeline import badges
from app.wallet import offers
from app.web import (
    badge_words,
    certificates,
    evidence,
    learner_data,
    learner_renewal,
    life_words,
    told,
    validity_words,
    wording,
)
from app.web.course_page import frame, picture, show, then
from app.web.learner_data import Mine
from app.web.session import campus

bp = Blueprint("learner", __name__, url_prefix="/courses/<course_id>/me")

MAIL = "mail"
ENDS = ("never", "30", "90", "365")
"""How long a link may stay open: for ever, or so many days."""
KEEP = "keep"


@bp.get("")
def home(course_id: str) -> Response:
    """What I have in this course, and what is missing for the rest."""
    with campus().db.reading() as session:
        around = frame(session, course_id)
        me = learner_data.me(session, around)
        earned = learner_data.earned(session, course_id, me)
        steps = learner_data.in_progress(session, course_id, me, {e.achievement_id for e in earned})
        earned = learner_renewal.newest(earned)
        next_ = learner_renewal.following(session, around, me, [e.award for e in earned])
    return show(
        around,
        "learner/home.html",
        "badges",
        me=me,
        earned=earned,
        next_=next_,
        following=validity_words.following,
        steps=steps,
        reason=wording.reason,
        step=wording.step,
        state=wording.own_award_state,
        picture=picture,
    )


@bp.get("/about/<achievement_id>")
def about(course_id: str, achievement_id: str) -> Response:
    """One badge of the course: what it is, how to earn it, how far I am; mine once I have it."""
    with campus().db.reading() as session:
        around = frame(session, course_id)
        me = learner_data.me(session, around)
        found = badges.draft(session, course_id, achievement_id)
        earned = learner_data.earned(session, course_id, me)
        steps = learner_data.in_progress(session, course_id, me, ())
    mine = next((one for one in earned if one.achievement_id == achievement_id), None)
    if mine is not None:
        return then("learner.badge", course_id, award_id=mine.award.id)
    way = next((one for one in steps if one.version.achievement_id == achievement_id), None)
    return show(
        around,
        "learner/about.html",
        "badges",
        found=found,
        way=way,
        version=way.version if way else found.version,
        reason=wording.reason,
        step=wording.step,
        picture=picture,
    )


@bp.get("/badges/<award_id>")
def badge(course_id: str, award_id: str) -> Response:
    """One of my badges: its picture, why I have it, the link, the files, where it was sent."""
    with campus().db.reading() as session:
        around = frame(session, course_id)
        me = learner_data.me(session, around)
        mine = learner_data.one(session, course_id, me, award_id)
        counted = evidence.of_award(session, mine.award)
        seen = learner_data.disclosures(session, award_id)
        issuer = learner_data.issuer_of(session, mine.award)
        earlier = replaced.earlier(session, award_id)
        offer = offers.under_way(session, award_id, campus().clock())
        present = files.current(session, award_id) if mine.signed else None
        tells = told.of(present) if present else None
        about = endorsed.difference(session, mine.award, present) if present else None
        behind = _behind(session, mine.award, present)
        all_mine = learner_data.earned(session, course_id, me)
        latest = mine.award.id in {one.award.id for one in learner_renewal.newest(all_mine)}
        next_ = learner_renewal.following(session, around, me, [mine.award] if latest else [])
    link = _public_link(mine.share.token) if mine.share else ""
    return show(
        around,
        "learner/badge.html",
        "badges",
        me=me,
        mine=mine,
        chain=learner_renewal.chain(all_mine, mine.award),
        latest=latest,
        next_=next_.get(award_id),
        following=validity_words.following,
        reason=wording.reason,
        step=wording.step,
        evidence=counted,
        disclosures=seen,
        issuer=issuer,
        earlier=earlier,
        why_replaced=life_words.replaced_for,
        link=link,
        ends=wording.share_ends(ENDS),
        tells=tells,
        about=about,
        may_tell=Details.from_json(mine.version.details),
        facts=badge_words.facts(Details.from_json(mine.version.details)),
        has_svg=mine.version.design != files.UPLOAD,
        offer=offer,
        behind=behind,
        embed=learner_data.embed(mine, _embed_link(mine.share.token)) if mine.share else "",
        linkedin=learner_data.linkedin(mine, issuer, link) if link else "",
        state=wording.own_award_state(mine.award.state),
        disclosure=wording.disclosure,
        picture=picture,
    )


def _behind(session: Session, award: Award, current: Credential | None) -> str:
    """The page that gives its wallet the present credential; empty when the wallet has it."""
    taken = offers.taken(session, award.id) if award.in_wallet and current else ()
    if not taken or (current and current.id in {one.credential_id for one in taken}):
        return ""
    return "learner.wallet" if taken[0].door == offers.DOOR else "learner.exchange"


def _public_link(token: str) -> str:
    """The address that strangers open."""
    return campus().settings.public_url + url_for("public.badge", token=token)


def _embed_link(token: str) -> str:
    return campus().settings.public_url + url_for("public.embed", token=token)


@bp.post("/badges/<award_id>/share")
def share(course_id: str, award_id: str) -> Response:
    """Open a public link, or change whether it shows my name and when it closes."""
    with campus().db.transaction() as session:
        me = learner_data.me(session, frame(session, course_id))
        mine = learner_data.one(session, course_id, me, award_id)
        if not mine.signed:
            raise NotFound("not-signed", "This badge is not signed, so it cannot be shared.")
        now = campus().clock()
        shares.share(session, award_id, "show_name" in request.form, now, _end(mine, now))
    return then("learner.badge", course_id, "shared", award_id=award_id)


def _end(mine: Mine, now: datetime) -> datetime | None:
    """When the link closes by the visitor's choice; what stands stays when nothing is chosen."""
    chosen = request.form.get("ends", KEEP)
    if chosen == KEEP:
        return mine.share.expires_at if mine.share else None
    if chosen not in ENDS:
        raise Invalid("end-unknown", "Choose how long the link stays open from the list.")
    return None if chosen == ENDS[0] else now + timedelta(days=int(chosen))


@bp.post("/badges/<award_id>/unshare")
def unshare(course_id: str, award_id: str) -> Response:
    """Close the public link for good."""
    with campus().db.transaction() as session:
        me = learner_data.me(session, frame(session, course_id))
        learner_data.one(session, course_id, me, award_id)
        shares.unshare(session, award_id, campus().clock())
    return then("learner.badge", course_id, "unshared", award_id=award_id)


@bp.post("/badges/<award_id>/files/<kind>")
def download(course_id: str, award_id: str, kind: str) -> Response:
    """Hand out the signed file and note it among the disclosures."""
    if kind not in files.FORMATS:
        raise NotFound("format-unknown", "There is no such file.")
    with campus().db.transaction() as session:
        me = learner_data.me(session, frame(session, course_id))
        mine = learner_data.one(session, course_id, me, award_id)
        credential = files.to_hand_out(session, mine.award)
        contents = {
            "json": lambda: credential.document,
            "jwt": lambda: credential.jwt.encode("ascii"),
            "png": lambda: files.baked_png(session, mine.award),
            "svg": lambda: files.baked_svg(session, mine.award),
            "pdf": lambda: _certificate(session, me, mine, credential),
        }
        body = contents[kind]()
        note = Disclosure(
            award_id=award_id, kind="download", target=kind.upper(), at=campus().clock()
        )
        session.add(note)
    media_type, ending = files.FORMATS[kind]
    answer = make_response(body)
    answer.headers["Content-Type"] = media_type
    answer.headers["Content-Disposition"] = f'attachment; filename="badge-{award_id[:8]}.{ending}"'
    return answer


def _certificate(session: Session, me: Person, mine: Mine, credential: Credential) -> bytes:
    """With the name only when this very download asks for it."""
    holder = me.name if "with_name" in request.form else None
    issuer = learner_data.issuer_of(session, mine.award)
    return certificates.draw(mine, credential, issuer, holder)


@bp.get("/settings")
def settings(course_id: str) -> Response:
    """Whether I am told by e-mail."""
    with campus().db.reading() as session:
        around = frame(session, course_id)
        me = learner_data.me(session, around)
        refused = session.get(OptOut, (me.learner_id, MAIL)) is not None
    return show(
        around,
        "learner/settings.html",
        "settings",
        me=me,
        refused=refused,
        mail=bool(campus().settings.smtp_url),
    )


@bp.post("/settings")
def save_settings(course_id: str) -> Response:
    """Take or refuse e-mails; holds for every course."""
    wanted = request.form.get(MAIL) == "yes"

    def keep(session: Session) -> None:
        me = learner_data.me(session, frame(session, course_id))
        known = session.get(OptOut, (me.learner_id, MAIL))
        if wanted and known is not None:
            session.delete(known)
        elif not wanted and known is None:
            session.add(OptOut(learner_id=me.learner_id, kind=MAIL, at=campus().clock()))

    campus().db.settle(keep)
    return then("learner.settings", course_id, "mail-on" if wanted else "mail-off")
