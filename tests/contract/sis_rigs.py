"""One rig per way of recording an award in the demo SIS: how to make the target, and what arrived.

The CSV rig plays the importing SIS: it takes every dropped package, holds it against the rules of
the CSV binding and applies it row by row.
"""

from __future__ import annotations

import csv
import io
import re
import uuid
import zipfile
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from app.delivery.port import AwardFacts, CompetencyFact, Outcome, Target
from app.delivery.sis import ADAPTERS
from app.demo.sis.server import SisServer
from app.http import HttpClient

CONNECTION = "0d3e6a52-6c1b-4a55-9a6e-0a64f3a5a001"
CASE_ID = "6b8f4c1e-54a1-4f0b-9d0a-2f6f0c9d7a10"
STUDENT, OTHER_STUDENT = "S-20841", "S-20844"
CLASS = "STAT101-2026-AUT-A"

COMPETENCIES = (
    CompetencyFact("DL-1", "Reads a chart", "https://case.example/DL-1", f"urn:uuid:{CASE_ID}"),
    CompetencyFact("DL-2", "Draws a chart", "https://skills.example/DL-2"),
)


def award(number: int = 1, **changes: Any) -> AwardFacts:
    """An award of the same badge; ``number`` tells awards apart."""
    facts = {
        "award_id": str(uuid.UUID(int=number, version=4)),
        "achievement_id": "3e0d1c52-0000-4000-8000-00000000000a",
        "achievement_name": "Data literacy",
        "achievement_description": "Reads and draws charts of real data.",
        "awarded_at": datetime(2026, 11, 20, 23, 30, tzinfo=UTC),
        "course_title": "Introduction to Statistics",
        "course_label": "STAT 101",
        "learner_sis_id": STUDENT,
        "class_sis_id": CLASS,
        "credential_url": "https://badges.example/c/abc",
        "competencies": COMPETENCIES,
    }
    return AwardFacts(**facts | changes)


def withdrawn(facts: AwardFacts) -> dict[str, Any]:
    """What changes when an award is withdrawn."""
    at = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
    return {"revoked_at": at, "revoke_reason": f"entered for {facts.course_label} by mistake"}


class RestRig:
    """OneRoster REST against the demo SIS, over HTTP."""

    needs_class = False
    record = "assessmentResult"
    collection = "assessmentResults"
    column = "assessmentLineItem"

    def __init__(self, sis: SisServer, folder: Path, http: HttpClient) -> None:
        self.sis = sis
        self.http = http

    def target(
        self, config: Mapping[str, str] | None = None, *, secret: str = "", http: Any = None
    ) -> Target:
        """A fresh target, as another process would make it."""
        values = {
            "connection_id": CONNECTION,
            "name": "Campus SIS",
            "gradebook_url": f"{self.sis.url}/ims/oneroster/gradebook/v1p2",
            "token_url": f"{self.sis.url}/oauth/token",
            "client_id": "tassel",
            "record": self.record,
            "category_id": "CAT-MICRO",
            "school_id": "SCHOOL-1",
        }
        secrets = {"client_secret": secret or "sis-demo-secret"}
        adapter = ADAPTERS["oneroster_rest"]
        return adapter.build(values | dict(config or {}), secrets, http or self.http)

    def records(self) -> list[dict[str, Any]]:
        """Every live result that the SIS holds."""
        return [r for r in self.sis.store.all(self.collection) if r["status"] == "active"]

    def students(self) -> list[str]:
        """The student of every live result, sorted."""
        return sorted(record["student"]["sourcedId"] for record in self.records())

    def columns(self) -> list[dict[str, Any]]:
        """Every line item that the SIS holds."""
        return self.sis.store.all(f"{self.column}s")


class GradebookRig(RestRig):
    """The same with results in the gradebook of a class."""

    needs_class = True
    record = "result"
    collection = "results"
    column = "lineItem"


class CsvRig:
    """OneRoster CSV, imported by this rig."""

    needs_class = True

    def __init__(self, sis: SisServer, folder: Path, http: HttpClient) -> None:
        self.data_dir = folder
        self.drop = folder / "sis-drop"
        self.http = http

    def target(self, config: Mapping[str, str] | None = None) -> Target:
        """A fresh target, as another process would make it."""
        values = {
            "connection_id": CONNECTION,
            "data_dir": str(self.data_dir),
            "name": "Campus SIS",
            "category_id": "CAT-MICRO",
            "school_id": "SCHOOL-1",
            "session_id": "2026-AUT",
        }
        adapter = ADAPTERS["oneroster_csv"]
        return adapter.build(values | dict(config or {}), {}, self.http)

    def packages(self) -> list[Path]:
        """Every file in the drop folder, in the order in which a SIS would import them."""
        return sorted(self.drop.iterdir()) if self.drop.is_dir() else []

    def records(self) -> list[dict[str, str]]:
        """Every live result after importing all packages."""
        rows = self.imported()["results"].values()
        return [row for row in rows if row["status"] == "active"]

    def students(self) -> list[str]:
        """The student of every live result, sorted."""
        return sorted(row["studentSourcedId"] for row in self.records())

    def columns(self) -> list[dict[str, str]]:
        """Every line item after importing all packages."""
        return list(self.imported()["lineItems"].values())

    def imported(self) -> dict[str, dict[str, dict[str, str]]]:
        """Rows by table and sourcedId after importing every package in order."""
        held: dict[str, dict[str, dict[str, str]]] = {"results": {}, "lineItems": {}}
        for path in self.packages():
            for name, rows in check_package(path.read_bytes()).items():
                held.setdefault(name, {}).update({row["sourcedId"]: row for row in rows})
        return held


