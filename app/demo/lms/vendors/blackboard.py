"""Blackboard Learn (SaaS), after its vendor's documents and what tool makers reported."""

from __future__ import annotations

import json
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flask import request as this_request

from app.demo.lms.claims import Scene
from app.demo.lms.errors import ServiceError
from app.demo.lms.state import Campus, Column, Enrolment, Grade, Person, Tool
from app.demo.lms.vendors.base import Vendor
from app.demo.lms.vendors.words import INSTITUTION, TEST_USER, Paths

if TYPE_CHECKING:
    from flask import Request


class Blackboard(Vendor):
    """One issuer for every school; a tool is known by the application id of the vendor's portal.

    Login, token and keys stand on the portal's host there; here everything has one address.
    """

    name = "blackboard"
    product = "BlackboardLearn"
    version = "4000.4.0"
    title = "Demo Blackboard"
    paths = Paths(
        authorization="/api/v1/gateway/oidcauth",
        access="/api/v1/gateway/oauth2/jwttoken",
        keys="/api/v1/management/applications/<string:tool>/jwks.json",
        lineitems="/learn/api/v1/lti/courses/<int:course>/lineItems",
        lineitem="/learn/api/v1/lti/courses/<int:course>/lineItems/<int:item>",
        memberships="/learn/api/v1/lti/external/namesandroles/<int:course>",
        deep_link_return="/webapps/blackboard/controller/lti/v2/return",
    )
    token_seconds = 3600
    login_method = "post"
    student_view = True
    storage_frame = "lti_storage_frame"
    repeats_storage_frame = False
    dynamic_registration = False
    score_status = 204
    deletes_linked = True
    page_size = 100

    def issuer(self, campus: Campus) -> str:
        """The same for every school."""
        del campus
        return "https://blackboard.com"

    def new_client_id(self, token: str) -> str:
        """The application id: a UUID, the same in every Learn that admits the tool."""
        return _uuid(token)

    def new_deployment(self, tool_id: int) -> str:
        """A UUID, one for each Learn."""
        return _uuid(f"deployment {tool_id}")

    # --- launch ------------------------------------------------------------------------------

    def launch_roles(self, scene: Scene) -> list[str]:
        """The preview user of a teacher is marked as a test user."""
        roles = super().launch_roles(scene)
        place = "Student" if roles and roles[0].endswith("Learner") else "Faculty"
        return [*roles, INSTITUTION + place, *([TEST_USER] if scene.person.is_test else [])]

    # --- services ----------------------------------------------------------------------------

    def error_body(self, request: Request, error: ServiceError) -> tuple[str, str]:
        """The error object of its REST interfaces."""
        del request
        return json.dumps({"status": error.status, "message": error.reason}), "application/json"

    def line_item(self, campus: Campus, tool: Tool, column: Column) -> dict[str, Any]:
        """With whether learners may see the grades."""
        return super().line_item(campus, tool, column) | {"gradesReleased": True}

    def check_score(self, campus: Campus, column: Column, score: dict[str, Any]) -> Person:
        """Somebody who is no learner of the course: 400 with a text of its own."""
        try:
            return super().check_score(campus, column, score)
        except ServiceError as error:
            reason = f"User could not be found: {score.get('userId')}"
            raise ServiceError(400, reason, score=True) from error

    def record(self, column: Column, person: Person, score: dict[str, Any], at: datetime) -> None:
        """Line breaks of a comment are lost; a score that is not final or not there clears."""
        comment = " ".join(str(score.get("comment") or "").split())
        if score["gradingProgress"] == "FullyGraded" and score.get("scoreGiven") is not None:
            super().record(column, person, score | {"comment": comment}, at)
        elif person.id in column.grades:
            stored = column.grades[person.id]
            stored.value, stored.timestamp = None, at

    def result(
        self, campus: Campus, tool: Tool, column: Column, person: Person, grade: Grade
    ) -> dict[str, Any]:
        """Asked for one person (``user_id``) the comment is missing."""
        found = super().result(campus, tool, column, person, grade)
        if "user_id" in this_request.args:
            found.pop("comment", None)
        return found

    def roster_roles(self, entry: Enrolment, person: Person) -> list[str]:
        """As at launch."""
        return [*super().roster_roles(entry, person), *([TEST_USER] if person.is_test else [])]


def _uuid(seed: str) -> str:
    """A UUID that depends on ``seed`` alone."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, seed))
