"""The made-up campus: the same for a seed, believable, and with the gaps that real ones have."""

from __future__ import annotations

from statistics import correlation, mean

import pytest

from app.demo.lms.campus import STATISTICS, build_campus
from app.demo.lms.config import LmsConfig
from app.demo.lms.dump import PARTS, dump
from app.demo.lms.people import ascii_name
from app.demo.lms.state import Campus, Column
from app.demo.lms.vendors import VENDORS
from app.errors import Invalid


def campus(**config: object) -> Campus:
    return build_campus(LmsConfig(**config))  # type: ignore[arg-type]


def learners(here: Campus) -> list[int]:
    course = here.courses[3]
    return [key for key, one in course.enrolments.items() if one.role == "learner"]


def linked(here: Campus) -> list[Column]:
    return [one for one in here.course_columns(3) if one.kind == "linked"]


def test_the_same_seed_makes_the_same_campus() -> None:
    def picture(here: Campus) -> object:
        parts = [one for one in PARTS if one not in {"lms", "grades"}]
        values = [{k: g.value for k, g in one.grades.items()} for one in here.columns.values()]
        return dump(here, parts, None), values

    assert picture(campus(seed=4)) == picture(campus(seed=4))
    assert picture(campus(seed=4)) != picture(campus(seed=5))


def test_twelve_assessments_and_three_native_columns() -> None:
    here = campus()
    assert [one.label for one in linked(here)] == [one.label for one in STATISTICS]
    assert {one.maximum for one in linked(here)} == {10, 20, 100}
    native = [one.label for one in here.course_columns(3) if one.kind == "native"]
    assert native == ["Midterm exam", "Attendance", "Course total"]


def test_grades_look_real() -> None:
    here = campus(learners=300)
    columns = linked(here)
    for column in columns:
        values = [one.value for one in column.grades.values() if one.value is not None]
        assert all(0 <= value <= column.maximum for value in values)
        assert 0.55 < mean(values) / column.maximum < 0.95
        assert len(values) < 300, "somebody is missing everywhere"
    cells = [one for column in columns for one in column.grades.values()]
    assert any(one.value == 0 for one in cells)
    assert any(one.late for one in cells)
    both = set(columns[0].grades) & set(columns[3].grades)
    first = [columns[0].grades[key].value or 0 for key in both]
    second = [columns[3].grades[key].value or 0 for key in both]
    assert correlation(first, second) > 0.3


@pytest.mark.parametrize(("complete", "mails", "ids"), [(False, 2, 1), (True, 0, 0)])
def test_gaps(complete: bool, mails: int, ids: int) -> None:
    here = campus(complete=complete)
    people = [here.people[key] for key in learners(here)]
    assert len(people) == 30
    assert sum(not one.email for one in people) == mails
    assert sum(not one.sis_id for one in people) == ids
    assert sum(one.visits for one in people) == 5
    assert all(one.email and one.sis_id for one in people if one.visits)


def test_big_campuses_have_no_doubles() -> None:
    here = campus(learners=5000, complete=True)
    people = [here.people[key] for key in learners(here)]
    for name in ("email", "sis_id", "uuid", "username"):
        assert len({getattr(one, name) for one in people}) == 5000
    assert all(one.email.isascii() for one in people)
    assert any(not one.name.isascii() for one in people)


def test_ascii_names() -> None:
    assert ascii_name("Łukasz Đặng-O'Súilleabháin") == "lukaszdangosuilleabhain"


def test_preview_users_have_perfect_grades_where_the_lms_has_them() -> None:
    for mode in VENDORS:
        here = campus(mode=mode)
        tests = [one for one in here.people.values() if one.is_test]
        assert len(tests) == (1 if mode in ("canvas", "blackboard") else 0), mode
        for person in tests:
            assert all(one.grades[person.id].value == one.maximum for one in linked(here))


def test_an_unknown_mode_is_named() -> None:
    with pytest.raises(Invalid) as error:
        campus(mode="nonsense")
    assert "moodle" in error.value.fix
