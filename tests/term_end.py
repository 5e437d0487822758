"""The end of a term: a badge that many people have earned, and the processes that sign it."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select

from app.db import Database, new_id
from app.models import (
    Award,
    Credential,
    Delivery,
    Enrolment,
    Installation,
    Learner,
    Person,
    Rule,
    StatusList,
)
from app.pipeline import connections
from app.pipeline.campus import Campus
from app.settings import Settings
from tests import course_seed
from tests.operator_seed import SIS

CHUNK = 1000


def earned(campus: Campus, learners: int) -> course_seed.Seeded:
    """A course of so many people with an award each that goes to a student system too."""
    connection = connections.create(campus, "oneroster_rest", SIS, "operator:test")
    connections.set_paused(campus, connection, False, "operator:test")
    made = course_seed.seed(campus, learners=0)
    badge = course_seed.make_badge(made, clauses=1)
    now = campus.clock()
    with campus.db.transaction() as session:
        rule = session.scalars(select(Rule).where(Rule.achievement_id == badge)).one()
        installation = session.scalars(select(Installation.id)).one()
        base = {
            "course_id": made.course_id,
            "achievement_id": badge,
            "achievement_version": 1,
            "rule_id": rule.id,
            "rule_version": 1,
            "state": "waiting",
            "awarded_at": now,
        }
        for start in range(0, learners, CHUNK):
            numbers = range(start, min(start + CHUNK, learners))
            rows = [_rows(n, installation, made.course_id, base, now) for n in numbers]
            for place, table in enumerate((Learner, Person, Enrolment, Award)):
                session.execute(insert(table), [one[place] for one in rows])
            made.learners += [one[1]["id"] for one in rows]
    return made


def _rows(
    number: int, installation: str, course: str, base: dict[str, Any], now: Any
) -> tuple[dict[str, Any], ...]:
    learner, person, award = new_id(), new_id(), new_id()
    sub = f"e{number}"
    return (
        {"id": learner, "created_at": now},
        {
            "id": person,
            "installation_id": installation,
            "sub": sub,
            "learner_id": learner,
            "name": f"Learner {number}",
            "email": f"{sub}@example.edu",
            "sis_id": f"S-{number:06d}",
            "created_at": now,
        },
        {"id": new_id(), "course_id": course, "person_id": person, "role": "learner"},
        base
        | {
            "id": award,
            "learner_id": learner,
            "person_id": person,
            "subject_id": f"urn:uuid:{award}",
            "salt": secrets.token_hex(16),
        },
    )


class Signing:
    """``tassel sign`` as a process of its own, in a session of its own."""

    def __init__(self, settings: Settings, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "sign", *arguments],
            env={
                "PATH": os.environ["PATH"],
                "TASSEL_DATABASE_URL": settings.database,
                "TASSEL_DATA_DIR": str(settings.data_dir),
                "TASSEL_MASTER_KEY": settings.master_key,
                "PYTHONWARNINGS": "default",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def members(self) -> list[int]:
        """Ids of the processes that sign."""
        pid = str(self.process.pid)
        children = Path("/proc", pid, "task", pid, "children").read_text(encoding="ascii")
        return [int(number) for number in children.split()]

    def until(self, reached: Callable[[], bool]) -> None:
        """Wait for something that must come before it ends."""
        pause = threading.Event()
        while not reached():
            assert self.process.poll() is None, self.end()
            pause.wait(0.02)

    def kill_one(self, number: int) -> None:
        """SIGKILL to one member; returns when another one has taken its place."""
        size, killed = len(self.members()), self.members()[number]
        os.kill(killed, signal.SIGKILL)
        self.until(lambda: killed not in self.members() and len(self.members()) == size)

    def kill_all(self) -> None:
        """SIGKILL to everybody at the same time."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def stop(self) -> None:
        """Ask it to come to an end."""
        self.process.terminate()

    def end(self) -> tuple[int, str]:
        """Exit code and everything that it said, when it has ended."""
        said, _ = self.process.communicate()
        return self.process.returncode, said


def kept(db: Database) -> dict[str, str]:
    """Credential to the hash of its bytes."""
    with db.reading() as session:
        return dict(session.execute(select(Credential.id, Credential.sha256)).all())


def signed(db: Database) -> int:
    """How many credentials there are."""
    with db.reading() as session:
        return session.scalar(select(func.count(Credential.id))) or 0


def held(db: Database) -> int:
    """Awards that a process of its own is signing."""
    with db.reading() as session:
        query = select(func.count(Award.id)).where(Award.lease_by.is_not(None))
        return session.scalar(query) or 0


def faults(db: Database, expected: int) -> dict[str, int]:
    """What is not exactly once when all of it should be; empty when everything is."""
    with db.reading() as session:
        awards = session.execute(select(Award.state, Award.lease_until, Award.lease_by)).all()
        places = session.execute(select(Award.status_list_id, Award.status_index)).all()
        credentials = Counter(session.execute(select(Credential.award_id, Credential.number)).all())
        sent = Counter(session.execute(select(Delivery.award_id, Delivery.operation)).all())
        used = session.scalar(select(func.sum(StatusList.used))) or 0
    found = {
        "awards lost": expected - len(awards),
        "not signed": sum(tuple(row) != ("issued", None, None) for row in awards),
        "entries of the status list shared": len(places) - len(set(places)),
        "entries of the status list wasted": used - expected,
        "without a credential": expected - len({row[0] for row in credentials}),
        "with two credentials": sum(credentials.values()) - expected,
        "not sent on": expected - len(sent),
        "sent on twice": sum(sent.values()) - len(sent),
    }
    return {name: count for name, count in found.items() if count}
