"""A campus in use for the operator's, public and API tests: signed awards and a lived-in ledger."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from flask.testing import FlaskClient
from sqlalchemy import select, update

from app import jobs
from app.credentials import shares
from app.models import ApiToken, Attempt, Award, Delivery, Heartbeat, Person
from app.pipeline import bulk_revoke, connections
from app.pipeline.bulk_revoke import Choice
from app.pipeline.campus import Campus
from app.web.operator import make_admin_link
from app.web.tokens import mint
from tests import course_seed

SIS = {
    "name": "Campus SIS",
    "gradebook_url": "https://sis.example.edu/ims/oneroster/gradebook/v1p2",
    "token_url": "https://sis.example.edu/token",
    "client_id": "tassel",
    "client_secret": "very-secret-value",
    "record": "assessmentResult",
    "auth_style": "basic",
    "revoke": "delete",
    "ids": "tassel",
    "other_objectives": "unknown",
    "score": "true",
    "text_score": "Met",
}


@dataclass
class Lived:
    """Ids of what was made."""

    campus: Campus
    course: course_seed.Seeded
    badge: str
    connection: str
    awards: list[str] = field(default_factory=list)
    """Issued, of people with a student number."""
    token: str = ""
    """Id of an API token."""
    bulk: str = ""
    """Id of a bulk revocation that was called off."""
    deliveries: dict[str, str] = field(default_factory=dict)
    """One delivery id per state that the ledger can show."""


def seed(campus: Campus, *, learners: int = 30) -> Lived:
    """A published badge, its awards signed, and deliveries in every state."""
    connection = connections.create(campus, "oneroster_rest", SIS, "operator:test")
    connections.set_paused(campus, connection, False, "operator:test")
    course = course_seed.seed(campus, learners=learners)
    with campus.db.transaction() as session:
        for number, person in enumerate(session.scalars(select(Person).order_by(Person.sub))):
            person.sis_id = f"S-2{number:04d}" if person.sub not in ("s2", "teacher") else None
    badge = course_seed.make_badge(course, clauses=1)
    made = Lived(campus, course, badge, connection)
    jobs.run_until_idle(campus, ["sign"])
    with campus.db.transaction() as session:
        issued = select(Award.id).join(Person, Person.id == Award.person_id)
        numbered = issued.where(Award.state == "issued", Person.sis_id.is_not(None))
        made.awards = list(session.scalars(numbered.order_by(Award.id)))
        session.add(Heartbeat(executor_id="worker-1", started_at=campus.clock(), at=campus.clock()))
        session.execute(
            update(Delivery).values(state="sent", sent_at=campus.clock() - timedelta(hours=2))
        )
        _stir(session, made)
        mint(session, "Nightly report", ["awards:read"], None, "operator:test", campus.clock())
        named = select(ApiToken.id).where(ApiToken.name == "Nightly report")
        made.token = session.scalars(named).one()
    _call_off(made)
    return made


def _call_off(made: Lived) -> None:
    chosen = Choice(awards=tuple(made.awards[:2]))
    if chosen.awards:
        found = bulk_revoke.begin(
            made.campus, chosen, "Wrong course.", "operator:test", len(chosen.awards)
        )
        made.bulk = found
        bulk_revoke.undo(made.campus, found, "operator:test")


def _stir(session, made: Lived) -> None:
    """Put some deliveries into the other states, each with the words that its target gives."""
    now = made.campus.clock()
    rows = list(
        session.scalars(
            select(Delivery)
            .where(Delivery.connection_id == made.connection)
            .order_by(Delivery.id)
            .limit(6)
        )
    )
    told = (
        ("sent", None, None, None, None),
        ("waiting", "sis-busy", "The SIS asked to slow down (429).", "", ""),
        (
            "held",
            "no-sis-id",
            "The LMS sends no student number for this person.",
            "The LMS administrator can turn it on; or match the person by hand.",
            "LMS administrator",
        ),
        (
            "dead",
            "sis-refused",
            "The grading window of this class closed on 10 November (422).",
            "Ask the registrar to reopen it, then retry.",
            "SIS administrator",
        ),
        ("dropped", None, None, None, None),
    )
    for row, (state, code, message, fix, who) in zip(rows, told, strict=False):
        row.state, row.code, row.message, row.fix, row.who = state, code, message, fix, who
        row.sent_at = now if state == "sent" else None
        if state == "waiting":
            row.attempts, row.next_at = 2, now + timedelta(minutes=4)
        if state in ("waiting", "dead", "sent"):
            session.add(
                Attempt(
                    delivery_id=row.id,
                    number=1,
                    started_at=now - timedelta(days=2),
                    finished_at=now - timedelta(days=2),
                    outcome={"waiting": "later", "dead": "never", "sent": "sent"}[state],
                    code=code,
                    status={"waiting": 429, "dead": 422, "sent": 201}[state],
                    raw='{"detail": "window closed"}',
                )
            )
        made.deliveries[state] = row.id


def share_one(made: Lived, *, show_name: bool = False) -> str:
    """The public token of the first award."""
    with made.campus.db.transaction() as session:
        return shares.share(session, made.awards[0], show_name, made.campus.clock())


def enter(client: FlaskClient, campus: Campus, role: str = "operator") -> None:
    """Come in as the command line lets people in."""
    path = make_admin_link(campus, "Test Operator", role).removeprefix(campus.settings.public_url)
    assert client.get(path).status_code == 200
    assert client.post(path).status_code == 303
