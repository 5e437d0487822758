"""What the people of the demo campus do with Tassel, each in a browser of their own."""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from app.demo.html_page import Form
from app.demo.sis.config import DEMO_KEY
from app.demo.stage import Stage
from app.demo.visitor import Page, Visitor
from app.errors import NotFound, UpstreamError

COURSE = "STAT 101"
PATIENCE = 300.0
COLUMNS_BY_LINK = {"openedx"}
"""Modes in which a launch shows only the columns of its link, and the roster no student numbers."""


def browser(stage: Stage) -> Visitor:
    """A fresh browser that finds the demo's addresses."""
    return Visitor(hosts=stage.hosts)


def wait_for(what: str, ready: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Ask again and again until ``ready``; raises UpstreamError when patience ends."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if ready():
            return
        time.sleep(0.25)
    raise UpstreamError(
        "demo-waited", f"Waited too long for {what}.", system="demo", permanent=True
    )


def must(page: Page) -> Page:
    """The page, unless it is an error: then what it says."""
    if page.status >= 400:
        text = f"{page.url} answered {page.status}: {page.text[:400]}"
        raise UpstreamError("demo-page", text, system="tassel", permanent=True)
    return page


def administrator(stage: Stage) -> int:
    """The LMS's administrator, by number."""
    people = stage.control(stage.lms, "state", parts="people")["people"]
    return next(int(person["id"]) for person in people if person["admin"])


def course(stage: Stage) -> dict[str, Any]:
    """The demo course as the LMS holds it."""
    courses = stage.control(stage.lms, "state", parts="courses")["courses"]
    return next(one for one in courses if one["label"] == COURSE)


def teacher(stage: Stage) -> int:
    """The teacher of the demo course, by number."""
    entries = course(stage)["enrolments"]
    return next(int(entry["person"]) for entry in entries if entry["role"] == "teacher")


# --- the administrator and the operator ------------------------------------------------------


def connect_lms(stage: Stage, operator: Visitor) -> None:
    """Invite, register and approve, or set up by hand: what the two administrators do once.

    Some platforms tell a tool about its deployment only by the first launch, so the teacher knocks
    once before the operator approves the second time. Where a tool sees the columns of the links
    only that were opened, the teacher opens each once.
    """
    with browser(stage) as visitor:
        visitor.become(stage.lms, administrator(stage))
        page = must(visitor.get(stage.lms + "/admin/tools"))
        if any(form.name == "register" for form in page.forms):
            address = stage.command("platform", "invite", "--lms", stage.lms)
            must(visitor.register(stage.lms, address))
        else:
            set_up_by_hand(stage, visitor)
        approve_everything(stage, operator)
        visitor.become(stage.lms, teacher(stage))
        number = course(stage)["id"]
        visitor.launch(stage.lms, number)
        approve_everything(stage, operator)
        if stage.plan.lms in COLUMNS_BY_LINK:
            must(visitor.launch(stage.lms, number))
            for title in activities(stage, number):
                must(visitor.launch(stage.lms, number, title))


def activities(stage: Stage, course_id: int) -> list[str]:
    """Titles of the activities of a course."""
    links = stage.control(stage.lms, "state", parts="links", course=str(course_id))["links"]
    return [one["title"] for one in links if not one["navigation"] and one["course"] == course_id]


def set_up_by_hand(stage: Stage, visitor: Visitor) -> None:
    """Fill in the LMS's form with what Tassel tells, and tell Tassel what the LMS then shows."""
    ours = json.loads(stage.command("platform", "describe", stage.plan.lms))
    custom = "\n".join(f"{name}={value}" for name, value in ours["Custom parameters"].items())
    page = must(
        visitor.submit(
            "manual",
            name="Tassel",
            login_url=ours["Initiate login URL"],
            redirect_uris=ours["Redirection URI"],
            keyset_url=ours["Public keyset URL"],
            target_url=ours["Tool URL (target link URI)"],
            custom=custom,
        )
    )
    shown = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page.html))
    theirs = {name: html.unescape(value) for name, value in shown.items()}
    words = [word for option, name in _COPIED.items() for word in (option, theirs[name])]
    stage.command("platform", "register", "--lms", stage.plan.lms, "--origin", stage.lms, *words)


_COPIED = {
    "--issuer": "Issuer (platform id)",
    "--client-id": "Client id",
    "--deployment-id": "Deployment id",
    "--auth-url": "Authentication request URL",
    "--token-url": "Access token URL",
    "--jwks-url": "Public keyset URL",
}


def approve_everything(stage: Stage, operator: Visitor) -> None:
    """Press every "Approve" on the operator's page of platforms."""
    page = must(operator.get(stage.public + "/operator/platforms"))
    while any(button.label == "Approve" for form in page.forms for button in form.buttons):
        must(operator.submit("Approve"))
        page = must(operator.get(stage.public + "/operator/platforms"))


