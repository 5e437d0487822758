"""The folded part of a badge's form: kind, credit, level, tags, and what its credentials tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask_babel import gettext as _

from app.credentials.details import (
    EQF,
    EVIDENCE,
    ISCED,
    KINDS,
    LONGEST,
    MOST_TAGS,
    Details,
    read_number,
)
from app.credentials.phrases import LANGUAGES
from app.web import badge_words

Typed = dict[str, str]
"""Field to what stands in it."""


def typed(details: Details) -> Typed:
    """The form as the draft fills it."""
    return {
        "language": details.language,
        "kind": details.kind,
        "tags": ", ".join(details.tags),
        "credits": "" if details.credits is None else format(details.credits, "f"),
        "credit_unit": details.credit_unit,
        "hours": "" if details.hours is None else format(details.hours, "f"),
        "level": details.level,
        "eqf": "" if details.eqf is None else str(details.eqf),
        "isced": "" if details.isced is None else str(details.isced),
        "evidence": details.evidence,
        "marks": "yes" if details.marks else "",
    }


def parse(form: Mapping[str, str], present: Details) -> tuple[Typed, Details, dict[str, str]]:
    """What was typed, the facts as far as they could be read, and what is wrong with the rest.

    A form without these fields leaves them as they are.
    """
    if "kind" not in form:
        return typed(present), present, {}
    raw = {name: " ".join(form.get(name, "").split()) for name in typed(present)}
    errors = _too_long(raw)
    numbers: dict[str, Any] = {}
    for name in ("credits", "hours"):
        numbers[name] = read_number(raw[name]) if raw[name] else None
        if raw[name] and numbers[name] is None:
            errors[name] = _("Give a number above 0 and below 10,000, with at most two decimals.")
    tags = tuple(dict.fromkeys(tag for tag in map(str.strip, raw["tags"].split(",")) if tag))
    if len(tags) > MOST_TAGS or any(len(tag) > LONGEST["tag"] for tag in tags):
        errors["tags"] = _(
            "At most %(most)s tags of at most %(long)s characters, with commas between them.",
            most=MOST_TAGS,
            long=LONGEST["tag"],
        )
    found = replace(
        present,
        **numbers,
        tags=tags,
        language=raw["language"] if raw["language"] in LANGUAGES else present.language,
        kind=raw["kind"] if raw["kind"] in KINDS else present.kind,
        credit_unit=raw["credit_unit"],
        level=raw["level"],
        eqf=_one_of(raw["eqf"], EQF),
        isced=_one_of(raw["isced"], ISCED),
        evidence=raw["evidence"] if raw["evidence"] in EVIDENCE else present.evidence,
        marks=bool(raw["marks"]),
    )
    return raw, found, errors


def _too_long(raw: Typed) -> dict[str, str]:
    said = _("This is too long.")
    return {name: said for name in ("credit_unit", "level") if len(raw[name]) > LONGEST[name]}


def _one_of(text: str, allowed: range) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and int(text) in allowed else None


def choices() -> dict[str, list[tuple[str, str]]]:
    """The lists that the form offers."""
    nothing = ("", _("not said"))
    return {
        "kinds": badge_words.kinds(),
        "languages": list(LANGUAGES.items()),
        "eqf": [nothing, *((str(n), _("level %(number)s", number=n)) for n in EQF)],
        "isced": [nothing, *((str(n), _("level %(number)s", number=n)) for n in ISCED)],
        "evidence": badge_words.evidence_rules(),
    }
