"""The Moodle mode says what a real Moodle 4.5.6 said: same keys, same kinds of values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.demo_lms_stage import Stage, under
from tests.integration.demo_lms_tool import (
    CLAIM,
    ENDPOINT,
    LINE_ITEM,
    LINE_ITEMS,
    MEMBERS,
    RESULTS,
    ROSTER,
)

PLATFORM = "https://purl.imsglobal.org/spec/lti-platform-configuration"
TOOL = "https://purl.imsglobal.org/spec/lti-tool-configuration"
# What a tool chooses itself, and what is there only for some people or links.
FREE = {CLAIM + "custom"}


@pytest.fixture(scope="module")
def moodle() -> Iterator[Stage]:
    stage = Stage("moodle")
    stage.register()
    yield stage
    stage.close()


@pytest.fixture(scope="module")
def recorded(material: Path) -> Path:
    return material / "recordings" / "moodle-4.5.6"


def load(folder: Path, name: str) -> Any:
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def differences(real: Any, ours: Any, path: str = "") -> list[str]:
    """Where the shapes differ: keys, or the kind of a value. Lists are compared by first entry."""
    if path in FREE:
        return []
    if isinstance(real, dict) and isinstance(ours, dict):
        found = [f"{path}: {key} only in one" for key in sorted(set(real) ^ set(ours))]
        for key in sorted(set(real) & set(ours)):
            found += differences(real[key], ours[key], f"{path}/{key}".lstrip("/"))
        return found
    if isinstance(real, list) and isinstance(ours, list):
        return differences(real[0], ours[0], path + "[]") if real and ours else []
    numbers = (int, float)
    same = type(real) is type(ours) or (isinstance(real, numbers) and isinstance(ours, numbers))
    return [] if same else [f"{path}: {type(real).__name__} is {type(ours).__name__}"]


def test_the_comparison_sees_differences() -> None:
    assert differences({"a": 1, "b": [{"c": ""}]}, {"a": 2.5, "b": [{"c": "x"}]}) == []
    assert differences({"a": 1}, {}) == [": a only in one"]
    assert differences({"a": {"b": "1"}}, {"a": {"b": 1}}) == ["a/b: str is int"]


def test_login_initiation(moodle: Stage, recorded: Path) -> None:
    moodle.teacher_launch()
    real = load(recorded, "login-initiation")["params"]
    assert differences(real, moodle.tool.logins[-1]) == []
    ours = json.loads(moodle.tool.logins[-1]["lti_message_hint"])
    assert differences(json.loads(real["lti_message_hint"]), ours) == []


@pytest.mark.parametrize(
    ("recording", "who"),
    [
        ("launch-student-embedded", "learner"),
        ("launch-teacher", "teacher"),
        ("launch-noneditingteacher", "assistant"),
        ("launch-siteadmin", "admin"),
    ],
)
def test_launches(moodle: Stage, recorded: Path, recording: str, who: str) -> None:
    if who == "admin":
        person = next(one for one in moodle.state("people")["people"] if one["admin"])
    else:
        person = moodle.people(who)[0]
    ours = moodle.launch(person["id"], "Quiz 1: Describing data")
    real = load(recorded, recording)["claims"]
    assert differences(real, ours) == []
    assert ours[CLAIM + "roles"] == real[CLAIM + "roles"]
    assert ours[CLAIM + "context"]["type"] == real[CLAIM + "context"]["type"]


def test_deep_linking_request(moodle: Stage, recorded: Path) -> None:
    person = moodle.people("teacher")[0]["id"]
    order = {"message_type": "LtiDeepLinkingRequest", "nonce": "n", "course": 3, "person": person}
    token = moodle.control("forge", **order)["id_token"]
    assert (
        differences(load(recorded, "deep-linking-request")["claims"], moodle.tool.verify(token))
        == []
    )


def test_configuration_and_registration(moodle: Stage, recorded: Path) -> None:
    real = load(recorded, "openid-configuration")
    assert differences(real, moodle.tool.configuration) == []
    assert real["scopes_supported"] == moodle.tool.configuration["scopes_supported"]
    answer = dict(load(recorded, "registration")["response"]["body"])
    ours = dict(moodle.tool.registered)
    answer[TOOL] = {**answer[TOOL], "custom_parameters": {}}
    ours[TOOL] = {**ours[TOOL], "custom_parameters": {}}
    assert differences(answer, ours) == []


def test_line_items_and_results(moodle: Stage, recorded: Path) -> None:
    exchanges = load(recorded, "ags-exchanges")
    url = moodle.teacher_launch()[ENDPOINT]["lineitems"]
    items = moodle.tool.call("GET", url, LINE_ITEMS)
    assert items.headers["Content-Type"] == exchanges["lineitems"]["content_type"]
    assert differences(exchanges["lineitems"]["body"], items.json()) == []
    item = items.json()[0]["id"]
    assert moodle.score(item, moodle.people("learner")[0], comment="x").status_code == 200
    results = moodle.tool.call("GET", under(item, "results"), RESULTS)
    assert results.headers["Content-Type"] == exchanges["results"]["content_type"]
    commented = next(one for one in results.json() if "comment" in one)
    assert differences(load(recorded, "ags-results")[0], commented) == []


def test_created_columns_and_errors(moodle: Stage, recorded: Path) -> None:
    exchanges = load(recorded, "ags-exchanges")
    url = moodle.teacher_launch()[ENDPOINT]["lineitems"]
    sent = {"label": "Extra", "scoreMaximum": 40, "tag": "extra", "resourceId": "r-1"}
    made = moodle.tool.call("POST", url, "", LINE_ITEM, json=sent)
    assert differences(exchanges["create"]["body"], made.json()) == []
    listed = moodle.tool.call("GET", url + "&tag=extra", LINE_ITEMS).json()
    assert differences(exchanges["lineitems_tag"]["body"], listed) == []
    missing = moodle.tool.call("GET", url.replace("lineitems?", "lineitems/4/lineitem?"), LINE_ITEM)
    assert missing.reason == exchanges["lineitem_4"]["reason"]
    assert differences(exchanges["lineitem_4"]["body"], missing.json()) == []
    refused = moodle.score(made.json()["id"], moodle.people("teacher")[0])
    assert refused.json() == exchanges["score_teacher"]["body"]
    assert refused.reason.startswith("Incorrect score received{")
    assert refused.headers["Content-Type"] == exchanges["score_teacher"]["content_type"]


def test_rosters(moodle: Stage, recorded: Path) -> None:
    claims = moodle.teacher_launch("Quiz 1: Describing data")
    url = claims[ROSTER]["context_memberships_url"]
    roster = moodle.tool.call("GET", url, MEMBERS).json()
    assert differences(load(recorded, "nrps-course"), roster) == []
    linked = moodle.tool.call("GET", f"{url}?rlid={claims[CLAIM + 'resource_link']['id']}", MEMBERS)
    assert differences(load(recorded, "nrps-resource-link"), linked.json()) == []
