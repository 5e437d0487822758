"""One browser, two tabs, two courses, two roles: what is posted in one never lands in the other."""

from __future__ import annotations

from datetime import timedelta

from flask.testing import FlaskClient
from sqlalchemy import select

from app.models import Award, BrowserSession, Competency, Framework, Grant, Share
from app.pipeline import award as awarding
from app.pipeline.campus import Campus
from app.secrets import token_hash
from tests.course_seed import Seeded, make_badge, seed, token_for


def grant(made: Seeded, token: str, person_id: str, role: str) -> None:
    """A second launch in the browser that has ``token``."""
    now = made.campus.clock()
    with made.campus.db.transaction() as session:
        browser = session.scalars(
            select(BrowserSession).where(BrowserSession.token_hash == token_hash(token))
        ).one()
        session.add(
            Grant(
                session_id=browser.id,
                scope=f"course:{made.course_id}",
                course_id=made.course_id,
                person_id=person_id,
                role=role,
                created_at=now,
                expires_at=now + timedelta(hours=2),
            )
        )


def test_interleaved_posts_of_two_tabs_stay_apart(client: FlaskClient, campus: Campus) -> None:
    taught, attended = seed(campus, learners=2), seed(campus, learners=6, label="HIST 7")
    make_badge(attended)
    for batch in awarding.claim(campus):
        awarding.run(campus, batch.ids)
    with campus.db.reading() as session:
        award = session.scalars(select(Award).where(Award.state == "issued")).first()
    assert award is not None
    token = token_for(taught, taught.teacher, "instructor")
    grant(attended, token, award.person_id, "learner")
    client.set_cookie("__Host-tassel", token)

    def post(made: Seeded, path: str, **form: str) -> int:
        return client.post(f"/courses/{made.course_id}{path}", data=form).status_code

    share = f"/me/badges/{award.id}/share"
    assert post(taught, "/competencies", statement="First tab", code="A1") == 303
    assert post(attended, share) == 303
    assert post(attended, "/competencies", statement="Wrong tab", code="A2") == 403
    assert post(taught, "/competencies", statement="First tab again", code="A3") == 303
    assert post(taught, share) == 403
    assert post(attended, "/badges/new", name="Not by a learner") == 403
    assert post(taught, f"/awards/{award.id}/revoke", reason="Not of this course") == 404
    with campus.db.reading() as session:
        query = (
            select(Framework.course_id, Competency.statement)
            .join(Framework, Framework.id == Competency.framework_id)
            .where(Competency.statement.like("%tab%"))
        )
        assert {(place, words) for place, words in session.execute(query)} == {
            (taught.course_id, "First tab"),
            (taught.course_id, "First tab again"),
        }
        assert list(session.scalars(select(Share.award_id))) == [award.id]
        assert session.get_one(Award, award.id).state == "issued"
