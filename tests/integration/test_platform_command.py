"""``tassel platform describe`` and ``register``: a platform that is set up by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from app.cli.admin import platform
from app.db import Database
from app.errors import Invalid
from app.lti.platforms import LMS
from app.models import Deployment, Installation, Platform

LMS_AT = "https://learn.example.edu"


@pytest.fixture
def runner(db: Database, tmp_path: Path) -> CliRunner:
    return CliRunner(
        env={
            "TASSEL_DATABASE_URL": db.url,
            "TASSEL_DATA_DIR": str(tmp_path),
            "TASSEL_PUBLIC_URL": "http://127.0.0.1:8080",
            "TASSEL_MASTER_KEY": "A" * 43 + "=",
        }
    )


def register(runner: CliRunner, **changes: str) -> object:
    given = {
        "lms": "blackboard",
        "origin": LMS_AT,
        "issuer": "https://blackboard.com",
        "client-id": "app-1",
        "auth-url": "https://developer.blackboard.com/api/v1/gateway/oidcauth",
        "token-url": "https://developer.blackboard.com/api/v1/gateway/oauth2/jwttoken",
        "jwks-url": "https://developer.blackboard.com/api/v1/management/applications/app-1/jwks.json",
        "deployment-id": "d-1",
    } | changes
    words = [word for name, value in given.items() for word in (f"--{name}", value)]
    done = runner.invoke(platform, ["register", *words])
    return done.exception or done.output.strip().splitlines()[-1]


@pytest.mark.parametrize("lms", sorted(LMS))
def test_what_an_administrator_enters_is_told(runner: CliRunner, lms: str) -> None:
    done = runner.invoke(platform, ["describe", lms])
    told = json.loads(done.output.strip().splitlines()[-1])
    assert told["Initiate login URL"] == "http://127.0.0.1:8080/lti/login"
    assert told["Custom parameters"] == LMS[lms].custom_parameters()


def test_a_registration_by_hand_waits_for_approval(runner: CliRunner, db: Database) -> None:
    made = register(runner)
    with db.reading() as session:
        row = session.get_one(Platform, made)
        assert (row.state, row.client_id) == ("pending", "app-1")
        installation = session.get_one(Installation, row.installation_id)
        assert (installation.lms, installation.origin) == ("blackboard", LMS_AT)
        assert session.scalars(select(Deployment.deployment_id)).all() == ["d-1"]


def test_a_wrong_address_is_named(runner: CliRunner, db: Database) -> None:
    refused = register(runner, **{"auth-url": "learn"})
    assert isinstance(refused, Invalid)
    assert set(refused.fields) == {"auth_url"}
    with db.reading() as session:
        assert session.scalars(select(Platform)).all() == []
