"""The registrar's screens: who is known here, what arrived for them, and every write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, abort, render_template, request

from app.demo.sis.store import Record, Store

STUDENTS_PER_PAGE = 100
WRITES_SHOWN = 100
_RESULTS = {"assessmentResults": "assessmentLineItem", "results": "lineItem"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One result of a student as a registrar reads it."""

    sourced_id: str
    collection: str
    title: str
    status: str
    date: str
    score: str
    comment: str
    class_id: str
    objectives: tuple[str, ...]
    link: str


def page_routes(store: Store) -> Blueprint:
    """``/`` and ``/students/<id>``."""
    routes = Blueprint(
        "pages",
        __name__,
        template_folder="templates",
        static_folder="static",
        static_url_path="/sis-static",
    )

    @routes.get("/")
    def home() -> str:
        number = max(1, request.args.get("page", 1, type=int))
        entries = _entries(store)
        people = sorted(store.roster.people, key=lambda p: (p.sis_id not in entries, p.sis_id))
        start = (number - 1) * STUDENTS_PER_PAGE
        history = store.history()
        return render_template(
            "sis/home.html",
            people=people[start : start + STUDENTS_PER_PAGE],
            entries=entries,
            total=len(people),
            with_records=len(entries),
            page=number,
            more=start + STUDENTS_PER_PAGE < len(people),
            writes=history[: -WRITES_SHOWN - 1 : -1],
            write_count=len(history),
        )

    @routes.get("/students/<sis_id>")
    def student(sis_id: str) -> str:
        person = next((p for p in store.roster.people if p.sis_id == sis_id), None)
        if person is None:
            abort(404)
        entries = _entries(store).get(sis_id, [])
        ids = {entry.sourced_id for entry in entries}
        writes = [write for write in reversed(store.history()) if write.sourced_id in ids]
        return render_template("sis/student.html", person=person, entries=entries, writes=writes)

    return routes


def _entries(store: Store) -> dict[str, list[Entry]]:
    """Every result by the SIS id of its student."""
    found: dict[str, list[Entry]] = {}
    for collection, column in _RESULTS.items():
        titles = {r["sourcedId"]: r["title"] for r in store.all(f"{column}s")}
        for record in store.all(collection):
            title = titles.get(record[column]["sourcedId"], record[column]["sourcedId"])
            entry = _entry(collection, title, record)
            found.setdefault(record["student"]["sourcedId"], []).append(entry)
    return found


def _entry(collection: str, title: str, record: Record) -> Entry:
    score = record.get("score")
    shown = [record.get("textScore", ""), "" if score is None else f"{score:g}"]
    return Entry(
        sourced_id=record["sourcedId"],
        collection=collection,
        title=title,
        status=record["status"],
        date=record["scoreDate"],
        score=" · ".join(text for text in shown if text),
        comment=record.get("comment", ""),
        class_id=record.get("class", {}).get("sourcedId", ""),
        objectives=tuple(_objectives(record)),
        link=_link(record.get("metadata", {})),
    )


def _objectives(record: Record) -> list[str]:
    """Learning objectives as text, for example ``case 3f1c… (met)``."""
    return [
        f"{group['source']} {one['learningObjectiveId']} {one.get('textScore', '')}".strip()
        for group in record.get("learningObjectiveSet", [])
        for one in group["learningObjectiveResults"]
    ]


def _link(metadata: dict[str, Any]) -> str:
    """The first web address among the extra facts of a record; other schemes are not linked."""
    texts = [value for value in metadata.values() if isinstance(value, str)]
    return next((t for t in texts if t.startswith(("https://", "http://"))), "")
