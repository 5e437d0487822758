"""What an answer of the LMS means for a score in our column, in words for whoever can act."""

from __future__ import annotations

from app.delivery.columns import FULL, Cell, Place
from app.delivery.port import RAW_LIMIT, Outcome
from app.errors import AppError, UpstreamError
from app.lti.services import AgsResult

TEACHER = "the teacher of the course"
LMS_ADMIN = "the administrator of the LMS"
_STALE = "ags-stale-timestamp"
_THROTTLED = "lti-throttled"
_REFUSED = "lti-token-refused"


def stops(outcome: Outcome) -> bool:
    """Whether there is no use in trying further columns of this LMS now."""
    return outcome.attention or outcome.code == "upstream-unreachable"


class Brake:
    """Stops posting to an LMS that answers no more: the rest is put off without trying."""

    limit = 3

    def __init__(self) -> None:
        self._row = 0
        self._why: UpstreamError | None = None

    def left(self) -> NotTried | None:
        """The reason not to try any more, if there is one."""
        return None if self._why is None else NotTried(self._why)

    def note(self, error: UpstreamError | None) -> None:
        """Count failures in a row that are not about one person."""
        if isinstance(error, NotTried):
            return
        if error is None or error.permanent or error.code == _STALE:
            self._row = 0
            return
        self._row += 1
        slow_down = error.code == _THROTTLED or error.status == 429 or error.retry_after
        if self._row >= self.limit or slow_down:
            self._why = error


class NotTried(UpstreamError):
    """What stopped the posts before this one."""

    def __init__(self, why: UpstreamError) -> None:
        """``why`` is the error that another row met."""
        super().__init__(
            why.code,
            f"Not tried yet. {why.message}",
            system=why.system,
            permanent=False,
            fix=why.fix,
            status=why.status,
            retry_after=why.retry_after,
        )


def is_full(result: AgsResult) -> bool:
    """Whether a result says full marks, whatever maximum the LMS scaled it to."""
    return result.score is not None and result.score == (result.maximum or FULL)


def outcome_of(error: AppError) -> Outcome:
    """What a failed call to the LMS means for a delivery."""
    if not isinstance(error, UpstreamError):
        return Outcome("held", error.code, error.message, error.fix, LMS_ADMIN)
    return Outcome(
        "never" if error.permanent else "later",
        error.code,
        error.message,
        fix=error.fix,
        who=TEACHER if error.code == "ags-user-refused" else LMS_ADMIN,
        status=error.status,
        retry_after=error.retry_after,
        raw=error.body[:RAW_LIMIT],
        attention=error.code == _REFUSED,
        tried=not isinstance(error, NotTried),
    )


def is_doubtful(error: UpstreamError) -> bool:
    """Whether the score may stand there although the answer says nothing of the kind."""
    if isinstance(error, NotTried):
        return False
    return error.code == _STALE or error.status is None or error.status >= 500


def is_ours(outcome: Outcome | None) -> bool:
    """Whether the outcome says that our full marks stand there."""
    return outcome is not None and outcome.code in ("posted", "already-there")


MESSAGES = {
    "posted": "Full marks stand in the course column.",
    "already-there": "Full marks already stood in the course column.",
    "teacher-value-kept": "Another value stands in the course column: the teacher's value was kept.",
}


def written(code: str, place: Place, url: str, cell: Cell) -> Outcome:
    """Done; ``code`` says in which way. The reference leads back to the cell."""
    where = f"{place.platform_id} {url} {cell.user}"
    return Outcome("sent", code, MESSAGES[code], remote_ref=where[:1000])


def done(code: str, message: str) -> Outcome:
    """Done, and nothing there to refer to."""
    return Outcome("sent", code, message)


def taken_back(before: AgsResult | None, *, mine: bool) -> Outcome:
    """Our mark does not stand there any more, or it never did (``mine`` is False)."""
    if mine:
        return done("taken-back", "Our mark was taken back from the course column.")
    if before is None or before.score is None:
        return done("nothing-there", "No mark stands in the course column.")
    return done("teacher-value-kept", MESSAGES["teacher-value-kept"])


def still_there() -> Outcome:
    """The LMS kept the mark although it took the message."""
    return Outcome(
        "never",
        "not-taken-back",
        "The LMS accepted the request but still shows the mark.",
        fix="Remove the mark by hand in the gradebook.",
        who=TEACHER,
    )


def unreadable() -> Outcome:
    """Without read-back a mark cannot be told from a teacher's own."""
    return Outcome(
        "never",
        "no-read-back",
        "The LMS does not let Tassel read results, so the mark cannot be known to be ours.",
        fix="Remove the mark by hand in the gradebook.",
        who=TEACHER,
    )


def no_column() -> Outcome:
    """The course offers no grade service."""
    return Outcome(
        "held",
        "no-line-items",
        "The course does not offer the grade service to Tassel (any more).",
        fix="Allow the tool to manage columns, then open it once from the course and press Retry.",
        who=LMS_ADMIN,
    )


def overtaken() -> UpstreamError:
    """A worker thought dead stamps the same cell."""
    return UpstreamError(
        "overtaken",
        "Another worker is writing this score at the moment.",
        system="Tassel",
        permanent=False,
    )


def column_gone() -> Outcome:
    """Somebody deleted the column; making it again is their choice."""
    return Outcome(
        "never",
        "column-gone",
        "The column for this badge was deleted in the LMS. Tassel does not make it again by itself.",
        fix="If it should exist, publish the badge again with its column ticked, or press Retry.",
        who=TEACHER,
    )


def column_moved() -> Outcome:
    """The column has another address now; the next try uses it."""
    return Outcome("later", "column-moved", "The LMS gave the column another address.")
