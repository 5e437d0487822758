"""The end of a term: many credentials signed by one process, by two, and through SIGKILLs.

``python -m tests.bench.soak_signing [--learners 10000] [--kills 6] [--seed 2026] [--database URL]``

First one process signs for a while, then two do, and they are killed at moments drawn by seed: one of
them, or all with their parent; the same command then goes on. Prints JSON; exit code 1 when anything is
not there exactly once. The database must be empty or made by the demo; without one it is SQLite in a
scratch folder.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import sys
import tempfile
import time
from typing import Any

from app import schema
from app.cli.demo import claim_database
from app.db import Database
from app.main import create_campus
from app.settings import Settings, load
from tests.term_end import Signing, earned, faults, held, kept, signed

ALONE = 0.2
"""The share that one process signs."""
LAST_KILL = 0.7
"""What comes after is signed by two processes in peace, and measured."""


def soak(settings: Settings, learners: int, kills: int, seed: int) -> tuple[dict[str, Any], bool]:
    """Sign everything; what was measured, and whether it is there exactly once."""
    campus = create_campus(settings)
    earned(campus, learners)
    start = time.monotonic()
    alone = _alone(settings, campus.db, learners)
    deaths = _disturbed(settings, campus.db, learners, random.Random(seed), kills)
    before = kept(campus.db)
    two = _measured(Signing(settings, "--processes", "2"))
    wrong = faults(campus.db, learners)
    wrong |= {} if before.items() <= kept(campus.db).items() else {"changed afterwards": 1}
    campus.db.close()
    found = {
        "credentials": learners,
        "database": "SQLite" if campus.db.is_sqlite else "PostgreSQL",
        "one process": alone,
        "two processes": two,
        "SIGKILLs": deaths,
        "signed when the last run began": len(before),
        "seconds in all": round(time.monotonic() - start, 1),
        "wrong": wrong,
    }
    return found, not wrong


def _alone(settings: Settings, db: Database, learners: int) -> dict[str, float]:
    """One process, which is stopped after its share."""
    running = Signing(settings, "--processes", "1")
    running.until(lambda: signed(db) >= ALONE * learners)
    running.stop()
    return _measured(running)


def _measured(running: Signing) -> dict[str, float]:
    """Wait for its end: badges a second as it says, and milliseconds of CPU for each.

    The latter is the same whoever else is busy on this machine; loading the program is in it.
    """
    before = _cpu_seconds()
    _, said = running.end()
    ((count, rate),) = re.findall(r"([\d,]+) signed in .*\(([\d,]+)/s\)", said)
    spent = (_cpu_seconds() - before) / int(count.replace(",", ""))
    return {"per second": int(rate.replace(",", "")), "CPU ms each": round(spent * 1000, 2)}


def _cpu_seconds() -> float:
    """Of all processes that this one has started and seen end."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _disturbed(
    settings: Settings, db: Database, learners: int, draw: random.Random, kills: int
) -> list[str]:
    """Two processes; each other time one of them dies, and else everybody. In words."""
    moments = sorted(draw.uniform(ALONE, LAST_KILL) * learners for _ in range(kills))
    said = []
    running, since = Signing(settings, "--processes", "2"), signed(db)
    for number, moment in enumerate(moments):
        _wait(running, db, max(moment, since + 1))
        whom = "all" if number % 2 else "one"
        said.append(f"{whom} at {signed(db)}")
        if whom == "one":
            running.kill_one(draw.randrange(2))
        else:
            running.kill_all()
            running, since = Signing(settings, "--processes", "2"), signed(db)
    if kills % 2:
        running.kill_all()
    else:
        running.stop()
        running.end()
    return said


def _wait(running: Signing, db: Database, moment: float) -> None:
    """Until so many are signed and both processes are at it."""
    running.until(lambda: signed(db) >= moment and held(db) > 0 and len(running.members()) == 2)


def main() -> int:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--learners", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--database", default="")
    chosen = parser.parse_args()
    if chosen.database:
        claim_database(chosen.database)
    with tempfile.TemporaryDirectory(prefix="tassel-signing-") as folder:
        settings = load(
            {
                "TASSEL_DATA_DIR": folder,
                "TASSEL_DATABASE_URL": chosen.database,
                "TASSEL_MASTER_KEY": "A" * 43 + "=",
            }
        )
        schema.upgrade(settings.database)
        measured, good = soak(settings, chosen.learners, chosen.kills, chosen.seed)
    sys.stdout.write(json.dumps(measured, indent=1) + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
