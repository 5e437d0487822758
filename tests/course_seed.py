"""A course with grades for page tests: rows as a launch and a reading would have left them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import delete

from app.db import new_id
from app.mastery import frameworks
from app.mastery.renewal import Terms
from app.mastery.rules import Clause, RuleDefinition
from app.models import (
    Assessment,
    BrowserSession,
    CollectRun,
    Course,
    Deployment,
    Enrolment,
    Grant,
    Installation,
    Learner,
    Person,
    Platform,
    Result,
    ResultVersion,
)
from app.pipeline import badges
from app.pipeline.badges import BadgeEdit
from app.pipeline.campus import Campus
from app.pipeline.decide import decide_course
from app.secrets import new_token, token_hash

GIVEN = "Ana Bo Chidi Dana Emil Fatma Gil Hana Ines Jun Kofi Lea Mira Nils Olu Pia Rui Sara Tom Uma"
FAMILY = "Ruiz Lind Obi Weiss Novak Demir Levi Sato Costa Park Mensah Roux Horvat Berg Ade Rossi"
TITLES = ("Quiz 3: Reading charts", "Assignment 2: Clean a dataset", "Lab report", "Midterm")


@dataclass
class Seeded:
    """Ids of what was made."""

    campus: Campus
    course_id: str
    teacher: str
    learners: list[str] = field(default_factory=list)
    assessments: list[str] = field(default_factory=list)
    competencies: list[str] = field(default_factory=list)


def seed(campus: Campus, *, learners: int = 30, label: str = "STAT 101") -> Seeded:
    """One course; learner n has the same grades in every run."""
    now = campus.clock()
    with campus.db.transaction() as session:
        installation = Installation(
            name="Campus LMS", lms="generic", origin="https://lms.example.edu", created_at=now
        )
        session.add(installation)
        session.flush()
        platform = Platform(
            installation=installation,
            issuer=f"https://lms.example.edu/{label}",
            client_id=label,
            auth_url="https://lms.example.edu/auth",
            token_url="https://lms.example.edu/token",
            jwks_url="https://lms.example.edu/jwks",
            state="active",
            created_at=now,
        )
        deployment = Deployment(
            platform=platform, deployment_id="1", state="active", created_at=now
        )
        course = Course(
            deployment=deployment,
            context_id=label,
            label=label,
            title="Introduction to statistics, autumn 2026",
            services={"lineitems": "https://lms.example.edu/items"},
            collected_at=now - timedelta(minutes=4),
            created_at=now,
        )
        session.add(course)
        session.flush()
        made = Seeded(campus, course.id, "")
        kinds: dict[type, list[Any]] = {}
        made.teacher = _person(kinds, made, installation.id, "teacher", "Dr. Maja Holm", now)
        for place, title in enumerate(TITLES):
            item = Assessment(
                course_id=course.id,
                source="ags",
                external_id=f"https://lms.example.edu/items/{place}",
                title=title,
                maximum=Decimal(50),
                position=place,
                seen_at=now - timedelta(minutes=4),
            )
            session.add(item)
            session.flush()
            made.assessments.append(item.id)
        given, family = GIVEN.split(), FAMILY.split()
        graded: dict[tuple[str, str], Decimal | None] = {}
        for n in range(learners):
            name = f"{given[n % len(given)]} {family[(n * 7 + n // len(given)) % len(family)]}"
            person = _person(kinds, made, installation.id, f"s{n}", name, now)
            made.learners.append(person)
            for place, assessment in enumerate(made.assessments):
                graded[assessment, person] = _raw(n, place)
        _keep(session, kinds)
        _results(session, graded, now)
        statements = ("Interpret data displays", "Prepare data for analysis", "Report findings")
        for statement in statements:
            competency = frameworks.add_competency(session, course.id, statement, None, now)
            made.competencies.append(competency.id)
    return made


def _raw(n: int, place: int) -> Decimal | None:
    """Points of 50; every ninth is not graded, the Midterm not at all."""
    if place == 3 or (n + place) % 9 == 8:
        return None
    ability, luck = (n * 37) % 31 + 20, (n * 17 + place * 7) % 13 - 6
    return Decimal(max(4, min(50, ability + luck))) - (Decimal("0.5") if n % 4 == 0 else 0)


def _person(
    kinds: dict[type, list[Any]], made: Seeded, installation_id: str, sub: str, name: str, now
) -> str:
    learner = Learner(id=new_id(), created_at=now)
    person = Person(
        id=new_id(),
        installation_id=installation_id,
        sub=sub,
        learner_id=learner.id,
        name=name,
        given_name=name.split(maxsplit=1)[0],
        family_name=name.rsplit(maxsplit=1)[-1],
        email=None if sub == "s4" else f"{sub}@example.edu",
        created_at=now,
    )
    role = "instructor" if sub == "teacher" else "learner"
    enrolment = Enrolment(course_id=made.course_id, person_id=person.id, role=role, launched_at=now)
    for row in (learner, person, enrolment):
        kinds.setdefault(type(row), []).append(row)
    return person.id


def _keep(session, kinds: dict[type, list[Any]]) -> None:
    """One statement for each kind, in the order in which they point at each other."""
    for rows in kinds.values():
        session.add_all(rows)
        session.flush()


def _results(session, graded: dict[tuple[str, str], Decimal | None], now) -> None:
    """The results by assessment and person, each with its first version."""
    rows = [
        Result(
            assessment_id=assessment,
            person_id=person,
            version=1,
            raw=raw,
            maximum=Decimal(50),
            changed_at=now,
        )
        for (assessment, person), raw in graded.items()
        if raw is not None
    ]
    session.add_all(rows)
    session.flush()
    session.add_all(
        ResultVersion(
            result_id=row.id,
            number=1,
            raw=row.raw,
            maximum=Decimal(50),
            posted=True,
            graded_at=now - timedelta(days=3),
            source="ags",
            seen_at=now,
        )
        for row in rows
    )


def make_badge(
    made: Seeded,
    name: str = "Data literacy, level 1",
    *,
    publish: bool = True,
    clauses: int = 3,
    terms: Terms | None = None,
) -> str:
    """A badge over the first assessments, 70 %, 60 % and 75 %; decided at once when published."""
    campus, actor = made.campus, f"person:{made.teacher}"
    achievement = badges.create(campus, made.course_id, name, actor, made.teacher)
    marks = ("70", "60", "75")
    definition = RuleDefinition(
        "all",
        tuple(
            Clause(made.assessments[n], made.competencies[n], Decimal(marks[n]))
            for n in range(clauses)
        ),
    )
    edit = BadgeEdit(
        name=name,
        description="The holder can interpret data displays and report findings.",
        criteria="",
        design="starburst",
        palette="indigo",
        image=None,
        image_alt="",
        regrade="keep",
        course_column=True,
        definition=definition,
        terms=terms or Terms(),
    )
    badges.save(campus, made.course_id, achievement, edit, actor, made.teacher)
    if publish:
        badges.publish(campus, made.course_id, achievement, actor)
        decide_course(campus, made.course_id)
    return achievement


def add_ancestor(made: Seeded, label: str = "STAT 101 A") -> str:
    """An older course with a badge, from which this one was copied; one column was renamed since."""
    old = seed(made.campus, learners=0, label=label)
    make_badge(old, "Data literacy, level 0")
    with made.campus.db.transaction() as session:
        here, there = (session.get_one(Course, one.course_id) for one in (made, old))
        there.deployment_id, here.history = here.deployment_id, [there.context_id]
        session.get_one(Assessment, old.assessments[2]).title = "Lab report (2025)"
        session.execute(delete(CollectRun).where(CollectRun.course_id == there.id))
    return old.course_id


def token_for(made: Seeded, person_id: str, role: str, locale: str | None = None) -> str:
    """A browser session that has come in with this role."""
    now, token = made.campus.clock(), new_token()
    with made.campus.db.transaction() as session:
        browser = BrowserSession(
            token_hash=token_hash(token), created_at=now, expires_at=now + timedelta(hours=2)
        )
        session.add(browser)
        session.flush()
        session.add(
            Grant(
                session_id=browser.id,
                scope=f"course:{made.course_id}",
                course_id=made.course_id,
                person_id=person_id,
                role=role,
                locale=locale,
                created_at=now,
                expires_at=now + timedelta(hours=2),
            )
        )
    return token


def enter(client: FlaskClient, made: Seeded, person_id: str, role: str) -> FlaskClient:
    """Give the client the cookie of such a session."""
    client.set_cookie("__Host-tassel", token_for(made, person_id, role))
    return client
