"""Starting: what is wrong is said at once, with its name, and nothing half-starts."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError

from app import audit, schema
from app.db import Database
from app.demo.stage import free_port
from app.errors import ConfigurationError
from app.main import check_public_url, create_campus
from app.models import AuditEntry, Connection, SystemFact, ToolKey
from app.pipeline import issuer_keys
from app.secrets import SecretBox, open_box
from app.settings import load

ROOT = Path(__file__).parents[2]


def tassel(*words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("TASSEL_")}
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *words],
        env={**inherited, **settings},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_bad_settings_are_listed_and_nothing_starts(tmp_path: Path) -> None:
    done = tassel(
        "serve",
        TASSEL_DATA_DIR=str(tmp_path),
        TASSEL_PUBLIC_URL="http://badges.example.edu",
        TASSEL_TIME_ZONE="Nowhere",
        TASSEL_TYPO="x",
    )
    assert done.returncode == 2
    for name in ("TASSEL_PUBLIC_URL", "TASSEL_TIME_ZONE", "TASSEL_TYPO"):
        assert name in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["closed-port", "no-folder"])
def test_an_unusable_database_is_a_clear_message(tmp_path: Path, kind: str) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    url = {
        "closed-port": f"postgresql+psycopg://nobody:secret@127.0.0.1:{free_port()}/none",
        "no-folder": f"sqlite:///{blocked}/tassel.db",
    }[kind]
    done = tassel("serve", TASSEL_DATA_DIR=str(tmp_path / "data"), TASSEL_DATABASE_URL=url)
    assert done.returncode == 2
    assert "TASSEL_DATABASE_URL" in done.stderr
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_master_key_is_said_and_opens_nothing(tmp_path: Path) -> None:
    first, second = (Fernet.generate_key().decode() for _ in range(2))
    sealed = SecretBox([first]).seal(b"private")
    with pytest.raises(ConfigurationError) as caught:
        SecretBox([second]).open(sealed)
    assert "TASSEL_MASTER_KEY" in caught.value.problems[0]
    both = SecretBox([second, first])
    assert both.open(sealed) == b"private"
    assert SecretBox([second]).open(both.rotate(sealed)) == b"private"
    with pytest.raises(ConfigurationError):
        SecretBox(["short"])


def test_a_generated_key_is_private_and_stays(tmp_path: Path) -> None:
    first, generated = open_box("", tmp_path / "data")
    again, _ = open_box("", tmp_path / "data")
    assert generated
    assert again.open(first.seal(b"x")) == b"x"
    assert (tmp_path / "data" / "master.key").stat().st_mode & 0o777 == 0o600


def test_another_public_address_refuses_to_start(database_url: str, tmp_path: Path) -> None:
    """Issued badges name the old address for ever."""
    schema.upgrade(database_url)
    settings = load({"TASSEL_DATABASE_URL": database_url, "TASSEL_DATA_DIR": str(tmp_path)})
    campus = create_campus(settings)
    check_public_url(campus)
    with campus.db.transaction() as session:
        session.add(
            SystemFact(key="public_url", value="https://old.example.edu", at=campus.clock())
        )
    with pytest.raises(ConfigurationError) as caught:
        check_public_url(campus)
    assert "https://old.example.edu" in caught.value.problems[0]
    campus.db.close()


@pytest.mark.parametrize("command", ["serve", "web", "worker"])
@pytest.mark.parametrize("wrong", ["TASSEL_PUBLIC_URL", "TASSEL_MASTER_KEY"])
def test_no_part_starts_with_what_would_break_issued_badges(
    database_url: str, tmp_path: Path, command: str, wrong: str
) -> None:
    """Also the halves that a larger campus runs apart."""
    schema.upgrade(database_url)
    right = {
        "TASSEL_DATABASE_URL": database_url,
        "TASSEL_DATA_DIR": str(tmp_path / "data"),
        "TASSEL_PUBLIC_URL": "https://badges.example.edu",
        "TASSEL_MASTER_KEY": Fernet.generate_key().decode(),
        "TASSEL_BIND": f"127.0.0.1:{free_port()}",
    }
    campus = create_campus(load(right))
    issuer_keys.default_issuer(campus)
    with campus.db.transaction() as session:
        now, url = campus.clock(), campus.settings.public_url
        session.add(SystemFact(key="public_url", value=url, at=now))
    campus.db.close()
    other = {
        "TASSEL_PUBLIC_URL": "https://other.example.edu",
        "TASSEL_MASTER_KEY": Fernet.generate_key().decode(),
    }
    done = tassel(command, **(right | {wrong: other[wrong]}))
    assert done.returncode == 2, done.stderr
    assert wrong in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["web", "worker"])
def test_a_half_that_finds_no_tables_says_what_to_do(
    database_url: str, tmp_path: Path, command: str
) -> None:
    done = tassel(command, TASSEL_DATABASE_URL=database_url, TASSEL_DATA_DIR=str(tmp_path))
    assert done.returncode == 2, done.stderr
    assert "tassel db upgrade" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_error_of_the_database_tells_the_log_nobody_s_name(db: Database) -> None:
    with pytest.raises(SQLAlchemyError) as caught, db.transaction() as session:
        session.execute(text("INSERT INTO nothing VALUES (:name)"), {"name": "Ana Ruiz"})
    assert "Ana Ruiz" not in str(caught.value)


def test_the_master_key_is_replaced_without_losing_anything(
    database_url: str, tmp_path: Path
) -> None:
    schema.upgrade(database_url)
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    base = {"TASSEL_DATABASE_URL": database_url, "TASSEL_DATA_DIR": str(tmp_path / "data")}
    campus = create_campus(load(base | {"TASSEL_MASTER_KEY": old}))
    now = campus.clock()
    issuer_keys.default_issuer(campus)
    with campus.db.transaction() as session:
        config = {"id": "1", "kind": "oneroster_rest", "name": "SIS", "config": {}}
        session.add(Connection(**config, sealed=campus.box.seal(b"secret"), created_at=now))
    campus.db.close()
    kid = tassel("key", "rotate", **base, TASSEL_MASTER_KEY=old)
    assert kid.returncode == 0, kid.stderr
    assert "BAD" in tassel("doctor", **base, TASSEL_MASTER_KEY=new).stdout
    done = tassel("key", "reseal", **base, TASSEL_MASTER_KEY=f"{new},{old}")
    assert done.returncode == 0, done.stderr
    assert tassel("doctor", **base, TASSEL_MASTER_KEY=new).returncode == 0
    after = create_campus(load(base | {"TASSEL_MASTER_KEY": new}))
    with after.db.reading() as session:
        sealed = session.get_one(Connection, "1").sealed
        assert kid.stdout.strip() in session.scalars(select(ToolKey.kid)).all()
    assert after.box.open(str(sealed)) == b"secret"
    after.db.close()


def test_a_registration_is_tested_from_the_command_line(database_url: str, tmp_path: Path) -> None:
    """An LMS that nobody can reach: the command says so, and the doctor remembers it."""
    env = {"TASSEL_DATABASE_URL": database_url, "TASSEL_DATA_DIR": str(tmp_path)}
    schema.upgrade(database_url)
    origin = "https://lms.invalid"
    urls = {name: f"{origin}/{name}" for name in ("auth-url", "token-url", "jwks-url")}
    options = [part for name, url in urls.items() for part in (f"--{name}", url)]
    asked = ["--lms", "generic", "--origin", origin, "--issuer", origin, "--client-id", "c"]
    made = tassel("platform", "register", *asked, *options, **env)
    assert made.returncode == 0, made.stderr
    platform = made.stdout.strip().splitlines()[-1]
    assert tassel("platform", "approve", platform, **env).returncode == 0
    assert "was never tested" in tassel("doctor", **env).stdout
    found = tassel("platform", "check", **env)
    assert found.returncode == 1
    assert "BAD   Key set of the LMS" in found.stdout
    assert "(Administrator of the LMS)" in found.stdout
    after = tassel("doctor", **env)
    assert after.returncode == 1
    assert f"tassel platform check {platform}" in after.stdout
    assert tassel("platform", "check", "nothing", **env).returncode == 2


def test_the_doctor_finds_what_is_wrong(database_url: str, tmp_path: Path) -> None:
    settings = {"TASSEL_DATABASE_URL": database_url, "TASSEL_DATA_DIR": str(tmp_path)}
    before = tassel("doctor", **settings)
    assert before.returncode == 1
    assert "tassel db upgrade" in before.stdout
    assert tassel("db", "upgrade", **settings).returncode == 0
    after = tassel("doctor", **settings)
    assert after.returncode == 0, after.stdout
    db = Database(database_url)
    with db.transaction() as session:
        audit.record(session, "test", "first", "x:1", {}, datetime.now(UTC))
        audit.record(session, "test", "second", "x:2", {}, datetime.now(UTC))
    with db.transaction() as session:
        session.get_one(AuditEntry, 1).action = "changed"
    db.close()
    forged = tassel("doctor", **settings)
    assert forged.returncode == 1
    assert "audit log is broken at entry 1" in forged.stdout
