"""Copying a course into a new one, as a teacher does it for the next term, with what goes wrong.

Links, columns and the marks that tools left on them come along; people, grades and submissions stay.
A copy may rename a column, as teachers do, and it carries along the columns that a tool made, marks
and all, although they are about the old course.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from app.demo.lms.people import opaque_id, seeded
from app.demo.lms.state import Campus, Course, Enrolment, Link, Section, Term

if TYPE_CHECKING:
    from app.demo.lms.claims import Scene

SPRING = Term("Spring 2027", "2027-SPR", "2027-01-11", "2027-05-07", "America/New_York")


def copy_course(
    here: Campus, origin: Course, label: str = "", renamed: Mapping[str, str] | None = None
) -> Course:
    """A new course in the next term with the staff of ``origin``; ``renamed``: old to new labels."""
    random = seeded(f"{here.config.seed}/copy/{here.number('course')}")
    number = max(here.courses) + 1
    code = (label or origin.label).replace(" ", "")
    copy = Course(
        id=number,
        uuid=opaque_id(random).replace("-", "") + "0c0f1e2d",
        label=label or f"{origin.label} (spring)",
        title=origin.title,
        sis_id=f"{code}-{SPRING.sis_id}-{number}",
        term=SPRING,
        sections=[
            Section(here.number("section"), one.name, f"{code}-{SPRING.sis_id}-{one.id}")
            for one in origin.sections
        ],
        copied_from=[origin.id, *origin.copied_from],
    )
    here.number("course", number)
    here.courses[number] = copy
    everywhere = [section.id for section in copy.sections]
    for entry in origin.enrolments.values():
        if entry.role != "learner":
            copy.enrolments[entry.person_id] = Enrolment(entry.person_id, entry.role, everywhere)
    links = {
        link.id: _copy_link(here, link, copy, opaque_id(random))
        for link in here.course_links(origin.id)
    }
    for column in here.course_columns(origin.id):
        fresh = replace(
            column,
            id=here.number("column"),
            course_id=number,
            label=(renamed or {}).get(column.label, column.label),
            link_id=links.get(column.link_id or 0),
            extra=dict(column.extra),
            grades={},
        )
        here.columns[fresh.id] = fresh
    return copy


def _copy_link(here: Campus, link: Link, copy: Course, uuid: str) -> int:
    number = here.number("link")
    here.links[number] = replace(
        link,
        id=number,
        uuid=copy.uuid if link.navigation else uuid,
        course_id=copy.id,
        custom=dict(link.custom),
        copied_from=[link.id, *link.copied_from],
    )
    return number


def variables(scene: Scene) -> dict[str, str | None]:
    """The history variables of the standard: ids separated by commas, newest first."""
    vendor, here = scene.campus.vendor, scene.campus
    courses = [vendor.context_id(here.courses[one]) for one in scene.course.copied_from]
    links = [
        vendor.link_id(here.links[one]) for one in (scene.link.copied_from if scene.link else [])
    ]
    return {"Context.id.history": ",".join(courses), "ResourceLink.id.history": ",".join(links)}
