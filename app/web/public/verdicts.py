"""The checks of the verifier in the words of a page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from flask_babel import gettext as _

from app.credentials.verify import Check, Report, Result
from app.web.locale import spoken

MARKS: Final = {
    Result.PASS: ("good", "✓"),
    Result.FAIL: ("bad", "✗"),
    Result.UNKNOWN: ("wait", "?"),
}
ORDER: Final = (Result.FAIL, Result.UNKNOWN, Result.PASS)


@dataclass(frozen=True)
class Line:
    """One check: its question, its place (empty for the whole), and how it turned out."""

    title: str
    place: str
    mark: str
    sign: str
    word: str
    why: str


def lines(report: Report) -> list[Line]:
    """What was looked at, what did not pass first; without questions that nothing here raises."""
    found = [check for check in report.checks if check.result in MARKS]
    return [_line(check) for check in sorted(found, key=lambda check: ORDER.index(check.result))]


def _line(check: Check) -> Line:
    place, _dot, name = check.name.rpartition(".")
    mark, sign = MARKS[check.result]
    title = _TITLES[name]() if name in _TITLES else name
    return Line(title, place, mark, sign, _WORDS[check.result](), spoken(check.why))


_WORDS: Final[dict[Result, Callable[[], str]]] = {
    Result.PASS: lambda: _("passed"),
    Result.FAIL: lambda: _("failed"),
    Result.UNKNOWN: lambda: _("cannot be said"),
}
_TITLES: Final[dict[str, Callable[[], str]]] = {
    "document": lambda: _("The file can be read in one way only"),
    "limits": lambda: _("The file is of a size that badges have"),
    "contexts": lambda: _("Its words are of known vocabularies"),
    "terms": lambda: _("Everything that it shows is signed"),
    "form": lambda: _("It has the form of an Open Badge"),
    "recipient": lambda: _("It says whom it was given to"),
    "key": lambda: _("The key belongs to the issuer"),
    "purpose": lambda: _("The key may sign badges"),
    "proof": lambda: _("The signature fits: nothing was changed"),
    "token": lambda: _("The token is made as it should be"),
    "signed-at": lambda: _("The time of the signature is believable"),
    "valid-from": lambda: _("It is in force"),
    "valid-until": lambda: _("It has not expired"),
    "status": lambda: _("It was not taken back"),
    "schema": lambda: _("It follows the schema that it names"),
    "refresh": lambda: _("Whether there is a newer one"),
    "hold": lambda: _("Its issuer does not doubt it"),
    "endorses": lambda: _("The endorsement is of this badge"),
}
"""Name of a check (``credentials.verify``) to its question."""
