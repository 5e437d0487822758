"""An operator erases a learner on a page: found by an exact name, said by typing, and audited."""

from __future__ import annotations

import re
from html import unescape

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from app.models import AuditEntry, Award, Connection, Delivery, Learner, Person
from app.pipeline.campus import Campus
from tests import operator_seed
from tests.operator_seed import Lived

PAGE = "/operator/learners"


@pytest.fixture
def lived(campus: Campus) -> Lived:
    return operator_seed.seed(campus, learners=16)


@pytest.fixture
def operator(client: FlaskClient, lived: Lived) -> FlaskClient:
    operator_seed.enter(client, lived.campus)
    return client


@pytest.fixture
def person(lived: Lived) -> Person:
    """Somebody with a badge, by all the names that an account can have."""
    with lived.campus.db.transaction() as db:
        award = db.get_one(Award, lived.awards[0])
        found = db.get_one(Person, award.person_id)
        found.email, found.lms_user_id = "Ana.Ruiz@Example.edu", "lms-4711"
        found.lti11_user_id, found.sis_id = "old-4711", "S-4711"
        db.flush()
        db.expunge(found)
        return found


def audited(lived: Lived, action: str) -> list[tuple[str, str]]:
    with lived.campus.db.reading() as db:
        rows = db.scalars(select(AuditEntry).where(AuditEntry.action == action))
        return [(row.actor, row.subject) for row in rows]


def test_somebody_is_found_by_a_whole_name_only(
    operator: FlaskClient, lived: Lived, person: Person
) -> None:
    where = f"{PAGE}/{person.learner_id}/erase"
    for name in (
        "ana.ruiz@example.EDU", " S-4711 ", "lms-4711", "old-4711", person.sub, person.id,
        person.learner_id,
    ):  # fmt: skip
        found = operator.post(PAGE, data={"find": name})
        assert (found.status_code, found.headers.get("Location")) == (303, where), name
    looks = audited(lived, "learner.looked-up")
    assert looks == [("operator:Test Operator", f"learner:{person.learner_id}")] * 7
    for name in ("", "ana", "%", "Ana Ruiz", "S-471_", "ana.ruiz@example.edu,", "x" * 5000):
        nobody = operator.post(PAGE, data={"find": name})
        assert nobody.status_code == 422, name
        assert "Nobody here is called exactly so" in nobody.text
    assert len(audited(lived, "learner.looked-up")) == 7
    assert operator.get(f"{PAGE}?find=S-4711").text.count("S-4711") == 0


def test_several_of_one_name_are_told_apart(
    operator: FlaskClient, lived: Lived, person: Person
) -> None:
    with lived.campus.db.transaction() as db:
        twin = db.scalars(select(Person).where(Person.learner_id != person.learner_id)).first()
        twin.email = person.email
        learner = twin.learner_id
    page = operator.post(PAGE, data={"find": person.email})
    assert page.status_code == 200
    for one in (person.learner_id, learner):
        assert f"{PAGE}/{one}/erase" in page.text


def test_what_is_typed_decides(operator: FlaskClient, lived: Lived, person: Person) -> None:
    where = f"{PAGE}/{person.learner_id}/erase"
    text = unescape(operator.get(where).text)
    for said in ("Ana.Ruiz@Example.edu", "Badges earned", "What stays", "Campus SIS"):
        assert said in text, said
    for typed in ("", "yes", "Ana.Ruiz@Example.ed", person.name):
        refused = operator.post(where, data={"typed": typed})
        assert refused.status_code == 422, typed
        assert "exactly as it is shown" in refused.text
    with lived.campus.db.reading() as db:
        assert db.get(Learner, person.learner_id) is not None
    done = operator.post(where, data={"typed": "ana.ruiz@example.edu ", "badges": "revoked"})
    assert done.status_code == 200
    assert "The learner is erased" in done.text
    assert "invalid from now on" in done.text
    assert audited(lived, "learner.erased") == [
        ("operator:Test Operator", f"learner:{person.learner_id}")
    ]
    with lived.campus.db.reading() as db:
        assert db.get(Learner, person.learner_id) is None
        assert db.get(Person, person.id) is None
    assert operator.get(where).status_code == 404
    assert operator.post(where, data={"typed": person.learner_id}).status_code == 404
    assert operator.post(PAGE, data={"find": person.email}).status_code == 422


def test_what_was_sent_can_be_taken_back_first(
    operator: FlaskClient, lived: Lived, person: Person
) -> None:
    """The page counts what is out there, and leads to the revocation of exactly these awards."""
    where, award = f"{PAGE}/{person.learner_id}/erase", lived.awards[0]
    with lived.campus.db.transaction() as db:
        sis = db.scalars(select(Connection).where(Connection.kind.startswith("oneroster"))).first()
        kept = select(Delivery).where(Delivery.award_id == award)
        for row in db.scalars(kept.where(Delivery.connection_id == sis.id)):
            row.state = "sent"
    page = operator.get(where).text
    assert "1 value is there" in page
    leads = unescape(re.search(r'href="(/operator/revoke-many\?[^"]+)"', page)[1])
    counted = operator.get(leads).text
    assert "1 awards of 1 learners would be revoked" in counted
    with lived.campus.db.transaction() as db:
        now = lived.campus.clock()
        db.add(
            Delivery(
                award_id=award,
                connection_id=sis.id,
                operation="revoke",
                state="waiting",
                created_at=now,
            )
        )
    assert "1 delivery is under way" in operator.get(where).text
    with lived.campus.db.transaction() as db:
        db.scalars(select(Delivery).where(Delivery.operation == "revoke")).one().state = "sent"
    assert "nothing is there any more" in operator.get(where).text


def test_only_operators_come_here(client: FlaskClient, lived: Lived, person: Person) -> None:
    operator_seed.enter(client, lived.campus, "sis_administrator")
    assert client.get(PAGE).status_code == 403
    assert client.post(PAGE, data={"find": person.email}).status_code == 403
    where = f"{PAGE}/{person.learner_id}/erase"
    assert client.get(where).status_code == 403
    assert client.post(where, data={"typed": person.email}).status_code == 403
