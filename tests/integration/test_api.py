"""The API against its own description: scopes, pages, problems, writes that may be repeated."""

from __future__ import annotations

import re
import threading
from datetime import timedelta

import pytest
from jsonschema import Draft202012Validator
from openapi_schema_validator import OAS31Validator
from referencing import Registry, Resource
from sqlalchemy import func, select

from app.models import ApiToken, AuditEntry, Award, IdempotencyKey, Person
from app.models import Delivery as Row
from app.web.access import TABLE
from app.web.tokens import SCOPES, mint
from tests import operator_seed
from tests.operator_seed import Lived

ROUTES = {
    "/api/v1/courses": "courses:read",
    "/api/v1/courses/{course_id}": "courses:read",
    "/api/v1/awards": "awards:read",
    "/api/v1/awards/{award_id}": "awards:read",
    "/api/v1/deliveries": "deliveries:read",
    "/api/v1/deliveries/{delivery_id}": "deliveries:read",
}


@pytest.fixture
def lived(campus) -> Lived:
    return operator_seed.seed(campus, learners=16)


class Program:
    """A caller with one token."""

    def __init__(self, app, campus, *scopes: str) -> None:
        self.client = app.test_client()
        with campus.db.transaction() as db:
            token = mint(db, "Test", list(scopes), None, "operator:test", campus.clock())
        self.headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str, **query):
        return self.client.get(path, headers=self.headers, query_string=query)

    def post(self, path: str, key: str | None = None, **more):
        extra = {"Idempotency-Key": key} if key else {}
        return self.client.post(path, headers={**self.headers, **extra}, **more)


@pytest.fixture
def program(app, campus) -> Program:
    return Program(app, campus, *(scope for scope in SCOPES if scope != "people:read"))


@pytest.fixture
def description(client) -> dict:
    answer = client.get("/api/v1/openapi.json")
    assert answer.status_code == 200
    return answer.json


def real(path: str, lived: Lived) -> str:
    values = {
        "course_id": lived.course.course_id,
        "award_id": lived.awards[0],
        "delivery_id": lived.deliveries["dead"],
    }
    return path.format(**values)


def validator(description: dict, path: str, method: str, status: str) -> Draft202012Validator:
    """The validator of one described answer, with references into the description."""
    content = description["paths"][path][method]["responses"][status]["content"]
    schema = next(iter(content.values()))["schema"]
    document = Resource.from_contents(
        {"$schema": "https://json-schema.org/draft/2020-12/schema", **description}
    )
    registry = Registry().with_resource("urn:api", document)
    pointed = {"$ref": f"urn:api{schema['$ref']}"} if "$ref" in schema else schema
    return OAS31Validator(pointed, registry=registry)


# --- the description is the code -----------------------------------------------------------------


def test_every_route_is_described_and_nothing_else(app, description):
    served = set()
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("api.") and rule.endpoint != "api.description":
            path = re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", rule.rule)
            served |= {(path, m.lower()) for m in rule.methods - {"HEAD", "OPTIONS"}}
    described = {(path, m) for path, item in description["paths"].items() for m in item}
    assert served == described
    assert set(ROUTES) <= {path for path, _ in described}


def test_scopes_in_the_description_are_those_of_the_access_table(description):
    assert description["openapi"].startswith("3.1")
    for item in description["paths"].values():
        for operation in item.values():
            line = TABLE[f"api.{operation['operationId']}"]
            scope = line.who.removeprefix("api:")
            if operation["operationId"] == "verify":
                assert (scope, operation["security"]) == ("public", []), "the one open door"
                continue
            assert operation["security"] == [{"token": [scope]}]
            assert scope in SCOPES
            assert {"401", "403", "404", "422"} <= set(operation["responses"])


def test_answers_hold_to_their_schemas(program, description, lived):
    for path in ROUTES:
        answer = program.get(real(path, lived))
        assert answer.status_code == 200, answer.text
        errors = list(validator(description, path, "get", "200").iter_errors(answer.json))
        assert not errors, (path, errors)
    for path in ("/api/v1/courses", "/api/v1/awards", "/api/v1/deliveries"):
        assert program.get(path).json["data"], f"{path} showed nothing to validate"


def test_a_wrong_answer_would_be_noticed(program, description, lived):
    """The check above can fail: an unknown member and a wrong type are refused."""
    path = "/api/v1/awards/{award_id}"
    good = program.get(real(path, lived)).json
    check = validator(description, path, "get", "200")
    assert not check.is_valid({**good, "surprise": 1})
    assert not check.is_valid({**good, "awarded_at": 5})


def test_write_answer_holds_to_its_schema(program, description, lived):
    path = "/api/v1/deliveries/{delivery_id}/retry"
    answer = program.post(real(path, lived))
    assert answer.status_code == 202
    assert not list(validator(description, path, "post", "202").iter_errors(answer.json))


