"""The connection test of OneRoster REST: each permission on a line of its own, nothing left behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, Protocol
from urllib.parse import quote

from app.delivery.port import Outcome, TestLine
from app.delivery.sis.messages import transport
from app.delivery.sis.oneroster_answers import Said, judge
from app.delivery.sis.oneroster_records import COLLECTION_OF, COLUMN_OF, Recipe, identifier
from app.delivery.sis.oneroster_token import TokenRefusedError
from app.errors import UpstreamError

WARN_DAYS = 30


class Asker(Protocol):
    """What the test needs of the adapter."""

    system: str
    recipe: Recipe

    @property
    def token_url(self) -> str:
        """Where tokens come from."""

    def token(self) -> str:
        """A token."""

    def ask(self, method: str, url: str, payload: dict[str, Any] | None = None) -> Said:
        """One request with a token."""


def probe(asker: Asker, values: Mapping[str, str]) -> list[TestLine]:
    """Every line of the test; without a token the rest cannot be known and is left out."""
    lines = [*_expiry(values["secret_expires"], datetime.now(UTC).date()), _token(asker)]
    if lines[-1].state == "red":
        return lines
    recipe = asker.recipe
    collection = COLLECTION_OF[COLUMN_OF[recipe.record]]
    lines.append(_reading(asker, "Read the roster", f"{recipe.rostering}/users?limit=1"))
    lines.append(_reading(asker, "Read the gradebook", f"{recipe.gradebook}/{collection}?limit=1"))
    if recipe.record == "result":
        lines.append(_object(asker, "Category", recipe.gradebook, "categories", recipe.category_id))
        lines.append(_object(asker, "School", recipe.rostering, "orgs", recipe.school_id))
    lines.append(_writing(asker, collection))
    return lines


def _expiry(text: str, today: date) -> list[TestLine]:
    """A line when the secret has ended or soon will."""
    if not text:
        return []
    name, fix = "Secret", "Ask the SIS administrator for a new secret and enter it here."
    try:
        left = (date.fromisoformat(text) - today).days
    except ValueError:
        detail = f"“{text}” is not a date like 2027-06-30."
        return [TestLine(name, "amber", detail, fix="Correct the date in this connection.")]
    if left < 0:
        return [TestLine(name, "red", f"The secret ended on {text}.", fix=fix)]
    if left <= WARN_DAYS:
        return [TestLine(name, "amber", f"The secret ends on {text}.", fix=fix)]
    return [TestLine(name, "green", f"The secret is good until {text}.")]


def _token(asker: Asker) -> TestLine:
    name = "Get a token"
    try:
        asker.token()
    except TokenRefusedError as refused:
        return _bad(name, refused.outcome, asker.token_url)
    except UpstreamError as error:
        return _bad(name, transport(error, asker.system), asker.token_url)
    return TestLine(name, "green", "The SIS gave Tassel a token.", url=asker.token_url)


def _attempt(
    asker: Asker, method: str, url: str, payload: dict[str, Any] | None = None
) -> tuple[Said | None, Outcome | None]:
    """The answer, and the outcome that it would be for a delivery (None when fine)."""
    try:
        said = asker.ask(method, url, payload)
    except TokenRefusedError as refused:
        return None, refused.outcome
    except UpstreamError as error:
        return None, transport(error, asker.system)
    return said, judge(said, asker.system)


def _reading(asker: Asker, name: str, url: str) -> TestLine:
    """Reading helps to explain and is not needed to deliver: trouble with it is amber."""
    _, outcome = _attempt(asker, "GET", url)
    if outcome is None:
        return TestLine(name, "green", "Allowed.", url=url)
    return replace(_bad(name, outcome, url), state="amber")


def _object(asker: Asker, name: str, base: str, collection: str, sourced_id: str) -> TestLine:
    url = f"{base}/{collection}/{quote(sourced_id, safe='')}"
    said, outcome = _attempt(asker, "GET", url)
    if outcome is None:
        return TestLine(name, "green", f"{sourced_id} exists.", url=url)
    if said is not None and said.status == 404 and not said.unreadable:
        fix = f"Check the sourcedId of the {name.lower()} with the SIS administrator."
        return TestLine(name, "red", f"The SIS has no {sourced_id}.", fix=fix, url=url)
    return replace(_bad(name, outcome, url), state="amber")


def _writing(asker: Asker, collection: str) -> TestLine:
    """Put an empty record: a server that may be written to refuses its content, not the writer."""
    name = "Write records"
    sourced_id = identifier(asker.recipe.connection_id, "probe")
    url = f"{asker.recipe.gradebook}/{collection}/{sourced_id}"
    said, outcome = _attempt(asker, "PUT", url, {COLUMN_OF[asker.recipe.record]: {}})
    if outcome is None:
        _attempt(asker, "DELETE", url)
        detail = "Allowed, but the SIS took a record without content, so it checks nothing."
        return TestLine(name, "amber", detail, url=url)
    if said is not None and outcome.code == "sis-refused-data":
        detail = "Allowed: an empty record was refused for its content, as it should be."
        return TestLine(name, "green", detail, url=url)
    return _bad(name, outcome, url)


def _bad(name: str, outcome: Outcome, url: str) -> TestLine:
    fix = f"{outcome.fix} ({outcome.who})" if outcome.who else outcome.fix
    return TestLine(name, "red", outcome.message, fix=fix, url=url)
