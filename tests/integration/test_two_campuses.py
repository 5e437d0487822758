"""Two schools with one issuer and equal ids never see each other's tokens, people, courses or grades.

What is asked of Tassel by LMSs and by the worker; ``test_two_campuses_pages`` is about people.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from sqlalchemy import func, select

from app.errors import Conflict
from app.lti.vocabulary import CLAIM, COPY_NOTICE
from app.models import (
    AccessToken,
    Award,
    CopyNotice,
    Deployment,
    Enrolment,
    GradeAccess,
    GradeGrant,
    Learner,
    Person,
    Platform,
)
from app.pipeline import legacy, sources
from tests.integration.campuses_rig import (
    DEPLOYMENT,
    FIRST_LEARNER,
    NATIVE,
    QUIZ,
    TEACHER,
    Owners,
    School,
    belongings,
    two_schools,
)

AUD = "aud"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[School, School]]:
    with two_schools(tmp_path_factory.mktemp("campuses")) as made:
        yield made


@pytest.fixture(params=["East", "West"])
def pair(request: pytest.FixtureRequest, both: tuple[School, School]) -> tuple[School, School]:
    """One school and the other, both ways round."""
    return both if request.param == "East" else (both[1], both[0])


# --- what is stored ----------------------------------------------------------------------------


def test_equal_ids_are_other_people_in_other_courses(both: tuple[School, School]) -> None:
    east, west = both
    for number in (TEACHER, FIRST_LEARNER):
        one, other = east.enter(number), west.enter(number)
        assert {one.id, one.person_id, one.course_id}.isdisjoint(
            {other.id, other.person_id, other.course_id}
        )
        mine, theirs = east.person(number), west.person(number)
        assert (mine.sub, mine.lms_user_id) == (theirs.sub, theirs.lms_user_id)
        assert mine.sis_id == theirs.sis_id is not None
        assert mine.learner_id != theirs.learner_id
        assert mine.name.endswith(" of East")
        assert theirs.name.endswith(" of West")
    assert east.platform.issuer == west.platform.issuer
    assert east.course.context_id == west.course.context_id
    assert east.course.services["lms_course_id"] == west.course.services["lms_course_id"]
    assert (east.course.title[-4:], west.course.title[-4:]) == ("East", "West")
    with east.db.reading() as session:
        named = session.scalars(select(Deployment.deployment_id)).all()
        assert list(named) == [DEPLOYMENT, DEPLOYMENT]


def test_no_row_belongs_to_both(both: tuple[School, School]) -> None:
    """Every stored row leads to one school at most, whichever way its foreign keys are followed."""
    wanted = {one.installation_id for one in both}
    seen: dict[str, set[str]] = {}
    with both[0].db.reading() as session:
        for table, row, owners in Owners(session).all():
            assert len(owners) < 2, (table, row)
            seen.setdefault(table, set()).update(owners)
        schools = func.count(Person.installation_id.distinct())
        shared = select(Learner.id).join(Person).group_by(Learner.id).having(schools > 1)
        assert session.scalars(shared).all() == []
    in_both = {table for table, owners in seen.items() if owners == wanted}
    assert in_both >= {
        "course",
        "person",
        "enrolment",
        "result",
        "award",
        "delivery",
        "grade_grant",
    }
    assert in_both >= {"access_token", "grade_access", "course_column", "assessment", "credential"}


def test_roster_grades_and_awards_are_those_of_ones_own_school(pair: tuple[School, School]) -> None:
    mine, other = pair
    assert mine.active("learner") == {mine.sub(one) for one in mine.numbers("learner")}
    for title in (QUIZ, NATIVE):
        assert mine.external(title) == other.external(title)
        assert mine.results(title) == mine.graded(title)
        assert mine.results(title) != other.results(title)
    with mine.db.reading() as session:
        people = session.scalars(
            select(Person).join(Enrolment).where(Enrolment.course_id == mine.course_id)
        ).all()
        earned = session.execute(
            select(Person.sub, Person.installation_id).join(Award, Award.person_id == Person.id)
            .where(Award.achievement_id == mine.badge_id)
        ).all()  # fmt: skip
    assert {one.installation_id for one in people} == {mine.installation_id}
    assert {one.name.rpartition(" ")[2] for one in people} == {mine.word}
    assert {one.installation_id for one in earned} == {mine.installation_id}
    assert {one.sub for one in earned} >= mine.earners()
    assert mine.earners() != other.earners()


# --- tokens and grades at the LMS --------------------------------------------------------------


def test_no_lms_ever_sees_a_token_of_the_other(pair: tuple[School, School]) -> None:
    mine, other = pair
    issued = {*mine.here.access, *mine.here.rest.bearers}
    presented = {token for _, token in mine.heard}
    paths = " ".join(path for path, _ in mine.heard)
    for service in ("names_and_roles", "line_items", "/scores", "/submissions", "notice-handlers"):
        assert service in paths
    assert presented <= issued
    assert presented.isdisjoint(token for _, token in other.heard)
    with mine.db.reading() as session:
        rows = session.scalars(select(AccessToken)).all()
    kept: dict[str, dict[str, str]] = {}
    for row in rows:
        kept.setdefault(row.platform_id, {})[row.scopes] = mine.campus.box.open(row.sealed).decode()
    assert set(kept) == {mine.platform.id, other.platform.id}
    assert set(kept[mine.platform.id]) >= set(kept[other.platform.id]) & set(kept[mine.platform.id])
    assert set(kept[mine.platform.id].values()) <= set(mine.here.access)


def test_scores_reach_the_own_gradebook_only(pair: tuple[School, School]) -> None:
    mine, other = pair
    (column,) = mine.own_columns()
    (theirs,) = other.own_columns()
    assert column.label == f"Badge: Data literacy at {mine.word}"
    full = {mine.sub(number) for number, cell in column.grades.items() if cell.value == 1.0}
    assert full == mine.earners()
    assert full != {other.sub(number) for number in theirs.grades}
    assert {post.column_id for post in mine.here.posts} == {column.id}
    assert len(mine.here.posts) == len(full)
    assert (column.id, column.course_id) == (theirs.id, theirs.course_id)


# --- Canvas's own interface --------------------------------------------------------------------


def test_an_authorisation_serves_one_school(pair: tuple[School, School]) -> None:
    mine, other = pair
    with mine.db.reading() as session:
        grants = session.scalars(select(GradeGrant)).all()
        keys = session.scalars(select(GradeAccess)).all()
        assert len({one.client_id for one in keys}) == 1, "the developer keys are called alike"
        assert len({one.lms_user_id for one in grants}) == 1, "and so are the teachers"
        assert len(keys) == len(grants) == 2
        grant = session.get_one(GradeGrant, mine.source().grant_id)
        access = session.get_one(GradeAccess, grant.access_id)
    assert (access.installation_id, access.base_url) == (mine.installation_id, mine.lms.url)
    token = json.loads(mine.campus.box.open(grant.sealed))["access"]
    assert token in mine.here.rest.bearers
    assert token not in other.here.rest.bearers
    assert mine.source().course_key == other.source().course_key


def test_a_code_of_one_school_connects_no_course_of_the_other(pair: tuple[School, School]) -> None:
    mine, other = pair
    _, _, foreign = other.consent()
    before = belongings(other)
    state, binding, _ = mine.consent()
    with pytest.raises(Conflict):
        sources.finish(mine.campus, state, binding, foreign)
    state, _, code = mine.consent()
    with pytest.raises(Exception, match="another browser"):
        sources.finish(mine.campus, state, other.consent()[1], code)
    after = belongings(other)
    # A consent of the other school was begun above; nothing else of it moved.
    assert {k: v for k, v in after.items() if k != "grade_consent"} == {
        k: v for k, v in before.items() if k != "grade_consent"
    }


def test_a_developer_key_of_one_school_opens_no_other(pair: tuple[School, School]) -> None:
    mine, other = pair
    with mine.db.transaction() as session:
        row = session.scalars(
            select(GradeAccess).where(GradeAccess.installation_id == mine.installation_id)
        ).one()
        row.state = "paused"
    try:
        with pytest.raises(Conflict, match="not set up"):
            mine.consent()
        assert other.consent()
    finally:
        with mine.db.transaction() as session:
            session.get_one(GradeAccess, row.id).state = "active"


# --- login and launch --------------------------------------------------------------------------

FORGERIES: dict[str, tuple[dict[str, Any], str]] = {
    "an honest token of the other school": ({}, "wrong-registration"),
    "in the name of this registration": ({"ours": True}, "bad-signature"),
    "for both": ({"several": True}, "bad-signature"),
}


@pytest.mark.parametrize("kind", FORGERIES)
def test_a_token_of_one_school_answers_no_login_of_the_other(
    pair: tuple[School, School], kind: str
) -> None:
    """The key id, the issuer and the deployment are right; the signature is by the other's key."""
    mine, other = pair
    how, code = FORGERIES[kind]
    claims: dict[str, Any] = {}
    if how.get("ours"):
        claims = {AUD: mine.client_id, "azp": mine.client_id}
    if how.get("several"):
        claims = {AUD: [mine.client_id, other.client_id], "azp": mine.client_id}
    before = belongings(mine)
    tab = mine.tab()
    asked = tab.login()
    answer = tab.send(
        "POST", "/lti/launch", state=asked["state"], id_token=other.forged(asked, claims=claims)
    )
    assert (answer.status_code, code in answer.text) == (400, True), answer.text
    assert "__Host-tassel" not in tab.cookies
    assert belongings(mine) == before
    assert tab.finish(asked).status_code == 303, "and the login still waits for the right one"


