"""Grades through Moodle's REST web service: every column of a course, native ones included.

Nothing in Moodle tells cheaply what has changed: the report has no "since", no pages and no version.
Measured on a 4.5.6 with 300 learners and 17 columns: the whole class in one call 9 s and 3.2 MB, one
learner 0.06-0.09 s, the list of people 1 s. So

- a class of up to ``WHOLE_CLASS`` learners is read whole each time, with one request;
- a larger one is read person by person, at most ``LANES`` at a time. The first reading and every
  "Refresh everything" read everybody. A reading by the clock reads those who were in the course since
  the last one (whoever takes a quiz was) and one of ``SWEEP`` parts of all others in turn. A grade
  that a teacher gives to somebody who has not come back is therefore seen after at most ``SWEEP``
  readings, or at once with "Refresh everything". The page says so.

Suspended people are not in the report; they are not asked for, and what is known of them stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.errors import UpstreamError
from app.gradebook.moodle_answers import (
    ENROLLED,
    NEEDED,
    REPORT,
    SITE_INFO,
    Enrolled,
    Item,
    Report,
    Site,
    merge_items,
    read_enrolled,
    read_reports,
    read_site,
)
from app.gradebook.port import (
    Asked,
    CourseRef,
    Listing,
    Page,
    SourceColumn,
    SourcePerson,
    SourceScore,
    Unit,
    User,
)
from app.gradebook.token_grants import Checked
from app.http import HttpClient

KEY = "moodle_ws"
LABEL = "Moodle"
CAPABILITIES = (
    "webservice/rest:use",
    "moodle/course:view",
    "moodle/course:viewparticipants",
    "moodle/course:enrolreview",
    "moodle/site:accessallgroups",
    "moodle/grade:viewall",
    "moodle/grade:viewhidden",
    "gradereport/user:view",
)
WHOLE_CLASS = 120
SWEEP = 8
LANES = 2
PEOPLE_PAGE = 500
BATCH = 50
TIMEOUT = (10.0, 60.0)
LATE = timedelta(hours=6)
"""An unfinished reading that is older begins again."""
MARGIN = timedelta(minutes=15)
"""For clocks that differ and requests that were under way."""
KINDS = {
    "quiz": "quiz",
    "assign": "assignment",
    "forum": "discussion",
    "manual": "manual",
    "lti": "lti",
}
OF_ONE_PERSON = frozenset(
    {"nopermissions", "notingroup", "invalidrecord", "invaliduser", "invaliduserid", "usernotenrolled"}
)  # fmt: skip
"""Moodle's codes that may concern the person asked for and not the course."""
FEW = 3
"""So many people may be refused together (they have just left); more, and it is the token."""


class MoodleClient:
    """One token at one Moodle. The token travels in the body, never in an address."""

    def __init__(self, http: HttpClient, base_url: str, token: str) -> None:
        """``base_url``: Moodle's wwwroot without a slash at the end."""
        self._http = http
        self._url = base_url + "/webservice/rest/server.php"
        self._token = token

    def _call(self, function: str, **params: object) -> Any:
        form = {name: str(value) for name, value in params.items()}
        form |= {
            "wstoken": self._token,
            "wsfunction": function,
            "moodlewsrestformat": "json",
        }
        try:
            answer = self._http.request("POST", self._url, system=LABEL, data=form, timeout=TIMEOUT)
            return answer.json()
        except UpstreamError as error:
            raise _clearer(error) from error

    def site(self) -> Site:
        """Who the token is and what its service holds. Raises ``UpstreamError``."""
        return read_site(self._call(SITE_INFO), LABEL)

    def enrolled(self, course: str, first: int, fields: str) -> list[Enrolled]:
        """One page of the active people of a course."""
        options = {"onlyactive": 1, "userfields": fields, "limitfrom": first}
        options["limitnumber"] = PEOPLE_PAGE
        form: dict[str, object] = {"courseid": course}
        for place, (name, value) in enumerate(options.items()):
            form |= {f"options[{place}][name]": name, f"options[{place}][value]": value}
        return read_enrolled(self._call(ENROLLED, **form), LABEL)

    def learners(self, course: str) -> list[Enrolled]:
        """Every active learner by number. Raises ``UpstreamError``."""
        fields, people = "id,roles,lastcourseaccess", list[Enrolled]()
        while True:
            try:
                page = self.enrolled(course, len(people), fields)
            except UpstreamError as error:
                if error.body != "invaliduserfield" or fields == "id,roles":
                    raise
                fields = "id,roles"
                continue
            people += page
            if len(page) < PEOPLE_PAGE:
                return sorted((one for one in people if one.learner), key=lambda one: int(one.id))

    def reports(self, course: str, user: str = "0") -> list[Report]:
        """The report of one person, or with "0" of everybody. Raises ``UpstreamError``."""
        found = list(read_reports(self._call(REPORT, courseid=course, userid=user), LABEL))
        if any(report.own for report in found):
            raise UpstreamError(
                "source-lost",
                f"The token belongs to somebody who sees only their own grades in {LABEL}.",
                system=LABEL,
                permanent=True,
                fix="Use the token of a teacher of this course, or of an account that may see all grades.",
                status=200,
                body="nopermissions",
            )
        return found


