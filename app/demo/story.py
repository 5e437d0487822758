"""The whole trip without a browser or a person: what ``tassel demo --story`` does.

Everything goes through the doors that people and programs use (pages, commands, API, LTI,
OneRoster); what is expected is worked out from the LMS's own numbers, not from Tassel's.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from app.demo import people
from app.demo.people import Api, Instructor
from app.demo.stage import Stage
from app.demo.visitor import Visitor

PUBLIC_URL = "https://story.example"
LAUNCHING = 5
"""How many learners open Tassel; the others are known from the roster and their grades only.

Where the roster has no student numbers everybody opens it once.
"""

READS = "Interprets data displays"
PREPARES = "Prepares data for analysis"


@dataclass(frozen=True)
class BadgePlan:
    """A badge of the story: assessments by their place among the linked columns, with marks."""

    name: str
    marks: tuple[tuple[int, str, int], ...]
    needs: str


BADGES = (
    BadgePlan("Data literacy, level 1", ((0, READS, 60), (1, PREPARES, 50)), "all"),
    BadgePlan("Data explorer", ((2, READS, 70), (3, READS, 70), (4, PREPARES, 70)), "any"),
)


@dataclass
class Story:
    """One run; ``seconds`` by step, and what was found in the end."""

    stage: Stage
    folder: Path
    seconds: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def run(self) -> bool:
        """Play it and write the files. True when every expected award arrived everywhere."""
        with self.step("start"):
            self.stage.start_lms()
            self.stage.start_sis()
            self.stage.start_tassel()
        operator = people.operator(self.stage)
        try:
            return self.play(operator)
        finally:
            operator.close()

    def play(self, operator: Visitor) -> bool:
        """All steps against systems that run; True when everything arrived."""
        with self.step("connect"):
            self.connect(operator)
        with self.step("launch"):
            self.launches()
        with self.step("publish"):
            self.publish()
        api = Api(self.stage)
        try:
            with self.step("award and deliver"):
                self.wait_until_done(api)
            with self.step("revoke"):
                revoked = self.revoke(api, operator)
            with self.step("gather"):
                summary = self.gather(api, revoked)
        finally:
            api.close()
        self._write("summary.json", summary)
        return not self.problems

    # --- the steps ---------------------------------------------------------------------------

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Take the time of one step."""
        begun = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - begun, 2)

    def connect(self, operator: Visitor) -> None:
        """What the two administrators do once."""
        people.connect_lms(self.stage, operator)
        people.connect_sis(self.stage, operator)

    def launches(self) -> None:
        """A few learners open Tassel before there is anything to see."""
        course_id = people.course(self.stage)["id"]
        everybody = self.stage.plan.lms in people.COLUMNS_BY_LINK
        for person in self.learners()[: None if everybody else LAUNCHING]:
            with people.browser(self.stage) as visitor:
                visitor.become(self.stage.lms, person["id"])
                people.must(visitor.launch(self.stage.lms, course_id))

    def publish(self) -> None:
        """The teacher has the grades read, says what can be learned and publishes the badges."""
        instructor = Instructor(self.stage)
        try:
            instructor.refresh()
            instructor.add_competency(READS, "DL1")
            instructor.add_competency(PREPARES, "DL2")
            titles = [column["label"] for column in self.assessments()]
            for plan in BADGES:
                marks = {titles[place]: (what, mark) for place, what, mark in plan.marks}
                instructor.badge(plan.name, marks, plan.needs)
        finally:
            instructor.close()

    def wait_until_done(self, api: Api) -> None:
        """Until every expected award is issued and every delivery has ended."""
        expected = self.expected_awards()
        people.wait_for(
            f"{expected} awards to be issued and delivered",
            lambda: self._is_done(api, expected),
            patience=120 + expected * 2.0,
        )

    def _is_done(self, api: Api, expected: int) -> bool:
        issued = sum(1 for _ in api.rows("/awards", state="issued"))
        if issued < expected:
            return False
        open_states = ("waiting", "sending")
        return not any(api.get("/deliveries", state=s, limit=1).json()["data"] for s in open_states)

    def revoke(self, api: Api, operator: Visitor) -> str:
        """Take one award back and wait until every target was told; returns its id."""
        award = next(api.rows("/awards", state="issued"))
        people.revoke_award(self.stage, operator, award["id"], "Awarded by mistake")
        people.wait_for("the revocation to arrive", lambda: self._is_told(api, award["id"]))
        return str(award["id"])

    @staticmethod
    def _is_told(api: Api, award_id: str) -> bool:
        rows = [r for r in api.rows("/deliveries", award_id=award_id) if r["operation"] == "revoke"]
        return bool(rows) and all(row["state"] not in ("waiting", "sending") for row in rows)

    # --- what the LMS holds ------------------------------------------------------------------

    def lms_state(self, *parts: str) -> dict[str, Any]:
        """Parts of the LMS's state, narrowed to the story's course."""
        course_id = str(people.course(self.stage)["id"])
        found: dict[str, Any] = self.stage.control(
            self.stage.lms, "state", parts=",".join(parts), course=course_id
        )
        return found

    def learners(self) -> list[dict[str, Any]]:
        """The learners of the course, test users left out."""
        learning = {
            entry["person"]
            for entry in people.course(self.stage)["enrolments"]
            if entry["role"] == "learner" and not entry["suspended"]
        }
        everybody = self.lms_state("people")["people"]
        return [one for one in everybody if one["id"] in learning and not one["test"]]

    def assessments(self) -> list[dict[str, Any]]:
        """The columns linked to Tassel, in the LMS's order; ours and native ones left out."""
        return [c for c in self.lms_state("line_items")["line_items"] if c["owner"] == "linked"]

    def expected_awards(self) -> int:
        """Worked out from the LMS's numbers."""
        return sum(len(self.expected(plan)) for plan in BADGES)

    def expected(self, plan: BadgePlan) -> set[str]:
        """LTI subjects of the learners who reach a badge."""
        state = self.lms_state("line_items", "grades")
        columns = [c for c in state["line_items"] if c["owner"] == "linked"]
        subjects = {person["id"]: person["subject"] for person in self.learners()}
        reached: Counter[int] = Counter()
        for place, _, mark in plan.marks:
            column = columns[place]
            for grade in state["grades"][str(column["id"])]:
                score = grade["value"]
                if score is not None and score * 100 >= mark * column["maximum"]:
                    reached[grade["person"]] += 1
        needed = len(plan.marks) if plan.needs == "all" else 1
        return {subjects[p] for p, count in reached.items() if count >= needed and p in subjects}

    # --- the files ---------------------------------------------------------------------------

    def gather(self, api: Api, revoked: str) -> dict[str, Any]:
        """Write all files but the summary, which it returns; ``problems`` gets what is wrong."""
        awards = list(api.rows("/awards"))
        for award in awards:
            self._credential(api, award["id"])
        scores = self._lms_files()
        records = self._sis_files()
        self._names(awards)
        deliveries = Counter(row["state"] for row in api.rows("/deliveries"))
        self._compare(len(awards), scores, records, deliveries)
        return {
            "lms": self.stage.plan.lms,
            "learners": len(self.learners()),
            "assessments": len(self.assessments()),
            "awards": len(awards),
            "credentials": len(awards),
            "deliveries": dict(deliveries),
            "seconds": self.seconds,
            "revoked": [f"{revoked}{suffix}" for suffix in (".json", ".jwt", ".png")],
            "problems": self.problems,
        }

    def _compare(self, awards: int, scores: int, records: int, deliveries: Counter[str]) -> None:
        """One award is revoked; it must be gone from the SIS and taken back in the course."""
        expected = self.expected_awards()
        checks = {
            f"{expected} awards expected, {awards} made": awards == expected,
            f"{expected - 1} scores expected in the LMS, {scores} there": scores == expected - 1,
            f"{expected - 1} records expected in the SIS, {records} there": records == expected - 1,
            f"deliveries that did not arrive: {dict(deliveries)}": set(deliveries) <= {"sent"},
        }
        self.problems += [text for text, good in checks.items() if not good]

    def _credential(self, api: Api, award_id: str) -> None:
        for suffix in ("json", "jwt", "png"):
            answer = api.get(f"/awards/{award_id}/credential.{suffix}")
            self._write(f"credentials/{award_id}.{suffix}", answer.content)

    def _lms_files(self) -> int:
        """One file per badge column with its scores; returns how many scores there are."""
        state = self.lms_state("line_items", "grades", "posts")
        own = [c for c in state["line_items"] if c["owner"] == "tool" and c["in_gradebook"]]
        total = 0
        for column in own:
            grades = [g for g in state["grades"][str(column["id"])] if g["value"] is not None]
            total += len(grades)
            self._write(f"lms/{column['id']}.json", {"line_item": column, "scores": grades})
        return total

    def _sis_files(self) -> int:
        """One file per record in the standard's envelope; returns how many results there are."""
        state = self.stage.control(self.stage.sis, "state")
        records = state["records"]
        results = records["assessmentResults"]
        for kind, envelope in (
            ("assessmentLineItems", "assessmentLineItem"),
            ("assessmentResults", "assessmentResult"),
        ):
            for identity, record in records[kind].items():
                self._write(f"sis/{identity}.json", {envelope: record})
        return len(results)

    def _names(self, awards: list[dict[str, Any]]) -> None:
        """Everything that names in the credentials resolve to, at its path."""
        paths = {"/issuers/campus/did.json", "/issuers/campus/jwks.json", "/issuers/campus/profile"}
        for award in awards:
            file = self.folder / "credentials" / f"{award['id']}.json"
            credential = json.loads(file.read_bytes())
            achievement = credential["credentialSubject"]["achievement"]
            names = (
                credential["credentialStatus"]["statusListCredential"],
                credential["issuer"]["url"],
                achievement["id"],
                achievement["image"]["id"],
            )
            paths |= {name.removeprefix(PUBLIC_URL) for name in names}
        for path in sorted(paths):
            headers = {"Accept": "application/json, image/png"}
            answer = requests.get(self.stage.tassel + path, headers=headers, timeout=30)
            answer.raise_for_status()
            self._write("www" + path, answer.content)

    def _write(self, name: str, content: bytes | dict[str, Any]) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, dict):
            content = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False).encode()
        path.write_bytes(content)
