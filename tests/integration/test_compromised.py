"""The drill for a leaked key: counted, carried out, killed half-way and finished."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from app import audit
from app.credentials.keys import KeyKind
from app.errors import NotFound
from app.models import AuditEntry, Delivery, SpentEntry
from app.pipeline import compromised, issuer_keys, outbox, revoke
from app.pipeline.campus import Campus
from tests.integration.issuer_rig import Stranger, awards, badged, credentials, issuer, keys
from tests.integration.trip import Trip


@pytest.fixture
def trip(campus: Campus) -> Trip:
    with campus.db.transaction() as session:
        outbox.ensure_mail(session, True, campus.clock())
    return badged(campus, learners=4)


def notices(trip: Trip) -> int:
    with trip.db.reading() as session:
        query = select(func.count(Delivery.id)).where(Delivery.operation.like("replace-%"))
        return session.scalar(query) or 0


def test_a_dry_run_counts_and_changes_nothing(trip: Trip, client: FlaskClient) -> None:
    (key,) = keys(trip.campus, KeyKind.ED25519)
    revoke.revoke(trip.campus, awards(trip.campus)[0].id, "By mistake", "test")
    counted = compromised.count(trip.campus, key.fragment)
    assert counted == compromised.Count(signed=4, replace=3, waiting=0, revoked=1, unreachable=0)
    assert key.fragment in Stranger(client).listed
    assert len(credentials(trip.campus)) == 4
    assert compromised.count(trip.campus, keys(trip.campus, KeyKind.P256)[0].fragment).signed == 0


@pytest.mark.parametrize("kind", [KeyKind.ED25519, KeyKind.RSA_2048])
def test_the_drill_replaces_what_the_key_signed(
    trip: Trip, client: FlaskClient, kind: KeyKind
) -> None:
    stranger = Stranger(client)
    (key,) = keys(trip.campus, kind)
    revoked = awards(trip.campus)[0].id
    revoke.revoke(trip.campus, revoked, "By mistake", "test")
    before = {award.id: award.awarded_at for award in awards(trip.campus)}
    trip.clock.forward(days=3)
    left = compromised.run(trip.campus, key.fragment, "test")
    assert (left.replace, left.waiting) == (0, 0)
    assert key.fragment not in stranger.listed
    assert {award.id: award.awarded_at for award in awards(trip.campus)} == before
    signed = credentials(trip.campus)
    old = [c for c in signed if key.fragment in (c.embedded_key, c.token_key)]
    new = [c for c in signed if key.fragment not in (c.embedded_key, c.token_key)]
    assert (len(old), len(new)) == (4, 3)
    assert revoked not in {c.award_id for c in new}
    assert {stranger.judge(c) for c in old} == {"unlisted"}
    assert all(stranger.is_revoked(c) for c in old)
    assert {stranger.judge(c) for c in new} == {"valid"}
    assert notices(trip) == 3
    with trip.db.reading() as session:
        actions = list(session.scalars(select(AuditEntry.action)))
        assert actions.count("issuer.key-compromised") == 1
        assert actions.count("credential.replaced") == 3
        assert audit.broken_at(session) is None
        assert compromised.unfinished(session) == {}


def test_again_is_harmless_and_a_later_revocation_counts(trip: Trip, client: FlaskClient) -> None:
    (key,) = keys(trip.campus, KeyKind.ED25519)
    compromised.run(trip.campus, key.fragment, "test")
    compromised.run(trip.campus, key.fragment, "test")
    assert len(credentials(trip.campus)) == 8
    assert len(keys(trip.campus, KeyKind.ED25519)) == 2
    one = awards(trip.campus)[0].id
    revoke.revoke(trip.campus, one, "After all", "test")
    stranger = Stranger(client)
    assert all(stranger.is_revoked(c) for c in credentials(trip.campus) if c.award_id == one)


def test_a_waiting_successor_takes_over_at_once(trip: Trip) -> None:
    (key,) = keys(trip.campus, KeyKind.ED25519)
    made = issuer_keys.rotate(trip.campus, issuer(trip.campus).id, KeyKind.ED25519, "test")
    compromised.run(trip.campus, key.fragment, "test")
    assert len(keys(trip.campus, KeyKind.ED25519)) == 2
    assert {c.embedded_key for c in credentials(trip.campus)} == {key.fragment, made.fragment}


def test_a_leaked_successor_is_followed_by_another(trip: Trip) -> None:
    made = issuer_keys.rotate(trip.campus, issuer(trip.campus).id, KeyKind.RSA_2048, "test")
    compromised.run(trip.campus, made.fragment, "test")
    trip.clock.forward(hours=3)
    trip.learner("late")
    trip.book.grades["quiz", "late"] = trip.book.maximum["quiz"]
    trip.collect()
    assert trip.sign() == 1
    assert made.fragment not in {c.token_key for c in credentials(trip.campus)}


def test_a_badge_that_is_being_signed_meanwhile_is_not_kept(
    trip: Trip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker has the old key in hand when it is given up."""
    (key,) = keys(trip.campus, KeyKind.ED25519)
    row, owner = compromised.find(trip.campus, key.fragment)
    trip.learner("late")
    trip.book.grades["quiz", "late"] = trip.book.maximum["quiz"]
    trip.collect()
    from app.pipeline import award

    plain = award._settle

    def meanwhile(*given: object) -> None:
        compromised.begin(trip.campus, row, owner, "test")
        plain(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(award, "_settle", meanwhile)
    trip.sign()
    assert len(credentials(trip.campus)) == 4
    monkeypatch.undo()
    trip.sign()
    assert credentials(trip.campus)[-1].embedded_key
    late = [c for c in credentials(trip.campus) if c.embedded_key != key.fragment]
    assert len(late) == 1


def test_a_name_has_to_be_known(trip: Trip) -> None:
    for name in ("", "z6M", "nothing-like-it"):
        with pytest.raises(NotFound):
            compromised.count(trip.campus, name)


def test_a_kill_in_the_middle_loses_nothing(
    trip: Trip, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL of the command while some are revoked and not signed yet; then once more."""
    (key,) = keys(trip.campus, KeyKind.ED25519)
    settings = trip.campus.settings
    env = {
        "PATH": os.environ["PATH"],
        "TASSEL_DATABASE_URL": settings.database,
        "TASSEL_DATA_DIR": str(settings.data_dir),
        "TASSEL_MASTER_KEY": settings.master_key,
    }
    hang = (
        "import app.pipeline.compromised as c, time\nc.GROUP = 1\n"
        "plain = c.replace_some\n"
        "def slow(*given):\n    done = plain(*given)\n    time.sleep(0.5)\n    return done\n"
        "c.replace_some = slow\nfrom app.cli import main\nmain()"
    )
    words = ["key", "compromised", key.fragment, "--yes"]
    process = subprocess.Popen([sys.executable, "-c", hang, *words], env=env)
    deadline = time.monotonic() + 60
    while spent(trip) < 2:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    between = compromised.count(trip.campus, key.fragment)
    assert between.replace > 0
    assert between.waiting > 0
    with trip.db.reading() as session:
        assert compromised.unfinished(session) == {key.fragment: between.replace}
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *words],
        check=False,
        env=env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    stranger = Stranger(client)
    signed = credentials(trip.campus)
    assert len(signed) == 8
    assert [stranger.judge(c) for c in signed] == ["unlisted", "valid"] * 4
    assert spent(trip) == 4
    assert notices(trip) == 4


def spent(trip: Trip) -> int:
    with trip.db.reading() as session:
        return session.scalar(select(func.count(SpentEntry.id))) or 0
