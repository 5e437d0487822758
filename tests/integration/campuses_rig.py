"""Two hosted schools of one vendor beside one Tassel: one issuer, and every id that can be equal is.

East and West are Canvas clouds. Whatever the vendor or chance may make equal (people's and courses'
ids, numbers, links, deployments, key ids, the labels and numbers of columns, developer keys,
student numbers) is equal here on purpose; people's names, grades, client ids and private keys are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from flask import request
from sqlalchemy import Table, select, update
from sqlalchemy.orm import Session

from app.db import Base
from app.demo.lms.keys import SigningKey
from app.gradebook.canvas_client import CanvasClient
from app.gradebook.canvas_rest import KEY, CanvasRest
from app.models import CourseSource, Installation
from app.pipeline import sources
from tests.contract.lms_rigs import World, worlds
from tests.integration.test_launch_web import Tab

TEACHER, ASSISTANT, ADMIN = 8, 9, 2
FIRST_LEARNER = 12
LABEL = "STAT 101"
QUIZ = "Quiz 1: Describing data"
NATIVE = "Midterm exam"
DEPLOYMENT = "106:the-same-everywhere"


@dataclass
class Asker:
    """A signed-in browser that types any address and sends any form. ``path`` opened at first."""

    tab: Tab
    path: str

    def ask(self, path: str, method: str = "GET", **form: str) -> requests.Response:
        """The answer as it comes; a form looks as if it stood on a page of ours."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.tab.cookies.items())
        headers = {"Cookie": cookies, "Sec-Fetch-Site": "same-origin"}
        return requests.request(
            method, self.tab.base + path, data=form, headers=headers, allow_redirects=False
        )


class School(World):
    """One of the two. ``word`` stands in the name of everybody and everything that is only here."""

    word = ""
    badge_id = ""

    def settle(self, word: str) -> None:
        """Take the name and begin to listen to who asks for what with which bearer."""
        self.word = word
        self.heard: list[tuple[str, str]] = []
        canvas = CanvasRest(CanvasClient(self.campus.http, lambda _: None), self.campus.grants)
        self.campus = replace(self.campus, sources={**self.campus.sources, KEY: canvas})
        self.lms.app.before_request(self._hear)
        for person in self.here.people.values():
            person.family += f" of {word}"
        for course in self.here.courses.values():
            course.title += f" at {word}"
        self.here.vendor.new_deployment = lambda tool_id: DEPLOYMENT

    def _hear(self) -> None:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        paths = self.here.vendor.paths
        # The bearer of a registration is the LMS's own and of no service.
        if kind and request.path not in (paths.configuration, paths.registration):
            self.heard.append((request.path, token))

    def take_ids_of(self, other: School) -> None:
        """From now on everything here is called as it is there."""
        for kind in ("people", "courses", "links"):
            for number, row in getattr(self.here, kind).items():
                row.uuid = getattr(other.here, kind)[number].uuid
        for person in self.here.people.values():
            self.here.add_person(person)
        theirs, mine = other.here.keys.current, self.here.keys.current
        self.here.keys._keys = [SigningKey(theirs.kid, mine.private)]

    @property
    def tools(self) -> list[dict[str, str]]:
        """As ``Tab`` wants it: the registration as the LMS sees it."""
        tool = next(iter(self.here.tools.values()))
        return [{"issuer": self.platform.issuer, "client_id": tool.client_id}]

    @property
    def client_id(self) -> str:
        return self.tools[0]["client_id"]

    def tab(self) -> Tab:
        """A browser without an own will, at the doors of Tassel."""
        return Tab(self)  # type: ignore[arg-type]

    def forged(self, asked: dict[str, str], **order: Any) -> str:
        """A token that answers ``asked``, signed here; ``order`` as of ``forge.mint``."""
        body = {"person": FIRST_LEARNER, "course": LABEL, "nonce": asked["nonce"]} | order
        return str(self.control("forge", **body)["id_token"])

    def entered_as(self, number: int, **order: Any) -> tuple[Tab, requests.Response]:
        """A launch with claims on order; the browser and the answer to its launch."""
        tab = self.tab()
        return tab, tab.finish(tab.login(), person=number, **order)

    def signed_in(self, number: int, **order: Any) -> Asker:
        """Somebody whose launch was let in."""
        tab, answer = self.entered_as(number, **order)
        assert answer.status_code == 303, answer.text
        return Asker(tab, answer.headers["Location"])

    # --- Canvas's own interface ----------------------------------------------------------------

    def authorise(self) -> None:
        """The operator enters a developer key, and the teacher lets Tassel read with it."""
        uri = sources.redirect_uri(self.campus)
        made = self.control("canvas/key", redirect_uris=[uri])
        values = {"base_url": self.lms.url, **made}
        installation = self.platform.installation_id
        sources.save_access(self.campus, installation, KEY, values, "operator:test")
        state, binding, code = self.consent()
        sources.finish(self.campus, state, binding, code)

    def consent(self) -> tuple[str, str, str]:
        """A teacher's consent up to the way back: state, the browser's secret, the LMS's code."""
        person = self.person(TEACHER).id
        begun = sources.start(self.campus, sources.ask(self.campus, self.course_id, KEY, person))
        query = parse_qs(urlsplit(begun.url).query)
        asked = {name: query[name][0] for name in ("client_id", "redirect_uri")}
        code = self.control("canvas/consent", person=TEACHER, **asked)["code"]
        return query["state"][0], begun.binding, str(code)

    def source(self) -> CourseSource:
        with self.db.reading() as session:
            return session.scalars(
                select(CourseSource).where(
                    CourseSource.course_id == self.course_id, CourseSource.source == KEY
                )
            ).one()

    # --- everything that belongs to it ---------------------------------------------------------

    @property
    def installation_id(self) -> str:
        return self.platform.installation_id

    def column(self, title: str = QUIZ) -> str:
        """The id of an assessment by which rules of the course name it."""
        return self.external(title)

    def graded(self, title: str) -> dict[str, Decimal]:
        """Subject to points of one column at this LMS, without its preview user."""
        learners = {self.sub(number) for number in self.numbers("learner")}
        return {sub: points for sub, points in self.cells(title).items() if sub in learners}

    def earners(self, mark: float = 8) -> set[str]:
        """Whose quiz at this LMS reaches the mark; without an address a badge is not sent."""
        mailed = {self.sub(n) for n in self.numbers("learner") if self.here.people[n].email}
        return {sub for sub, points in self.graded(QUIZ).items() if points >= mark} & mailed