# --- tokens and scopes ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*ROUTES])
def test_each_route_needs_its_own_scope(app, campus, lived, path):
    address = real(path, lived)
    nobody = app.test_client().get(address)
    assert nobody.status_code == 401
    assert nobody.headers["WWW-Authenticate"].startswith("Bearer")
    others = [scope for scope in SCOPES if scope != ROUTES[path]]
    refused = Program(app, campus, *others).get(address)
    assert refused.status_code == 403
    assert refused.json["code"] == "scope-missing"
    assert Program(app, campus, ROUTES[path]).get(address).status_code == 200


def test_reading_scope_does_not_write(app, campus, lived):
    path = f"/api/v1/deliveries/{lived.deliveries['dead']}/retry"
    assert Program(app, campus, "deliveries:read").post(path).status_code == 403


def test_ended_expired_and_made_up_tokens_open_nothing(app, campus, program):
    assert program.get("/api/v1/courses").status_code == 200
    with campus.db.transaction() as db:
        row = db.scalars(select(ApiToken)).one()
        row.expires_at = campus.clock() - timedelta(seconds=1)
    assert program.get("/api/v1/courses").status_code == 401
    with campus.db.transaction() as db:
        row = db.scalars(select(ApiToken)).one()
        row.expires_at, row.revoked_at = None, campus.clock()
    assert program.get("/api/v1/courses").status_code == 401
    program.headers = {"Authorization": "Bearer tsl_made-up"}
    assert program.get("/api/v1/courses").status_code == 401


def test_a_browser_session_is_no_token(client, campus, lived):
    operator_seed.enter(client, campus)
    assert client.get("/operator/").status_code == 200
    assert client.get("/api/v1/courses").status_code == 401


def test_token_is_stored_as_hash_only(campus, program):
    token = program.headers["Authorization"].removeprefix("Bearer ")
    with campus.db.reading() as db:
        row = db.scalars(select(ApiToken)).one()
        assert token not in str(vars(row))


# --- people --------------------------------------------------------------------------------------


def test_no_name_without_people_read(app, campus, program, lived):
    with campus.db.reading() as db:
        people = list(db.scalars(select(Person)))
    for path in ROUTES:
        text = program.get(real(path, lived), limit=200).text
        text += program.get(real(path, lived)).text
        for person in people:
            for private in (person.name, person.email):
                assert not private or private not in text, (path, private)
    assert program.get(f"/api/v1/awards/{lived.awards[0]}").json["holder"] is None
    reader = Program(app, campus, "awards:read", "people:read")
    holder = reader.get(f"/api/v1/awards/{lived.awards[0]}").json["holder"]
    with campus.db.reading() as db:
        person = db.get_one(Person, db.get_one(Award, lived.awards[0]).person_id)
    assert holder == {
        "name": person.name,
        "email": person.email,
        "student_number": person.sis_id,
    }


# --- lists ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "table"), [("awards", Award), ("deliveries", Row)])
def test_pages_hold_every_row_once(campus, program, lived, path, table):
    """Many rows share one moment; the id breaks the tie."""
    seen, cursor = [], None
    while True:
        query = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        answer = program.get(f"/api/v1/{path}", **query).json
        assert len(answer["data"]) <= 3
        seen += [row["id"] for row in answer["data"]]
        cursor = answer["next"]
        if cursor is None:
            break
    with campus.db.reading() as db:
        assert sorted(seen) == sorted(db.scalars(select(table.id)))
    assert len(seen) == len(set(seen)) > 3


def test_rows_that_come_meanwhile_shift_nothing(campus, program, lived):
    first = program.get("/api/v1/deliveries", limit=2).json
    with campus.db.transaction() as db:
        gone = db.get_one(Row, first["data"][0]["id"])
        late = db.get_one(Row, lived.deliveries["dropped"])
        late_id = late.id
        late.created_at = gone.created_at + timedelta(hours=1)
    second = program.get("/api/v1/deliveries", limit=200, cursor=first["next"]).json
    ids = [row["id"] for row in second["data"]]
    assert first["data"][1]["id"] not in ids
    assert ids[-1] == late_id


def test_filters(program, lived):
    dead = program.get("/api/v1/deliveries", state="dead").json["data"]
    assert [row["id"] for row in dead] == [lived.deliveries["dead"]]
    assert dead[0]["fix"] == "Ask the registrar to reopen it, then retry."
    by_award = program.get("/api/v1/deliveries", award_id=lived.awards[0]).json["data"]
    assert {row["award_id"] for row in by_award} == {lived.awards[0]}
    assert program.get("/api/v1/awards", state="revoked").json["data"] == []
    assert program.get("/api/v1/awards", badge_id="nothing").json["data"] == []
    assert program.get("/api/v1/awards", since="2100-01-01T00:00:00Z").json["data"] == []
    assert len(program.get("/api/v1/awards", course_id=lived.course.course_id).json["data"]) > 3
    assert program.get("/api/v1/courses", state="concluded").json["data"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"stat": "dead"}, "stat"),
        ({"state": "lost"}, "state"),
        ({"since": "2026-01-01T00:00:00"}, "since"),
        ({"cursor": "not a cursor"}, "cursor"),
        ({"cursor": "WyJ4IiwgInkiXQ"}, "cursor"),
        ({"cursor": "bnVsbA"}, "cursor"),
    ],
)
def test_refused_input_names_the_field(program, description, lived, query, field):
    answer = program.get("/api/v1/awards", **query)
    assert answer.status_code == 422
    assert answer.mimetype == "application/problem+json"
    assert field in answer.json["errors"]
    check = validator(description, "/api/v1/awards", "get", "422")
    assert not list(check.iter_errors(answer.json))