@pytest.mark.parametrize("several", [False, True])
def test_where_one_gateway_signs_for_all_the_audience_decides(
    pair: tuple[School, School], several: bool
) -> None:
    """Real clouds sign for every school with one key: then nothing but the client id differs."""
    mine, other = pair
    audience: Any = [other.client_id, mine.client_id] if several else other.client_id
    tab = mine.tab()
    answer = tab.finish(tab.login(), claims={AUD: audience, "azp": other.client_id})
    assert answer.status_code == 400
    assert "wrong-audience" in answer.text if several else "wrong-registration" in answer.text


def test_a_login_must_say_which_school(pair: tuple[School, School]) -> None:
    mine, other = pair
    own = f"/lti/login/{mine.platform.id}"
    fields = {
        "iss": mine.platform.issuer,
        "login_hint": mine.sub(TEACHER),
        "lti_message_hint": "hint",
        "target_link_uri": f"{mine.campus.settings.public_url}/lti/launch",
    }
    answer = mine.tab().send("POST", "/lti/login", **fields)
    assert answer.status_code == 400
    assert "client-id-missing" in answer.text
    assert mine.lms.url not in answer.text
    assert other.lms.url not in answer.text
    answer = mine.tab().send("POST", "/lti/login", **fields, client_id="10000000000000404")
    assert (answer.status_code, "unknown-platform" in answer.text) == (400, True)
    answer = mine.tab().send("POST", own, **fields, client_id=other.client_id)
    assert (answer.status_code, "unknown-platform" in answer.text) == (400, True)
    for path, named in ((own, {}), ("/lti/login", {"client_id": mine.client_id})):
        answer = mine.tab().send("POST", path, **fields, **named)
        assert answer.headers["Location"].startswith(mine.lms.url + "/")


