"""Sakai, after its source: addresses, claims and columns."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from app.demo.lms.claims import CLAIM, Scene
from app.demo.lms.state import Campus, Column, Course, Enrolment, Person, Tool
from app.demo.lms.vendors.base import Vendor
from app.demo.lms.vendors.words import Paths

if TYPE_CHECKING:
    from flask import Request


class Sakai(Vendor):
    """Close to the standard: one deployment, addresses per tool, names of columns of its own."""

    name = "sakai"
    product = "sakai"
    version = "25.0"
    title = "Demo Sakai"
    paths = Paths(
        configuration="/imsblis/lti13/well_known",
        registration="/imsblis/lti13/registration_endpoint",
        authorization="/imsoidc/lti13/oidc_auth",
        access="/imsblis/lti13/token/<string:tool>",
        keys="/imsblis/lti13/keyset/<string:tool>",
        lineitems="/imsblis/lti13/lineitems/<int:course>",
        lineitem="/imsblis/lti13/lineitems/<int:course>/<int:item>",
        memberships="/imsblis/lti13/namesandroles/<int:course>",
        deep_link_return="/portal/tool/contentitem",
    )
    token_seconds = 3600
    storage_frame = "_parent"
    deletes_linked = True

    def new_deployment(self, tool_id: int) -> str:
        """Always the same."""
        del tool_id
        return "1"

    def new_client_id(self, token: str) -> str:
        """A UUID."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, token))

    def configuration_url(self, campus: Campus, token: str) -> str:
        """The address names the future client, whose key set and token address it tells."""
        query = urlencode({"clientId": campus.invites[token].client_id})
        return f"{campus.base_url}{self.paths.configuration}?{query}"

    def configured_client(self, request: Request) -> str:
        """Named by the address."""
        return request.args.get("clientId", "")

    def extra_claims(self, scene: Scene, claims: dict[str, Any]) -> dict[str, Any]:
        """The account name of the person."""
        own = {"sakai_eid": scene.person.username, "sakai_role": _ROLES[_role(scene)]}
        return super().extra_claims(scene, claims) | {CLAIM + "ext": own}

    def line_item(self, campus: Campus, tool: Tool, column: Column) -> dict[str, Any]:
        """Dates and extensions are not kept: a column has only what the gradebook knows."""
        found = super().line_item(campus, tool, column)
        return {name: value for name, value in found.items() if name not in column.extra}

    def record(self, column: Column, person: Person, score: dict[str, Any], at: datetime) -> None:
        """A score that is not final or not there takes the grade away."""
        if score["gradingProgress"] == "FullyGraded" and score.get("scoreGiven") is not None:
            super().record(column, person, score, at)
        elif person.id in column.grades:
            stored = column.grades[person.id]
            stored.value, stored.timestamp = None, at

    def roster(self, course: Course) -> list[Enrolment]:
        """Active people only."""
        return [entry for entry in course.enrolments.values() if not entry.suspended]


_ROLES = {"teacher": "Instructor", "assistant": "Teaching Assistant", "learner": "Student"}


def _role(scene: Scene) -> str:
    return scene.enrolment.role if scene.enrolment else "teacher"