@pytest.mark.parametrize("path", ["courses/x", "awards/x", "deliveries/x", "nothing"])
def test_what_is_not_there_is_a_problem(program, lived, path):
    answer = program.get(f"/api/v1/{path}")
    assert answer.status_code == 404
    assert answer.mimetype == "application/problem+json"
    assert answer.json["status"] == 404


def test_course_numbers(program, lived, campus):
    with campus.db.reading() as db:
        awards = db.scalar(select(func.count(Award.id)))
    detail = program.get(f"/api/v1/courses/{lived.course.course_id}").json
    assert (detail["learners"], detail["badges"], detail["awards"]) == (16, 1, awards)


# --- writes --------------------------------------------------------------------------------------


def audited(campus) -> list[str]:
    with campus.db.reading() as db:
        query = select(AuditEntry.actor).where(AuditEntry.action == "delivery.retried")
        return list(db.scalars(query))


def test_retry_is_audited_under_the_token(campus, program, lived):
    path = f"/api/v1/deliveries/{lived.deliveries['dead']}/retry"
    answer = program.post(path)
    assert answer.status_code == 202
    assert answer.json["state"] == "waiting"
    with campus.db.reading() as db:
        token = db.scalars(select(ApiToken.id).where(ApiToken.name == "Test")).one()
    assert audited(campus) == [f"token:{token}"]


def test_repeat_with_the_same_key_gets_the_first_answer_and_does_nothing(campus, program, lived):
    path = f"/api/v1/deliveries/{lived.deliveries['dead']}/retry"
    first = program.post(path, "key-number-1")
    assert "Idempotency-Replayed" not in first.headers
    with campus.db.transaction() as db:
        db.get_one(Row, lived.deliveries["dead"]).state = "sent"
    again = program.post(path, "key-number-1")
    assert again.status_code == 202
    assert again.data == first.data
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(audited(campus)) == 1
    assert program.post(path, "key-number-2").status_code == 409


def test_a_refusal_is_repeated_as_it_was(campus, program, lived):
    path = f"/api/v1/deliveries/{lived.deliveries['sent']}/retry"
    first = program.post(path, "key-number-1")
    assert first.status_code == 409
    again = program.post(path, "key-number-1")
    assert again.status_code == 409
    assert again.mimetype == "application/problem+json"
    assert again.json == first.json


def test_key_of_another_request_is_refused(program, lived):
    one, other = (lived.deliveries[state] for state in ("dead", "held"))
    assert program.post(f"/api/v1/deliveries/{one}/retry", "key-number-1").status_code == 202
    answer = program.post(f"/api/v1/deliveries/{other}/retry", "key-number-1")
    assert answer.status_code == 422
    assert answer.json["code"] == "idempotency-key-reused"


def test_keys_of_two_tokens_do_not_meet(app, campus, program, lived):
    path = f"/api/v1/deliveries/{lived.deliveries['dead']}/retry"
    second = Program(app, campus, "deliveries:write")
    assert program.post(path, "key-number-1").status_code == 202
    assert "Idempotency-Replayed" not in second.post(path, "key-number-1").headers


def test_running_request_is_not_started_twice_and_a_dead_one_is(campus, program, lived):
    path = f"/api/v1/deliveries/{lived.deliveries['dead']}/retry"
    assert program.post(path, "key-number-1").status_code == 202
    with campus.db.transaction() as db:
        row = db.scalars(select(IdempotencyKey)).one()
        row.status, row.body = None, None
    running = program.post(path, "key-number-1")
    assert (running.status_code, running.json["code"]) == (409, "still-running")
    with campus.db.transaction() as db:
        row = db.scalars(select(IdempotencyKey)).one()
        row.created_at = campus.clock() - timedelta(minutes=2)
    assert program.post(path, "key-number-1").status_code == 202


def test_ten_at_once_do_it_once(app, campus, program, lived):
    path = f"/api/v1/deliveries/{lived.deliveries['dead']}/retry"
    headers = {**program.headers, "Idempotency-Key": "key-number-1"}
    statuses: list[int] = []

    def knock() -> None:
        statuses.append(app.test_client().post(path, headers=headers).status_code)

    threads = [threading.Thread(target=knock) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {202, 409}
    assert 202 in statuses
    assert len(audited(campus)) == 1


def test_bad_key_is_refused(program, lived):
    path = f"/api/v1/deliveries/{lived.deliveries['dead']}/retry"
    assert program.post(path, "short").status_code == 422