def test_equal_key_ids_hold_other_keys(both: tuple[School, School]) -> None:
    with both[0].db.reading() as session:
        sets = [row.jwks for row in session.scalars(select(Platform))]
    kids = {key["kid"] for found in sets for key in (found or {})["keys"]}
    moduli = {key["n"] for found in sets for key in (found or {})["keys"]}
    assert (len(sets), len(kids), len(moduli)) == (2, 1, 2)


# --- notices and LTI 1.1 -----------------------------------------------------------------------


def notice(signer: School, to: School, **changes: Any) -> str:
    """A notice that a course was copied, for ``to``, signed by ``signer``."""
    now = int(time.time())
    claims = {
        "iss": to.platform.issuer,
        "aud": to.client_id,
        "iat": now,
        "exp": now + 300,
        CLAIM + "version": "1.3.0",
        CLAIM + "deployment_id": DEPLOYMENT,
        CLAIM + "notice": {"id": str(uuid.uuid4()), "type": COPY_NOTICE},
        CLAIM + "origin_contexts": ["an-older-course"],
        CLAIM + "context": {"id": to.course.context_id},
    }
    return signer.here.keys.sign(claims | changes)


def tell(school: School, token: str) -> int:
    """Post a notice to the address that this school was given."""
    address = f"{school.campus.settings.public_url}/lti/notices/{school.platform.id}"
    return requests.post(address, json={"notices": [{"jwt": token}]}).status_code


