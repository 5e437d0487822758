"""Canvas (hosted), after its source and its vendor's documents."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from app.demo.lms import notices
from app.demo.lms.claims import CLAIM, Scene
from app.demo.lms.errors import ServiceError
from app.demo.lms.state import Campus, Column, Course, Enrolment, Grade, Launch, Link, Person, Tool
from app.demo.lms.vendors.base import Vendor
from app.demo.lms.vendors.words import INSTITUTION, MEMBERSHIP, SYSTEM, TEST_USER, Paths

if TYPE_CHECKING:
    from flask import Request, Response

VENDOR_KEY = "https://canvas.instructure.com/lti/"
ASSISTANT = "http://purl.imsglobal.org/vocab/lis/v2/membership/Instructor#TeachingAssistant"
_CLEARING = {"NotReady", "Failed", "Pending"}


class Canvas(Vendor):
    """Canvas cloud: one issuer for every school."""

    name = "canvas"
    product = "canvas"
    version = "cloud"
    title = "Demo Canvas"
    storage_frame = "post_message_forwarding"
    paths = Paths(
        configuration="/api/lti/security/openid-configuration",
        registration="/api/lti/registrations",
        authorization="/api/lti/authorize_redirect",
        access="/login/oauth2/token",
        keys="/api/lti/security/jwks",
        lineitems="/api/lti/courses/<int:course>/line_items",
        lineitem="/api/lti/courses/<int:course>/line_items/<int:item>",
        memberships="/api/lti/courses/<int:course>/names_and_roles",
        deep_link_return="/api/lti/deep_linking_response",
    )
    token_seconds = 3600
    login_method = "post"
    student_view = True
    extra_scopes = (notices.SCOPE,)
    navigation_takes_columns = False
    configuration_needs_token = True
    returns_deployment = False
    missing_maximum_status = 422
    members_page = 50

    def __init__(self) -> None:
        self.bucket = LeakyBucket()

    def issuer(self, campus: Campus) -> str:
        """The same for every school."""
        del campus
        return "https://canvas.instructure.com"

    def new_deployment(self, tool_id: int) -> str:
        """Number and digest, one per installation of the tool."""
        return f"{105 + tool_id}:{secrets.token_hex(20)}"

    def new_client_id(self, token: str) -> str:
        """A global id of a developer key: digits only."""
        return f"1{int(hashlib.sha256(token.encode()).hexdigest(), 16) % 10**16:016d}"

    def configuration_url(self, campus: Campus, token: str) -> str:
        """The token also sits in the query of the configuration's address."""
        query = urlencode({"registration_token": token})
        return f"{campus.base_url}{self.paths.configuration}?{query}"

    def configuration_extra(self) -> dict[str, Any]:
        """Placements, and Canvas's own keys."""
        placements = ["course_navigation", "link_selection", "assignment_selection"]
        return {
            "product_family_code": "canvas",
            "version": "vCloud",
            "messages_supported": [
                {"type": "LtiResourceLinkRequest", "placements": placements},
                {"type": "LtiDeepLinkingRequest", "placements": placements[1:]},
            ],
            "variables": ["Canvas.user.id", "Canvas.course.id", "Person.sourcedId"],
            VENDOR_KEY + "account_name": "Demo University",
        }

    # --- launch ------------------------------------------------------------------------------

    def message_hint(self, launch: Launch) -> str:
        """An opaque three-part text, as long as a signed token."""
        part = base64.urlsafe_b64encode(json.dumps({"verifier": launch.key}).encode()).decode()
        return f"eyJ0eXAiOiJKV1QifQ.{part.rstrip('=')}.{hashlib.sha256(part.encode()).hexdigest()}"

    def launch_key(self, hint: str) -> str:
        """The verifier inside an echoed hint; "" if a byte of it was changed."""
        pieces = hint.split(".")
        if len(pieces) != 3:
            return ""
        padded = pieces[1] + "=" * (-len(pieces[1]) % 4)
        if hashlib.sha256(padded.encode()).hexdigest() != pieces[2]:
            return ""
        return str(json.loads(base64.urlsafe_b64decode(padded)).get("verifier", ""))

    def login_fields(self, scene: Scene) -> dict[str, str]:
        """With the region."""
        fields = super().login_fields(scene)
        fields["deployment_id"] = fields.pop("lti_deployment_id")
        return fields | {
            "canvas_region": "us-east-1",
            "canvas_environment": "prod",
        }

    def lis(self, scene: Scene) -> dict[str, str]:
        """The person's and the course's SIS ids; sections come by custom variables only."""
        known = {
            "person_sourcedid": scene.person.sis_id,
            "course_offering_sourcedid": scene.course.sis_id,
        }
        return {name: value for name, value in known.items() if value}

    def launch_roles(self, scene: Scene) -> list[str]:
        """Context roles under a noise of institution roles from everywhere in the account."""
        roles = self._context_roles(scene.enrolment, scene.person)
        return sorted({*roles, *_institution_roles(scene), SYSTEM + "User"})

    def _context_roles(self, entry: Enrolment | None, person: Person) -> list[str]:
        if entry is None:
            return []
        if entry.role == "assistant":
            return [ASSISTANT, MEMBERSHIP + "Instructor"]
        roles = [MEMBERSHIP + ("Instructor" if entry.role == "teacher" else "Learner")]
        return [*roles, TEST_USER] if person.is_test else roles

    def resource_link(self, scene: Scene, link: Link) -> dict[str, str]:
        """A launch from the course navigation has the context's id as its link id."""
        if link.navigation:
            return {"id": scene.course.uuid, "title": scene.course.title}
        return {"id": link.uuid, "title": link.title, "description": link.description}

    def variables(self, scene: Scene) -> dict[str, str | None]:
        """Canvas's own names; an empty one stays unresolved, as there."""
        person, course = scene.person, scene.course
        mine = scene.enrolment.sections if scene.enrolment else []
        sections = [section for section in course.sections if section.id in mine]
        known = super().variables(scene)
        known |= {
            "Canvas.course.previousContextIds": known["Context.id.history"],
            "CourseSection.sourcedId": course.sis_id,
            "Canvas.user.id": str(person.id),
            "Canvas.user.sisSourceId": person.sis_id,
            "Canvas.user.loginId": person.username,
            "Canvas.course.id": str(course.id),
            "Canvas.course.sisSourceId": course.sis_id,
            "Canvas.course.sectionIds": ",".join(str(section.id) for section in sections),
            "Canvas.course.sectionSisSourceIds": ",".join(s.sis_id for s in sections),
            "Canvas.api.baseUrl": scene.campus.base_url,
            "Canvas.term.name": course.term.name,
            "Canvas.term.startAt": course.term.start,
            "Canvas.term.endAt": course.term.end,
            "vnd.Canvas.Person.email.sis": person.email,
        }
        return {name: value for name, value in known.items() if value}

    def extra_claims(self, scene: Scene, claims: dict[str, Any]) -> dict[str, Any]:
        """A picture, the locale, the LTI 1.1 ids, and where the launch came from."""
        found = super().extra_claims(scene, claims)
        navigation = scene.link is not None and scene.link.navigation
        return found | {
            "picture": f"{scene.campus.base_url}/static/avatar.svg",
            "locale": "en",
            CLAIM + "lti11_legacy_user_id": hashlib.sha256(scene.person.uuid.encode()).hexdigest(),
            CLAIM + "lti1p1": {
                "user_id": hashlib.sha256(scene.person.uuid.encode()).hexdigest(),
            },
            "https://www.instructure.com/placement": (
                "course_navigation" if navigation else "assignment_selection"
            ),
        }

    # --- services ----------------------------------------------------------------------------

    def guard_service(self, campus: Campus, request: Request) -> None:
        """No User-Agent: 403. Too much at once, or as a test asked for it: 403 with 0 remaining."""
        if not request.headers.get("User-Agent"):
            raise ServiceError(403, "User-Agent header is required")
        remaining = self.bucket.enter(request.headers.get("Authorization", ""))
        with campus.lock:
            forced = campus.throttled > 0
            campus.throttled -= 1 if forced else 0
        if forced or remaining < 0:
            raise ServiceError(
                403,
                "Rate Limit Exceeded",
                body="403 Forbidden (Rate Limit Exceeded)\n",
                headers={"X-Rate-Limit-Remaining": "0.0", "X-Request-Cost": "0.0"},
            )

    def finish_service(self, request: Request, response: Response) -> Response:
        """Cost and remaining quota on every answer."""
        remaining = self.bucket.leave(request.headers.get("Authorization", ""))
        response.headers.setdefault("X-Request-Cost", str(LeakyBucket.COST))
        response.headers.setdefault("X-Rate-Limit-Remaining", f"{remaining:.2f}")
        return response

    def error_body(self, request: Request, error: ServiceError) -> tuple[str, str]:
        """An ``errors`` object; the throttle answers in plain text."""
        del request
        if error.body is not None:
            return str(error.body), "text/plain; charset=utf-8"
        kinds = {401: "unauthorized", 404: "not_found", 422: "unprocessable_entity"}
        kind = kinds.get(error.status, "bad_request")
        body = {"errors": {"type": kind, "message": error.reason}}
        return json.dumps(body), "application/json; charset=utf-8"

    def foreign_item(self) -> ServiceError:
        """Reading another's column is refused, not denied to exist."""
        return ServiceError(401, "Tool does not have permission to access line_item")

    def line_item(self, campus: Campus, tool: Tool, column: Column) -> dict[str, Any]:
        """With the submission type of the assignment that stands behind the column."""
        found = super().line_item(campus, tool, column)
        if column.kind == "linked" and column.link_id is not None:
            url = campus.links[column.link_id].url or tool.target_url
            found[VENDOR_KEY + "submission_type"] = {
                "type": "external_tool",
                "external_tool_url": url,
            }
        return found

    def page(self, kind: str, request: Request, total: int) -> tuple[slice, str]:
        """Always paged: opaque, case-sensitive bookmarks; ten a page unless ``limit`` says more."""
        size = request.args.get("limit", type=int) or request.args.get("per_page", type=int)
        size = min(size or (50 if kind == "members" else 10), 100)
        token = request.args.get("page", "")
        start = _read_bookmark(token) if token else 0
        links = [("current", start), ("first", 0)]
        if start + size < total:
            links.insert(1, ("next", start + size))
        kept = {key: value for key, value in request.args.items() if key != "page"}
        text = [
            f"<{request.base_url}?{urlencode(kept | {'page': _bookmark(at)}, safe=':')}>; "
            f'rel="{rel}"'
            for rel, at in links
        ]
        return slice(start, start + size), ",".join(text)

    def link_header(self) -> str:
        """Header names are lower case since June 2024."""
        return "link"

    def graded(self, column: Column) -> dict[int, Grade]:
        """Every submission, graded or not: ``resultScore`` may be missing."""
        return column.grades

    def check_score(self, campus: Campus, column: Column, score: dict[str, Any]) -> Person:
        """Anybody but a real student: 422."""
        try:
            person = super().check_score(campus, column, score)
        except ServiceError as error:
            raise _unprocessable("User not found in course or is not a student") from error
        if person.is_test:
            raise _unprocessable("User not found in course or is not a student")
        return person

    def check_newer(self, column: Column, person: Person, at: datetime) -> None:
        """Older than the stored result: 400. The same instant is fine."""
        stored = column.grades.get(person.id)
        if stored is not None and at < stored.timestamp:
            raise ServiceError(400, "Submission has newer result than score timestamp")

    def record(self, column: Column, person: Person, score: dict[str, Any], at: datetime) -> None:
        """Clears on NotReady, Failed, Pending or no score; adds comments; counts attempts.

        ``prioritize_non_tool_grade`` keeps a teacher's grade, ``preserve_score`` any grade.
        """
        extension = score.get(VENDOR_KEY + "submission") or {}
        old = column.grades.get(person.id)
        stored = old or Grade(None, at, author="tool", attempts=0)
        column.grades[person.id] = stored
        if score.get("comment"):
            stored.comments.append(str(score["comment"]))
        if extension.get("new_submission", True):
            stored.attempts += 1
        kept = stored.overridden and extension.get("prioritize_non_tool_grade", False)
        if kept or extension.get("preserve_score", False):
            return
        stored.timestamp, stored.author, stored.overridden = at, "tool", False
        if score.get("scoreGiven") is None or score["gradingProgress"] in _CLEARING:
            stored.value = None
            return
        stored.value = round(score["scoreGiven"] / score["scoreMaximum"] * column.maximum, 5)

    def score_answer(
        self, campus: Campus, tool: Tool, column: Column, person: Person, score: dict[str, Any]
    ) -> dict[str, Any] | None:
        """The address of the result."""
        return {"resultUrl": f"{self.item_url(campus, tool, column)}/results/{person.id}"}

    def override(self, column: Column, person_id: int, grade: Grade) -> None:
        """A teacher's grade becomes the result; comments and attempts stay."""
        old = column.grades.get(person_id)
        grade.overridden = True
        if old is not None:
            grade.attempts = old.attempts
            grade.comments = [*old.comments, *grade.comments]
        column.grades[person_id] = grade

    # --- roster ------------------------------------------------------------------------------

    def roster(self, course: Course) -> list[Enrolment]:
        """Active people."""
        return [entry for entry in course.enrolments.values() if not entry.suspended]

    def roster_roles(self, entry: Enrolment, person: Person) -> list[str]:
        """Full names; an assistant has both roles, as at launch."""
        return self._context_roles(entry, person)

    def member(self, scene: Scene, entry: Enrolment) -> dict[str, Any]:
        """With a picture and the LTI 1.1 id."""
        return super().member(scene, entry) | {
            "picture": f"{scene.campus.base_url}/static/avatar.svg",
            "lti11_legacy_user_id": hashlib.sha256(scene.person.uuid.encode()).hexdigest(),
        }