def _clearer(error: UpstreamError) -> UpstreamError:
    """Where Moodle answers outside its web service: say what that usually is."""
    fixes = {
        "upstream-403": "The web services or the REST protocol are switched off, or a firewall refuses Tassel. The administrator of {system} checks Site administration > Server > Web services > Overview.",
        "upstream-404": "Check the address of {system}: the web service stands at /webservice/rest/server.php below it.",
        "upstream-not-json": "This is a page and no answer of the web service: often a maintenance or login page. Tassel tries again at the next reading.",
    }
    if error.code in fixes:
        error.fix = fixes[error.code].format(system=LABEL)
    return error


@dataclass(frozen=True)
class _Plan:
    """What one reading does. ``learners`` None: the whole class in one request."""

    learners: Sequence[str] | None
    whole: bool
    resumed: bool
    done: int
    total: int
    note: Mapping[str, Any]
    """The cursor while it runs, without ``after``."""
    end: Mapping[str, Any]
    """The cursor when it has come to its end."""


class MoodleSource:
    """Grade source "moodle_ws"."""

    key = KEY
    label = LABEL
    lms = "moodle"
    functions = NEEDED
    capabilities = CAPABILITIES
    rank = 20
    unit: Unit = "people"

    def __init__(
        self, http: HttpClient, token: Callable[[str], str], clock: Callable[[], datetime]
    ) -> None:
        """``token``: id of a grant to its web-service token; ``clock``: aware UTC."""
        self._http = http
        self._token = token
        self._clock = clock

    def check(self, base_url: str, token: str, course_key: str | None) -> Checked:
        """Site info, and in a course its people and one report. Raises ``UpstreamError``."""
        client = MoodleClient(self._http, base_url, token)
        site = client.site()
        learners = columns = None
        if course_key is not None and not site.missing:
            people = client.learners(course_key)
            learners = len(people)
            reports = client.reports(course_key, people[0].id) if people else []
            columns = len(merge_items(reports))
        return Checked(
            account_id=site.user_id,
            account=site.user_name,
            release=site.release,
            url=site.url,
            missing=site.missing,
            learners=learners,
            columns=columns,
        )

    def serves(self, course: CourseRef) -> bool:
        """True when somebody connected the course, or the operator the whole site."""
        setup = course.setups.get(KEY)
        return setup is not None and setup.grant_id is not None

    def columns(self, course: CourseRef, asked: Asked) -> Listing:
        """Nothing: Moodle tells the columns with the grades (no other function knows their maximum)."""
        del course, asked
        return Listing((), complete=False)

    def read(
        self, course: CourseRef, columns: Sequence[SourceColumn], asked: Asked
    ) -> Iterator[Page]:
        """People by people, in pages of ``BATCH``, each with a cursor to go on from."""
        del columns
        setup = course.setups[KEY]
        client = MoodleClient(self._http, setup.base_url, self._token(setup.grant_id or ""))
        plan = _plan(client, setup.course_key, asked, self._clock())
        if plan.learners is None:
            yield from _read_class(client, setup.course_key, plan)
        else:
            yield from self._read_people(client, setup.course_key, plan)

    def _read_people(self, client: MoodleClient, course: str, plan: _Plan) -> Iterator[Page]:
        learners, done, met = plan.learners or (), plan.done, False
        with ThreadPoolExecutor(LANES) as pool:
            for start in range(0, len(learners), BATCH):
                part = learners[start : start + BATCH]
                lanes = [part[lane::LANES] for lane in range(LANES)]
                found = list(pool.map(lambda ids: self._lane(client, course, ids), lanes))
                reports = [report for several, _ in found for report in several]
                refused = next((error for _, error in found if error), None)
                if refused and not reports and len(part) > FEW:
                    raise refused
                done, met = done + len(part), met or bool(reports)
                last = start + BATCH >= len(learners)
                cursor = plan.end if last else {**plan.note, "after": part[-1]}
                whole = last and met and plan.whole and not plan.resumed
                yield _page(reports, done, plan.total, cursor, whole=whole)
        if not learners:
            yield Page(done=done, total=plan.total, cursor=plan.end)

    def _lane(
        self, client: MoodleClient, course: str, ids: Sequence[str]
    ) -> tuple[list[Report], UpstreamError | None]:
        """Reports of some people, one after the other, and a refusal that concerned one of them."""
        found: list[Report] = []
        refused: UpstreamError | None = None
        try:
            for user in ids:
                try:
                    found += [one for one in client.reports(course, user) if one.user == user]
                except UpstreamError as error:
                    if error.body not in OF_ONE_PERSON:
                        raise
                    refused = error
        finally:
            self._http.close()
        return found, refused


