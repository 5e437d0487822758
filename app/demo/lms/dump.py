"""The state as JSON, for tests and for the story's files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.demo.lms.state import Campus, Column, Course, Grade, Person

PARTS = ("lms", "people", "courses", "tools", "links", "line_items", "grades", "posts", "counts")


def dump(here: Campus, parts: list[str], course_id: int | None) -> dict[str, Any]:
    """The named parts; ``course_id`` narrows columns, grades, posts and counts to one course."""
    columns = [column for column in here.columns.values() if course_id in {None, column.course_id}]
    wanted = {column.id for column in columns}
    builders: dict[str, Callable[[], Any]] = {
        "lms": lambda: _lms(here),
        "people": lambda: [_person(here, one) for one in here.people.values()],
        "courses": lambda: [_course(here, one) for one in here.courses.values()],
        "tools": lambda: [_tool(here, number) for number in here.tools],
        "links": lambda: [_link(here, number) for number in here.links],
        "line_items": lambda: [_column(here, column) for column in columns],
        "grades": lambda: {str(column.id): _grades(here, column) for column in columns},
        "posts": lambda: _posts(here, wanted),
        "counts": lambda: _counts(here, wanted),
    }
    return {part: builders[part]() for part in parts}


def _lms(here: Campus) -> dict[str, Any]:
    return {
        "mode": here.vendor.name,
        "issuer": here.vendor.issuer(here),
        "base_url": here.base_url,
        "now": here.now().isoformat(),
        "learners": here.config.learners,
        "seed": here.config.seed,
    }


def _person(here: Campus, person: Person) -> dict[str, Any]:
    return {
        "id": person.id,
        "subject": here.vendor.subject(person),
        "name": person.name,
        "given_name": person.given,
        "family_name": person.family,
        "username": person.username,
        "email": person.email,
        "sis_id": person.sis_id,
        "admin": person.is_admin,
        "test": person.is_test,
        "visits": person.visits,
    }


def _course(here: Campus, course: Course) -> dict[str, Any]:
    return {
        "id": course.id,
        "context_id": here.vendor.context_id(course),
        "label": course.label,
        "title": course.title,
        "sis_id": course.sis_id,
        "term": {
            "name": course.term.name,
            "sis_id": course.term.sis_id,
            "start": course.term.start,
            "end": course.term.end,
            "zone": course.term.zone,
        },
        "sections": [
            {"id": one.id, "name": one.name, "sis_id": one.sis_id} for one in course.sections
        ],
        "enrolments": [
            {
                "person": entry.person_id,
                "role": entry.role,
                "sections": entry.sections,
                "suspended": entry.suspended,
            }
            for entry in course.enrolments.values()
        ],
    }


def _tool(here: Campus, number: int) -> dict[str, Any]:
    tool = here.tools[number]
    return {
        "id": tool.id,
        "name": tool.name,
        "client_id": tool.client_id,
        "deployment_id": tool.deployment_id,
        "active": tool.active,
        "login_url": tool.login_url,
        "redirect_uris": tool.redirect_uris,
        "keyset_url": tool.keyset_url,
        "target_url": tool.target_url,
        "deep_link_url": tool.deep_link_url,
        "scopes": tool.scopes,
        "custom": tool.custom,
    }


def _link(here: Campus, number: int) -> dict[str, Any]:
    link = here.links[number]
    return {
        "id": link.id,
        "link_id": here.vendor.link_id(link),
        "course": link.course_id,
        "title": link.title,
        "url": link.url,
        "custom": link.custom,
        "tool": link.tool_id,
        "navigation": link.navigation,
    }


def _column(here: Campus, column: Column) -> dict[str, Any]:
    tool = here.tools.get(column.tool_id or 0)
    return {
        "id": column.id,
        "url": here.vendor.item_url(here, tool, column) if tool else None,
        "course": column.course_id,
        "label": column.label,
        "maximum": column.maximum,
        "owner": column.kind,
        "tool": column.tool_id,
        "link": column.link_id,
        "tag": column.tag,
        "resource_id": column.resource_id,
        "in_gradebook": here.vendor.in_gradebook(column),
    }


def _grades(here: Campus, column: Column) -> list[dict[str, Any]]:
    return [
        {"person": key, "subject": here.vendor.subject(here.people[key])} | _cell(grade)
        for key, grade in column.grades.items()
    ]


def _cell(grade: Grade) -> dict[str, Any]:
    return {
        "value": grade.value,
        "timestamp": grade.timestamp.isoformat(),
        "author": grade.author,
        "comments": grade.comments,
        "overridden": grade.overridden,
        "hidden": grade.hidden,
        "late": grade.late,
        "attempts": grade.attempts,
    }


def _posts(here: Campus, columns: set[int]) -> list[dict[str, Any]]:
    """Every accepted score in order; ``accepted_at`` is the LMS's clock."""
    return [
        {
            "line_item": post.column_id,
            "person": post.person_id,
            "tool": post.tool_id,
            "accepted_at": post.at.isoformat(),
            "value": post.body.get("scoreGiven"),
            "maximum": post.body.get("scoreMaximum"),
            "timestamp": post.body.get("timestamp"),
            "comment": post.body.get("comment"),
            "body": post.body,
        }
        for post in here.posts
        if post.column_id in columns
    ]


def _counts(here: Campus, columns: set[int]) -> list[dict[str, int]]:
    """How often a score was accepted for each (line item, person)."""
    return [
        {"line_item": column_id, "person": person_id, "posts": count}
        for (column_id, person_id), count in here.post_counts.items()
        if column_id in columns
    ]
