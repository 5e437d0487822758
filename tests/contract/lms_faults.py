"""The known faults of learning platforms: how each shows, and what Tassel would be without its cure.

A row of ``FAULTS`` has a case, which holds while Tassel handles the fault, and a ``naive`` change
that takes this handling away; ``test_fault_handling_matters`` shows that the case then fails. A case
gets ``turn`` 0 or 1, so that both runs at one campus use different people.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from requests.utils import parse_header_links

import app.http
import app.lti.context
import app.lti.keysets
import app.lti.launch
import app.lti.registration
import app.lti.services
import app.lti.tokens
import app.lti.wire
import app.pipeline.roster
from app.errors import UpstreamError
from app.http import HttpClient
from app.lti import paging
from app.lti.platforms.base import Lms
from app.lti.platforms.blackboard import Blackboard
from app.lti.platforms.brightspace import Brightspace
from app.lti.platforms.canvas import Canvas
from app.lti.platforms.moodle import Moodle
from app.lti.platforms.openedx import OpenEdx
from app.lti.roles import STAFF
from app.lti.wire import sub_path
from tests.contract.lms_rigs import OWN, World

Patch = pytest.MonkeyPatch
Case = Callable[[World, int], None]
Naive = Callable[[Patch], None]
QUIZ = "Quiz 1: Describing data"


@dataclass(frozen=True)
class Fault:
    """``learners`` and ``registered`` say what the case needs before it begins."""

    name: str
    mode: str
    case: Case
    naive: Naive
    learners: int = 12
    registered: bool = True


def learner(world: World, turn: int) -> int:
    """Another person in each turn."""
    return world.numbers("learner")[turn]


# --- lists ---------------------------------------------------------------------------------------


def pages_with_curly_quotes(world: World, turn: int) -> None:
    world.control("page_size", size=5)
    assert len(world.items()) == 12


def naive_links(patch: Patch) -> None:
    def next_url(header: str | None, _base: str) -> str | None:
        links = parse_header_links(header or "")
        return next((one["url"] for one in links if one.get("rel") == "next"), None)

    patch.setattr(app.lti.services, "next_url", next_url)


def every_result_is_read(world: World, turn: int) -> None:
    world.collected()
    assert len(world.cells(QUIZ)) > 100
    assert world.results(QUIZ) == world.cells(QUIZ)


def naive_case(patch: Patch) -> None:
    def next_url(header: str | None, base: str) -> str | None:
        return paging.next_url((header or "").lower(), base)

    patch.setattr(app.lti.services, "next_url", next_url)


def some_results_are_read(world: World, turn: int) -> None:
    world.open_links()
    world.collected()
    assert world.results(QUIZ) == world.cells(QUIZ)


def limit(lms: type[Lms]) -> Naive:
    return lambda patch: patch.setattr(lms, "page_limit", 5)


def naive_media_type(patch: Patch) -> None:
    patch.setattr(app.lti.services, "LINE_ITEMS_TYPE", "application/json")


def naive_address(patch: Patch) -> None:
    patch.setattr(app.lti.wire, "sub_path", lambda url, word: f"{url}/{word}")


def comment_is_read(world: World, turn: int) -> None:
    label, number = world.items()[turn], learner(world, turn)
    world.control(
        "grade", course=3, line_item=label.label, person=number, score=5, comment="Well done"
    )
    shown = world.shown(number, label.url)
    assert shown is not None
    assert shown.comment == "Well done"


def naive_one_by_one(patch: Patch) -> None:
    """As many tools do it: ask for one person's result."""

    def results(self: Any, platform_id: str, url: str) -> Any:
        platform = self._platform(platform_id)
        for sub in asked:
            address = sub_path(url, "results") + f"?user_id={sub}"
            for page in self._pages(platform, address, (RESULT,), RESULTS):
                yield from filter(None, map(app.lti.wire.result, page))

    asked: set[str] = set()
    honest = World.shown

    def shown(self: World, number: int, url: str | None = None) -> Any:
        asked.add(self.sub(number))
        return honest(self, number, url)

    patch.setattr(World, "shown", shown)
    patch.setattr(app.lti.services.LtiServices, "results", results)


RESULT = "https://purl.imsglobal.org/spec/lti-ags/scope/result.readonly"
RESULTS = "application/vnd.ims.lis.v2.resultcontainer+json"


