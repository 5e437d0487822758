"""Many badges at once: signed by several processes, killed at any moment, each exactly once."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update
from sqlalchemy.orm import Session

from app.jobs import Helper, helper
from app.models import AchievementVersion, Award, IssuerKey, Person
from app.pipeline import award, holders, sign_all
from app.pipeline.campus import Campus
from app.settings import Settings
from app.web.tokens import mint
from tests import course_seed, operator_seed, term_end
from tests.term_end import Signing, faults, held, kept, signed

pytestmark = pytest.mark.timeout(180)
LEARNERS = 500


@pytest.mark.parametrize("seed", [2026])
def test_several_processes_and_their_deaths_sign_everything_once(
    campus: Campus, settings: Settings, seed: int
) -> None:
    term_end.earned(campus, LEARNERS)
    draw, db = random.Random(seed), campus.db
    first = Signing(settings, "--processes", "2")
    first.until(lambda: len(first.members()) == 2 and held(db) > 0)
    first.kill_one(draw.randrange(2))
    share = draw.randrange(LEARNERS // 3)
    first.until(lambda: signed(db) > share and held(db) > 0)
    first.kill_all()
    before = kept(db)
    assert 0 < len(before) < LEARNERS
    assert held(db), "somebody died in the middle of a batch"

    code, said = Signing(settings, "--processes", "2").end()
    assert code == 0, said
    assert re.search(rf"{LEARNERS - len(before)} signed in \d+ s \(\d+/s\), 0 left", said), said
    assert before.items() <= kept(db).items(), "what was kept stays as it was"
    assert faults(db, LEARNERS) == {}


def test_what_the_dead_held_is_free_at_once_and_what_the_living_hold_is_not(
    campus: Campus,
) -> None:
    term_end.earned(campus, 5)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    living = holders.process_name()
    dead = living.replace(f":{os.getpid()}:", f":{ended.pid}:")
    award.claim(campus, 2, holder=dead)
    award.claim(campus, 1, holder=living)
    assert award.claim(campus, 1)[0].ids == tuple(award.leased(campus)), "a job of the engine"
    assert award.reap(campus) == 2
    assert held(campus.db) == 1

    waits = iter([True, True, False])
    looks: list[float] = []
    assert sign_all.run(campus, lambda: next(waits), looks.append) == []
    assert len(kept(campus.db)) == 3, "what was free"
    assert looks == [sign_all.LATER], "the living may die, so somebody looks again"


def test_the_engine_gets_a_little_at_a_time_and_the_rest_is_for_others(campus: Campus) -> None:
    term_end.earned(campus, award.AHEAD + 50)
    assert sum(len(batch.ids) for batch in award.claim(campus)) == award.AHEAD
    assert award.claim(campus) == []
    (batch,) = award.claim(campus, award.GROUP, holder=holders.process_name())
    assert len(batch.ids) == 50


def test_a_key_that_does_not_sign_stops_its_issuer_only(campus: Campus) -> None:
    term_end.earned(campus, 3)
    with campus.db.transaction() as session:
        session.execute(update(IssuerKey).values(keeper="vault", remote="x"))
    (failure,) = sign_all.run(campus, lambda: True)
    assert "vault" in failure.message
    assert kept(campus.db) == {}
    assert award.claim(campus) == [], "it rests"
    assert award.leased(campus) == [], "and is no job that got lost"
    later = replace(campus, clock=lambda: campus.clock() + award.LEASE * 2)
    assert len(award.claim(later)) == 1


def _without_a_key(session: Session) -> None:
    session.execute(update(IssuerKey).values(state="compromised"))


def _unreadable(session: Session) -> None:
    session.execute(update(AchievementVersion).values(details=["no facts"]))


@pytest.mark.parametrize("broken", [_without_a_key, _unreadable])
def test_what_cannot_be_signed_at_all_is_not_in_the_way_of_others(
    campus: Campus, broken: Callable[[Session], None]
) -> None:
    """The engine gets so many awards at most: those of a job that failed must not count for ever."""
    term_end.earned(campus, 2)
    (batch,) = award.claim(campus)
    with campus.db.transaction() as session:
        broken(session)
    with pytest.raises(Exception, match=r"no active key|attribute|mapping|indices"):
        award.run(campus, batch.ids)
    assert award.leased(campus) == []
    assert award.claim(campus) == [], "it rests"


def test_people_see_how_far_it_is(campus: Campus, client: FlaskClient) -> None:
    made = term_end.earned(campus, 120)
    (batch, _) = award.claim(campus)
    award.run(campus, batch.ids)
    course = f"/courses/{made.course_id}"
    course_seed.enter(client, made, made.teacher, "instructor")
    for page in ("", "/awards"):
        shown = client.get(course + page).text
        assert "100 of 120 signed" in shown
        (part,) = re.findall(r'id="signing"[^>]*hx-get="([^"]+)"', shown)
        assert "100 of 120 signed" in client.get(part).text
    with campus.db.transaction() as session:
        session.execute(update(Award).where(Award.state == "waiting").values(lease_by=award.RESTS))
    assert "signing key does not answer" in client.get(course).text

    operator = client.application.test_client()
    operator.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
    operator_seed.enter(operator, campus)
    for page in ("", "health"):
        shown = operator.get(f"/operator/{page}").text
        assert "100 of 120 signed" in shown
        assert "a key does not sign" in shown
    with campus.db.transaction() as session:
        token = mint(session, "T", ["courses:read"], None, "operator:test", campus.clock())
    reader = {"Authorization": f"Bearer {token}"}
    numbers = client.get(f"/api/v1{course}", headers=reader).get_json()
    assert (numbers["awards"], numbers["signed"], numbers["waiting"]) == (120, 100, 20)

    with campus.db.transaction() as session:
        session.execute(update(Award).values(award.FREE))
    sign_all.run(campus, lambda: True)
    assert "The badges are signed." in client.get(f"{course}/signing").text
    assert 'id="signing"' not in client.get(course).text
    assert " signed</span>" not in operator.get("/operator/health").text


def test_a_worker_with_much_to_sign_calls_for_help_and_sends_it_away(
    campus: Campus, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[Signing] = []

    def call() -> subprocess.Popen[bytes]:
        called.append(Signing(settings, "--processes", "1", "--beside", str(os.getpid())))
        return called[-1].process

    helping = Helper(campus, call)
    term_end.earned(campus, 500)
    helping.look()
    assert not helping.busy, "so many it signs alone"
    monkeypatch.setattr(helper, "MANY", 400)
    helping.look()
    helping.look()
    called[0].until(lambda: signed(campus.db) > 0)
    helping.dismiss()
    assert len(called) == 1
    code, said = called[0].end()
    assert (code, "signed-beside" in said) == (1, True), said
    assert 0 < signed(campus.db) < 500
    assert held(campus.db) == 0, "it ended with a whole batch"


def test_help_that_fails_is_not_called_again_and_again(
    campus: Campus, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[subprocess.Popen[bytes]] = []

    def call() -> subprocess.Popen[bytes]:
        called.append(subprocess.Popen(["false"]))
        return called[-1]

    term_end.earned(campus, 5)
    monkeypatch.setattr(helper, "MANY", 2)
    helping = Helper(campus, call)
    for _ in range(3):
        helping.look()
        called[-1].wait()
    assert len(called) == 1
    monkeypatch.setattr(helper, "REST_SECONDS", 0.0)
    helping.look()
    called[-1].wait()
    assert len(called) == 2


def test_many_without_an_address_do_not_hide_those_behind_them(campus: Campus) -> None:
    made = term_end.earned(campus, award.GROUP + 50)
    nameless = made.learners[: award.GROUP + 20]
    with campus.db.transaction() as session:
        early = campus.clock() - award.LEASE
        session.execute(update(Award).where(Award.person_id.in_(nameless)).values(awarded_at=early))
        session.execute(update(Person).where(Person.id.in_(nameless)).values(email=None))
    assert sign_all.run(campus, lambda: True) == []
    assert signed(campus.db) == 30
