"""What Moodle's web service answers, read into columns and marks. Pure.

Held against recordings of a real Moodle 4.5.6 (``tests/recordings``). Observed there: every error
comes as HTTP 200; ``graderaw`` null is no grade; a hidden item is missing for a student and has
``gradeishidden`` for a teacher; an excluded grade carries no mark; suspended people have no entry.
Of an item only its grade is read: feedback and formatted texts are never looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from app.errors import UpstreamError

SITE_INFO = "core_webservice_get_site_info"
REPORT = "gradereport_user_get_grade_items"
ENROLLED = "core_enrol_get_enrolled_users"
NEEDED = (SITE_INFO, REPORT, ENROLLED)
TOTALS = ("category", "course")
YEAR_10000 = 253_402_300_800


@dataclass(frozen=True)
class Item:
    """One grade item that is no total. ``place`` counts from 1 in the order of the report."""

    id: str
    title: str
    maximum: Decimal | None
    minimum: Decimal
    place: int
    scale: str | None
    """Moodle's scale id: ``maximum`` is then the number of its words."""
    module: str
    """"quiz", "assign", "lti", or "manual" for a column without an activity."""
    instance: str | None
    """Number of the activity; for "lti" it is the LTI resource link id."""
    hidden: bool
    """As this person's report says; an item is hidden when every report says so."""


@dataclass(frozen=True)
class Mark:
    """One person's grade for one item; ``raw`` empty = no grade. Times are aware UTC."""

    item: str
    user: str
    raw: Decimal | None
    maximum: Decimal | None
    scale: str | None
    hidden: bool
    locked: bool
    overridden: bool
    graded_at: datetime | None


@dataclass(frozen=True)
class Report:
    """One person's whole report. ``stale``: items that Moodle is about to compute anew."""

    user: str
    items: tuple[Item, ...]
    marks: tuple[Mark, ...]
    stale: frozenset[str]
    unreadable: frozenset[str]
    """Ids of items whose entry makes no sense; "" where not even the id can be read."""
    sis_id: str | None
    own: bool
    """As a student sees it: without hidden items and without flags."""


@dataclass(frozen=True)
class Site:
    """Who the token is and what it may call."""

    name: str
    release: str
    url: str
    user_id: str
    user_name: str
    functions: frozenset[str]

    @property
    def missing(self) -> tuple[str, ...]:
        """Functions that the service lacks, in the order in which they are needed."""
        return tuple(name for name in NEEDED if name not in self.functions)


def payload(answer: Any, function: str, system: str) -> Any:
    """The answer itself, or its error as an ``UpstreamError`` that says who can do what."""
    if isinstance(answer, dict) and "exception" in answer:
        raise refusal(answer, function, system)
    return answer


def refusal(answer: Mapping[str, Any], function: str, system: str) -> UpstreamError:
    """An error of the web service in plain words; its own message may name people and is not kept.

    ``body`` is Moodle's error code. ``source-lost`` means that a person must connect again.
    """
    code = str(answer.get("errorcode", "unknown"))
    known, message, fix = _WORDS.get(
        code,
        (f"ws-{code[:40]}", f"{system} refused to answer ({code[:60]}).", _TRY_AGAIN),
    )
    return UpstreamError(
        known,
        message.format(system=system, function=function),
        system=system,
        permanent=code in _WORDS,
        fix=fix.format(system=system, function=function),
        status=200,
        body=code[:60],
    )


_TRY_AGAIN = "Tassel tries again at the next reading. If it stays, the administrator of {system} finds the reason in its log."
_NEW_TOKEN = "Paste a new token on the page “Grade sources” of this course, or ask the operator of Tassel where one token serves all courses."  # noqa: S105
_NO_TOKEN = (
    "source-lost",
    "{system} does not accept the web service token any more.",
    _NEW_TOKEN,
)
_NO_ACCESS = (
    "source-lost",
    "The person whose token is used may not see the grades of this course in {system} (any more).",
    "A teacher of the course connects {system} again with a token of their own, or the administrator gives that person a teacher's role in the course.",
)
_GONE = (
    "ws-course-gone",
    "{system} does not know this course any more.",
    "Nothing is lost here. If the course was moved, open Tassel from the new one.",
)
_WORDS: dict[str, tuple[str, str, str]] = {
    "invalidtoken": _NO_TOKEN,
    "invalidtimedtoken": _NO_TOKEN,
    "usernotallowed": _NO_TOKEN,
    "wsaccessusersuspended": _NO_TOKEN,
    "wsaccessuserdeleted": _NO_TOKEN,
    "wsaccessuserexpired": _NO_TOKEN,
    "wsaccessusernologin": _NO_TOKEN,
    "accessexception": (
        "ws-function-missing",
        "The web service of {system} does not hold the function {function}.",
        "The administrator of {system} adds it: Site administration > Server > Web services > External services > Functions.",
    ),
    "nopermissions": _NO_ACCESS,
    "requireloginerror": _NO_ACCESS,
    "errorcoursecontextnotvalid": _NO_ACCESS,
    "notingroup": _NO_ACCESS,
    "invalidrecord": _GONE,
    "invalidrecordunknown": _GONE,
    "sitemaintenance": (
        "ws-maintenance",
        "{system} is under maintenance.",
        "Tassel tries again at the next reading.",
    ),
}


def strange(function: str, system: str) -> UpstreamError:
    """The answer is JSON, but not what this function gives."""
    return UpstreamError(
        "ws-strange-answer",
        f"{system} answered {function} with something that Tassel cannot read.",
        system=system,
        permanent=False,
        fix=_TRY_AGAIN.format(system=system),
        status=200,
    )


