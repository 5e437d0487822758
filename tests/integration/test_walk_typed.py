"""Markup from outside (row 17): hostile text in every form, and a hostile badge that somebody checks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.demo.html_page import Button, Form, parse
from tests.integration.walk_poison import EVIL, EVIL_URL, WHO, ask, check, is_page, say
from tests.integration.walk_rig import Walk, address, doors, walking


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flask, Walk]]:
    with walking(tmp_path_factory.mktemp("typed"), say) as made:
        yield made


@pytest.fixture
def walk(stage: tuple[Flask, Walk]) -> Walk:
    return stage[1]


@pytest.fixture
def client(stage: tuple[Flask, Walk]) -> FlaskClient:
    return stage[0].test_client(use_cookies=False)


TYPED = {"text", "search", "email", "url", "password", "hidden", "textarea", "number", ""}


def filled(form: Form, evil: str) -> Iterator[dict[str, object]]:
    """The form with hostile text in everything that can be typed, and with it in every choice."""
    for kinds in (TYPED, {*TYPED, "select", "radio", "checkbox"}):
        for button in form.buttons or [Button("")]:
            sent: dict[str, object] = {
                one.name: evil if one.kind in kinds else one.value for one in form.fields
            }
            if button.name:
                sent[button.name] = button.value
            for one in form.fields:
                if one.kind == "file":
                    sent[one.name] = (BytesIO(f"{evil},statement\n{evil},1\n".encode()), evil)
            yield sent


def forms_of(app: Flask, walk: Walk) -> dict[str, tuple[str, Form]]:
    """Every form that posts to us, by address, with a session that saw it."""
    client, forms = app.test_client(use_cookies=False), {}
    for route, _ in doors(app, "GET"):
        for who in WHO:
            url = address(route, walk.values(walk.mine))
            answer = ask(client, who, url)
            if is_page(answer) and answer.status_code == 200:
                for form in parse(answer.text).forms:
                    if form.method == "post" and (form.action or url).startswith("/"):
                        forms.setdefault(form.action or url, (who, form))
    return dict(sorted(forms.items()))


def test_no_page_runs_what_was_typed(tmp_path: Path) -> None:
    """Every form of every page comes back with what was typed, and never as markup."""
    with walking(tmp_path, say) as (app, walk):
        client, forms, shown = app.test_client(use_cookies=False), forms_of(app, walk), set()
        assert len(forms) > 40
        for action, (who, form) in forms.items():
            for sent in [one for evil in (EVIL, EVIL_URL) for one in filled(form, evil)]:
                answer = ask(client, who, action, "POST", data=sent)
                assert answer.status_code < 500, (action, sent, answer.data)
                check(answer, action)
                shown |= {action} if b"x-pwn" in answer.data else set()
        assert len(shown) > 10


@pytest.mark.parametrize(
    "url", ["javascript:pwn()", " JavaScript:pwn()", "data:text/html,<b>", "//x"]
)
def test_a_web_address_is_one(client: FlaskClient, walk: Walk, url: str) -> None:
    """What becomes a link on a page for everybody begins with http:// or https://."""
    path = f"/operator/issuers/{walk.common['issuer_id']}"
    form = {"name": "Campus", "url": url, "email": "", "description": ""}
    assert ask(client, "operator", path, "POST", data=form).status_code == 422
    row = f"code,statement,uri\nC7,Hostile,{url}\n".encode()
    course = f"/courses/{walk.mine.ids['course_id']}/competencies"
    sent = {"title": "Hostile", "file": (BytesIO(row), "c.csv")}
    ask(client, "Nearby-instructor", course + "/import", "POST", data=sent)
    page = ask(client, "Nearby-instructor", course)
    assert "the uri is no web address" in page.text or "Hostile" not in page.text


def hostile_badge() -> str:
    """Somebody else's badge, made to hurt whoever looks at it."""
    return json.dumps(
        {
            "@context": [
                "https://www.w3.org/ns/credentials/v2",
                "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
            ],
            "id": EVIL_URL,
            "type": ["VerifiableCredential", "OpenBadgeCredential"],
            "name": EVIL,
            "issuer": {
                "id": EVIL_URL, "type": ["Profile"], "name": EVIL, "url": EVIL_URL,
                "image": {"id": EVIL_URL, "type": "Image"}, "description": EVIL,
            },
            "validFrom": "2026-01-01T00:00:00Z",
            "credentialSubject": {
                "type": ["AchievementSubject"],
                "achievement": {
                    "id": EVIL_URL, "type": ["Achievement"], "name": EVIL, "description": EVIL,
                    "criteria": {"narrative": EVIL, "id": EVIL_URL},
                    "image": {"id": "data:image/svg+xml,<svg onload=pwn()>", "type": "Image"},
                    "alignment": [
                        {"type": ["Alignment"], "targetName": EVIL, "targetUrl": EVIL_URL}
                    ],
                },
            },
            "evidence": [{"id": EVIL_URL, "type": ["Evidence"], "name": EVIL, "narrative": EVIL}],
            "proof": {"type": EVIL, "cryptosuite": EVIL, "verificationMethod": EVIL_URL},
        }
    )  # fmt: skip


@pytest.mark.parametrize("document", [hostile_badge(), EVIL, f'{{"{EVIL_URL}": 1}}', "{}"])
def test_a_hostile_badge_is_shown_as_text(client: FlaskClient, document: str) -> None:
    form = parse(ask(client, "", "/verify").text).forms[-1]
    names = [one.name for one in form.fields if one.kind != "file"]
    answer = ask(client, "", "/verify", "POST", data=dict.fromkeys(names, document))
    assert answer.status_code in (200, 422)
    check(answer, "verify")
