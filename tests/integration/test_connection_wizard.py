"""From an empty form to records in a student system that really runs, by the operator's pages alone."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from app import jobs
from app.demo.sis.config import SisConfig, SisPerson
from app.demo.sis.server import SisServer
from app.main import create_app, create_campus
from app.models import Attempt, Connection, Delivery, Person
from tests import course_seed, operator_seed


@pytest.fixture
def sis():
    people = tuple(SisPerson(f"S-2{number:04d}", "A", "B") for number in range(30))
    with SisServer(SisConfig(people=people)) as server:
        yield server


@pytest.fixture
def campus(settings, db, sis):
    """A campus that may reach this one SIS."""
    built = create_campus(settings.model_copy(update={"allowed_origins": (sis.url,)}))
    yield built
    built.http.close()
    built.db.close()


@pytest.fixture
def operator(settings, campus):
    client = create_app(settings, campus).test_client()
    client.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
    operator_seed.enter(client, campus)
    return client


def form(sis, **changes: str) -> dict[str, str]:
    return {
        "name": "Campus SIS",
        "gradebook_url": f"{sis.url}/ims/oneroster/gradebook/v1p2",
        "token_url": f"{sis.url}/oauth/token",
        "client_id": "tassel",
        "client_secret": "sis-demo-secret",
        "record": "assessmentResult",
        "category_id": "CAT-MICRO",
        "school_id": "SCHOOL-1",
        "text_score": "Met",
        "score": "on",
    } | changes


def words(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def test_set_up_try_start_and_see_the_records_arrive(operator, campus, sis):
    made = operator.post("/operator/connections/new/oneroster_rest", data=form(sis))
    assert made.status_code == 303, words(made.text)
    path = made.location.partition("?")[0]
    tried = words(operator.post(f"{path}/test").text)
    assert "fails" not in tried
    assert f"{sis.url}/oauth/token" in tried
    assert not sis.store.all("assessmentResults"), "a test leaves nothing behind"

    course = course_seed.seed(campus, learners=20)
    with campus.db.transaction() as db:
        for number, person in enumerate(db.scalars(select(Person).order_by(Person.sub))):
            person.sis_id = f"S-2{number:04d}"
    course_seed.make_badge(course, clauses=1)
    jobs.run_until_idle(campus, ["sign", "send"])
    assert not sis.store.all("assessmentResults"), "nothing is sent while it is paused"

    preview = operator.get(path).text
    assert operator.post(f"{path}/resume").status_code == 303
    jobs.run_until_idle(campus, ["send"])
    with campus.db.reading() as db:
        rows = list(db.scalars(select(Delivery)))
    assert rows
    assert {row.state for row in rows} == {"sent"}
    sent = {record["sourcedId"] for record in sis.store.all("assessmentResults")}
    assert len(sent) == len(rows)
    shown = re.search(r"assessmentResults/([0-9a-f-]{36})", preview).group(1)
    assert shown in sent, "the preview named the very record that was sent"


def test_wrong_secret_is_red_then_puts_the_connection_in_attention(operator, campus, sis):
    made = operator.post(
        "/operator/connections/new/oneroster_rest", data=form(sis, client_secret="wrong")
    )
    path = made.location.partition("?")[0]
    tried = operator.post(f"{path}/test").text
    assert "fails" in words(tried)
    assert "wrong" not in re.findall(r"value=\"([^\"]*)\"", tried)
    assert operator.post(f"{path}/resume").status_code == 303
    course = course_seed.seed(campus, learners=12)
    with campus.db.transaction() as db:
        for number, person in enumerate(db.scalars(select(Person).order_by(Person.sub))):
            person.sis_id = f"S-2{number:04d}"
    course_seed.make_badge(course, clauses=1)
    jobs.run_until_idle(campus, ["sign", "send"])
    home = words(operator.get("/operator/").text)
    assert "Campus SIS needs attention" in home

    changed = form(sis)
    assert operator.post(f"{path}/edit", data=changed).status_code == 303
    row_id = path.rpartition("/")[2]
    assert (
        operator.post("/operator/deliveries/retry", data={"connection": row_id}).status_code == 303
    )
    jobs.run_until_idle(campus, ["send"])
    with campus.db.reading() as db:
        assert set(db.scalars(select(Delivery.state))) == {"sent"}
        assert db.get_one(Connection, row_id).state == "active"
        raws = [raw for raw in db.scalars(select(Attempt.raw)) if raw]
    assert not [raw for raw in raws if "sis-demo-secret" in raw]


def test_a_stored_secret_never_goes_to_another_system(operator, campus, sis):
    """Whoever changes an address has to know the secret."""
    made = operator.post("/operator/connections/new/oneroster_rest", data=form(sis))
    path = made.location.partition("?")[0]
    renamed = operator.post(f"{path}/edit", data=form(sis, client_secret="", name="Other name"))
    assert renamed.status_code == 303
    elsewhere = {"client_secret": "", "token_url": "https://thief.example/token"}
    refused = operator.post(f"{path}/edit", data=form(sis, **elsewhere))
    assert refused.status_code == 422
    with campus.db.reading() as db:
        row = db.scalars(select(Connection).where(Connection.kind == "oneroster_rest")).one()
    assert "thief.example" not in str(row.config)
