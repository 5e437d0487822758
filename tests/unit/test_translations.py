"""German says everything that teachers, learners and strangers read, with the same blanks in it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

APP = Path(__file__).parents[2] / "app"
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "say": None}
ENGLISH_ONLY = (
    "web/operator/",
    "web/templates/operator/",
    "web/templates/lti/administration.html",
    "web/templates/lti/config",
    "web/templates/lti/register",
    "web/templates/lti/steps.html",
    "web/tokens.py",
)
"""Pages for the people who run servers and LMSs; they are in English."""


@pytest.fixture(scope="module")
def german() -> Catalog:
    with (APP / "translations/de/LC_MESSAGES/messages.po").open("rb") as file:
        return read_po(file, locale="de")


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """Every text in the code with the file it stands in."""
    method_map = [("web/templates/**.html", "jinja2"), ("demo/**", "ignore"), ("**.py", "python")]
    found = extract_from_dir(APP, method_map, keywords=KEYWORDS)
    return {
        text if isinstance(text, str) else text[0]: file
        for file, _line, text, _comments, _context in found
        if not file.startswith(ENGLISH_ONLY)
    }


def test_every_text_is_found(texts: dict[str, str]) -> None:
    assert "Refresh now" in texts
    assert "Only you see this page. You decide what to share." in texts
    assert "%(num)s learner" in texts


def test_every_text_has_german_words(german: Catalog, texts: dict[str, str]) -> None:
    missing = [
        f"{file}: {text}"
        for text, file in sorted(texts.items())
        if not _translated(german.get(text))
    ]
    assert missing == []


def _translated(message: Message | None) -> bool:
    if message is None:
        return False
    strings = [message.string] if isinstance(message.string, str) else message.string
    return all(strings) and not message.fuzzy


def test_verifiers_say_nothing_that_cannot_be_translated() -> None:
    """Reasons of checks have a type for it; the messages of errors, which become reasons, have none."""
    plain = []
    for file in APP.glob("credentials/verify/*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Invalid":
                message = node.args[1]
                if isinstance(message, ast.Constant | ast.JoinedStr):
                    plain.append(f"{file.name}:{node.lineno}")
    assert plain == []


def test_blanks_are_the_same_in_both(german: Catalog) -> None:
    wrong = [
        (message.id, str(error)) for message in german for error in message.check() if message.id
    ]
    assert wrong == []
    assert len(german) > 400
