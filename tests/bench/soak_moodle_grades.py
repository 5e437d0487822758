"""A big course read through Moodle's web service: seconds, requests, memory; once, again, and broken off.

``python -m tests.bench.soak_moodle_grades [--learners 3000] [--columns 40] [--database URL]``

The LMS is a process of its own, so that the memory shown is Tassel's alone (Linux). Prints JSON; exit
code 1 when a grade is missing at the end. The database must be empty; without one it is SQLite in a
scratch folder.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import func, select

from app.db import Base, Database
from app.demo.stage import free_port
from app.main import create_campus
from app.models import (
    CollectRun,
    Course,
    Enrolment,
    Installation,
    Learner,
    Person,
    Platform,
    Result,
)
from app.pipeline import collect, grade_tokens
from app.pipeline.campus import Campus
from app.settings import load
from tests.integration.trip import seed_course

REPORT = "gradereport_user_get_grade_items"


class Bench:
    """One Tassel beside one demo Moodle."""

    def __init__(self, campus: Campus, lms: str) -> None:
        self.campus, self.lms, self.http = campus, lms, requests.Session()
        self.seen: dict[str, int] = {}
        self.course_id, installation_id = seed_course(campus.db, campus.clock())
        with campus.db.transaction() as session:
            installation = session.get_one(Installation, installation_id)
            installation.lms, installation.origin = "moodle", lms
            session.scalars(select(Platform)).one().issuer = lms
            learner = Learner(created_at=campus.clock())
            session.add(learner)
            session.flush()
            person = Person(
                installation_id=installation_id,
                sub="8",
                learner_id=learner.id,
                created_at=campus.clock(),
            )
            session.add(person)
            session.flush()
            session.add(Enrolment(course_id=self.course_id, person_id=person.id, role="instructor"))
            self.teacher = person.id

    def control(self, name: str, **body: Any) -> Any:
        answer = self.http.post(f"{self.lms}/_control/moodle/{name}", json=body, timeout=120)
        answer.raise_for_status()
        return answer.json()

    def requests(self) -> dict[str, int]:
        """By function, since the last look."""
        found = self.http.get(f"{self.lms}/_control/moodle/calls", timeout=10).json()["calls"]
        new = {name: found[name] - self.seen.get(name, 0) for name in found}
        self.seen = found
        return {name: number for name, number in new.items() if number}

    def read(self, name: str, *, whole: bool = False, break_at: int = 0) -> dict[str, Any]:
        """One reading with what it cost; ``break_at``: let the LMS fail after so many people."""
        run_id = collect.request(self.campus, self.course_id, "button", whole=whole)
        self.requests()
        started = time.monotonic()
        watcher = threading.Thread(target=self._break, args=(run_id, break_at))
        if break_at:
            watcher.start()
        for batch in collect.claim(self.campus):
            collect.run(self.campus, batch.ids)
        seconds = time.monotonic() - started
        if break_at:
            watcher.join()
        with self.campus.db.reading() as session:
            run = session.get_one(CollectRun, run_id)
            return {
                "reading": name,
                "seconds": round(seconds, 1),
                "state": run.state,
                "people": [run.done, run.total],
                "changed": run.changed,
                "requests": self.requests(),
                "problem": (run.problem or {}).get("code"),
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }

    def _break(self, run_id: str, people: int) -> None:
        while True:
            with self.campus.db.reading() as session:
                run = session.get_one(CollectRun, run_id)
            if run.done >= people or run.state in ("done", "failed"):
                break
            time.sleep(0.05)
        self.control(
            "site",
            fail={"function": REPORT, "errorcode": "dmlreadexception", "message": "x",
                  "exception": "dml_read_exception", "times": 2},
        )  # fmt: skip

    def stored(self) -> int:
        with self.campus.db.reading() as session:
            return session.scalar(select(func.count(Result.id)).where(Result.raw.is_not(None))) or 0


def measure(campus: Campus, lms: str, columns: int) -> tuple[dict[str, Any], bool]:
    """Broken off, gone on, again, in part, whole."""
    bench = Bench(campus, lms)
    bench.control("fill", course=3, columns=columns)
    token = bench.control("token", person=8)["token"]
    grade_tokens.connect_course(campus, bench.course_id, token, bench.teacher, "bench")
    with campus.db.transaction() as session:
        for run in session.scalars(select(CollectRun)):
            session.delete(run)
    half = bench.http.get(f"{lms}/_control/state?parts=courses", timeout=60).json()["courses"][0]
    learners = sum(one["role"] == "learner" for one in half["enrolments"])
    readings = [
        bench.read("first, broken off half way", whole=True, break_at=learners // 2),
        bench.read("goes on"),
        bench.read("by the clock, nothing new"),
        bench.read("everything again", whole=True),
    ]
    with campus.db.reading() as session:
        title = session.get_one(Course, bench.course_id).label
    expected = _expected(bench)
    stored = bench.stored()
    result = {"course": title, "learners": learners, "columns": columns, "grades": stored,
              "at_the_lms": expected, "readings": readings}  # fmt: skip
    bench.http.close()
    return result, stored == expected


def _expected(bench: Bench) -> int:
    """Grades of learners in every column but the computed total, as the LMS counts them."""
    url = f"{bench.lms}/_control/state?parts=grades,line_items&course=3"
    state = bench.http.get(url, timeout=120).json()
    computed = {str(one["id"]) for one in state["line_items"] if one["label"] == "Course total"}
    return sum(
        cell["value"] is not None
        for column, cells in state["grades"].items()
        if column not in computed
        for cell in cells
    )


def main() -> int:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--learners", type=int, default=3000)
    parser.add_argument("--columns", type=int, default=40)
    parser.add_argument("--database", default="")
    chosen = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="tassel-moodle-"))
    url, port = chosen.database or f"sqlite:///{scratch / 'tassel.db'}", free_port()
    command = [sys.executable, "-m", "app.demo.lms", "--mode", "moodle", "--port", str(port)]
    lms = subprocess.Popen([*command, "--learners", str(chosen.learners)], stdout=subprocess.PIPE)
    try:
        assert lms.stdout is not None
        address = lms.stdout.readline().decode().removeprefix("LMS ").strip()
        settings = load(
            {
                "TASSEL_DATABASE_URL": url,
                "TASSEL_DATA_DIR": str(scratch),
                "TASSEL_PUBLIC_URL": "http://127.0.0.1:8080",
                "TASSEL_ALLOWED_ORIGINS": address,
            }
        )
        database = Database(url)
        Base.metadata.create_all(database.engine)
        database.close()
        campus = create_campus(settings)
        measured, good = measure(campus, address, chosen.columns)
        campus.http.close()
        campus.db.close()
    finally:
        lms.terminate()
        lms.wait()
        shutil.rmtree(scratch, ignore_errors=True)
    sys.stdout.write(json.dumps(measured, indent=1) + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
