"""Every launch that must be refused, and the proof that exactly its check refuses it.

``ATTACKS`` names the attack, the reason given, and the check. The first test carries the attack
out; the second takes the check away and sees the same attack succeed, so neither can rot unseen.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pylti1p3.deployment import Deployment as LibraryDeployment
from sqlalchemy import select, update

from app.db import Database
from app.errors import LaunchRefused
from app.lti import launch, library, login, parties, state
from app.models import AnsweredLogin, Deployment, Platform
from app.secrets import SecretBox
from tests.integration.lti_rig import Rig, rig


@pytest.fixture
def here(db: Database, tmp_path: Path) -> Iterator[Rig]:
    with rig(db, str(tmp_path)) as made:
        yield made


def forged(kind: str) -> Callable[[Rig], Any]:
    """A token that the LMS mints as ordered, otherwise an honest launch."""
    return lambda here: here.launch(kind=kind)


def replayed(here: Rig) -> Any:
    """The same form post once more."""
    begun = here.login()
    form = here.forged(begun)
    here.finish(form, begun.binding)
    return here.finish(form, begun.binding)


def reused_state(here: Rig) -> Any:
    """A fresh token for a state that was used."""
    begun = here.login()
    here.finish(here.forged(begun), begun.binding)
    return here.finish(here.forged(begun), begun.binding)


def nonce_of_another_launch(here: Rig) -> Any:
    first, second = here.login(), here.login()
    token = here.forged(first)["id_token"]
    return here.finish({"state": second.state, "id_token": token}, second.binding)


def token_of_another_registration(here: Rig) -> Any:
    """Same LMS, same key, same deployment id; only the client differs."""
    here.add_registration("moodle", deployment_id=here.tools[0]["deployment_id"])
    begun = here.login(tool=0)
    return here.finish(here.forged(begun, tool=2, link=1), begun.binding)


def without_browser(here: Rig) -> Any:
    """Login CSRF: the attacker's state in the victim's browser, which has no proof for it."""
    begun = here.login()
    return here.finish(here.forged(begun), None)


def other_browser(here: Rig) -> Any:
    begun, other = here.login(), here.login()
    return here.finish(here.forged(begun), other.binding)


def late(here: Rig) -> Any:
    begun = here.login()
    here.clock.ahead = timedelta(minutes=11)
    here.control("clock_skew", seconds=660)
    return here.finish(here.forged(begun), begun.binding)


def switched_off(here: Rig) -> Any:
    begun = here.login()
    with here.db.transaction() as session:
        session.execute(update(Platform).values(state="disabled"))
    return here.finish(here.forged(begun), begun.binding)


def foreign_target_at_login(here: Rig) -> Any:
    return here.login(target_link_uri="https://evil.example/lti/launch")


def login_at_pending_platform(here: Rig) -> Any:
    with here.db.transaction() as session:
        session.execute(update(Platform).values(state="pending"))
    return here.login()


class Agreeing:
    """Compares nothing."""

    @staticmethod
    def compare_digest(_one: object, _two: object) -> bool:
        return True


def first_deployment(db: Database, party: parties.Party, *_: object) -> parties.Named:
    return next(iter(party.deployments.values()))


Patch = tuple[object, str, object]
nothing = lambda *_, **__: None  # noqa: E731
same = lambda self, *_: self  # noqa: E731
NO_SIGNATURE: list[Patch] = [(library.Launch, "validate_jwt_signature", same)]
NO_TIMES: list[Patch] = [(launch, "_check_times", nothing)]
NO_PARTIES: list[Patch] = [(launch, "_check_parties", nothing)]
NO_MESSAGE: list[Patch] = [
    (library.Launch, "validate_message", same),
    (launch, "_check_message", nothing),
]
NO_REGISTRATION: list[Patch] = [
    (library.Launch, "get_client_id", lambda self: self._client_id),
    (
        library.OneRegistration,
        "find_registration_by_params",
        lambda self, *_, **__: self._registration,
    ),
]
NO_NONCE: list[Patch] = [(library.StateService, "check_nonce", lambda *_: True)]
NO_BINDING: list[Patch] = [(launch, "hmac", Agreeing)]
NO_USE: list[Patch] = [(state, "use_up", nothing)]
NO_LAUNCH_TARGET: list[Patch] = [(launch, "check_target", nothing)]

ATTACKS: dict[str, tuple[Callable[[Rig], Any], str, list[Patch]]] = {
    "replayed id_token": (replayed, "state-used", NO_USE),
    "reused state": (reused_state, "state-used", NO_USE),
    "nonce of another launch": (nonce_of_another_launch, "wrong-nonce", NO_NONCE),
    "made-up nonce": (forged("wrong_nonce"), "wrong-nonce", NO_NONCE),
    "token of another registration": (
        token_of_another_registration,
        "wrong-registration",
        NO_REGISTRATION,
    ),
    "alg none": (forged("alg_none"), "bad-signature", NO_SIGNATURE),
    "HS256 with the public key": (forged("hs256_public_key"), "bad-signature", NO_SIGNATURE),
    "unknown kid": (forged("unknown_kid"), "unknown-key", NO_SIGNATURE),
    "no kid": (forged("missing_kid"), "bad-signature", NO_SIGNATURE),
    "signed by somebody else": (forged("other_key"), "bad-signature", NO_SIGNATURE),
    "no exp": (forged("missing_exp"), "token-without-time", NO_TIMES),
    "no iat": (forged("missing_iat"), "token-without-time", NO_TIMES),
    "expired": (forged("expired"), "token-expired", NO_TIMES),
    "issued long ago": (forged("stale_iat"), "token-expired", NO_TIMES),
    "issued in the future": (forged("future_iat"), "token-from-future", NO_TIMES),
    "wrong audience": (forged("wrong_audience"), "wrong-registration", NO_REGISTRATION),
    "wrong issuer": (forged("wrong_issuer"), "wrong-registration", NO_REGISTRATION),
    "foreign azp": (forged("foreign_azp"), "wrong-audience", NO_PARTIES),
    "foreign azp among several": (
        forged("several_audiences_foreign_azp"),
        "wrong-audience",
        NO_PARTIES,
    ),
    "wrong deployment": (
        forged("wrong_deployment"),
        "deployment-pending",
        [(launch, "_deployment", first_deployment)],
    ),
    "foreign target_link_uri": (forged("foreign_target"), "foreign-target", NO_LAUNCH_TARGET),
    "wrong version": (forged("wrong_version"), "bad-message", NO_MESSAGE),
    "no version": (forged("missing_version"), "bad-message", NO_MESSAGE),
    "unknown message": (forged("unknown_message"), "bad-message", NO_MESSAGE),
    "no resource link": (forged("missing_resource_link"), "bad-message", NO_MESSAGE),
    "no proof from the browser": (without_browser, "browser-not-proven", NO_BINDING),
    "proof of another login": (other_browser, "browser-not-proven", NO_BINDING),
    "registration switched off meanwhile": (
        switched_off,
        "platform-disabled",
        [(parties, "_refuse_unless_active", nothing)],
    ),
    "registration not approved": (
        login_at_pending_platform,
        "platform-pending",
        [(parties, "_refuse_unless_active", nothing)],
    ),
    "foreign target at login": (
        foreign_target_at_login,
        "foreign-target",
        [(login, "check_target", nothing)],
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_is_refused(here: Rig, name: str) -> None:
    attack, code, _ = ATTACKS[name]
    with pytest.raises(LaunchRefused) as refusal:
        attack(here)
    assert refusal.value.code == code
    assert refusal.value.message
    assert refusal.value.fix


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_succeeds_without_its_check(
    here: Rig, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    attack, _, check = ATTACKS[name]
    for owner, attribute, replacement in check:
        monkeypatch.setattr(owner, attribute, replacement)
    assert attack(here) is not None


@pytest.mark.parametrize("kind", ["missing_sub", "missing_deployment", "missing_message_type"])
def test_incomplete_token_is_refused(here: Rig, kind: str) -> None:
    with pytest.raises(LaunchRefused) as refusal:
        here.launch(kind=kind)
    assert refusal.value.code == "bad-message"


@pytest.mark.parametrize("value", [True, "tomorrow", 1e300, 10**400, -1, [1]])
def test_time_without_sense_is_refused(here: Rig, value: object) -> None:
    with pytest.raises(LaunchRefused) as refusal:
        here.launch(claims={"exp": value})
    assert refusal.value.code == "token-without-time"


def test_nan_is_no_time() -> None:
    """A comparison with NaN is never true, so it must not get as far as one."""
    with pytest.raises(LaunchRefused):
        launch._seconds({"exp": float("nan")}, "exp")


def test_state_dies_after_ten_minutes(here: Rig) -> None:
    with pytest.raises(LaunchRefused) as refusal:
        late(here)
    assert refusal.value.code == "state-unknown"


def test_made_up_state_is_refused(here: Rig) -> None:
    begun = here.login()
    form = here.forged(begun) | {"state": "made-up"}
    with pytest.raises(LaunchRefused) as refusal:
        here.finish(form, begun.binding)
    assert refusal.value.code == "state-unknown"


@pytest.mark.parametrize("token", ["", "a.b", "a.b.c", "W10.W10.x", "e30.W10.x", "é.é.é"])
def test_rubbish_instead_of_a_token_is_refused(here: Rig, token: str) -> None:
    begun = here.login()
    with pytest.raises(LaunchRefused):
        here.finish({"state": begun.state, "id_token": token}, begun.binding)


def test_error_of_the_lms_is_told_without_repeating_it(here: Rig) -> None:
    with pytest.raises(LaunchRefused) as refusal:
        here.finish({"error": "<script>", "error_description": "<script>"}, None)
    assert "<script>" not in refusal.value.message + refusal.value.fix


def test_unsigned_requests_store_nothing(here: Rig) -> None:
    """Neither a login nor a launch without a good signature, with the right state or without."""
    begun = here.login()
    for named, binding in (("x", "y"), (begun.state, begun.binding)):
        with pytest.raises(LaunchRefused):
            here.finish({"state": named, "id_token": "a.b.c"}, binding)
    with here.db.reading() as session:
        assert session.scalars(select(AnsweredLogin)).all() == []


def test_state_of_another_make_is_refused(here: Rig) -> None:
    """What else is sealed under the campus's key, a changed state, and one of another campus."""
    begun = here.login()
    form = here.forged(begun)
    middle = len(begun.state) // 2
    other = "A" if begun.state[middle] != "A" else "B"
    foreign = SecretBox([Fernet.generate_key().decode()])
    for named in (
        here.campus.box.seal(b"a client secret"),
        "state-" + here.campus.box.seal(b'{"nonce": "x"}'),
        "state-" + here.campus.box.seal(b"[]"),
        begun.state[:middle] + other + begun.state[middle + 1 :],
        "state-" + foreign.seal(here.campus.box.open(begun.state.removeprefix("state-"))),
        "é" * 40,
        "state-" + "A" * 20_000,
    ):
        with pytest.raises(LaunchRefused) as refusal:
            here.finish(form | {"state": named}, begun.binding)
        assert refusal.value.code == "state-unknown"
    assert here.finish(form, begun.binding).sub


