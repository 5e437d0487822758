"""The closed shapes of the demo SIS against the official OpenAPI file of OneRoster 1.2.

Both judge the same payloads, good ones and thousands of broken ones, and must agree on each.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import FormatChecker
from openapi_schema_validator import OAS30Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from app.demo.sis.records import ENVELOPES, verdict

GRADEBOOK = "standards/oneroster/onerosterv1p2gradebookservice_openapi3_v1p0.json"

BASE = "https://sis.example/ims/oneroster/gradebook/v1p2"


def _ref(kind: str, path: str) -> dict[str, str]:
    return {"href": f"{BASE}/{path}/x-1", "sourcedId": "x-1", "type": kind}


COMMON = {
    "sourcedId": "a-1",
    "status": "active",
    "dateLastModified": "2026-11-20T10:11:12.123Z",
    "metadata": {"any": {"thing": [1, None, "x"]}},
}
COLUMN = COMMON | {
    "title": "Data literacy",
    "class": _ref("class", "classes"),
    "scoreScale": _ref("scoreScale", "scoreScales"),
    "resultValueMin": 0,
    "resultValueMax": 1.5,
    "learningObjectiveSet": [
        {"source": "case", "learningObjectiveIds": ["3f1c2b9e-0000-4000-8000-000000000001"]},
        {"source": "/esco", "learningObjectiveIds": ["a", "b"]},
    ],
}
SCORED = COMMON | {
    "student": _ref("user", "users"),
    "scoreScale": _ref("scoreScale", "scoreScales"),
    "scoreStatus": "fully graded",
    "score": 1,
    "textScore": "met",
    "scoreDate": "2026-11-20",
    "comment": "well done",
    "learningObjectiveSet": [
        {
            "source": "unknown",
            "learningObjectiveResults": [
                {"learningObjectiveId": "DL-1", "score": 0.5, "textScore": "met"}
            ],
        }
    ],
    "inProgress": "false",
    "incomplete": "false",
    "late": "true",
    "missing": "false",
}
VALID: dict[str, dict[str, Any]] = {
    "category": {"category": COMMON | {"title": "Badges", "weight": 0.2}},
    "lineItem": {
        "lineItem": COLUMN
        | {
            "assignDate": "2026-11-01T00:00:00Z",
            "dueDate": "2026-11-30T00:00:00+01:00",
            "school": _ref("org", "orgs"),
            "category": _ref("category", "categories"),
            "gradingPeriod": _ref("academicSession", "academicSessions"),
            "academicSession": _ref("academicSession", "academicSessions"),
        }
    },
    "result": {
        "result": SCORED
        | {"class": _ref("class", "classes"), "lineItem": _ref("lineItem", "lineItems")}
    },
    "assessmentLineItem": {
        "assessmentLineItem": COLUMN
        | {"parentAssessmentLineItem": _ref("assessmentLineItem", "assessmentLineItems")}
    },
    "assessmentResult": {
        "assessmentResult": SCORED
        | {
            "assessmentLineItem": _ref("assessmentLineItem", "assessmentLineItems"),
            "scorePercentile": 99.5,
        }
    },
}
KINDS = sorted(VALID)
INSTEAD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1.5,
    "",
    "x",
    "true",
    "active",
    "tobedeleted",
    "inactive",
    "2026-11-20",
    "2026-02-30",
    "20261120",
    "2026-11-20T10:11:12Z",
    "2026-11-20T25:11:12Z",
    "2026-11-20T10:11:12",
    "2026-11-20 10:11:12Z",
    "2026-02-30T10:11:12Z",
    "2026-11-20T10:11:12+25:00",
    "exempt",
    "Fully Graded",
    "ext:ours",
    "ext:",
    "prefix ext:ours",
    "case",
    "esco",
    "/esco",
    "/case",
    "/ESCO",
    "class",
    "user",
    [],
    [None],
    ["x"],
    [{}],
    {},
    {"x": 1},
)


@pytest.fixture(scope="module")
def official(material: Path) -> Callable[[str, Any], bool]:
    """Says whether the official file accepts an envelope of a kind."""
    contents = json.loads((material / GRADEBOOK).read_text("utf-8"))
    registry = Registry().with_resource("urn:or", Resource(contents, DRAFT4))
    validators = {
        kind: OAS30Validator(
            {"$ref": f"urn:or#/components/schemas/Single{kind[0].upper()}{kind[1:]}DType"},
            registry=registry,
            format_checker=FormatChecker(["date", "date-time"]),
        )
        for kind in KINDS
    }
    return lambda kind, payload: validators[kind].is_valid(payload)


def _places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a payload, the root included."""
    yield path
    steps: Iterable[Any] = node if isinstance(node, dict) else ()
    if isinstance(node, list):
        steps = range(len(node))
    for step in steps:
        if step != "metadata":
            yield from _places(node[step], (*path, step))