def connect_sis(stage: Stage, operator: Visitor) -> None:
    """Set up the OneRoster connection, try it and start it."""
    operator.get(stage.public + "/operator/connections/new/oneroster_rest")
    form = form_with(must_page(operator), "gradebook_url")
    must(
        operator.submit(
            form,
            name="Campus SIS",
            gradebook_url=stage.sis + "/ims/oneroster/gradebook/v1p2",
            token_url=stage.sis + "/oauth/token",
            client_id="tassel",
            client_secret=DEMO_KEY,
        )
    )
    connection = must_page(operator).url
    tested = must(operator.submit("Test connection"))
    if "everything works" not in tested.text:
        text = f"The connection test says: {tested.text[:1500]}"
        raise UpstreamError("demo-connection", text, system="tassel", permanent=True)
    operator.get(connection)
    must(operator.submit("Start sending"))


def operator(stage: Stage) -> Visitor:
    """A browser in which the operator has come in by a single-use link."""
    visitor = browser(stage)
    visitor.get(stage.command("admin", "link", "--name", "demo"))
    must(visitor.submit())
    return visitor


def revoke_award(stage: Stage, visitor: Visitor, award_id: str, reason: str) -> None:
    """Take an award back on its page."""
    visitor.get(f"{stage.public}/operator/awards/{award_id}/revoke")
    must(visitor.submit(form_with(must_page(visitor), "reason"), reason=reason))


# --- the instructor --------------------------------------------------------------------------


class Instructor:
    """The teacher of the demo course, with Tassel in a window of its own."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._visitor = browser(stage)
        self._visitor.become(stage.lms, teacher(stage))
        number = course(stage)["id"]
        self.home = must(self._visitor.launch(stage.lms, number, window=True)).url

    def close(self) -> None:
        """Close the browser."""
        self._visitor.close()

    def refresh(self) -> None:
        """Wait for the reading that the first launch began, then press "Refresh now" once more."""
        wait_for("the first reading", self._is_quiet)
        must(self._visitor.submit("Refresh now"))
        wait_for("the grades to be read", self._is_quiet)

    def _is_quiet(self) -> bool:
        """Whether the course home offers a new reading, because none is under way."""
        page = must(self._visitor.get(self.home))
        return any(button.label == "Refresh now" for form in page.forms for button in form.buttons)

    def add_competency(self, statement: str, code: str) -> None:
        """Write down one thing that learners can do."""
        self._visitor.get(self.home + "/competencies")
        form = form_with(must_page(self._visitor), "statement")
        must(self._visitor.submit(form, statement=statement, code=code))

    def badge(self, name: str, marks: Mapping[str, tuple[str, int]], needs: str = "all") -> None:
        """Make, map and publish. ``marks``: assessment title to competency and pass mark."""
        self._visitor.get(self.home + "/badges/new")
        must(self._visitor.submit(form_with(must_page(self._visitor), "name"), name=name))
        page = must_page(self._visitor)
        address = urlsplit(page.url)._replace(query="", fragment="").geturl()
        form = form_with(page, "needs")
        must(self._visitor.submit("Save draft", needs=needs, **mapping(form, marks)))
        self._visitor.get(address + "/publish")
        form = form_with(must_page(self._visitor), "regrade")
        must(self._visitor.submit(form, course_column=True))


def mapping(form: Form, marks: Mapping[str, tuple[str, int]]) -> dict[str, str]:
    """The fields of the mapping table that map the assessments named in ``marks``."""
    values: dict[str, str] = {}
    for one in form.fields:
        for title, (competency, mark) in marks.items():
            if one.name.startswith("competency-") and one.label.endswith(f" {title}"):
                place = one.name.removeprefix("competency-")
                options = {text: value for value, text in one.options}
                values[one.name] = options[competency]
                values[f"mark-{place}"] = str(mark)
    if len(values) < 2 * len(marks):
        raise NotFound("no-assessment", f"Not every one of {list(marks)} is in the table.")
    return values


def form_with(page: Page, name: str) -> Form:
    """The form that has a control of this name."""
    for form in page.forms:
        if name in form.names():
            return form
    raise NotFound(
        "no-form", f"{page.url} ({page.status}) has no form with {name}: {page.text[:200]}"
    )


def must_page(visitor: Visitor) -> Page:
    """The page that is shown, which must not be an error."""
    assert visitor.page is not None
    return must(visitor.page)


# --- programs --------------------------------------------------------------------------------


class Api:
    """A program of the campus with a token."""

    SCOPES = ("courses:read", "awards:read", "credentials:read", "deliveries:read")

    def __init__(self, stage: Stage) -> None:
        words = [word for scope in self.SCOPES for word in ("--scope", scope)]
        token = stage.command("token", "create", "--name", "story", *words)
        self._base = stage.tassel + "/api/v1"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def get(self, path: str, **query: str | int) -> requests.Response:
        """One answer; raises for anything but success."""
        answer = self._session.get(self._base + path, params=query, timeout=60)
        answer.raise_for_status()
        return answer

    def rows(self, path: str, **query: str | int) -> Iterator[dict[str, Any]]:
        """Every row of a list, page by page."""
        cursor: dict[str, str] = {}
        while True:
            page = self.get(path, limit=200, **cursor, **query).json()
            yield from page["data"]
            if page["next"] is None:
                return
            cursor = {"cursor": page["next"]}
