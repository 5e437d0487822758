"""How far the signing of a course's badges is: a part of two pages that renews itself."""

from __future__ import annotations

from flask import Response, make_response, render_template, request
from sqlalchemy.orm import Session

from app.models import Award
from app.pipeline import sign_all
from app.pipeline.sign_all import BadgeProgress
from app.web.course_page import frame
from app.web.instructor.blueprint import bp
from app.web.session import campus


def of_course(session: Session, course_id: str) -> list[BadgeProgress]:
    """The badges of which some awards wait for their signature, with how far each is."""
    return sign_all.by_badge(session, Award.course_id == course_id)


@bp.get("/signing")
def signing(course_id: str) -> Response:
    """The part alone, which htmx asks for while some wait."""
    with campus().db.reading() as session:
        around = frame(session, course_id)
        waiting = of_course(session, course_id)
    return make_response(
        render_template(
            "instructor/_signing.html",
            frame=around,
            signing=waiting,
            polled=True,
            on_awards=request.args.get("on") == "awards",
        )
    )
