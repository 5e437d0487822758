"""What the operator's form needs to know of an adapter, and how an adapter reads it back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from app.delivery.port import Http, Target
from app.errors import Invalid

# Entries of a configuration that come from the wiring and not from the form.
CONNECTION_ID = "connection_id"
DATA_DIR = "data_dir"

_TRUE = frozenset({"1", "true", "on", "yes"})


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the form. ``choices`` are (value, label) pairs of kind ``choice``."""

    name: str
    label: str
    kind: Literal["text", "url", "secret", "choice", "bool", "date", "number"]
    required: bool = False
    help: str = ""
    default: str = ""
    choices: tuple[tuple[str, str], ...] = ()


Factory = Callable[[Mapping[str, str], Mapping[str, str], Http], Target]


@dataclass(frozen=True, slots=True)
class Adapter:
    """One kind of SIS connection: what people call it, what it asks for and how it is made.

    ``build(config, secrets, http)`` takes the form's values, secret fields apart. ``config`` must
    also carry ``connection_id`` (the ids of all records derive from it) and, for adapters that
    write files, ``data_dir``. It raises ``Invalid`` with a message per field.
    """

    label: str
    fields: tuple[Field, ...]
    build: Factory


def read(
    fields: tuple[Field, ...], config: Mapping[str, str], secrets: Mapping[str, str]
) -> dict[str, str]:
    """All values by field name, defaults filled in; raises ``Invalid`` naming each bad field."""
    values = _values(fields, config, secrets)
    problems = {field.name: why for field in fields if (why := _problem(field, values[field.name]))}
    if problems:
        raise incomplete(problems)
    return values


def incomplete(problems: dict[str, str]) -> Invalid:
    """The refusal of a connection; ``problems`` maps field names to sentences."""
    return Invalid(
        "connection-incomplete",
        "This SIS connection is not complete: " + " ".join(problems.values()),
        fix="Open the connection and correct the fields named here.",
        fields=problems,
    )


def _values(
    fields: tuple[Field, ...], config: Mapping[str, str], secrets: Mapping[str, str]
) -> dict[str, str]:
    return {
        field.name: ((secrets if field.kind == "secret" else config).get(field.name) or "").strip()
        or field.default
        for field in fields
    }


def is_on(value: str) -> bool:
    """The meaning of a ``bool`` field's text."""
    return value.lower() in _TRUE


def _problem(field: Field, value: str) -> str:
    if not value:
        return f"{field.label} is missing." if field.required else ""
    if field.kind == "url" and not value.startswith(("https://", "http://")):
        return f"{field.label} must be a web address."
    if field.kind == "number" and not value.isdecimal():
        return f"{field.label} must be a whole number."
    if field.kind == "choice" and value not in {choice for choice, _ in field.choices}:
        return f"{field.label} must be one of the choices."
    return ""