def zero_is_read(world: World, turn: int) -> None:
    number = learner(world, turn)
    world.control("grade", course=3, line_item=QUIZ, person=number, score=0)
    world.collected()
    assert world.results(QUIZ)[world.sub(number)] == 0


def naive_zero(patch: Patch) -> None:
    honest = app.lti.wire.number_of
    patch.setattr(app.lti.wire, "number_of", lambda value: honest(value) or None)


def leaving_is_seen(world: World, turn: int) -> None:
    world.collected()
    number = learner(world, turn)
    world.control("suspend", course=3, person=number)
    world.collected()
    assert world.sub(number) not in world.active("learner")


def naive_leaving(patch: Patch) -> None:
    patch.setattr(app.pipeline.roster, "_dropped", lambda row, begun: False)


def assistant_stays_staff(world: World, turn: int) -> None:
    number = world.numbers("assistant")[0]
    world.enter(number)
    world.collected()
    found = world.enrolment(world.sub(number))
    assert found is not None
    assert found.role in STAFF


def naive_roster_role(patch: Patch) -> None:
    honest = app.pipeline.roster._compare

    def compare(rows: Any, row: Any, *rest: Any) -> None:
        row.launch_role = None
        honest(rows, row, *rest)

    patch.setattr(app.pipeline.roster, "_compare", compare)


# --- scores --------------------------------------------------------------------------------------


def two_scores_in_a_second(world: World, turn: int) -> None:
    """Taken back at once: the second score has the time of the first, or a later one."""
    number, now = learner(world, turn), world.clock()
    lti, item, platform = world.campus.lti, world.own_item(), world.platform.id
    last = None
    for given in (Decimal(1), None):
        last = lti.score_timestamp(platform, now, last)
        lti.post_score(platform, item.url, world.sub(number), given, Decimal(1), last, None)
    assert world.score(number) is None


def naive_stamp(patch: Patch) -> None:
    patch.setattr(Moodle, "score_timestamp", lambda self, now, last: now)


def score_stands(world: World, turn: int) -> None:
    number = learner(world, turn)
    world.post(number, 1)
    assert world.score(number) == 1


def naive_progress(patch: Patch) -> None:
    patch.setattr(
        Canvas,
        "score_message",
        lambda self, given: {"activityProgress": "Submitted", "gradingProgress": "Pending"},
    )


def older_score_is_stale(world: World, turn: int) -> None:
    number, lti = learner(world, turn), world.campus.lti
    stamp = world.post(number, 1)
    item, platform = world.own_item(), world.platform.id
    args = (platform, item.url, world.sub(number), Decimal(1), Decimal(1))
    with pytest.raises(UpstreamError) as refusal:
        lti.post_score(*args, stamp - timedelta(seconds=30), None)
    assert refusal.value.code == "ags-stale-timestamp"


def only_409(lms: type[Lms]) -> Naive:
    return lambda patch: patch.setattr(lms, "is_stale", lambda self, status, body: status == 409)


def ungraded_person_is_named(world: World, turn: int) -> None:
    with pytest.raises(UpstreamError) as refusal:
        world.post(world.numbers("teacher")[0], 1)
    assert (refusal.value.code, refusal.value.permanent) == ("ags-user-refused", True)


def naive_refusal(patch: Patch) -> None:
    patch.setattr(Brightspace, "refuses_person", Lms.refuses_person)


def naive_400(patch: Patch) -> None:
    patch.setattr(Blackboard, "refuses_person", lambda self, status, body: status == 404)


def column_is_in_the_gradebook(world: World, turn: int) -> None:
    """Ours stands in the block without an item of its own, and the other blocks are read too."""
    world.register()
    world.open_links()
    world.own_item()
    world.collected()
    assert len([one for one in world.titles() if one != OWN[0]]) == 12
    assert len(world.own_columns()) == 1


def points_are_whole(world: World, turn: int) -> None:
    lti, services = world.campus.lti, world.course.services
    made = lti.find_or_create_line_item(
        world.platform.id, services["lineitems"], "Badge", Decimal(1), "", f"whole-{turn}", None
    )
    assert made.maximum == 1


def naive_collection(patch: Patch) -> None:
    patch.setattr(OpenEdx, "collection_per_link", False)


def naive_number(patch: Patch) -> None:
    patch.setattr(app.lti.wire, "json_number", float)


# --- the way in ----------------------------------------------------------------------------------


