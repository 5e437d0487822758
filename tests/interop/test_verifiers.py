"""What we sign, judged by software that nobody here wrote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.credentials import bake, keys
from tests.interop import story_check
from tests.interop.probes import BUILT
from tests.interop.samples import ORIGIN, Campus, write_story

pytestmark = pytest.mark.interop

LEARNERS = 4


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    reason = story_check.missing_tools()
    if reason:
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("story")
    write_story(folder, learners=LEARNERS)
    return folder


def judge(verifier: str, story: Path, *files: Path) -> list[tuple[str, str]]:
    places = [f"{ORIGIN}={story / 'www'}"]
    answers = story_check.run_verifier(verifier, files, places)
    return [(verdict, why) for _, verdict, why in answers]


def test_a_story_is_judged_as_expected(story: Path) -> None:
    """Accepted by all; a revoked one and a changed one refused by all; pictures hold the bytes."""
    report = story_check.verify_directory(story)
    assert report.problems == []
    assert report.accepted == {
        "verifier-core": LEARNERS - 1,
        "digitalbazaar-vc": LEARNERS - 1,
        "jose": 2 * (LEARNERS - 1),
    }
    assert report.refused_as_revoked == {"verifier-core": 1, "digitalbazaar-vc": 1, "jose": 2}
    assert report.refused_as_tampered == dict.fromkeys(story_check.VERIFIERS, 3)
    assert report.unbaked == LEARNERS


def test_every_probe_is_accepted(tmp_path: Path) -> None:
    """JavaScript canonicalizes odd characters, numbers and equal parts as we do."""
    campus = Campus()
    badges = {name: campus.badge(**changes) for name, changes in BUILT.items()}
    campus.publish(tmp_path / "www", set())
    for verifier, suffix, form in (
        ("verifier-core", ".json", "eddsa-rdfc-2022"),
        ("digitalbazaar-vc", ".json", "eddsa-rdfc-2022"),
        ("jose", ".jwt", "vc-jwt-es256"),
    ):
        files = []
        for name, badge in badges.items():
            files.append(tmp_path / f"{name.replace(' ', '-')}{suffix}")
            files[-1].write_bytes(campus.sign(badge, form))
        answers = dict(zip(badges, judge(verifier, tmp_path, *files), strict=True))
        refused = {name: why for name, (verdict, why) in answers.items() if verdict != "valid"}
        assert refused == {}, verifier


def test_the_official_schema_accepts_every_form(story: Path, material: Path) -> None:
    report = story_check.verify_directory(story, schemas=material / "standards/openbadges")
    assert report.problems == []
    assert report.accepted["schema"] == 3 * LEARNERS


def test_the_schema_can_refuse(tmp_path: Path, material: Path) -> None:
    badge = Campus().badge()
    del badge["validFrom"]
    path = tmp_path / "incomplete.json"
    path.write_text(json.dumps(badge), encoding="utf-8")
    schemas = material / "standards/openbadges"
    [(_, verdict, why)] = story_check.run_verifier("schema", [path], [], schemas)
    assert verdict == "invalid"
    assert "validFrom" in why


@pytest.mark.parametrize("verifier", ["verifier-core", "digitalbazaar-vc"])
def test_a_key_of_somebody_else_is_refused(verifier: str, story: Path, tmp_path: Path) -> None:
    stranger = Campus()
    path = tmp_path / "forged.json"
    path.write_bytes(stranger.sign(stranger.badge(), "eddsa-rdfc-2022"))
    [(verdict, _)] = judge(verifier, story, path)
    assert verdict == "invalid"


def test_a_token_by_somebody_else_is_refused(story: Path, tmp_path: Path) -> None:
    stranger = Campus()
    path = tmp_path / "forged.jwt"
    path.write_bytes(stranger.sign(stranger.badge(), "vc-jwt-rs256"))
    [(verdict, why)] = judge("jose", story, path)
    assert (verdict, why) == ("invalid", "kid is not in the DID document")


@pytest.mark.parametrize("verifier", ["verifier-core", "digitalbazaar-vc"])
def test_a_status_that_cannot_be_read_is_not_good(verifier: str, tmp_path: Path) -> None:
    """Or taking the list off the web would bring every revoked badge back."""
    write_story(tmp_path, learners=2)
    (tmp_path / "www/issuers/cs/status/1").unlink()
    [(verdict, _)] = judge(verifier, tmp_path, tmp_path / "credentials/0.json")
    assert verdict == "invalid"


@pytest.mark.parametrize("verifier", ["verifier-core", "digitalbazaar-vc"])
def test_a_compromised_key_that_was_taken_off_is_refused(verifier: str, tmp_path: Path) -> None:
    campus = write_story(tmp_path, learners=2)
    path = tmp_path / "credentials/0.json"
    assert judge(verifier, tmp_path, path)[0][0] == "valid", "signed with a retired key"
    campus.retired.clear()
    campus.publish(tmp_path / "www", set())
    assert judge(verifier, tmp_path, path)[0][0] == "invalid"


def test_names_that_nobody_serves_are_reported(story: Path, tmp_path: Path) -> None:
    path = story / "credentials/0.jwt"
    [(_, verdict, why)] = story_check.run_verifier("jose", [path], [f"{ORIGIN}={tmp_path}"])
    assert verdict == "invalid"
    assert f"no {ORIGIN}/issuers/cs/did.json" in why


def test_the_command_judges_a_directory(story: Path) -> None:
    command = [sys.executable, "-m", "tests.interop.story_check", str(story)]
    done = subprocess.run(
        command, cwd=story_check.ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["problems"] == []


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    """A revoked badge that still verifies, and a picture with other bytes, are both named."""
    campus = write_story(tmp_path, learners=2)
    campus.publish(tmp_path / "www", set())
    credentials = tmp_path / "credentials"
    (credentials / "0.png").write_bytes((credentials / "1.png").read_bytes())
    report = story_check.verify_directory(tmp_path)
    assert any("1.json is valid, not invalid" in problem for problem in report.problems)
    assert any("0.png does not hold" in problem for problem in report.problems)


def test_our_own_reading_of_a_picture_agrees(story: Path) -> None:
    credentials = story / "credentials"
    for path in credentials.glob("*.png"):
        assert bake.unbake(path.read_bytes()) == path.with_suffix(".json").read_bytes()


def test_keys_survive_their_storage(story: Path, tmp_path: Path) -> None:
    """A key that went to PEM and back signs what the same DID document verifies."""
    campus = write_story(tmp_path, learners=1)
    campus.ed25519 = keys.SigningKey.from_pem(campus.ed25519.to_pem())
    path = tmp_path / "again.json"
    path.write_bytes(campus.sign(campus.badge(), "eddsa-rdfc-2022"))
    assert judge("digitalbazaar-vc", tmp_path, path)[0][0] == "valid"
