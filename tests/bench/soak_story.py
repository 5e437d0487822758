"""The whole trip at a big size: seconds by step, and the most memory that each part ever held.

``python -m tests.bench.soak_story [--learners 10000] [--lms moodle] [--database URL] [--folder DIR]``

Web and worker run as processes of their own, so that their memory can be told apart (``VmHWM`` in
/proc, Linux only). Prints JSON; exit code 1 when not everything arrived. The database must be empty
or made by the demo; without one it is SQLite in a scratch folder.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from app.cli.demo import claim_database
from app.demo import people
from app.demo.stage import Plan, Stage
from app.demo.story import PUBLIC_URL, Story

PARTS = ("web", "worker")


def soak(plan: Plan, folder: Path) -> tuple[dict[str, Any], bool]:
    """Play the story; what was measured, and whether everything arrived."""
    with Stage(plan) as stage:
        story = Story(stage, folder)
        with story.step("start"):
            stage.start_lms()
            stage.start_sis()
            stage.command("db", "upgrade")
            for part in PARTS:
                stage.start_part(part, part)
        with closing(people.operator(stage)) as operator:
            good = story.play(operator)
        peaks = {part: round(peak(stage.pid(part)), 1) for part in PARTS}
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    names = ("lms", "learners", "assessments", "awards", "deliveries", "seconds", "problems")
    return {name: summary[name] for name in names} | {"peak_mb": peaks}, good


def peak(pid: int) -> float:
    """MB that a process and its children held at most, each at its own worst moment."""
    process = Path("/proc", str(pid))
    lines = (process / "status").read_text(encoding="ascii").splitlines()
    own = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
    children = (process / "task" / str(pid) / "children").read_text(encoding="ascii").split()
    return own + sum(peak(int(child)) for child in children)


def main() -> int:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--learners", type=int, default=10_000)
    parser.add_argument("--lms", default="moodle")
    parser.add_argument("--database", default="")
    parser.add_argument("--folder", type=Path, help="keeps the story's files")
    chosen = parser.parse_args()
    if chosen.database:
        claim_database(chosen.database)
    scratch = Path(tempfile.mkdtemp(prefix="tassel-soak-"))
    try:
        plan = Plan(scratch, chosen.lms, chosen.learners, True, chosen.database, PUBLIC_URL)
        measured, good = soak(plan, chosen.folder or scratch / "story")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    sys.stdout.write(json.dumps(measured, indent=1, ensure_ascii=False) + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