def registers(world: World, turn: int) -> None:
    world.register()
    assert world.platform.state == "active"


def naive_bearer(patch: Patch) -> None:
    bearer = lambda token: {"Authorization": f"Bearer {token}"}  # noqa: E731
    patch.setattr(app.lti.registration, "_bearer", bearer)


def naive_configuration(patch: Patch) -> None:
    """The token goes with the registration only, as the standard has it."""
    honest = HttpClient.get

    def get(self: HttpClient, url: str, *, system: str, headers: Any = None) -> Any:
        return honest(self, url, system=system)

    patch.setattr(HttpClient, "get", get)


def keys_change(world: World, turn: int) -> None:
    world.enter(learner(world, turn))
    world.control("rotate_keys", keep_old=False)
    world.clock.ahead += timedelta(seconds=90)  # type: ignore[attr-defined]
    world.enter(learner(world, turn))


def naive_keys(patch: Patch) -> None:
    patch.setattr(app.lti.keysets, "_may_fetch", lambda db, row, now: row.jwks is None)


def clocks_differ(world: World, turn: int) -> None:
    for seconds in (30, -30):
        world.control("clock_skew", seconds=seconds)
        world.enter(learner(world, turn))


def naive_leeway(patch: Patch) -> None:
    patch.setattr(app.lti.launch, "LEEWAY", timedelta(0))


def unknown_variable_is_nothing(world: World, turn: int) -> None:
    nameless = [one for one in world.numbers("learner") if not world.here.people[one].sis_id]
    world.enter(nameless[0])
    assert world.person(nameless[0]).sis_id is None


def naive_custom(patch: Patch) -> None:
    def as_it_came(found: Any) -> dict[str, str]:
        return {str(name): str(value) for name, value in (found or {}).items()}

    patch.setattr(app.lti.context, "custom_values", as_it_came)


def whole_number_is_an_id(world: World, turn: int) -> None:
    number = learner(world, turn)
    claims = {
        "https://purl.imsglobal.org/spec/lti/claim/lis": {},
        "https://purl.imsglobal.org/spec/lti/claim/custom": {"person_sis_id": 4711 + turn},
    }
    world.control("forge_next", kind="honest", claims=claims)
    world.enter(number)
    assert world.person(number).sis_id == str(4711 + turn)


def naive_text(patch: Patch) -> None:
    def text_of(value: Any) -> str | None:
        return value if isinstance(value, str) and value else None

    patch.setattr(app.lti.wire, "text_of", text_of)


def person_has_the_number_of_the_school(world: World, turn: int) -> None:
    number = learner(world, turn)
    world.enter(number)
    assert world.person(number).sis_id == world.here.people[number].sis_id


def naive_org_defined_id(patch: Patch) -> None:
    patch.setattr(Brightspace, "person_sis_id", Lms.person_sis_id)


# --- tokens and manners --------------------------------------------------------------------------


def columns_are_listed(world: World, turn: int) -> None:
    assert len(world.items()) == 12


def naive_agent(patch: Patch) -> None:
    patch.setattr(app.http, "USER_AGENT", "")


def naive_audience(patch: Patch) -> None:
    patch.setattr(Brightspace, "token_audience", Lms.token_audience)


def throttling_is_no_refusal(world: World, turn: int) -> None:
    world.control("throttle", requests=1)
    with pytest.raises(UpstreamError) as busy:
        world.items()
    assert (busy.value.code, busy.value.permanent) == ("lti-throttled", False)
    world.control("throttle", requests=50)
    assert world.read().state == "waiting"
    world.control("throttle", requests=0)
    clock: Any = world.clock
    clock.ahead = timedelta(seconds=30)
    world.collected()
    clock.ahead = timedelta(0)
    assert world.active("learner") == {world.sub(one) for one in world.numbers("learner")}
    assert len(world.items()) == 12


def naive_throttle(patch: Patch) -> None:
    patch.setattr(Canvas, "is_throttled", Lms.is_throttled)


def spoiled_token(world: World, **rule: Any) -> UpstreamError:
    """What comes of a token endpoint that goes wrong once; afterwards all is well."""
    path = world.here.vendor.paths.access
    client = world.lms.app.test_client()
    assert client.post("/_control/faults", json={"path": path + "$", **rule}).status_code < 300
    with pytest.MonkeyPatch.context() as patch:
        if rule["kind"] == "slow":
            patch.setattr(app.http, "TIMEOUT", (0.5, 0.5))
        with pytest.raises(UpstreamError) as failure:
            world.items()
    client.delete("/_control/faults")
    assert len(world.items()) == 12
    assert not failure.value.permanent
    return failure.value