def _at(payload: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        payload = payload[step]
    return payload


def _replaced(payload: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    broken = copy.deepcopy(payload)
    _at(broken, path[:-1])[path[-1]] = value
    return broken


def _dropped(payload: Any, path: tuple[Any, ...]) -> Any:
    broken = copy.deepcopy(payload)
    del _at(broken, path[:-1])[path[-1]]
    return broken


def mutations(payload: Any) -> Iterator[tuple[str, Any]]:
    """Every single change of a payload that the tables above can make, with its name."""
    for path in _places(payload):
        name = ".".join(map(str, path))
        if path:
            yield f"drop {name}", _dropped(payload, path)
        if isinstance(_at(payload, path), dict):
            yield f"extra in {name}", _replaced(payload, (*path, "surprise"), "x")
        # Neither side's verdict on the text of an address counts: the file's validators leave the
        # format "uri" open.
        for value in INSTEAD:
            if not (path and path[-1] == "href" and isinstance(value, str)):
                yield f"{name} = {value!r}", _replaced(payload, path, value)


def test_every_shape_is_compared() -> None:
    """No shape of the SIS stays outside this comparison."""
    assert set(KINDS) == set(ENVELOPES)


@pytest.mark.parametrize("kind", KINDS)
def test_full_and_bare_payloads_pass_both(kind: str, official: Callable[[str, Any], bool]) -> None:
    """All fields at once are fine, and so are the required ones alone."""
    assert official(kind, VALID[kind])
    assert verdict(kind, VALID[kind]) == ""
    bare = copy.deepcopy(VALID[kind])
    for field in list(bare[kind]):
        without = _dropped(bare, (kind, field))
        bare = without if official(kind, without) else bare
    assert len(bare[kind]) < len(VALID[kind][kind])
    assert verdict(kind, bare) == ""


@pytest.mark.parametrize("kind", KINDS)
def test_same_verdict_on_every_mutation(kind: str, official: Callable[[str, Any], bool]) -> None:
    """One change at a time, in every place: the two agree, and both verdicts occur often."""
    seen = {True: 0, False: 0}
    for name, payload in mutations(VALID[kind]):
        accepted = official(kind, payload)
        assert (verdict(kind, payload) == "") == accepted, f"{name}: {verdict(kind, payload)!r}"
        seen[accepted] += 1
    assert seen[True] >= 60
    assert seen[False] > 150


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-9, 9) | st.sampled_from(INSTEAD),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["source", "href", "type", "score", "x"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)
TIMES = st.from_regex(
    r"[12]\d{3}-[01]\d-[0-3]\d([Tt ][0-2]\d:[0-6]\d:[0-6]\d(\.\d{1,7})?([Zz]|[+-][0-2]\d:[0-6]\d))?",
    fullmatch=True,
)


@given(data=st.data(), kind=st.sampled_from(KINDS))
@settings(max_examples=300, deadline=None)
def test_same_verdict_on_random_damage(
    data: st.DataObject, kind: str, official: Callable[[str, Any], bool]
) -> None:
    """Several changes at once, by chance."""
    payload: Any = VALID[kind]
    for _ in range(data.draw(st.integers(1, 3))):
        places = [p for p in _places(payload) if not (p and p[-1] == "href")]
        path = data.draw(st.sampled_from(places))
        payload = _replaced(payload, path, data.draw(JSON))
    if not _has_bad_href(payload):
        assert (verdict(kind, payload) == "") == official(kind, payload), payload


@given(text=TIMES)
@settings(max_examples=400, deadline=None)
def test_same_verdict_on_dates(text: str, official: Callable[[str, Any], bool]) -> None:
    """Days and moments that do not exist are refused by both."""
    for path in (("lineItem", "dueDate"), ("result", "scoreDate")):
        payload = _replaced(VALID[path[0]], path, text)
        assert (verdict(path[0], payload) == "") == official(path[0], payload), text


def _has_bad_href(node: Any) -> bool:
    """Whether an address is a text that is no URI, on which only the SIS has an opinion."""
    if isinstance(node, list):
        return any(map(_has_bad_href, node))
    if not isinstance(node, dict):
        return False
    href = node.get("href")
    return (isinstance(href, str) and "://" not in href) or any(map(_has_bad_href, node.values()))


@pytest.mark.parametrize(
    ("href", "accepted"),
    [
        ("https://sis.example/users/1", True),
        ("urn:uuid:6f1c2b9e-0000-4000-8000-000000000001", True),
        ("/users/1", False),
        ("users/1", False),
        ("", False),
        ("https://sis.example/a b", False),
        ("https://sis.example/é", False),
    ],
)
def test_an_address_is_an_absolute_uri(href: str, accepted: bool) -> None:
    payload = _replaced(VALID["result"], ("result", "student", "href"), href)
    assert (verdict("result", payload) == "") == accepted
