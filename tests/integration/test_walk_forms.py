"""Forged ids in forms (row 13): every form of a course, with ids of another course in its fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.db import Base
from app.demo.html_page import Form, parse
from tests.integration.walk_rig import Walk, address, doors, walking

ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
CHOICES = ("assessment", "competency", "person", "target", "item")
"""Names of fields that choose something of the course, perhaps nothing at first."""
LAST = ("/remove", "/revoke", "/drop", "/undo", "/stop", "/dismiss", "/cancel", "/withdraw", "/end")
"""Ends of addresses that take away what other forms need."""


def ask(client: FlaskClient, who: str, url: str, **sent: object):
    headers = {"Authorization": f"Bearer {who}", "Sec-Fetch-Site": "same-origin"}
    return client.open(url, headers=headers, **sent)


def forms_of(app: Flask, walk: Walk, role: str) -> dict[str, Form]:
    """Every form on the pages of the own course, by address."""
    client, found = app.test_client(), {}
    for route, _ in doors(app, "GET"):
        if route.endpoint.startswith((f"{role}.", "privacy.")):
            url = address(route, walk.values(walk.mine))
            answer = ask(client, f"{walk.mine.word}-{role}", url)
            if answer.status_code == 200 and answer.mimetype == "text/html":
                for form in parse(answer.text).forms:
                    action = form.action or url
                    if form.method == "post" and action.startswith("/courses/"):
                        found.setdefault(action, form)
    return dict(sorted(found.items(), key=lambda item: (item[0].endswith(LAST), item[0])))


def as_typed(form: Form) -> Iterator[dict[str, str]]:
    """What the form sends as it stands, once for each of its buttons."""
    sent = {one.name: one.value or "7" for one in form.fields}
    for button in form.buttons:
        yield {**sent, button.name: button.value} if button.name else sent


def variants(form: Form, walk: Walk) -> Iterator[dict[str, str]]:
    """The form with a foreign id in one field after the other, and with fields it does not have."""
    for sent in as_typed(form):
        for name, value in sent.items():
            if ID.search(value) or name.startswith(CHOICES):
                for foreign in {**walk.other.ids, **walk.other.things}.values():
                    yield {**sent, name: foreign}
        yield {**sent, **walk.other.ids, **walk.other.things, "role": "instructor"}


def mentions(walk: Walk, foreign: set[str]) -> list[str]:
    """Every row that holds one of the ids anywhere, as text.

    Not what somebody typed about an upload: it is kept as typed and held against the course when read.
    """
    found = []
    with walk.campus.db.reading() as session:
        for table in Base.metadata.sorted_tables:
            if table.name == "grade_upload":
                continue
            for row in session.execute(select(table)).mappings():
                text = repr(sorted(row.items()))
                if any(one in text for one in foreign):
                    found.append(f"{table.name}: {text}")
    return sorted(found)


@pytest.mark.parametrize("role", ["instructor", "learner"])
def test_no_form_takes_an_id_of_another_course(tmp_path: Path, role: str) -> None:
    with walking(tmp_path) as (app, walk):
        forms, client = forms_of(app, walk, role), app.test_client()
        assert len(forms) > {"instructor": 12, "learner": 3}[role], forms
        who, before = f"{walk.mine.word}-{role}", mentions(walk, walk.other.foreign)
        for action, form in forms.items():
            for sent in variants(form, walk):
                for _ in ("shown first", "confirmed"):
                    answer = ask(client, who, action, method="POST", data=sent)
                    assert answer.status_code < 500, (action, sent)
                    assert f"{walk.other.word} ".encode() not in answer.data, (action, sent)
                assert mentions(walk, walk.other.foreign) == before, (action, sent)
