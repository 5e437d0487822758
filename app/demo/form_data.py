"""What a form sends: the controls as they stand, with some filled in, in the form's encoding."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

import requests

from app.demo.html_page import Button, Field, Form
from app.errors import NotFound

Upload = tuple[str, bytes, str]
Value = str | bool | list[str] | Upload
Pairs = list[tuple[str, str]]
Files = list[tuple[str, Upload]]


def filled(form: Form, button: Button | None, values: Mapping[str, Value]) -> tuple[Pairs, Files]:
    """The pairs and files to send. Raises ``NotFound`` for a value that has no control."""
    unknown = set(values) - form.names() - {one.name for one in form.buttons}
    if unknown:
        text = f"The form has no {sorted(unknown)}, only {sorted(form.names())}."
        raise NotFound("no-field", text)
    pairs: Pairs = []
    files: Files = []
    done: set[str] = set()
    for one in form.fields:
        value = values.get(one.name)
        if isinstance(value, tuple):
            files.append((one.name, value))
        elif value is None or one.kind in {"checkbox", "radio"}:
            pairs += _as_it_stands(one, value)
        elif one.name not in done:
            texts = value if isinstance(value, list) else [str(value)]
            pairs += [(one.name, text) for text in texts]
            done.add(one.name)
    if button is not None and button.name:
        pairs.append((button.name, str(values.get(button.name, button.value))))
    return pairs, files


def _as_it_stands(one: Field, value: Value | None) -> Pairs:
    """A control nobody touched, or a box or radio switched by ``value``."""
    on = one.on and one.kind != "file" if value is None else _switched_on(one.value, value)
    return [(one.name, one.value)] if on else []


def _switched_on(own: str, value: Value) -> bool:
    if isinstance(value, bool):
        return value
    return own in value if isinstance(value, list) else own == value


def encoded(enctype: str, pairs: Pairs, files: Files) -> tuple[bytes, str]:
    """The body and its content type."""
    if enctype != "multipart/form-data":
        return urlencode(pairs).encode(), "application/x-www-form-urlencoded"
    parts: list[tuple[str, tuple[str | None, str | bytes] | Upload]] = [
        (name, (None, value)) for name, value in pairs
    ]
    parts += files
    prepared = requests.Request("POST", "http://form.invalid/", files=parts).prepare()
    body = prepared.body
    return body if isinstance(body, bytes) else b"", str(prepared.headers["Content-Type"])
