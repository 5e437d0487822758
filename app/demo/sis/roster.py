"""The people and classes that the registrar keeps, in the shapes of OneRoster 1.2 Rostering.

The roster never changes while the SIS runs: the rostering service is read-only in 1.2.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from app.demo.sis.config import SisConfig, SisPerson

Record = dict[str, Any]

CAMPUS, SCHOOL, YEAR, TERM = "ORG-1", "SCHOOL-1", "YEAR-2026", "2026-AUT"
CATEGORY = "CAT-MICRO"
MODIFIED = "2026-08-20T08:00:00.000Z"
_GIVEN = ("Amara", "Bo", "Chloé", "Dmytro", "Esra", "Farah", "Giulia", "Hiroshi", "Inés", "João")
_FAMILY = ("Okafor", "Lindqvist", "Marchetti", "Nakamura", "Øvergaard", "Peña", "Quispe")
_REF_TYPES = {
    "orgs": "org",
    "users": "user",
    "classes": "class",
    "courses": "course",
    "academicSessions": "academicSession",
}


class Roster:
    """All rostering records by collection and sourcedId; ``base`` is the rostering base address.

    ``people`` are the students among them.
    """

    def __init__(self, config: SisConfig, base: str) -> None:
        self._base = base
        self._everybody = config.people or tuple(_invent(config))
        self.people = tuple(p for p in self._everybody if p.role == "student")
        classes = {*config.classes, *(name for p in self._everybody for name in p.classes)}
        self.collections: dict[str, dict[str, Record]] = {
            "orgs": _by_id(self._orgs()),
            "academicSessions": _by_id(self._sessions()),
            "courses": _by_id(self._course(code) for code in sorted({_code(c) for c in classes})),
            "classes": _by_id(self._class(name) for name in sorted(classes)),
            "users": _by_id(self._user(p) for p in self._everybody),
            "enrollments": _by_id(self._enrollments()),
        }

    def has(self, collection: str, sourced_id: str) -> bool:
        """Whether such a record exists."""
        return sourced_id in self.collections[collection]

    def is_student(self, sourced_id: str) -> bool:
        """Whether this is a user whose role is student."""
        user = self.collections["users"].get(sourced_id)
        return user is not None and user["roles"][0]["role"] == "student"

    def students_of(self, class_id: str) -> list[Record]:
        """The students enrolled in a class."""
        users = self.collections["users"]
        return [
            users[e["user"]["sourcedId"]]
            for e in self.collections["enrollments"].values()
            if e["class"]["sourcedId"] == class_id and e["role"] == "student"
        ]

    def _ref(self, collection: str, sourced_id: str) -> Record:
        href = f"{self._base}/{collection}/{sourced_id}"
        return {"href": href, "sourcedId": sourced_id, "type": _REF_TYPES[collection]}

    def _orgs(self) -> list[Record]:
        district = {"name": "Demo Campus", "type": "district", "identifier": CAMPUS}
        school = {"name": "Faculty of Science", "type": "school", "identifier": SCHOOL}
        parent = {"parent": self._ref("orgs", CAMPUS)}
        return [_record(CAMPUS, district), _record(SCHOOL, school | parent)]

    def _sessions(self) -> list[Record]:
        year = {"startDate": "2026-09-01", "endDate": "2027-06-30", "type": "schoolYear"}
        term = {"startDate": "2026-09-01", "endDate": "2026-12-18", "type": "term"}
        common = {"schoolYear": "2027"}
        return [
            _record(YEAR, {"title": "2026/27", **year, **common}),
            _record(
                TERM,
                {
                    "title": "Autumn 2026",
                    **term,
                    **common,
                    "parent": self._ref("academicSessions", YEAR),
                },
            ),
        ]

    def _course(self, code: str) -> Record:
        body = {"title": code, "courseCode": code, "org": self._ref("orgs", SCHOOL)}
        return _record(code, body)

    def _class(self, name: str) -> Record:
        body = {
            "title": name,
            "classCode": name,
            "classType": "scheduled",
            "course": self._ref("courses", _code(name)),
            "school": self._ref("orgs", SCHOOL),
            "terms": [self._ref("academicSessions", TERM)],
        }
        return _record(name, body)

    def _user(self, person: SisPerson) -> Record:
        role = {"roleType": "primary", "role": person.role, "org": self._ref("orgs", SCHOOL)}
        body = {
            "enabledUser": "true",
            "givenName": person.given,
            "familyName": person.family,
            "roles": [role],
        }
        return _record(person.sis_id, body | ({"email": person.email} if person.email else {}))

    def _enrollments(self) -> Iterable[Record]:
        for person in self._everybody:
            for name in person.classes:
                body = {
                    "user": self._ref("users", person.sis_id),
                    "class": self._ref("classes", name),
                    "school": self._ref("orgs", SCHOOL),
                    "role": person.role,
                }
                yield _record(f"ENR-{person.sis_id}-{name}", body)


def _invent(config: SisConfig) -> Iterable[SisPerson]:
    yield SisPerson("EMP-014", "Marisol", "Ortúzar-Lind", classes=config.classes, role="teacher")
    for index in range(config.learners):
        given = _GIVEN[index % len(_GIVEN)]
        family = _FAMILY[index % len(_FAMILY)]
        sis_id = f"S-{config.first_id + index * config.id_step}"
        classes = (config.classes[index % len(config.classes)],) if config.classes else ()
        email = f"{sis_id.lower()}@example.edu"
        yield SisPerson(sis_id, given, family, email, classes)


def _code(class_id: str) -> str:
    """The course that a class belongs to: what stands before the first dash."""
    return class_id.partition("-")[0]


def _record(sourced_id: str, body: Record) -> Record:
    return {"sourcedId": sourced_id, "status": "active", "dateLastModified": MODIFIED, **body}


def _by_id(records: Iterable[Record]) -> dict[str, Record]:
    return {record["sourcedId"]: record for record in records}
