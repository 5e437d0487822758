"""Builds the demo campus: people, two courses, twelve linked assessments and believable grades."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

from app.demo.lms.people import make_learners, make_person, opaque_id, seeded
from app.demo.lms.state import (
    Campus,
    Column,
    ColumnKind,
    Course,
    Enrolment,
    Grade,
    Link,
    Person,
    Role,
    Section,
    Term,
)
from app.demo.lms.vendors import vendor_for

if TYPE_CHECKING:
    from app.demo.lms.config import LmsConfig

TERM = Term("Autumn 2026", "2026-AUT", "2026-09-01", "2026-12-18", "America/New_York")
LEARNERS_FROM = 12


@dataclass(frozen=True, slots=True)
class Assessment:
    """The plan of one column: ``ease`` is the mean share of points, ``done`` the graded share."""

    label: str
    maximum: float
    ease: float
    days_ago: int
    done: float = 0.97


STATISTICS = (
    Assessment("Quiz 1: Describing data", 10, 0.84, 74),
    Assessment("Lab 1: Exploring a data set", 20, 0.86, 70),
    Assessment("Quiz 2: Probability", 10, 0.72, 66),
    Assessment("Assignment 1: Reading a study critically", 100, 0.78, 60),
    Assessment("Lab 2: Simulating chance", 20, 0.82, 53),
    Assessment("Quiz 3: Sampling distributions", 10, 0.68, 46),
    Assessment("Lab 3: The bootstrap", 20, 0.76, 39),
    Assessment("Quiz 4: Confidence intervals", 10, 0.70, 32),
    Assessment("Assignment 2: Testing a hypothesis", 100, 0.73, 25),
    Assessment("Lab 4: Linear regression", 20, 0.78, 18),
    Assessment("Project: proposal", 20, 0.85, 11, 0.93),
    Assessment("Project: final report", 100, 0.79, 3, 0.7),
)
NATIVE = (
    Assessment("Midterm exam", 100, 0.71, 35),
    Assessment("Attendance", 10, 0.9, 2),
)
TEACHING = (
    Assessment("Reflection 1: My first class", 10, 0.85, 40),
    Assessment("Lesson plan", 20, 0.8, 20),
    Assessment("Peer observation", 10, 0.88, 9),
)


def build_campus(config: LmsConfig) -> Campus:
    """A campus as configured, without any tool yet."""
    campus = Campus(config, vendor_for(config.mode))
    fill(campus)
    return campus


def fill(campus: Campus) -> None:
    """(Re)create the courses and people of the campus from its seed."""
    campus.clear()
    random = seeded(campus.config.seed)
    staff = _staff(campus, random)
    config = campus.config
    learners = make_learners(random, LEARNERS_FROM, config.learners, complete=config.complete)
    for person in learners:
        campus.add_person(person)
    campus.number("person", max(campus.people))
    statistics = _course(campus, random, "STAT 101", "Introduction to Statistics", ("A", "B"))
    _enrol(statistics, staff["teacher"], "teacher", *statistics.sections)
    _enrol(statistics, staff["assistant"], "assistant", *statistics.sections)
    for index, person in enumerate(learners):
        _enrol(statistics, person, "learner", statistics.sections[index % 2])
    abilities = _assess(campus, random, statistics, STATISTICS, "linked")
    _assess(campus, random, statistics, NATIVE, "native", abilities)
    _course_total(campus, statistics)
    _second_course(campus, random, staff, learners)
    if campus.vendor.student_view:
        _student_view(campus, random, statistics)


def _staff(campus: Campus, random: Random) -> dict[str, Person]:
    """The people who are not learners of the first course; ids below the learners' ones."""
    plan = (
        ("admin", 2, "Ines", "Administrator", "EMP-001"),
        ("teacher", 8, "Marisol", "Ortúzar-Lind", "EMP-014"),
        ("assistant", 9, "Tomasz", "Żak", "EMP-029"),
        ("second_teacher", 10, "Hélène", "Abernathy", "EMP-017"),
    )
    staff = {
        key: campus.add_person(make_person(random, number, given, family, sis_id=sis_id))
        for key, number, given, family, sis_id in plan
    }
    staff["admin"].is_admin = True
    staff["teacher"].visits = True
    return staff


def _course(
    campus: Campus, random: Random, label: str, title: str, sections: tuple[str, ...]
) -> Course:
    number = campus.number("course", 3)
    code = label.replace(" ", "")
    course = Course(
        id=number,
        uuid=opaque_id(random).replace("-", "") + "0a1b2c3d",
        label=label,
        title=title,
        sis_id=f"{code}-{TERM.sis_id}",
        term=TERM,
        sections=[
            Section(campus.number("section", 5), f"Section {name}", f"{code}-{TERM.sis_id}-{name}")
            for name in sections
        ],
    )
    campus.courses[number] = course
    _link(campus, random, course, "", navigation=True)
    return course


