"""The port of every place that an award can go to, and the plain facts that pass through it.

A target knows neither the database nor the web. The pipeline hands it facts and keeps what it
answers: ``sent`` is done for good, ``later`` is tried again by itself, ``never`` needs somebody to
change something and press retry, ``held`` was not tried because a fact is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

Operation = Literal["create", "revoke"]
OutcomeKind = Literal["sent", "later", "never", "held"]

RAW_LIMIT = 2000


class Answer(Protocol):
    """What came back from another system."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Header fields; names compare without case."""

    @property
    def content(self) -> bytes:
        """The whole body."""


class Http(Protocol):
    """The outbound client that a target is given. Transport failures raise UpstreamError."""

    def request(
        self,
        method: str,
        url: str,
        *,
        system: str,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        data: Any = None,
        auth: Any = None,
        timeout: tuple[float, float] | None = None,
        ok: Callable[[int], bool] = ...,
    ) -> Answer:
        """Send one request; a status for which ``ok`` is false raises UpstreamError."""


@dataclass(frozen=True, slots=True)
class CompetencyFact:
    """One competency that the award says was shown; ``case_id`` is its CASE identifier if any."""

    code: str
    statement: str
    uri: str
    case_id: str | None = None


@dataclass(frozen=True, slots=True)
class AwardFacts:
    """All that a target may know of an award. Times are aware.

    ``learner_sis_id`` and ``class_sis_id`` are the SIS's own ids, ``lms_user_id`` the LTI ``sub``;
    ``credential_url`` is the public page, present only while the learner shares it; ``page_url``
    is the learner's own page in the course, which opens only for somebody who came from the LMS.
    ``replaced_for`` is the reason key of the latest replacement of its credential, if any.
    ``expires_at`` is its last second, None when it never ends; ``renews`` says that an earlier award
    of the same badge is renewed by it.
    """

    award_id: str
    achievement_id: str
    achievement_name: str
    achievement_description: str
    awarded_at: datetime
    course_title: str
    course_label: str
    revoked_at: datetime | None = None
    revoke_reason: str | None = None
    learner_sis_id: str | None = None
    lms_user_id: str | None = None
    email: str | None = None
    locale: str | None = None
    class_sis_id: str | None = None
    credential_url: str | None = None
    competencies: tuple[CompetencyFact, ...] = ()
    page_url: str | None = None
    replaced_for: str = ""
    expires_at: datetime | None = None
    renews: bool = False


@dataclass(frozen=True, slots=True)
class Planned:
    """Exactly what would be sent, made by the code that sends it.

    ``before`` are requests that go first, once for many awards.
    """

    operation: Operation
    method: str
    url: str
    payload: dict[str, Any] | bytes | None
    summary: str
    warnings: tuple[str, ...] = ()
    before: tuple[Planned, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one delivery.

    ``code`` is stable and machine-readable; ``message`` says what happened, ``fix`` how to mend it
    and ``who`` can. ``retry_after`` is in seconds. ``attention`` says that the whole connection
    needs somebody, not this row alone. ``tried`` is False for a row that was left because the
    batch stopped before it, so that waiting does not use up its attempts. ``raw`` is what the peer
    said, secrets masked.
    """

    kind: OutcomeKind
    code: str
    message: str
    fix: str = ""
    who: str = ""
    status: int | None = None
    retry_after: float | None = None
    remote_ref: str | None = None
    raw: str = ""
    attention: bool = False
    tried: bool = True


@dataclass(frozen=True, slots=True)
class TestLine:
    """One line of a connection test; ``url`` is the exact address that was asked, if any."""

    __test__ = False

    name: str
    state: Literal["green", "amber", "red"]
    detail: str
    fix: str = ""
    url: str = ""


class Target(Protocol):
    """One configured place to send awards to."""

    kind: str

    def test(self) -> list[TestLine]:
        """Try every permission that a delivery needs, leaving nothing behind."""

    def preview(self, facts: AwardFacts, operation: str) -> Planned | Outcome:
        """What would be sent now, or the ``held`` outcome that says what is missing."""

    def send_many(self, batch: Sequence[tuple[str, AwardFacts, str]]) -> Mapping[str, Outcome]:
        """Send (delivery id, facts, operation) rows; one outcome per delivery id.

        Never raises for what a peer does. A bad row never stops the batch; refused credentials
        stop it at once and give ``later`` to the rest. Sending a row again is always safe.
        """

    def fetch(self, remote_ref: str) -> dict[str, Any] | None:
        """The record as the target holds it now, None when it is gone; raises UpstreamError."""
