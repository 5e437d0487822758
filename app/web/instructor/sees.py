"""What Tassel sees of the course: every column with its source, what is missing, and who can change it."""

from __future__ import annotations

from flask import Response

from app.errors import NotFound
from app.lti.platforms import lms_for
from app.pipeline import collect, sources
from app.web.course_page import frame, show, then
from app.web.instructor import data, sees_data
from app.web.instructor.blueprint import bp
from app.web.instructor.home import source_labels
from app.web.session import campus, visitor


@bp.get("/grades")
def sees(course_id: str) -> Response:
    """Sources and columns."""
    with campus().db.reading() as session:
        around = frame(session, course_id)
        lms = lms_for(around.course.deployment.platform.installation.lms)
        lines = sees_data.source_lines(campus(), session, course_id, lms.key)
        columns = sees_data.column_lines(session, course_id, source_labels())
        return show(
            around,
            "instructor/sees.html",
            "settings",
            lms=lms,
            lines=lines,
            columns=columns,
            run=data.last_run(session, course_id),
            seen=data.seen(session, course_id),
            labels=source_labels(),
            on_sees=True,
            freshest=sees_data.freshest(lines),
        )


@bp.post("/grades/all")
def read_all(course_id: str) -> Response:
    """Read everything from the beginning; a closed course is tried again."""
    collect.request(campus(), course_id, "button", whole=True)
    return then("instructor.sees", course_id, "reading")


@bp.post("/grades/<key>/connect")
def ask_source(course_id: str, key: str) -> Response:
    """A button that opens the LMS in a new tab: a framed page cannot show it."""
    person = visitor(f"course:{course_id}")
    source = sources.connectable(campus(), key)
    ticket = sources.ask(campus(), course_id, key, person.person_id)
    with campus().db.reading() as session:
        around = frame(session, course_id)
    return show(around, "instructor/ask_source.html", "settings", source=source, ticket=ticket)


@bp.get("/grades/<key>/disconnect")
def confirm_disconnect(course_id: str, key: str) -> Response:
    """What disconnecting means, before it happens."""
    source = sources.connectable(campus(), key)
    with campus().db.reading() as session:
        around = frame(session, course_id)
        line = sees_data.connected_line(session, course_id, source)
    if line is None:
        raise NotFound("not-connected", "This course is not connected to that source.")
    return show(around, "instructor/disconnect_source.html", "settings", line=line)


@bp.post("/grades/<key>/disconnect")
def disconnect_source(course_id: str, key: str) -> Response:
    """Read nothing more through it."""
    actor = visitor(f"course:{course_id}").actor
    sources.disconnect(campus(), course_id, key, actor)
    return then("instructor.sees", course_id, "source-disconnected")
