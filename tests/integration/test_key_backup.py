"""Keys come back from a sealed file into an empty database, and old badges verify again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from app import schema
from app.credentials import sealed_file
from app.errors import Conflict, Invalid
from app.main import create_app, create_campus
from app.models import SpentEntry
from app.pipeline import key_backup, revoke
from app.pipeline.campus import Campus
from app.settings import Settings
from tests.conftest import fresh_database
from tests.integration.issuer_rig import Stranger, awards, badged, credentials, issuer
from tests.integration.trip import Trip

PASSPHRASE = "correct horse battery staple"


@pytest.fixture
def trip(campus: Campus) -> Trip:
    made = badged(campus)
    revoke.revoke(campus, awards(campus)[0].id, "By mistake", "test")
    return made


@pytest.fixture
def elsewhere(settings: Settings, tmp_path: Path) -> Iterator[Campus]:
    """A new server with an empty database and another master key."""
    with fresh_database(tmp_path / "new") as url:
        schema.upgrade(url)
        key = Fernet.generate_key().decode()
        changed = {"database_url": url, "master_key": key, "data_dir": tmp_path / "new"}
        made = create_campus(settings.model_copy(update=changed))
        yield made
        made.http.close()
        made.db.close()


def test_old_badges_verify_on_a_new_server_and_revoked_ones_stay_revoked(
    trip: Trip, elsewhere: Campus
) -> None:
    content = key_backup.backup(trip.campus, PASSPHRASE, "test")
    assert key_backup.restore(elsewhere, content, PASSPHRASE, "test") == (1, 3)
    assert key_backup.restore(elsewhere, content, PASSPHRASE, "test") == (0, 0)
    stranger = Stranger(create_app(elsewhere.settings, elsewhere).test_client())
    verdicts = [stranger.judge(c) for c in credentials(trip.campus)]
    assert sorted(verdicts) == ["revoked", "valid", "valid"]
    assert issuer(elsewhere).did == issuer(trip.campus).did


def test_no_entry_of_an_old_list_is_given_away_again(trip: Trip, elsewhere: Campus) -> None:
    content = key_backup.backup(trip.campus, PASSPHRASE, "test")
    key_backup.restore(elsewhere, content, PASSPHRASE, "test")
    badged(elsewhere)
    lists = {
        json.loads(c.document)["credentialStatus"]["statusListCredential"].rpartition("/")[2]
        for c in credentials(elsewhere)
    }
    assert lists == {"2"}
    stranger = Stranger(create_app(elsewhere.settings, elsewhere).test_client())
    assert {stranger.judge(c) for c in credentials(elsewhere)} == {"valid"}


def test_nothing_secret_stands_in_the_file(trip: Trip) -> None:
    content = key_backup.backup(trip.campus, PASSPHRASE, "test")
    assert b"PRIVATE" not in content
    assert issuer(trip.campus).did.encode() not in content
    plain = sealed_file.unseal(content, PASSPHRASE)
    assert plain.count(b"BEGIN PRIVATE KEY") == 3


@pytest.mark.parametrize("change", ["salt", "nonce", "sealed", "n", "passphrase", "format"])
def test_a_changed_file_or_another_passphrase_is_refused(change: str) -> None:
    body = json.loads(sealed_file.seal(b"keys", PASSPHRASE))
    passphrase = PASSPHRASE
    if change == "passphrase":
        passphrase += "x"
    elif change == "n":
        body["n"] //= 2
    elif change == "format":
        body["format"] = "other"
    else:
        first = body[change][0]
        body[change] = ("B" if first == "A" else "A") + body[change][1:]
    with pytest.raises(Invalid):
        sealed_file.unseal(json.dumps(body).encode(), passphrase)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"n": 1}', b"null"])
def test_a_file_of_another_kind_is_refused(content: bytes) -> None:
    with pytest.raises(Invalid):
        sealed_file.unseal(content, PASSPHRASE)


def test_a_file_that_asks_for_too_much_work_is_refused() -> None:
    body = json.loads(sealed_file.seal(b"keys", PASSPHRASE))
    body["n"] = 2**30
    with pytest.raises(Invalid) as caught:
        sealed_file.unseal(json.dumps(body).encode(), PASSPHRASE)
    assert caught.value.code == "not-a-sealed-file"


def test_a_short_passphrase_is_refused(trip: Trip) -> None:
    with pytest.raises(Invalid):
        key_backup.backup(trip.campus, "short", "test")


def test_another_public_address_is_refused(trip: Trip, elsewhere: Campus) -> None:
    content = key_backup.backup(trip.campus, PASSPHRASE, "test")
    other = elsewhere.settings.model_copy(update={"public_url": "https://other.example.edu"})
    from dataclasses import replace

    with pytest.raises(Conflict):
        key_backup.restore(replace(elsewhere, settings=other), content, PASSPHRASE, "test")
    with elsewhere.db.reading() as session:
        assert session.query(SpentEntry).count() == 0


def test_the_commands_write_and_read_the_file(
    trip: Trip, elsewhere: Campus, tmp_path: Path
) -> None:
    (tmp_path / "phrase").write_text(PASSPHRASE)
    file = tmp_path / "keys.sealed"
    for campus, words in ((trip.campus, "backup"), (elsewhere, "restore")):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "app.cli", "key", words, str(file)),
                *("--passphrase-file", str(tmp_path / "phrase")),
            ],
            env={
                "PATH": os.environ["PATH"],
                "TASSEL_DATABASE_URL": campus.settings.database,
                "TASSEL_DATA_DIR": str(campus.settings.data_dir),
                "TASSEL_MASTER_KEY": campus.settings.master_key,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    assert issuer(elsewhere).did == issuer(trip.campus).did