def _institution_roles(scene: Scene) -> set[str]:
    """What the person is anywhere in the account, whatever this course says."""
    roles = {
        course.enrolments[scene.person.id].role
        for course in scene.campus.courses.values()
        if scene.person.id in course.enrolments
    }
    names = {"Instructor"} if roles - {"learner"} else set()
    names |= {"Student"} if "learner" in roles else set()
    names |= {"Administrator"} if scene.person.is_admin else set()
    return {INSTITUTION + name for name in names}


def _unprocessable(reason: str) -> ServiceError:
    return ServiceError(422, reason)


def _bookmark(start: int) -> str:
    """A token in which upper and lower case both matter."""
    seal = hashlib.sha256(f"page {start}".encode()).hexdigest()[:12]
    text = base64.urlsafe_b64encode(json.dumps([start, seal]).encode()).decode()
    return "bookmark:" + text.rstrip("=")


def _read_bookmark(token: str) -> int:
    """The place that a token stands for; 404 for one that was changed on the way."""
    padded = token.removeprefix("bookmark:")
    try:
        start, _ = json.loads(base64.urlsafe_b64decode(padded + "=" * (-len(padded) % 4)))
    except (ValueError, TypeError):
        start = -1
    if not isinstance(start, int) or _bookmark(start) != token:
        raise ServiceError(404, "Invalid page bookmark")
    return start


class LeakyBucket:
    """The quota of each token: a charge in advance while a request runs, a small cost after it.

    So one request at a time never meets the limit, and more than a dozen at once do.
    """

    QUOTA = 700.0
    LEAK_PER_SECOND = 10.0
    ADVANCE = 50.0
    COST = 0.05

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._levels: dict[str, tuple[float, float]] = {}

    def enter(self, token: str) -> float:
        """Charge in advance; the remaining quota, below zero when the request must wait."""
        return self._pour(token, self.ADVANCE)

    def leave(self, token: str) -> float:
        """Give the advance back, charge the cost; the remaining quota."""
        return self._pour(token, self.COST - self.ADVANCE)

    def _pour(self, token: str, amount: float) -> float:
        now = time.monotonic()
        with self._lock:
            level, at = self._levels.get(token, (0.0, now))
            level = max(0.0, level - (now - at) * self.LEAK_PER_SECOND + amount)
            self._levels[token] = (level, now)
            return self.QUOTA - level