def _link(
    campus: Campus, random: Random, course: Course, title: str, *, navigation: bool = False
) -> Link:
    number = campus.number("link")
    link = Link(number, opaque_id(random), course.id, title, navigation=navigation)
    if navigation:
        # Canvas names the course navigation by the id of the course itself.
        link.uuid = course.uuid
    campus.links[number] = link
    return link


def _enrol(course: Course, person: Person, role: Role, *sections: Section) -> None:
    course.enrolments[person.id] = Enrolment(person.id, role, [section.id for section in sections])


def _assess(
    campus: Campus,
    random: Random,
    course: Course,
    plan: tuple[Assessment, ...],
    kind: ColumnKind,
    abilities: dict[int, float] | None = None,
) -> dict[int, float]:
    """Make a column per assessment and grade the course's learners by their ability."""
    learners = [key for key, entry in course.enrolments.items() if entry.role == "learner"]
    abilities = abilities or {key: random.gauss(0, 1) for key in learners}
    now = campus.now()
    for assessment in plan:
        column = _column(campus, random, course, assessment, kind)
        graded_at = (now - timedelta(days=assessment.days_ago)).replace(microsecond=0)
        for person_id in learners:
            grade = _grade(random, assessment, abilities[person_id], graded_at)
            if grade is not None:
                column.grades[person_id] = grade
    return abilities


def _column(
    campus: Campus, random: Random, course: Course, assessment: Assessment, kind: ColumnKind
) -> Column:
    link = _link(campus, random, course, assessment.label) if kind == "linked" else None
    column = Column(
        id=campus.number("column", 7),
        course_id=course.id,
        label=assessment.label,
        maximum=assessment.maximum,
        kind=kind,
        link_id=link.id if link else None,
    )
    campus.columns[column.id] = column
    return column


def _grade(
    random: Random, assessment: Assessment, ability: float, graded_at: datetime
) -> Grade | None:
    """One grade: most follow the ability, a few are missing, zero or late."""
    chance = random.random()
    share = assessment.ease + 0.11 * ability + random.gauss(0, 0.06)
    if chance > assessment.done:
        return None
    if chance < 0.02:
        return Grade(0.0, graded_at, comments=["Nothing was handed in."])
    late = chance < 0.06
    share = min(1.0, max(0.05, share - (0.1 if late else 0.0)))
    steps = 1 if assessment.maximum >= 100 else 2
    value = round(share * assessment.maximum * steps) / steps
    delay = timedelta(days=2 if late else 0, minutes=random.randrange(600))
    comments = ["Late: 10 % deducted."] if late else []
    return Grade(value, graded_at + delay, comments=comments, late=late)


def _course_total(campus: Campus, course: Course) -> None:
    """A native column that the LMS computes: the mean share of what is graded, out of 100."""
    total = Column(campus.number("column"), course.id, "Course total", 100.0, "native")
    columns = campus.course_columns(course.id)
    for person_id, entry in course.enrolments.items():
        cells = [(column, column.grades.get(person_id)) for column in columns]
        shares = [
            cell.value / column.maximum for column, cell in cells if cell and cell.value is not None
        ]
        if entry.role == "learner" and shares:
            value = round(100 * sum(shares) / len(shares), 2)
            total.grades[person_id] = Grade(value, campus.now().replace(microsecond=0))
    campus.columns[total.id] = total


def _second_course(
    campus: Campus, random: Random, staff: dict[str, Person], learners: list[Person]
) -> None:
    """A course in which the statistics teacher is a learner."""
    course = _course(campus, random, "TEACH 500", "Teaching with Data", ("A",))
    _enrol(course, staff["second_teacher"], "teacher", *course.sections)
    _enrol(course, staff["teacher"], "learner", *course.sections)
    for person in learners[:3]:
        _enrol(course, person, "learner", *course.sections)
    _assess(campus, random, course, TEACHING, "linked")


def _student_view(campus: Campus, random: Random, course: Course) -> None:
    """The preview user a teacher can become; has perfect grades so that earning would show."""
    number = campus.number("person")
    person = Person(number, opaque_id(random), "Test", "Student", "", is_test=True)
    campus.add_person(person)
    _enrol(course, person, "learner", course.sections[0])
    for column in campus.course_columns(course.id):
        if column.kind == "linked":
            column.grades[number] = Grade(column.maximum, campus.now().replace(microsecond=0))
