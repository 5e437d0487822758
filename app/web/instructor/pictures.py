"""Pictures of badges for pages inside a course."""

from __future__ import annotations

from flask import Response, make_response
from sqlalchemy import select

from app.credentials import files
from app.errors import NotFound
from app.models import Achievement, AchievementVersion
from app.web.course_page import drawn_png
from app.web.instructor.blueprint import bp
from app.web.session import campus


@bp.get("/pictures/<design>/<palette>/<int:size>.png")
def drawn(course_id: str, design: str, palette: str, size: int) -> Response:
    """A design in a palette. Open to anybody: it says nothing about the course."""
    del course_id
    return drawn_png(design, palette, size)


@bp.get("/badges/<achievement_id>/uploads/<int:number>.png")
def uploaded(course_id: str, achievement_id: str, number: int) -> Response:
    """The picture of one version of a badge of this course: uploaded, or drawn to order."""
    query = (
        select(AchievementVersion)
        .join(Achievement, Achievement.id == AchievementVersion.achievement_id)
        .where(
            Achievement.course_id == course_id,
            Achievement.id == achievement_id,
            AchievementVersion.number == number,
        )
    )
    with campus().db.reading() as session:
        version = session.scalar(query)
    if version is None:
        raise NotFound("picture-unknown", "There is no such picture.")
    answer = make_response(files.image_png(version))
    answer.mimetype = "image/png"
    answer.headers["Cache-Control"] = "private, max-age=300"
    return answer
