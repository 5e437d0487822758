"""D2L Brightspace, after its vendor's documents and what tool makers reported."""

from __future__ import annotations

import json
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from app.demo.lms.claims import Scene
from app.demo.lms.errors import ServiceError
from app.demo.lms.state import Campus, Column, Person, Tool
from app.demo.lms.vendors.base import Vendor
from app.demo.lms.vendors.words import INSTITUTION, SYSTEM, Paths

if TYPE_CHECKING:
    from flask import Request

AUDIENCE = "https://api.brightspace.com/auth/token"


class Brightspace(Vendor):
    """The issuer is the site; tokens are made for an audience that is a fixed name.

    The token endpoint stands on the vendor's own host there; here everything has one address.
    """

    name = "brightspace"
    product = "desire2learn"
    version = "20.26.11"
    title = "Demo Brightspace"
    paths = Paths(
        configuration="/d2l/.well-known/openid-configuration",
        registration="/d2l/api/ltiadvantage/1.0/register",
        authorization="/d2l/lti/authenticate",
        access="/core/connect/token",
        keys="/d2l/.well-known/jwks",
        lineitems="/d2l/api/lti/ags/2.0/<int:course>/lineitems",
        lineitem="/d2l/api/lti/ags/2.0/<int:course>/lineitems/<int:item>",
        memberships="/d2l/api/lti/nrps/2.0/<int:course>/memberships",
        deep_link_return="/d2l/le/lti/deeplinking/return",
    )
    token_seconds = 3600
    storage_frame = "_parent"
    registers_in_window = True
    sends_registration_token = False
    configuration_needs_token = True
    returns_deployment = False

    def new_client_id(self, token: str) -> str:
        """A UUID."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, token))

    def new_deployment(self, tool_id: int) -> str:
        """A UUID; an administrator makes it after the registration."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"deployment {tool_id}"))

    def audiences(self, campus: Campus, tool: Tool) -> list[str]:
        """Neither the token endpoint nor the issuer."""
        del campus, tool
        return [AUDIENCE]

    # --- registration ------------------------------------------------------------------------

    def configuration_url(self, campus: Campus, token: str) -> str:
        """The one-time token is in the address; there is no registration token beside it."""
        query = urlencode({"registration": token})
        return f"{campus.base_url}{self.paths.configuration}?{query}"

    def registration_url(self, campus: Campus, request: Request) -> str:
        """The endpoint carries the token on."""
        query = urlencode({"registration": request.args.get("registration", "")})
        return f"{campus.base_url}{self.paths.registration}?{query}"

    def registration_token(self, request: Request) -> str:
        """From the address. A bearer that it never gave out is refused."""
        if "Authorization" in request.headers:
            return ""
        return request.args.get("registration", "")

    # --- launch ------------------------------------------------------------------------------

    def lis(self, scene: Scene) -> dict[str, str]:
        """The course's ids; the person's stands under a claim of its own."""
        found = super().lis(scene)
        found.pop("person_sourcedid", None)
        return found

    def variables(self, scene: Scene) -> dict[str, str | None]:
        """Not the person's id of the student system."""
        known = super().variables(scene)
        del known["Person.sourcedId"]
        return known

    def launch_roles(self, scene: Scene) -> list[str]:
        """Context roles between institution and system roles."""
        roles = super().launch_roles(scene)
        place = "Student" if roles and roles[0].endswith("Learner") else "Instructor"
        return [INSTITUTION + place, *roles, SYSTEM + "User"]

    def extra_claims(self, scene: Scene, claims: dict[str, Any]) -> dict[str, Any]:
        """The vendor's claim with the person's id of the student system."""
        own = {
            "tenant_id": "demo-tenant",
            "org_defined_id": scene.person.sis_id,
            "user_id": scene.person.id,
            "username": scene.person.username,
            "Context.id.history": "",
        }
        return super().extra_claims(scene, claims) | {"http://www.brightspace.com": own}

    # --- services ----------------------------------------------------------------------------

    def error_body(self, request: Request, error: ServiceError) -> tuple[str, str]:
        """A problem document."""
        del request
        body = {"type": "about:blank", "title": error.reason, "status": error.status}
        return json.dumps(body), "application/problem+json"

    def check_score(self, campus: Campus, column: Column, score: dict[str, Any]) -> Person:
        """Unknown people: 404. People who are not enrolled, or whose role is not graded: 403."""
        try:
            return super().check_score(campus, column, score)
        except ServiceError as error:
            if campus.person_by_subject(str(score.get("userId", ""))) is None:
                reason = "User in requested score does not exist"
                raise ServiceError(404, reason, score=True) from error
            reason = "User in requested score is not enrolled in the org unit"
            raise ServiceError(403, reason, score=True) from error

    def record(self, column: Column, person: Person, score: dict[str, Any], at: datetime) -> None:
        """Above the maximum is cut; a score that is not final or not there clears."""
        if score["gradingProgress"] == "FullyGraded" and score.get("scoreGiven") is not None:
            capped = min(score["scoreGiven"], score["scoreMaximum"])
            super().record(column, person, score | {"scoreGiven": capped}, at)
        elif person.id in column.grades:
            stored = column.grades[person.id]
            stored.value, stored.timestamp = None, at