Rig = RestRig | CsvRig
RIGS = {"assessment results": RestRig, "class results": GradebookRig, "csv": CsvRig}

ALL_FILES = {
    *("academicSessions", "categories", "classes", "classResources", "courses"),
    *("courseResources", "demographics", "enrollments", "lineItemLearningObjectiveIds"),
    *("lineItems", "lineItemScoreScales", "orgs", "resources", "resultLearningObjectiveIds"),
    *("results", "resultScoreScales", "roles", "scoreScales", "userProfiles", "userResources"),
    "users",
}
HEADERS = {
    "categories": "sourcedId,status,dateLastModified,title,weight",
    "lineItems": "sourcedId,status,dateLastModified,title,description,assignDate,dueDate,"
    "classSourcedId,categorySourcedId,academicSessionSourcedId,resultValueMin,resultValueMax,"
    "schoolSourcedId",
    "results": "sourcedId,status,dateLastModified,lineItemSourcedId,studentSourcedId,scoreStatus,"
    "score,scoreDate,comment,textScore,classSourcedId,inProgress,incomplete,late,missing",
    "lineItemLearningObjectiveIds": "sourcedId,status,dateLastModified,lineItemSourcedId,source,"
    "learningObjectiveId",
    "resultLearningObjectiveIds": "sourcedId,status,dateLastModified,resultSourcedId,source,"
    "learningObjectiveId,score,textScore",
}
REQUIRED = {
    "categories": {"title"},
    "lineItems": {
        "title",
        "assignDate",
        "dueDate",
        "classSourcedId",
        "categorySourcedId",
        "academicSessionSourcedId",
        "schoolSourcedId",
    },
    "results": {"lineItemSourcedId", "studentSourcedId", "scoreStatus", "scoreDate"},
    "lineItemLearningObjectiveIds": {"lineItemSourcedId", "source", "learningObjectiveId"},
    "resultLearningObjectiveIds": {"resultSourcedId", "source", "learningObjectiveId"},
}


def check_package(content: bytes) -> dict[str, list[dict[str, str]]]:
    """Hold a package against the rules of the CSV binding 1.2; returns its tables."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        texts = {name: archive.read(name).decode("utf-8") for name in archive.namelist()}
    assert not any("/" in name for name in texts), "the zip must be flat"
    manifest = list(csv.reader(io.StringIO(texts.pop("manifest.csv"), newline="")))
    assert manifest.pop(0) == ["propertyName", "value"]
    properties = dict(manifest)
    assert len(properties) == len(manifest), "a property twice"
    assert (properties["manifest.version"], properties["oneroster.version"]) == ("1.0", "1.2")
    modes = {k[5:]: v for k, v in properties.items() if k.startswith("file.")}
    assert set(modes) == ALL_FILES
    present = {name.removesuffix(".csv") for name in texts}
    assert modes == {name: "delta" if name in present else "absent" for name in ALL_FILES}
    tables = {}
    for name in present:
        lines = texts[f"{name}.csv"].split("\r\n")
        assert lines[0] == HEADERS[name]
        tables[name] = list(csv.DictReader(io.StringIO(texts[f"{name}.csv"], newline="")))
        ids = [row["sourcedId"] for row in tables[name]]
        assert len(set(ids)) == len(ids) > 0, "a sourcedId twice, or an empty file"
        for row in tables[name]:
            _check_row(name, row)
    _check_references(tables)
    return tables


def _check_row(table: str, row: dict[str, str]) -> None:
    missing = {c for c in REQUIRED[table] | {"sourcedId"} if not row[c]}
    assert not missing, f"{table}: {missing} empty"
    assert row["status"] in ("active", "tobedeleted"), "a delta fills the status"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", row["dateLastModified"])
    for name, value in row.items():
        if name in ("assignDate", "dueDate", "scoreDate"):
            assert date.fromisoformat(value).isoformat() == value
        assert not value.startswith(("=", "+", "-", "@", "\t", "\r", "\n")), "a formula"
    if row.get("source") == "case":
        assert uuid.UUID(row["learningObjectiveId"]).urn == row["learningObjectiveId"]
    assert row.get("source", "case") in ("case", "unknown")
    assert row.get("scoreStatus", "fully graded") == "fully graded"
    if row.get("score"):
        float(row["score"])


def _check_references(tables: dict[str, list[dict[str, str]]]) -> None:
    """Rows of the package that point at each other do so rightly."""
    ids = {name: {row["sourcedId"] for row in rows} for name, rows in tables.items()}
    for row in tables.get("results", []):
        assert row["lineItemSourcedId"] in ids["lineItems"]
    for row in tables.get("resultLearningObjectiveIds", []):
        assert row["resultSourcedId"] in ids["results"]
    for row in tables.get("lineItemLearningObjectiveIds", []):
        assert row["lineItemSourcedId"] in ids["lineItems"]


def explained(outcome: Outcome) -> Outcome:
    """The outcome, after checking that it says what happened, how to mend it and who can."""
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", outcome.code)
    assert len(outcome.code) <= 60
    assert outcome.message
    assert len(outcome.raw) <= 2000
    if outcome.kind != "sent":
        assert outcome.fix, outcome
        assert outcome.who, outcome
    return outcome
