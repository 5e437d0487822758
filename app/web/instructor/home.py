"""Course home: the badges, how fresh the grades are, and what Tassel cannot see."""

from __future__ import annotations

from flask import Response, make_response, render_template, request
from flask_babel import gettext as _

from app.credentials import endorsed
from app.gradebook import csv_upload
from app.pipeline import collect, publication, token_sources
from app.web import wording
from app.web.course_page import frame, picture, show, then
from app.web.instructor import data, signing
from app.web.instructor.blueprint import bp
from app.web.instructor.copies import offers
from app.web.instructor.regraded import to_review
from app.web.session import campus

RUNS_SHOWN = 10


@bp.get("")
def home(course_id: str) -> Response:
    """Every badge of the course with its numbers; Refresh now."""
    with campus().db.reading() as session:
        around = frame(session, course_id)
        lines = data.badges(session, course_id)
        seen = data.seen(session, course_id)
        review = to_review(session, course_id)
        offered = offers(session, around, len(lines))
        waiting = signing.of_course(session, course_id)
        endorsing = endorsed.waiting(session, course_id)
        asked = publication.asked_in(session, course_id)
    return show(
        around,
        "instructor/home.html",
        "badges",
        review=review,
        offers=offered,
        signing=waiting,
        badges=lines,
        asked=asked,
        seen=seen,
        run=seen.run,
        native=any(one.source not in ("ags", csv_upload.KEY) for one in seen.assessments),
        state=wording.badge_state,
        picture=picture,
        endorsing=endorsing,
    )


@bp.get("/run")
def run(course_id: str) -> Response:
    """The latest reading alone: the part of the page that htmx asks for while it runs."""
    with campus().db.reading() as session:
        around = frame(session, course_id)
        latest = data.last_run(session, course_id)
    return make_response(
        render_template(
            "instructor/_run.html",
            frame=around,
            run=latest,
            polled=True,
            on_sees=request.args.get("on") == "sees",
        )
    )


@bp.post("/refresh")
def refresh(course_id: str) -> Response:
    """Read the grades now; the page then shows how far it is."""
    collect.request(campus(), course_id, "button")
    return then("instructor.home", course_id)


@bp.get("/settings")
def settings(course_id: str) -> Response:
    """How Tassel reads this course, and the latest readings."""
    with campus().db.reading() as session:
        around = frame(session, course_id)
        seen = data.seen(session, course_id)
        history = session.scalars(data.runs(course_id).limit(RUNS_SHOWN)).all()
        installation = around.course.deployment.platform.installation
        lms, token = installation.name, token_sources.source_of(campus(), installation.lms)
    return show(
        around,
        "instructor/settings.html",
        "settings",
        seen=seen,
        runs=history,
        lms=lms,
        token=token,
        sources=source_labels(),
        every=campus().settings.collect_minutes,
        mail=bool(campus().settings.smtp_url),
        trigger=wording.trigger,
    )


def source_labels() -> dict[str, str]:
    """Key of each grade source to what people call it."""
    labels = {key: source.label for key, source in campus().sources.items()}
    return labels | {csv_upload.KEY: _("file")}
