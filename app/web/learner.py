"""The learner's pages: what is earned, what is missing, who may see it.

Everything here is looked up through the visitor's own person and learner; no id in an address
opens somebody else's badge.
"""

from __future__ import annotations

from flask import Blueprint, Response, make_response, request, url_for
from sqlalchemy.orm import Session

from app.credentials import files, shares
from app.errors import NotFound
from app.models import Disclosure, OptOut
from app.web import evidence, learner_data, wording
from app.web.course_page import frame, picture, show, then
from app.web.session import campus

bp = Blueprint("learner", __name__, url_prefix="/courses/<course_id>/me")

MAIL = "mail"
FORMATS = {
    "json": ("application/vc+ld+json", "json"),
    "jwt": ("application/vc+jwt", "jwt"),
    "png": ("image/png", "png"),
}
"""Key of a download to its media type (VC data model 2.0, PNG) and file name ending."""


@bp.get("")
def home(course_id: str) -> Response:
    """What I have in this course, and what is missing for the rest."""
    with campus().db.reading() as session:
        around = frame(session, course_id)
        me = learner_data.me(session, around)
        earned = learner_data.earned(session, course_id, me)
        steps = learner_data.in_progress(session, course_id, me, {e.achievement_id for e in earned})
    return show(
        around,
        "learner/home.html",
        "badges",
        me=me,
        earned=earned,
        steps=steps,
        reason=wording.reason,
        step=wording.step,
        state=wording.own_award_state,
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
    link = _public_link(mine.share.token) if mine.share else ""
    return show(
        around,
        "learner/badge.html",
        "badges",
        me=me,
        mine=mine,
        evidence=counted,
        disclosures=seen,
        issuer=issuer,
        link=link,
        linkedin=learner_data.linkedin(mine, issuer, link) if link else "",
        state=wording.own_award_state(mine.award.state),
        disclosure=wording.disclosure,
        picture=picture,
    )


def _public_link(token: str) -> str:
    """The address that strangers open."""
    return campus().settings.public_url + url_for("public.badge", token=token)


@bp.post("/badges/<award_id>/share")
def share(course_id: str, award_id: str) -> Response:
    """Open a public link, or change whether it shows my name."""
    with campus().db.transaction() as session:
        me = learner_data.me(session, frame(session, course_id))
        mine = learner_data.one(session, course_id, me, award_id)
        if not mine.signed:
            raise NotFound("not-signed", "This badge is not signed, so it cannot be shared.")
        shares.share(session, award_id, "show_name" in request.form, campus().clock())
    return then("learner.badge", course_id, "shared", award_id=award_id)


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
    if kind not in FORMATS:
        raise NotFound("format-unknown", "There is no such file.")
    with campus().db.transaction() as session:
        me = learner_data.me(session, frame(session, course_id))
        mine = learner_data.one(session, course_id, me, award_id)
        credential = files.current(session, award_id)
        contents = {
            "json": lambda: credential.document,
            "jwt": lambda: credential.jwt.encode("ascii"),
            "png": lambda: files.baked_png(session, mine.award),
        }
        body = contents[kind]()
        note = Disclosure(
            award_id=award_id, kind="download", target=kind.upper(), at=campus().clock()
        )
        session.add(note)
    media_type, ending = FORMATS[kind]
    answer = make_response(body)
    answer.headers["Content-Type"] = media_type
    answer.headers["Content-Disposition"] = f'attachment; filename="badge-{award_id[:8]}.{ending}"'
    return answer


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