def test_notices_of_one_school_say_nothing_about_the_other(pair: tuple[School, School]) -> None:
    mine, other = pair
    before = belongings(mine)
    for token in (
        notice(other, mine),
        notice(other, other),
        notice(mine, mine, aud=other.client_id),
        notice(mine, mine, aud=[mine.client_id, other.client_id], azp=other.client_id),
    ):
        assert tell(mine, token) == 400
    assert belongings(mine) == before
    foreign = belongings(other)
    assert tell(mine, notice(mine, mine)) == 204
    assert "an-older-course" in mine.course.history
    assert belongings(other) == foreign
    with mine.db.reading() as session:
        kept = session.scalars(
            select(CopyNotice.deployment_id).where(CopyNotice.platform_id == mine.platform.id)
        ).all()
        ours = session.scalars(
            select(Deployment.id).where(Deployment.platform_id == mine.platform.id)
        ).all()
    assert set(kept) == set(ours)


def migration(school: School, asked: dict[str, str], key: str, secret: str) -> dict[str, Any]:
    """Claims that say who somebody was in LTI 1.1, signed with ``secret``."""
    exp = int(time.time()) + 600
    parts = (key, DEPLOYMENT, school.platform.issuer, school.client_id, exp, asked["nonce"])
    sign = legacy.signature("&".join(map(str, parts)), secret.encode()).decode()
    claim = {
        "user_id": "old-77",
        "oauth_consumer_key": key,
        "oauth_consumer_key_sign": sign,
    }
    return {CLAIM + "lti1p1": claim, "exp": exp}


def migrated(school: School, number: int, key: str, secret: str) -> str | None:
    """The old id that is believed after a launch with such a claim."""
    tab = school.tab()
    asked = tab.login()
    claims = migration(school, asked, key, secret)
    assert tab.finish(asked, person=number, claims=claims).status_code == 303
    return school.person(number).lti11_user_id


def test_a_consumer_key_of_one_school_proves_nothing_at_the_other(
    both: tuple[School, School],
) -> None:
    east, west = both
    number = east.numbers("learner")[-1]
    legacy.set_key(west.campus, west.lms.url, "key-1", "secret of West", "operator:test")
    assert migrated(east, number, "key-1", "secret of West") is None, "East has no key at all"
    legacy.set_key(east.campus, east.lms.url, "key-1", "secret of East", "operator:test")
    assert migrated(east, number, "key-1", "secret of West") is None
    assert migrated(west, number, "key-1", "secret of East") is None
    assert migrated(east, number, "key-1", "secret of East") == "old-77"
    assert west.person(number).lti11_user_id is None
    assert migrated(west, number, "key-1", "secret of West") == "old-77"
    assert east.person(number).learner_id != west.person(number).learner_id
