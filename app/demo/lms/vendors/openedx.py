"""Open edX, as its LTI consumer 11.4.4 answered on the wire.

Every link is a block with a configuration of its own: line items and roster have the block's
address, and a block sees its own line items only. The blocks of the activities have one line item
each ("declarative"); the block in the course navigation has none until the tool makes some
("programmatic").
"""

from __future__ import annotations

import json
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from app.demo.lms.claims import AGS, CLAIM, Scene
from app.demo.lms.errors import ServiceError
from app.demo.lms.state import Campus, Column, Course, Enrolment, Grade, Link, Person, Tool
from app.demo.lms.vendors.base import Vendor
from app.demo.lms.vendors.words import INSTITUTION, LINE_ITEMS, MEMBERSHIP, SYSTEM, Paths, fill

if TYPE_CHECKING:
    from flask import Request

_SERVICES = "/api/lti_consumer/v1/lti/<int:course>"
_ORGANISATION = "DemoX"


class OpenEdx(Vendor):
    """The LTI consumer of Open edX. Addresses carry the number of the block's configuration."""

    name = "openedx"
    product = "openedx"
    title = "Demo Open edX"
    paths = Paths(
        authorization="/api/lti_consumer/v1/launch/",
        access="/api/lti_consumer/v1/token/<string:tool>",
        keys="/api/lti_consumer/v1/public_keysets/<string:tool>",
        lineitems=_SERVICES + "/lti-ags",
        lineitem=_SERVICES + "/lti-ags/<int:item>",
        memberships=_SERVICES + "/memberships",
        deep_link_return="/api/lti_consumer/v1/lti/lti-dl/response",
    )
    token_seconds = 3600
    context_type = "http://purl.imsglobal.org/vocab/lis/v2/course#CourseOffering"
    storage_frame = ""
    dynamic_registration = False
    bearer_word = "bearer"
    score_status = 201
    created_type = LINE_ITEMS

    # --- ids and addresses -------------------------------------------------------------------

    def new_deployment(self, tool_id: int) -> str:
        """Always the same."""
        del tool_id
        return "1"

    def new_client_id(self, token: str) -> str:
        """A UUID."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, token))

    def context_id(self, course: Course) -> str:
        """A long key with ``:`` and ``+``."""
        return f"course-v1:{_ORGANISATION}+{course.label.replace(' ', '')}+2026"

    def link_id(self, link: Link) -> str:
        """The location of the block."""
        place = f"{_ORGANISATION}+{link.course_id}+2026+type@lti_consumer+block@{link.uuid}"
        return f"block-v1:{place}"

    def launch_services(self, scene: Scene) -> tuple[str, str]:
        """Those of the block that is opened."""
        number = scene.launch.link_id or 0
        base = scene.campus.base_url
        return base + fill(self.paths.lineitems, course=number), self.memberships_url(
            scene.campus, scene.tool, number
        )

    def collection(self, campus: Campus, number: int) -> tuple[int, int | None]:
        """The course of the block, and the block."""
        link = campus.links.get(number)
        return (link.course_id, link.id) if link else (0, None)

    def item_url(self, campus: Campus, tool: Tool, column: Column, suffix: str = "") -> str:
        """Below the block that the line item belongs to."""
        number = column.home or column.link_id or 0
        return campus.base_url + fill(self.paths.lineitem, course=number, item=column.id) + suffix

    # --- launch ------------------------------------------------------------------------------

    def lis(self, scene: Scene) -> dict[str, str]:
        """None."""
        del scene
        return {}

    def launch_roles(self, scene: Scene) -> list[str]:
        """Roles "None" beside the real ones; staff is Administrator of the course as well."""
        none = [INSTITUTION + "None", SYSTEM + "None"]
        if scene.person.is_admin or (scene.enrolment and scene.enrolment.role != "learner"):
            return [MEMBERSHIP + "Instructor", *none, MEMBERSHIP + "Administrator"]
        return [*none, MEMBERSHIP + "Learner"] if scene.enrolment else none

    def resource_link(self, scene: Scene, link: Link) -> dict[str, str]:
        """The location alone."""
        del scene
        return {"id": self.link_id(link)}

    def presentation(self, scene: Scene) -> dict[str, str]:
        """Where it is shown, and nothing else."""
        return {"document_target": scene.launch.document_target}

    def tool_platform(self, campus: Campus) -> dict[str, str]:
        """No product family."""
        del campus
        return {"guid": "2c6ff11a-6e92-59a9-a0f2-0e5ef74638c1", "name": "Demo Open edX"}

    def custom(self, scene: Scene) -> dict[str, Any]:
        """``${name}`` is filled by processors that the site installed; ``$Name`` stays."""
        own = scene.link.custom if scene.link else {}
        known = {
            "${person_sis_id}": scene.person.sis_id,
            "${section_sis_id}": self.section_sis_id(scene),
            "${term_name}": scene.course.term.name,
        }
        declared = {**own, **scene.tool.custom}
        return {name: known.get(value) or value for name, value in declared.items()}

    def deep_linking_settings(self, scene: Scene) -> dict[str, Any]:
        """More types, no ``data``."""
        settings = super().deep_linking_settings(scene)
        del settings["data"]
        return settings | {
            "accept_types": ["ltiResourceLink", "link", "html", "image"],
            "accept_presentation_document_targets": ["iframe", "window", "embed"],
            "title": "",
            "text": "",
        }

    def claimed_scopes(self, scene: Scene) -> list[str]:
        """``lineitem`` where the tool makes its own, else ``lineitem.readonly``."""
        scopes = super().claimed_scopes(scene)
        linked = scene.link is not None and not scene.link.navigation
        return [
            one for one in scopes if one != AGS + ("lineitem" if linked else "lineitem.readonly")
        ]

    def extra_claims(self, scene: Scene, claims: dict[str, Any]) -> dict[str, Any]:
        """``azp``; one name and the account name; no given and family name."""
        found = super().extra_claims(scene, claims)
        for name in ("given_name", "family_name"):
            found.pop(name, None)
        return found | {"azp": claims["aud"], "preferred_username": scene.person.username}

    # --- services ----------------------------------------------------------------------------

    def check_accept(self, request: Request, media_type: str) -> None:
        """Line items only under their own type."""
        if not request.accept_mimetypes.best_match([media_type]):
            raise ServiceError(406, "Could not satisfy the request Accept header.")

    def error_body(self, request: Request, error: ServiceError) -> tuple[str, str]:
        """What its framework writes: fields with lists of texts, or a ``detail``."""
        body = {"detail": error.reason} if error.body is None else error.body
        del request
        return json.dumps(body), "application/vnd.ims.lis.v1.score+json"

    def line_item(self, campus: Campus, tool: Tool, column: Column) -> dict[str, Any]:
        """Every field is there, empty ones as null; a block's own item is named by its location."""
        link = campus.links.get(column.link_id or 0)
        location = self.link_id(link) if link else None
        return {
            "id": self.item_url(campus, tool, column),
            "resourceId": column.resource_id or location or "",
            "scoreMaximum": int(column.maximum),
            "label": column.label,
            "tag": column.tag,
            "resourceLinkId": location,
            "startDateTime": column.extra.get("startDateTime"),
            "endDateTime": column.extra.get("endDateTime"),
        }

    def check_line_item(self, sent: dict[str, Any]) -> None:
        """Whole points, and something that it belongs to."""
        if not isinstance(sent["scoreMaximum"], int):
            raise ServiceError(400, "", body={"scoreMaximum": ["A valid integer is required."]})
        if not sent.get("resourceId") and not sent.get("resourceLinkId"):
            raise ServiceError(400, "", body={"non_field_errors": ["resourceId is required."]})

    def in_gradebook(self, column: Column) -> bool:
        """Only what names its block's location reaches the gradebook."""
        return column.link_id is not None

    def page(self, kind: str, request: Request, total: int) -> tuple[slice, str]:
        """``limit`` cuts results and says nothing of the rest; members are paged by ``page``."""
        limit = request.args.get("limit", type=int)
        if kind == "results":
            return slice(limit), ""
        limit = limit or self.page_size
        if limit is None or limit < 1 or kind == "lineitems":
            return slice(None), ""
        page = request.args.get("page", 1, type=int)
        following = f"{request.base_url}?limit={limit}&page={page + 1}"
        link = f'<{following}>; rel="next"' if page * limit < total else ""
        return slice((page - 1) * limit, page * limit), link

    def check_newer(self, column: Column, person: Person, at: datetime) -> None:
        """400 for the same and for an older time, each with a text."""
        stored = column.grades.get(person.id)
        if stored is None or at > stored.timestamp:
            return
        text = "Score timestamp can only be updated to a later point in time"
        if at == stored.timestamp:
            text = "Score already exists for the provided timestamp"
        raise ServiceError(400, "", body={"timestamp": [text]})

    def record(self, column: Column, person: Person, score: dict[str, Any], at: datetime) -> None:
        """Kept as it came: no rescaling, no cut; whatever the progress says."""
        comments = [str(score["comment"])] if score.get("comment") else []
        column.grades[person.id] = Grade(
            score.get("scoreGiven"),
            at,
            author="tool",
            comments=comments,
            out_of=score.get("scoreMaximum"),
        )

    def score_answer(
        self, campus: Campus, tool: Tool, column: Column, person: Person, score: dict[str, Any]
    ) -> dict[str, Any]:
        """The score, told back."""
        names = ("timestamp", "scoreGiven", "scoreMaximum", "comment")
        words = ("activityProgress", "gradingProgress", "userId")
        return {name: score.get(name) for name in (*names, *words)}

    def result(
        self, campus: Campus, tool: Tool, column: Column, person: Person, grade: Grade
    ) -> dict[str, Any]:
        """Fractions always, no time, ``comment`` null."""
        found = super().result(campus, tool, column, person, grade)
        maximum = column.maximum if grade.out_of is None else grade.out_of
        return found | {
            "resultScore": float(grade.value or 0),
            "resultMaximum": float(maximum),
            "comment": grade.comments[-1] if grade.comments else None,
        }

    # --- roster ------------------------------------------------------------------------------

    def roster(self, course: Course) -> list[Enrolment]:
        """Active people."""
        return [entry for entry in course.enrolments.values() if not entry.suspended]

    def roster_context(self, course: Course) -> dict[str, str]:
        """The id alone."""
        return {"id": self.context_id(course)}

    def roster_roles(self, entry: Enrolment, person: Person) -> list[str]:
        """Full names; staff has two."""
        if entry.role == "learner":
            return [MEMBERSHIP + "Learner"]
        return [MEMBERSHIP + "Instructor", MEMBERSHIP + "Administrator"]

    def member(self, scene: Scene, entry: Enrolment) -> dict[str, Any]:
        """Name and e-mail; no parts of the name and no id of the student system."""
        found = super().member(scene, entry)
        for name in ("given_name", "family_name", "lis_person_sourcedid"):
            found.pop(name, None)
        return found

    def member_message(self, scene: Scene) -> dict[str, Any]:
        """The message type alone."""
        return {CLAIM + "message_type": scene.launch.message_type}
