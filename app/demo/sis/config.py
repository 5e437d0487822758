"""How one demo SIS is set up, and the file that makes it adopt the people of an LMS."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from app.errors import Invalid

# Known to everybody: a demo SIS holds nobody real.
DEMO_KEY = "sis-demo-secret"
CLASSES = ("STAT101-2026-AUT-A", "STAT101-2026-AUT-B")


@dataclass(frozen=True, slots=True)
class SisPerson:
    """A person as the registrar knows them; ``classes`` are sourcedIds of classes."""

    sis_id: str
    given: str
    family: str
    email: str = ""
    classes: tuple[str, ...] = ()
    role: Literal["student", "teacher"] = "student"


@dataclass(frozen=True, slots=True)
class SisConfig:
    """One SIS: who is in it, which classes it runs and which client may talk to it.

    Students are ``S-<first_id>``, ``S-<first_id + id_step>`` and so on, ``learners`` of them, spread
    over ``classes`` in turn; ``people`` replaces them and the teacher. ``token_seconds`` is the life of an access
    token. ``base_url`` is the public address without a slash at the end; empty means the address
    that a request came to.
    """

    learners: int = 30
    first_id: int = 20841
    id_step: int = 3
    people: tuple[SisPerson, ...] = ()
    classes: tuple[str, ...] = CLASSES
    client_id: str = "tassel"
    client_secret: str = DEMO_KEY
    token_seconds: int = 600
    base_url: str = ""


def read_people(path: Path) -> tuple[SisPerson, ...]:
    """The people of a JSON file: a list of objects with ``sis_id`` and, if known, ``given``,
    ``family``, ``email``, ``classes`` (a list) and ``role`` (student or teacher). Entries without a SIS id are left out, as a
    registrar does not know them. Raises ``Invalid`` when the file is not such a list.
    """
    try:
        entries = json.loads(path.read_text("utf-8"))
        return tuple(_person(entry) for entry in entries if entry.get("sis_id"))
    except (ValueError, TypeError, AttributeError) as error:
        raise Invalid(
            "bad-people",
            f"{path} is not a JSON list of people.",
            fix='Write [{"sis_id": "S-1", "given": "Ada", "family": "Byron"}, ...].',
        ) from error


def _person(entry: dict[str, Any]) -> SisPerson:
    return SisPerson(
        sis_id=str(entry["sis_id"]),
        given=str(entry.get("given") or "Unknown"),
        family=str(entry.get("family") or entry["sis_id"]),
        email=str(entry.get("email") or ""),
        classes=tuple(str(name) for name in entry.get("classes") or ()),
        role="teacher" if entry.get("role") == "teacher" else "student",
    )
