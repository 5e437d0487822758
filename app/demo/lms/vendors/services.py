"""What the service endpoints (AGS, NRPS) of the standard do."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from app.demo.lms.claims import Scene, personal_claims
from app.demo.lms.errors import ServiceError
from app.demo.lms.state import Campus, Column, Course, Enrolment, Grade, Person, Tool
from app.demo.lms.vendors.addresses import Addresses
from app.demo.lms.vendors.words import MEMBERSHIP, number

if TYPE_CHECKING:
    from flask import Request, Response

WORDS = {"teacher": "Instructor", "assistant": "Instructor", "learner": "Learner"}


class Services(Addresses):
    """Line items, scores, results and members of the standard."""

    # --- services ----------------------------------------------------------------------------

    def guard_service(self, campus: Campus, request: Request) -> None:
        """Refuse a service request before anything else is looked at."""

    def finish_service(self, request: Request, response: Response) -> Response:
        """The last touch on every service response."""
        del request
        return response

    def check_accept(self, request: Request, media_type: str) -> None:
        """Refuse an ``Accept`` that the endpoint does not serve (406 by HTTP)."""
        accept = request.accept_mimetypes
        if accept and not accept.best_match([media_type, "application/json"]):
            raise ServiceError(406, "Not acceptable")

    def check_content_type(self, request: Request, media_type: str) -> None:
        """Refuse a body of another type (415 by HTTP)."""
        if request.mimetype not in {media_type, "application/json"}:
            raise ServiceError(415, "Unsupported media type")

    def check_address(self, tool: Tool, request: Request) -> None:
        """Refuse a service URL that is not as it was handed out."""

    def error_body(self, request: Request, error: ServiceError) -> tuple[str, str]:
        """The body and media type of a refused service request."""
        del request
        body = {"error": error.reason} if error.body is None else error.body
        return json.dumps(body), "application/json"

    def foreign_item(self) -> ServiceError:
        """What a tool hears about a column that is not its own."""
        return ServiceError(404, "Line item does not exist")

    def line_item(self, campus: Campus, tool: Tool, column: Column) -> dict[str, Any]:
        """One line item as AGS shows it."""
        found: dict[str, Any] = {
            "id": self.item_url(campus, tool, column),
            "label": column.label,
            "scoreMaximum": number(column.maximum),
        }
        if column.resource_id:
            found["resourceId"] = column.resource_id
        if column.tag:
            found["tag"] = column.tag
        if column.link_id is not None:
            found["resourceLinkId"] = self.link_id(campus.links[column.link_id])
        return found | column.extra

    def check_line_item(self, sent: dict[str, Any]) -> None:
        """Refuse a new line item that this LMS does not take."""

    def created_item(
        self, campus: Campus, tool: Tool, column: Column, sent: dict[str, Any]
    ) -> dict[str, Any]:
        """The answer to the creation of a line item."""
        del sent
        return self.line_item(campus, tool, column)

    def page(self, kind: str, request: Request, total: int) -> tuple[slice, str]:
        """Which part of ``total`` entries to send, and the ``Link`` header ("" for none).

        The standard leaves the cursor to the platform: here ``limit`` and ``from``.
        """
        del kind
        limit = request.args.get("limit", type=int) or self.page_size
        if limit is None or limit < 1:
            return slice(None), ""
        start = request.args.get("from", 0, type=int)
        if start + limit >= total:
            return slice(start, start + limit), ""
        return slice(start, start + limit), f'<{with_query(request, start + limit)}>; rel="next"'

    def in_gradebook(self, column: Column) -> bool:
        """Whether people see the column and its grades in the gradebook."""
        del column
        return True

    def link_header(self) -> str:
        """How the ``Link`` header is spelled."""
        return "Link"

    def graded(self, column: Column) -> dict[int, Grade]:
        """The cells that ``results`` lists: those with a grade."""
        return {key: cell for key, cell in column.grades.items() if cell.value is not None}

    def result(
        self, campus: Campus, tool: Tool, column: Column, person: Person, grade: Grade
    ) -> dict[str, Any]:
        """One result as AGS shows it."""
        item = self.item_url(campus, tool, column)
        found: dict[str, Any] = {
            "id": f"{item}/results/{person.id}",
            "scoreOf": item,
            "userId": self.subject(person),
            "resultMaximum": number(column.maximum),
        }
        if grade.value is not None:
            found["resultScore"] = number(grade.value)
        return found | ({"comment": grade.comments[-1]} if grade.comments else {})

    def check_score(self, campus: Campus, column: Column, score: dict[str, Any]) -> Person:
        """Refuse a score that this LMS does not take; otherwise say whose it is."""
        person = campus.person_by_subject(str(score.get("userId", "")))
        entry = campus.course(column.course_id).enrolments.get(person.id if person else 0)
        if person is None or entry is None or entry.role != "learner":
            raise ServiceError(404, "There is no such learner in this course.", score=True)
        return person

    def check_newer(self, column: Column, person: Person, at: datetime) -> None:
        """Refuse a score that is not later than what is stored (AGS 2.0, timestamp: 409)."""
        stored = column.grades.get(person.id)
        if stored is not None and at <= stored.timestamp:
            raise ServiceError(409, "There is a later score already.", score=True)

    def record(self, column: Column, person: Person, score: dict[str, Any], at: datetime) -> None:
        """Store an accepted score. Only a final one becomes a grade."""
        if score["gradingProgress"] != "FullyGraded" or "scoreGiven" not in score:
            return
        value = score["scoreGiven"] / score["scoreMaximum"] * column.maximum
        comments = [str(score["comment"])] if score.get("comment") else []
        column.grades[person.id] = Grade(value, at, author="tool", comments=comments)

    def score_answer(
        self, campus: Campus, tool: Tool, column: Column, person: Person, score: dict[str, Any]
    ) -> dict[str, Any] | None:
        """The body of an accepted score; None for an empty one."""
        del campus, tool, column, person, score
        return None

    def override(self, column: Column, person_id: int, grade: Grade) -> None:
        """A teacher's own grade enters the column."""
        old = column.grades.get(person_id)
        grade.overridden = old is not None and old.author != "teacher"
        column.grades[person_id] = grade

    # --- roster ------------------------------------------------------------------------------

    def roster_context(self, course: Course) -> dict[str, str]:
        """The ``context`` of a roster."""
        return {"id": self.context_id(course), "label": course.label, "title": course.title}

    def roster(self, course: Course) -> list[Enrolment]:
        """The enrolments that NRPS lists."""
        return list(course.enrolments.values())

    def roster_roles(self, entry: Enrolment, person: Person) -> list[str]:
        """The roles of a member in NRPS."""
        del person
        return [MEMBERSHIP + WORDS[entry.role]]

    def member(self, scene: Scene, entry: Enrolment) -> dict[str, Any]:
        """One member as NRPS shows it; ``scene`` is seen from this member's side."""
        person = scene.person
        found: dict[str, Any] = {
            "status": "Inactive" if entry.suspended else "Active",
            "roles": self.roster_roles(entry, person),
            "user_id": self.subject(person),
        }
        if person.sis_id:
            found["lis_person_sourcedid"] = person.sis_id
        return found | personal_claims(scene)


def with_query(request: Request, start: int) -> str:
    """The request's own URL with the cursor moved to ``start``."""
    query = request.args.to_dict() | {"from": str(start)}
    return f"{request.base_url}?{urlencode(query)}"