def _plan(client: MoodleClient, course: str, asked: Asked, now: datetime) -> _Plan:
    """Whom to ask for now. One request for a small class that was small before, else the list."""
    cursor = asked.cursor or {}
    size, bucket = int(cursor.get("size", 0)), int(cursor.get("bucket", 0))
    started = datetime.fromisoformat(cursor["started"]) if "started" in cursor else now
    going_on = "after" in cursor and now - started < LATE
    going_on = going_on and (bool(cursor.get("whole")) or not asked.whole)
    if 0 < size <= WHOLE_CLASS and not going_on:
        return _Plan(None, True, False, 0, size, {}, cursor)
    learners = client.learners(course)
    if len(learners) <= WHOLE_CLASS and not going_on:
        return _Plan(None, True, False, 0, len(learners), {}, cursor)
    if not going_on:
        started = now
    since = datetime.fromisoformat(cursor["since"]) if "since" in cursor else None
    whole = bool(cursor.get("whole")) if going_on else asked.whole or since is None
    due = [one for one in learners if whole or _due(one, since, bucket)]
    left = [one.id for one in due if not going_on or int(one.id) > int(cursor["after"])]
    note = {key: cursor[key] for key in ("since", "bucket") if key in cursor}
    note |= {"started": started.isoformat(), "whole": whole, "size": len(learners)}
    end = {
        "since": (started - MARGIN).isoformat(),
        "bucket": bucket if whole else (bucket + 1) % SWEEP,
        "size": len(learners),
    }
    return _Plan(left, whole, going_on, len(due) - len(left), len(due), note, end)


def _due(person: Enrolled, since: datetime | None, bucket: int) -> bool:
    seen = person.seen is not None and since is not None and person.seen >= since
    return seen or int(person.id) % SWEEP == bucket


def _read_class(client: MoodleClient, course: str, plan: _Plan) -> Iterator[Page]:
    """Everybody in one request; a class that has grown meanwhile is read by person the next time."""
    reports = client.reports(course)
    cursor = {"size": len(reports), "bucket": 0}
    yield _page(reports, len(reports), len(reports), cursor, whole=bool(reports))


def _page(
    reports: Sequence[Report], done: int, total: int, cursor: Mapping[str, Any], *, whole: bool
) -> Page:
    items = merge_items(reports)
    hidden = {
        item.id
        for item in items
        if all(one.hidden for report in reports for one in report.items if one.id == item.id)
    }
    unsure = {
        (item, _user(report)) for report in reports for item in report.stale | report.unreadable
    }
    return Page(
        scores=[score for report in reports for score in _scores(report)],
        columns=[_column(item, hidden=item.id in hidden) for item in items],
        people=[SourcePerson(report.user, "sub", report.sis_id) for report in reports],
        # An entry without a readable id could be any column: then nothing of that person is emptied.
        complete_people=frozenset(_user(one) for one in reports if "" not in one.unreadable),
        unsure=frozenset(unsure),
        done=done,
        total=total,
        cursor=cursor,
        whole=whole,
    )


def _user(report: Report) -> User:
    """Moodle's user id is the LTI ``sub`` (observed on 4.5.6)."""
    return ("sub", report.user)


def _column(item: Item, *, hidden: bool) -> SourceColumn:
    """``item:`` is the number that also stands in the line item's URL, ``link:`` the LTI link."""
    identities = {f"item:{item.id}"}
    if item.module == "lti" and item.instance:
        identities.add(f"link:{item.instance}")
    return SourceColumn(
        external_id=item.id,
        title=item.title,
        maximum=item.maximum,
        position=item.place,
        kind=KINDS.get(item.module, ""),
        identities=frozenset(identities),
        hidden=hidden,
        scale=item.scale,
    )


def _scores(report: Report) -> Iterator[SourceScore]:
    for mark in report.marks:
        if mark.raw is not None:
            yield SourceScore(
                external_id=mark.item,
                user=report.user,
                raw=mark.raw,
                maximum=mark.maximum,
                posted=not mark.hidden,
                graded_at=mark.graded_at,
                scale=mark.scale,
                overridden=mark.overridden,
                locked=mark.locked,
            )