class Owners:
    """Which schools a row belongs to: those that its foreign keys lead to, however far away.

    A learner is nobody's row: it is a human, and persons point to it.
    """

    def __init__(self, session: Session) -> None:
        self._rows: dict[str, dict[Any, dict[str, Any]]] = {}
        for table in Base.metadata.sorted_tables:
            keys = list(table.primary_key.columns)
            for row in session.execute(select(table)).mappings():
                key = row[keys[0].name] if len(keys) == 1 else tuple(row[one.name] for one in keys)
                self._rows.setdefault(table.name, {})[key] = dict(row)
        self._known: dict[tuple[str, Any], frozenset[str]] = {}

    def of(self, table: Table, key: Any) -> frozenset[str]:
        """Installation ids."""
        place = (table.name, key)
        if place not in self._known:
            self._known[place] = frozenset()  # a circle of references adds nothing
            self._known[place] = self._above(table, self._rows[table.name][key], key)
        return self._known[place]

    def _above(self, table: Table, row: dict[str, Any], key: Any) -> frozenset[str]:
        if table.name == "installation":
            return frozenset({key})
        found: frozenset[str] = frozenset()
        for column in table.columns:
            for foreign in column.foreign_keys:
                target = foreign.column.table
                if target.name != "learner" and row[column.name] is not None:
                    found |= self.of(target, row[column.name])
        return found

    def all(self) -> Iterator[tuple[str, dict[str, Any], frozenset[str]]]:
        """Table, row and owners of everything that is stored."""
        for table in Base.metadata.sorted_tables:
            for key, row in self._rows.get(table.name, {}).items():
                yield table.name, row, self.of(table, key)


def belongings(school: School) -> dict[str, list[str]]:
    """Every row of one school as text, by table: what must not change by what the other does."""
    mine = school.installation_id
    found: dict[str, list[str]] = {}
    with school.db.reading() as session:
        for table, row, owners in Owners(session).all():
            if mine in owners:
                found.setdefault(table, []).append(repr(sorted(row.items())))
    return {table: sorted(rows) for table, rows in found.items()}


@contextmanager
def two_schools(folder: Path) -> Iterator[tuple[School, School]]:
    """East and West, each registered, read, with a badge that was earned and sent."""
    with worlds(folder, "canvas", "canvas", seeds=(1, 2)) as made:
        east, west = (School(one.mode, one.lms, one.campus, one.clock) for one in made)
        east.settle("East")
        west.settle("West")
        west.take_ids_of(east)
        for school in (east, west):
            school.register()
            _name(school)
        for step in (_read, _publish, _award):
            for school in (east, west):
                step(school)
        try:
            yield east, west
        finally:
            east.visitor.close()
            west.visitor.close()


def _name(school: School) -> None:
    renamed = update(Installation).where(Installation.id == school.installation_id)
    with school.db.transaction() as session:
        session.execute(renamed.values(name=f"{school.word} College"))


def _read(school: School) -> None:
    school.authorise()
    school.collected()


def _publish(school: School) -> None:
    school.badge_id = school.badge({school.column(): 80}, name=f"Data literacy at {school.word}")


def _award(school: School) -> None:
    """As the worker does it, one queue for both schools."""
    school.collected()
    school.sign()
    while school.send():
        pass