def read_site(answer: Any, system: str) -> Site:
    """``core_webservice_get_site_info``. Raises ``UpstreamError``."""
    found = payload(answer, SITE_INFO, system)
    if not isinstance(found, dict) or not isinstance(found.get("functions"), list):
        raise strange(SITE_INFO, system)
    names = [one.get("name") for one in found["functions"] if isinstance(one, dict)]
    return Site(
        name=str(found.get("sitename", ""))[:200],
        release=str(found.get("release", ""))[:60],
        url=str(found.get("siteurl", ""))[:300],
        user_id=str(found.get("userid", "")),
        user_name=str(found.get("fullname", ""))[:300],
        functions=frozenset(name for name in names if isinstance(name, str)),
    )


@dataclass(frozen=True)
class Enrolled:
    """One active person of a course; ``seen`` is the last visit to the course."""

    id: str
    learner: bool
    seen: datetime | None


TEACHING = frozenset({"manager", "coursecreator", "editingteacher", "teacher"})
"""Short names of Moodle's own teaching roles; whoever has another role may have grades."""


def read_enrolled(answer: Any, system: str) -> list[Enrolled]:
    """``core_enrol_get_enrolled_users`` with at least id and roles. Raises ``UpstreamError``."""
    found = payload(answer, ENROLLED, system)
    if not isinstance(found, list):
        raise strange(ENROLLED, system)
    people = []
    for user in found:
        if isinstance(user, dict) and type(user.get("id")) is int:
            roles = user.get("roles")
            listed = roles if isinstance(roles, list) else []
            names = {str(role.get("shortname")) for role in listed if isinstance(role, dict)}
            learner = not names or bool(names - TEACHING)
            people.append(Enrolled(str(user["id"]), learner, _time(user.get("lastcourseaccess"))))
    return people


def read_reports(answer: Any, system: str) -> Iterator[Report]:
    """``gradereport_user_get_grade_items``: one report per person. Raises ``UpstreamError``."""
    found = payload(answer, REPORT, system)
    users = found.get("usergrades") if isinstance(found, dict) else None
    if not isinstance(users, list):
        raise strange(REPORT, system)
    for user in users:
        if isinstance(user, dict) and type(user.get("userid")) is int:
            yield _report(user)


def _report(user: Mapping[str, Any]) -> Report:
    person, items, marks = str(user["userid"]), [], []
    stale, unreadable, own = set(), set(), False
    entries = user.get("gradeitems")
    for place, entry in enumerate(entries if isinstance(entries, list) else [None], 1):
        if isinstance(entry, dict) and entry.get("itemtype") in TOTALS:
            continue
        try:
            item = _item(entry, place)
            mark = _mark(entry, item, person)
        except (KeyError, TypeError, ValueError, InvalidOperation, OverflowError, AttributeError):
            unreadable.add(str(entry.get("id", "")) if isinstance(entry, dict) else "")
            continue
        items.append(item)
        own = own or entry.get("gradeislocked", False) is None
        if entry.get("gradeneedsupdate"):
            stale.add(item.id)
        else:
            marks.append(mark)
    number = user.get("useridnumber")
    return Report(
        user=person,
        items=tuple(items),
        marks=tuple(marks),
        stale=frozenset(stale),
        unreadable=frozenset(unreadable),
        sis_id=number.strip()[:200] or None if isinstance(number, str) else None,
        own=own,
    )


def _item(entry: Mapping[str, Any], place: int) -> Item:
    if type(entry["id"]) is not int:
        raise TypeError
    scale = entry.get("scaleid")
    maximum = _number(entry.get("grademax"))
    return Item(
        id=str(entry["id"]),
        title=" ".join(str(entry.get("itemname") or "").split())[:300],
        maximum=maximum or None,
        minimum=_number(entry.get("grademin")) or Decimal(0),
        place=place,
        scale=None if scale is None else str(scale)[:100],
        module=str(entry.get("itemmodule") or entry.get("itemtype") or "")[:60],
        instance=str(entry["iteminstance"]) if entry.get("iteminstance") else None,
        hidden=bool(entry.get("gradeishidden")),
    )


def _mark(entry: Mapping[str, Any], item: Item, person: str) -> Mark:
    return Mark(
        item=item.id,
        user=person,
        raw=_number(entry["graderaw"]),
        maximum=item.maximum,
        scale=item.scale,
        hidden=bool(entry.get("gradeishidden")) or bool(entry.get("gradehiddenbydate")),
        locked=bool(entry.get("gradeislocked")),
        overridden=bool(entry.get("gradeisoverridden")),
        graded_at=_time(entry.get("gradedategraded")),
    )


def _number(value: Any) -> Decimal | None:
    """A JSON number exactly as written; None stays None. Raises TypeError or ValueError otherwise."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    number = Decimal(str(value))
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -20 or abs(number) >= Decimal(10) ** 9:
        raise ValueError
    return number


def _time(value: Any) -> datetime | None:
    """Seconds since 1970 as aware UTC; 0, null and nonsense mean never."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < YEAR_10000:
        return None
    return datetime.fromtimestamp(value, UTC)


def merge_items(reports: Iterable[Report]) -> list[Item]:
    """Every item once. Activities limited to some people stand in some reports only."""
    found: dict[str, Item] = {}
    for report in reports:
        for item in report.items:
            found.setdefault(item.id, item)
    return sorted(found.values(), key=lambda item: (item.place, int(item.id)))