def token_endpoint_answers_html(world: World, turn: int) -> None:
    assert spoiled_token(world, kind="html").fix


def naive_json(patch: Patch) -> None:
    patch.setattr(app.lti.wire, "decoded", lambda answer: json.loads(answer.content))


def token_endpoint_fails(world: World, turn: int) -> None:
    assert spoiled_token(world, kind="status", status=500).status == 500


def naive_status(patch: Patch) -> None:
    """Whatever comes is read as an answer to the question."""

    def fetch(self: Any, platform: Any, scopes: str) -> tuple[str, Any]:
        answer = self._request(platform, scopes, self._clock())
        return str(json.loads(answer.content)["access_token"]), self._clock()

    patch.setattr(app.lti.tokens.Tokens, "_fetch", fetch)


def token_endpoint_hangs(world: World, turn: int) -> None:
    assert spoiled_token(world, kind="slow", delay=3).code == "upstream-unreachable"


def naive_patience(patch: Patch) -> None:
    honest = HttpClient.request

    def request(self: HttpClient, *args: Any, **named: Any) -> Any:
        return honest(self, *args, **{**named, "timeout": (60.0, 60.0)})

    patch.setattr(HttpClient, "request", request)


FAULTS = (
    Fault("curly quotes in Link", "moodle", pages_with_curly_quotes, naive_links),
    Fault("case-sensitive bookmarks", "canvas", every_result_is_read, naive_case, learners=120),
    Fault("403 means slow down", "canvas", throttling_is_no_refusal, naive_throttle),
    Fault("409 in the same second", "moodle", two_scores_in_a_second, naive_stamp),
    Fault("Pending clears a grade", "canvas", score_stands, naive_progress),
    Fault("403 without User-Agent", "canvas", columns_are_listed, naive_agent),
    Fault("no registration token", "brightspace", registers, naive_bearer, registered=False),
    Fault("configuration asks it", "canvas", registers, naive_configuration, registered=False),
    Fault("keys rotate", "canvas", keys_change, naive_keys),
    Fault("clocks differ", "moodle", clocks_differ, naive_leeway),
    Fault("$Var unresolved", "canvas", unknown_variable_is_nothing, naive_custom),
    Fault("0 is a grade", "moodle", zero_is_read, naive_zero),
    Fault("comment dropped", "blackboard", comment_is_read, naive_one_by_one),
    Fault("HTML for a token", "moodle", token_endpoint_answers_html, naive_json),
    Fault("500 for a token", "moodle", token_endpoint_fails, naive_status),
    Fault("slow token", "moodle", token_endpoint_hangs, naive_patience),
    Fault("audience is a fixed name", "brightspace", columns_are_listed, naive_audience),
    Fault("403 about the person", "brightspace", ungraded_person_is_named, naive_refusal),
    Fault("400 about the person", "blackboard", ungraded_person_is_named, naive_400),
    Fault(
        "SIS id in a claim of its own",
        "brightspace",
        person_has_the_number_of_the_school,
        naive_org_defined_id,
    ),
    Fault("ids as integers", "canvas", whole_number_is_an_id, naive_text),
    Fault("stale is 400 with a text", "canvas", older_score_is_stale, only_409(Canvas)),
    Fault("stale is 400 by field", "openedx", older_score_is_stale, only_409(OpenEdx)),
    Fault("results cut without a link", "openedx", some_results_are_read, limit(OpenEdx)),
    Fault(
        "a block has its own columns",
        "openedx",
        column_is_in_the_gradebook,
        naive_collection,
        registered=False,
    ),
    Fault("whole scoreMaximum", "openedx", points_are_whole, naive_number),
    Fault("limit crashes results", "moodle", some_results_are_read, limit(Moodle)),
    Fault("exact media types", "moodle", columns_are_listed, naive_media_type),
    Fault("query in addresses", "moodle", some_results_are_read, naive_address),
    Fault("who left just vanishes", "moodle", leaving_is_seen, naive_leaving),
    Fault("assistant listed as learner", "moodle", assistant_stays_staff, naive_roster_role),
)
