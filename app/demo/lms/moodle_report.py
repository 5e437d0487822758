"""Moodle's user grade report, as its web service tells it: one list of items per student.

Keys, their order and the kinds of their values follow what a real 4.5.6 answered. What a column is
in Moodle's eyes stands in ``Column.extra``: ``module`` (quiz, assign, manual, course), ``hidden``,
``locked``, ``scale`` (its words, lowest first) and ``scale_id``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from app.demo.lms.state import Campus, Column, Course, Grade, Person

Item = dict[str, Any]
CATEGORY_FROM = 100_000
"""Ids of category totals: far from those of real columns."""
NONE = Grade(None, datetime.fromtimestamp(0, UTC))
"""An empty cell."""


def kind_of(column: Column) -> str:
    """The module behind a column; "manual" and "course" are no modules but item types."""
    named = column.extra.get("module")
    if named:
        return str(named)
    if column.kind == "linked":
        return "lti"
    if column.kind == "tool":
        return "manual"
    return {"Course total": "course", "Attendance": "manual"}.get(column.label, "quiz")


def report_columns(here: Campus, course: Course) -> list[Column]:
    """Every column in the order of the report: the course total stands last."""
    columns = here.course_columns(course.id)
    return sorted(columns, key=lambda one: (kind_of(one) == "course", one.id))


def user_report(here: Campus, course: Course, person: Person, *, own: bool) -> Item:
    """One entry of ``usergrades``. ``own``: as a student sees it, without hidden items."""
    columns = report_columns(here, course)
    shown = [column for column in columns if not (own and _hidden(column, person.id))]
    secret = len(shown) < len(columns)
    items = [_item(course, column, person.id, own=own, secret=secret) for column in shown]
    labs = [column for column in shown if column.label.startswith("Lab ")]
    if labs:
        items.insert(len(items) - 1, _category(course, labs, person.id, own=own))
    return {
        "courseid": course.id,
        "courseidnumber": course.sis_id,
        "userid": person.id,
        "userfullname": person.name,
        "useridnumber": person.sis_id,
        "maxdepth": 2,
        "gradeitems": items,
    }


def _hidden(column: Column, person_id: int) -> bool:
    grade = column.grades.get(person_id)
    return bool(column.extra.get("hidden")) or (grade is not None and grade.hidden)


def _item(course: Course, column: Column, person_id: int, *, own: bool, secret: bool) -> Item:
    """One item. A total over something hidden is empty for the student."""
    kind, scale = kind_of(column), column.extra.get("scale")
    total = kind == "course"
    grade = column.grades.get(person_id) or NONE
    value = None if total and own and secret else grade.value
    maximum = len(scale) if scale else column.maximum
    locked = bool(column.extra.get("locked")) or grade.locked
    return {
        "id": column.id,
        "itemname": None if total else column.label,
        "itemtype": kind if kind in ("manual", "course") else "mod",
        "itemmodule": None if kind in ("manual", "course") else kind,
        "iteminstance": None if kind == "manual" else column.link_id or column.id - 2,
        "itemnumber": None if total else 0,
        "idnumber": _idnumber(column, kind),
        "categoryid": None if total else course.id - 1,
        "outcomeid": None,
        "scaleid": column.extra.get("scale_id", 1) if scale else None,
        "locked": None if own else bool(column.extra.get("locked")),
        **({"cmid": column.id - 2} if kind not in ("manual", "course") else {}),
        **({} if own or total else _weight(grade)),
        **({} if own or value is not None or total else {"status": "novalue"}),
        "graderaw": _plain(value),
        "gradedatesubmitted": _epoch(grade) if kind == "quiz" else None,
        "gradedategraded": _epoch(grade),
        "gradehiddenbydate": False,
        "gradeneedsupdate": False,
        "gradeishidden": not own and _hidden(column, person_id),
        "gradeislocked": None if own else locked,
        "gradeisoverridden": None if own else grade.overridden,
        **_formatted(value, maximum, scale),
        "feedback": " ".join(grade.comments),
        "feedbackformat": 1 if grade.comments else 2,
    }


def _category(course: Course, columns: list[Column], person_id: int, *, own: bool) -> Item:
    """The total of a category: an item like any other, which a careless reader counts twice."""
    cells = [column.grades.get(person_id) for column in columns]
    values = [cell.value for cell in cells if cell and cell.value is not None]
    total = Column(
        CATEGORY_FROM + course.id,
        course.id,
        "",
        sum(column.maximum for column in columns),
        "native",
        extra={"module": "course"},
    )
    if values:
        newest = max(cell.timestamp for cell in cells if cell)
        total.grades[person_id] = Grade(sum(values), newest)
    item = _item(course, total, person_id, own=own, secret=False)
    return item | {"itemtype": "category", "itemnumber": 0, "categoryid": course.id - 1}


def _idnumber(column: Column, kind: str) -> str | None:
    if kind in ("manual", "course"):
        return column.extra.get("idnumber")
    return f"LTI-{column.label}" if kind == "lti" else str(column.extra.get("idnumber", ""))


def _weight(grade: Grade) -> Item:
    """The weight as the report shows it; an excluded grade looks like one without a weight."""
    share = 0 if grade.excluded or grade.value is None else 0.0625
    return {"weightraw": share, "weightformatted": f"{share * 100:.2f} %"}


def _plain(value: float | None) -> float | int | None:
    """Whole numbers without a fraction, as PHP's JSON writes them."""
    return int(value) if value is not None and value == int(value) else value


def _epoch(grade: Grade) -> int | None:
    return None if grade.value is None else int(grade.timestamp.timestamp())


def _formatted(value: float | None, maximum: float, scale: list[str] | None) -> Item:
    """The texts for people and the bounds; a scale goes from its first to its last word."""
    low = 1 if scale else 0
    if value is None:
        text, percent = "-", "-"
    else:
        text = scale[int(value) - 1] if scale else f"{value:.2f}"
        percent = f"{100 * (value - low) / (maximum - low or 1):.2f} %"
    names = f"{scale[0]}&ndash;{scale[-1]}" if scale else f"0&ndash;{maximum:g}"
    return {
        "gradeformatted": text,
        "grademin": low,
        "grademax": _plain(maximum),
        "rangeformatted": names,
        "percentageformatted": percent,
    }
