"""Every forgery is bad in exactly the way it says, and otherwise a good token."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
import requests

from app.demo.lms.forge import KINDS
from tests.integration.demo_lms_stage import Stage
from tests.integration.demo_lms_tool import CLAIM

MISSING = {
    "missing_exp": "exp",
    "missing_iat": "iat",
    "missing_nonce": "nonce",
    "missing_sub": "sub",
    "missing_deployment": CLAIM + "deployment_id",
    "missing_message_type": CLAIM + "message_type",
    "missing_version": CLAIM + "version",
    "missing_resource_link": CLAIM + "resource_link",
}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    found = Stage("moodle")
    found.register()
    yield found
    found.close()


def forged(stage: Stage, kind: str, **order: Any) -> tuple[str, dict[str, Any], dict[str, Any]]:
    person = stage.people("learner")[0]["id"]
    body = {"course": "STAT 101", "person": person, "nonce": "n-1", "kind": kind} | order
    token = stage.control("forge", **body)["id_token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    return token, jwt.get_unverified_header(token), claims


def signed_by_the_lms(stage: Stage, token: str) -> bool:
    with requests.Session() as session:
        found = session.get(stage.tool.configuration["jwks_uri"], timeout=5).json()
    keys = jwt.PyJWKSet.from_dict(found).keys
    options: Any = dict.fromkeys(("verify_exp", "verify_iat", "verify_aud", "verify_sub"), False)
    for key in keys:
        try:
            jwt.decode(token, key.key, algorithms=["RS256"], options=options)
        except jwt.PyJWTError:
            continue
        return True
    return False


@pytest.mark.parametrize("kind", KINDS)
def test_only_forgeries_of_the_signature_break_it(stage: Stage, kind: str) -> None:
    token, _, _ = forged(stage, kind)
    broken = {"alg_none", "hs256_public_key", "other_key"}
    assert signed_by_the_lms(stage, token) is (kind not in broken)


@pytest.mark.parametrize("kind", sorted(MISSING))
def test_a_claim_is_missing(stage: Stage, kind: str) -> None:
    _, _, claims = forged(stage, kind)
    _, _, honest = forged(stage, "honest")
    assert MISSING[kind] not in claims
    assert set(honest) - set(claims) == {MISSING[kind]}


def test_headers(stage: Stage) -> None:
    _, honest, _ = forged(stage, "honest")
    assert forged(stage, "alg_none")[1]["alg"] == "none"
    assert forged(stage, "hs256_public_key")[1]["alg"] == "HS256"
    assert forged(stage, "unknown_kid")[1]["kid"] != honest["kid"]
    assert "kid" not in forged(stage, "missing_kid")[1]
    assert forged(stage, "other_key")[1] == honest


def test_values(stage: Stage) -> None:
    _, _, honest = forged(stage, "honest")
    for kind, claim in {
        "wrong_audience": "aud",
        "wrong_issuer": "iss",
        "wrong_nonce": "nonce",
        "wrong_deployment": CLAIM + "deployment_id",
        "wrong_version": CLAIM + "version",
        "unknown_message": CLAIM + "message_type",
        "foreign_target": CLAIM + "target_link_uri",
    }.items():
        assert forged(stage, kind)[2][claim] != honest[claim], kind
    now = time.time()
    assert forged(stage, "expired")[2]["exp"] < now - 3000
    assert forged(stage, "future_iat")[2]["iat"] > now + 3000
    assert forged(stage, "stale_iat")[2]["iat"] < now - 3000
    several = forged(stage, "several_audiences")[2]
    assert (len(several["aud"]), several["azp"]) == (2, honest["aud"])
    assert forged(stage, "several_audiences_foreign_azp")[2]["azp"] != honest["aud"]


def test_overrides(stage: Stage) -> None:
    _, header, claims = forged(stage, "honest", claims={"sub": "1", "exp": None}, headers={"a": 1})
    assert claims["sub"] == "1"
    assert "exp" not in claims
    assert header["a"] == 1


def test_the_next_launch_can_be_forged_and_only_that_one(stage: Stage) -> None:
    stage.control("forge_next", kind="wrong_issuer")
    person = stage.people("learner")[0]
    stage.visitor.become(stage.url, person["id"])
    page = stage.visitor.launch(stage.url, 3)
    assert page.status == 500
    assert stage.launch(person["id"])["sub"] == person["subject"]


def test_an_unknown_kind_is_named(stage: Stage) -> None:
    answer = stage.tool.session.post(
        stage.url + "/_control/forge_next", json={"kind": "nonsense"}, timeout=5
    )
    assert answer.status_code == 400
    assert "wrong_audience" in answer.json()["fix"]
