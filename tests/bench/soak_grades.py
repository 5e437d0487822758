"""A big course through the LMS's own interface: seconds, requests and memory of each reading.

``python -m tests.bench.soak_grades [--learners 3000] [--columns 40] [--database URL]``

The demo LMS stands in this process, so memory is what the readings added on top of it. The first
reading is throttled once and fails once half-way. Exit code 1 when a grade is missing.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from typing import Any

from app.db import Base, Database
from tests.integration.canvas_stage import Stage, canvas_stage
from tests.integration.lti_rig import COURSE

FAIL_AFTER = 0.4
"""The share of the requests of a whole reading after which one fails."""


def measure(stage: Stage, learners: int, columns: int) -> tuple[dict[str, Any], bool]:
    """Read three times: whole with a failure, nothing changed, one in a hundred changed."""
    demo = stage.rig.lms.app.extensions["demo_lms"]
    made = stage.control("columns", course=COURSE, people=learners, count=columns)
    stage.rig.clock.ahead *= 0
    stage.connect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found: dict[str, Any] = {"learners": made["learners"]}
    pages = columns * -(-learners // 100)
    stage.control("switch", fail_after=int(pages * FAIL_AFTER))
    failed = _timed(stage, found, "until the failure")
    kept = stage.results()
    stage.rig.control("throttle", requests=1)
    _timed(stage, found, "the rest")
    found["kept over the failure"] = kept
    _timed(stage, found, "nothing changed")
    titles = [one for one in demo.columns.values() if one.label.startswith("Exercise")]
    changes = 0
    for number, (person, grade) in enumerate(titles[0].grades.items()):
        if number % 10 == 0:
            grade.value, grade.timestamp = 20.0 - (grade.value or 0), demo.now()
            changes += grade.value != 10.0 and not demo.people[person].is_test
    _timed(stage, found, "some changed")
    found["results"] = stage.results()
    found["added_mb"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    whole = all(one.label in stage.columns() for one in titles)
    good = failed == "failed" and kept > 0 and whole and found["some changed"]["changed"] == changes
    return found, good and found["results"] >= learners * columns


def _timed(stage: Stage, found: dict[str, Any], name: str) -> str:
    calls, start = sum(stage.calls().values()), time.monotonic()
    run = stage.collect()
    found[name] = {
        "state": run.state,
        "seconds": round(time.monotonic() - start, 1),
        "requests": sum(stage.calls().values()) - calls,
        "changed": run.changed,
        "progress": f"{run.done} of {run.total} {run.unit}",
    }
    return run.state


def main() -> int:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--learners", type=int, default=3000)
    parser.add_argument("--columns", type=int, default=40)
    parser.add_argument("--database", default="", help="empty; without one a scratch SQLite file")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tassel-grades-") as folder:
        db = Database(chosen.database or f"sqlite:///{folder}/tassel.db")
        Base.metadata.create_all(db.engine)
        with canvas_stage(db, folder) as stage:
            found, good = measure(stage, chosen.learners, chosen.columns)
        db.close()
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