def test_a_refused_entry_uses_nothing_up(here: Rig) -> None:
    """A launch enters whole or not at all: what stopped it can be mended and it still serves."""
    begun, now = here.login(), here.clock()
    campus = here.campus
    proven = launch.prove_launch(
        campus.db, campus.box, campus.http, campus.settings, here.forged(begun), begun.binding, now
    )

    def enter() -> None:
        proven.use_up(campus.db, now)
        raise LookupError

    with pytest.raises(LookupError):
        campus.db.together(enter)
    with here.db.reading() as session:
        assert session.scalars(select(AnsweredLogin)).all() == []
    proven.use_up(campus.db, now)


def test_of_equal_launches_at_once_one_gets_in(here: Rig) -> None:
    """Across threads, and so across processes: one statement decides."""
    begun = here.login()
    form = here.forged(begun)
    here.launch()  # the LMS's keys are known now
    ready = threading.Barrier(6)
    outcomes: list[str] = []

    def run() -> None:
        ready.wait()
        try:
            here.finish(form, begun.binding)
            outcomes.append("in")
        except LaunchRefused as error:
            outcomes.append(error.code)
        here.campus.http.close()

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["in", *["state-used"] * 5]


def test_unknown_deployment_waits_for_the_operator_and_then_launches(here: Rig) -> None:
    changed = {"https://purl.imsglobal.org/spec/lti/claim/deployment_id": "42"}
    with pytest.raises(LaunchRefused):
        here.launch(claims=changed)
    with here.db.transaction() as session:
        row = session.scalars(select(Deployment).where(Deployment.deployment_id == "42")).one()
        assert row.state == "pending"
        row.state = "active"
    assert here.launch(claims=changed).deployment_id == row.id


def test_library_deployment_is_what_we_hand_out() -> None:
    tool = library.OneRegistration("iss", "client", "https://x", frozenset({"1"}))
    found = tool.find_deployment_by_params("iss", "1", "client")
    assert isinstance(found, LibraryDeployment)
    assert tool.find_deployment_by_params("iss", "2", "client") is None
