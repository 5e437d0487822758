"""What every page inside a course shares: the course, its zone, the visitor's role, notices, pictures."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask import Response, make_response, redirect, render_template, request, url_for
from sqlalchemy.orm import Session

from app.credentials import designs
from app.credentials.files import UPLOAD
from app.errors import NotFound
from app.models import AchievementVersion, Course
from app.web import notices, wording
from app.web.session import Visitor, campus, visitor

SIZES = (112, 192, 320)
"""Pixels of a drawn picture: choice, card, page; twice what the stylesheet shows."""


@dataclass(frozen=True)
class Frame:
    """The course around a page. ``now`` is aware UTC; dates are written in ``zone``."""

    course: Course
    visitor: Visitor
    zone: ZoneInfo
    now: datetime

    @property
    def id(self) -> str:
        """The course's id, as it stands in the path."""
        return self.course.id

    @property
    def name(self) -> str:
        """The course's short name, else its title."""
        return self.course.label or self.course.title or wording.untitled_course()

    @property
    def place(self) -> str:
        """Course and role, for the header."""
        return f"{self.name} · {wording.role(self.visitor.role)}"

    @property
    def may_change(self) -> bool:
        """Whether the visitor may change badges here; assistants only look."""
        return self.visitor.role in ("instructor", "administrator")


def frame(session: Session, course_id: str) -> Frame:
    """The frame of the visitor's course. Raises NotFound when the course is gone."""
    course = session.get(Course, course_id)
    if course is None:
        raise NotFound("course-unknown", "There is no such course.")
    return Frame(course, visitor(f"course:{course_id}"), _zone(course), campus().clock())


def _zone(course: Course) -> ZoneInfo:
    """The course's zone, else the campus's."""
    try:
        return ZoneInfo(course.time_zone) if course.time_zone else campus().settings.zone
    except (ZoneInfoNotFoundError, ValueError):
        return campus().settings.zone


def show(around: Frame, template: str, section: str, status: int = 200, **values: Any) -> Response:
    """Render one page of the course."""
    page = render_template(
        template,
        frame=around,
        section=section,
        notice=notices.notice(request.args.get("said", "")),
        **values,
    )
    return make_response(page, status)


def then(endpoint: str, course_id: str, said: str = "", **values: Any) -> Response:
    """After a change: see the result at its own address (303)."""
    if said:
        values["said"] = said
    return make_response(redirect(url_for(endpoint, course_id=course_id, **values), 303))


def picture(course_id: str, version: AchievementVersion, size: int = 192) -> str:
    """Address of a badge's picture in ``size`` pixels."""
    if version.design == UPLOAD or version.drawing:
        return url_for(
            "instructor.uploaded",
            course_id=course_id,
            achievement_id=version.achievement_id,
            number=version.number,
            v=_mark(version),
        )
    return drawn(course_id, version.design, version.palette, size)


def _mark(version: AchievementVersion) -> str:
    """Changes with the picture: that of a draft is not kept by browsers when it changes."""
    drawn = repr((version.design, version.palette, sorted(version.drawing.items())))
    return hashlib.sha256(drawn.encode() + (version.image or b"")).hexdigest()[:8]


def drawn(course_id: str, design: str, palette: str, size: int = 192) -> str:
    """Address of a design in a palette."""
    return url_for(
        "instructor.drawn", course_id=course_id, design=design, palette=palette, size=size
    )


def drawn_png(design: str, palette: str, size: int) -> Response:
    """A design as PNG; holds nothing of the course, so any browser may keep it."""
    if design not in designs.DESIGNS or palette not in designs.PALETTES or size not in SIZES:
        raise NotFound("picture-unknown", "There is no such picture.")
    answer = make_response(designs.png(design, palette, size=size))
    answer.mimetype = "image/png"
    answer.headers["Cache-Control"] = "public, max-age=604800, immutable"
    return answer
