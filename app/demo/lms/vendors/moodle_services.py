"""Moodle's services (AGS and NRPS), as a real 4.5 answered on the wire."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from app.demo.lms.claims import BASIC_OUTCOME, CLAIM, Scene, basic_outcome
from app.demo.lms.errors import ServiceError
from app.demo.lms.state import Campus, Column, Course, Enrolment, Grade, Person, Tool
from app.demo.lms.vendors.base import Vendor
from app.demo.lms.vendors.words import instant, number

if TYPE_CHECKING:
    from flask import Request

SERVICES = "/mod/lti/services.php"


class MoodleServices(Vendor):
    """Moodle 4.5.6: what its service endpoints do; the launch is in ``moodle``."""

    missing_scope_status = 401
    deletes_linked = True

    def service_query(self, tool: Tool) -> str:
        """Every AGS address carries the tool's number in its query."""
        return f"?type_id={tool.id}"

    def check_accept(self, request: Request, media_type: str) -> None:
        """AGS wants exactly the media type (400 for ``*/*``); NRPS takes ``*/*`` as well."""
        accept = request.headers.get("Accept", "").split(",")[0].split(";")[0].strip()
        anything = "nrps" in media_type and accept in {"*/*", ""}
        if accept != media_type and not anything:
            raise ServiceError(400, _no_handler(request, accept))

    def check_content_type(self, request: Request, media_type: str) -> None:
        """Exactly the media type, 400 otherwise."""
        if request.mimetype != media_type:
            raise ServiceError(400, _no_handler(request, request.mimetype))

    def check_address(self, tool: Tool, request: Request) -> None:
        """The address works as it was handed out, with its ``type_id``."""
        if request.args.get("type_id") != str(tool.id):
            raise ServiceError(404, "Line item does not exist")

    def error_body(self, request: Request, error: ServiceError) -> tuple[str, str]:
        """The request is told back; a refused score gets an empty array under its own type."""
        if error.body is not None:
            return str(error.body), "text/html; charset=utf-8"
        if error.score:
            return "[]", "application/vnd.ims.lis.v1.score+json; charset=utf-8"
        body = {
            "status": error.status,
            "reason": error.reason,
            "request": {
                "method": request.method,
                "url": request.full_path.rstrip("?"),
                "accept": request.headers.get("Accept", ""),
                "contentType": request.headers.get("Content-Type", ""),
            },
        }
        return json.dumps(body), "application/json; charset=utf-8"

    def line_item(self, campus: Campus, tool: Tool, column: Column) -> dict[str, Any]:
        """Empty strings for what is not set, ``ltiLinkId`` beside the link; dates are forgotten."""
        found: dict[str, Any] = {
            "id": self.item_url(campus, tool, column),
            "label": column.label,
            "scoreMaximum": number(column.maximum),
        }
        if column.resource_id is not None:
            found["resourceId"] = column.resource_id
        found["tag"] = column.tag
        if column.link_id is not None:
            found |= {"resourceLinkId": str(column.link_id), "ltiLinkId": str(column.link_id)}
        return found

    def created_item(
        self, campus: Campus, tool: Tool, column: Column, sent: dict[str, Any]
    ) -> dict[str, Any]:
        """What was sent comes back once, dates included, with the new id."""
        return sent | {"id": self.item_url(campus, tool, column)}

    def page(self, kind: str, request: Request, total: int) -> tuple[slice, str]:
        """Typographic quotes and ``&amp;`` in AGS links; a proper link in NRPS without ``role``.

        Only with ``limit``. A limit on results crashes Moodle.
        """
        limit = request.args.get("limit", type=int)
        if limit is None and kind != "results":
            limit = self.page_size
        if limit is None or limit < 1:
            return slice(None), ""
        if kind == "results":
            raise ServiceError(404, "Not Found", body=_CRASH)
        start = request.args.get("from", 0, type=int)
        if kind == "members":
            return slice(start, start + limit), self._member_link(request, start + limit, total)
        last = (total - 1) // limit * limit if total else 0
        cursors = [("first", 0), ("canonical", start)]
        if start + limit < total:
            cursors.append(("next", start + limit))
        cursors.append(("last", last))
        links = [f"<{_ags_link(request, at, limit)}>; rel=“{rel}”" for rel, at in cursors]
        return slice(start, start + limit), ", ".join(links)

    def _member_link(self, request: Request, start: int, total: int) -> str:
        if start >= total:
            return ""
        kept = {key: value for key, value in request.args.items() if key in {"limit", "rlid"}}
        return f'<{request.base_url}?{urlencode(kept | {"from": start})}>; rel="next"'

    def result(
        self, campus: Campus, tool: Tool, column: Column, person: Person, grade: Grade
    ) -> dict[str, Any]:
        """With a ``timestamp``; the id is the collection narrowed to the person."""
        comment = {"comment": grade.comments[-1]} if grade.comments else {}
        return {
            "id": f"{self.item_url(campus, tool, column, '/results')}&user_id={person.id}",
            "userId": str(person.id),
            "resultScore": number(grade.value or 0),
            "resultMaximum": number(column.maximum),
            **comment,
            "scoreOf": self.item_url(campus, tool, column),
            "timestamp": instant(grade.timestamp),
        }

    def check_score(self, campus: Campus, column: Column, score: dict[str, Any]) -> Person:
        """Teachers, strangers and unknown people: 400 with the score in the reason phrase."""
        try:
            return super().check_score(campus, column, score)
        except ServiceError as error:
            reason = "Incorrect score received" + json.dumps(score)
            raise ServiceError(400, reason, score=True) from error

    def check_newer(self, column: Column, person: Person, at: datetime) -> None:
        """Later by a whole second at least; a teacher's change counts too."""
        stored = column.grades.get(person.id)
        if stored is not None and int(at.timestamp()) <= int(stored.timestamp.timestamp()):
            reason = (
                f"Refusing score with an earlier timestamp for item {column.id} "
                f"and user {person.id}"
            )
            raise ServiceError(409, reason, score=True)

    def record(self, column: Column, person: Person, score: dict[str, Any], at: datetime) -> None:
        """Rescaled and cut at the maximum; a teacher's override stays as it is.

        A score that is not ``FullyGraded`` counts as no score: nothing enters an empty cell, and
        an earlier grade is erased. A score without a comment wipes the earlier comment.
        """
        stored = column.grades.get(person.id)
        if stored is not None and stored.overridden:
            return
        final = score["gradingProgress"] == "FullyGraded" and score.get("scoreGiven") is not None
        if not final:
            if stored is not None:
                stored.value, stored.comments, stored.timestamp = None, [], at
            return
        share = score["scoreGiven"] / score["scoreMaximum"]
        value = min(max(share, 0.0), 1.0) * column.maximum
        comments = [str(score["comment"])] if score.get("comment") else []
        column.grades[person.id] = Grade(round(value, 5), at, author="tool", comments=comments)

    def override(self, column: Column, person_id: int, grade: Grade) -> None:
        """A change in the grader report is an override, whoever graded before."""
        grade.overridden = True
        column.grades[person_id] = grade

    # --- roster ------------------------------------------------------------------------------

    def roster(self, course: Course) -> list[Enrolment]:
        """Suspended people vanish instead of becoming inactive."""
        return [entry for entry in course.enrolments.values() if not entry.suspended]

    def roster_roles(self, entry: Enrolment, person: Person) -> list[str]:
        """Short names; a non-editing teacher is a Learner here."""
        del person
        return ["Instructor" if entry.role == "teacher" else "Learner"]

    def member(self, scene: Scene, entry: Enrolment) -> dict[str, Any]:
        """The SIS id is always there (empty if unknown), and the account name."""
        found = super().member(scene, entry)
        return {
            "status": found.pop("status"),
            "roles": found.pop("roles"),
            "user_id": found.pop("user_id"),
            "lis_person_sourcedid": scene.person.sis_id,
            **found,
            "ext_user_username": scene.person.username,
        }

    def member_message(self, scene: Scene) -> dict[str, Any]:
        """Basic outcomes only, no custom values."""
        return {
            CLAIM + "message_type": "LtiResourceLinkRequest",
            BASIC_OUTCOME: basic_outcome(scene, "/mod/lti/service.php"),
        }


_CRASH = (
    "<!DOCTYPE html><html lang='en'><head><title>Error</title></head><body>"
    "<h1>Error</h1><p>Exception - Call to a member function out() on null</p></body></html>"
)


def _no_handler(request: Request, accept: str) -> str:
    path = request.path.removeprefix(SERVICES)
    return f"No handler found for {path}  {accept}"


def _ags_link(request: Request, start: int, limit: int) -> str:
    kept = {k: v for k, v in request.args.items() if k not in {"limit", "from"}}
    query = [*kept.items(), ("limit", str(limit)), ("from", str(start))]
    return f"{request.base_url}?{urlencode(query)}".replace("&", "&amp;")
