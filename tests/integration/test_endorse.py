"""A partner endorses a badge: who may, what is taken, what badges carry from then on."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from app.credentials import endorsed, files
from app.credentials.proofs import data_integrity
from app.credentials.verify import Report, verify
from app.errors import AppError, Conflict, Invalid, NotFound
from app.models import Achievement, AuditEntry, Award, Endorsement, Issuer
from app.pipeline import badges, endorse
from app.pipeline.campus import Campus
from app.pipeline.supersede import supersede
from tests.forging import (
    FOREIGN,
    P256,
    PARTNER,
    SMALL,
    Document,
    World,
    changed,
    endorsement,
    seal,
    text,
    token,
    world,
)
from tests.integration.test_races import Second
from tests.integration.trip import Trip


@pytest.fixture
def trip(campus: Campus) -> Trip:
    made = Trip(campus)
    made.book.maximum = {"quiz": Decimal(10)}
    made.book.grades = {("quiz", "ann"): Decimal(9)}
    made.learner("ann")
    made.collect()
    made.badge({"quiz": 70})
    made.collect()
    made.sign()
    return made


def badge_id(trip: Trip) -> str:
    with trip.db.reading() as session:
        return session.scalars(select(Achievement.id)).one()


def by_partner(trip: Trip, **changes: Any) -> Document:
    """An unsigned endorsement of the trip's badge."""
    made = endorsement(endorse.about(trip.campus, badge_id(trip)))
    for path, value in changes.items():
        made = changed(made, path.replace("__", "."), value)
    return made


def judge(trip: Trip, places: World | None = None) -> Callable[[bytes], Report]:
    return partial(verify, lookup=(places or world()).lookup, now=trip.clock())


def bring(trip: Trip, link: str, raw: bytes, seen: int = 1) -> Report:
    return endorse.receive(trip.campus, link, raw, seen, judge(trip))


def accepted(trip: Trip, raw: bytes | None = None) -> str:
    """The id of an endorsement that stands."""
    link = endorse.invite(trip.campus, badge_id(trip), "Partner Ltd", "person:t")
    report = bring(trip, link, raw or text(seal(by_partner(trip), PARTNER)))
    assert report.verdict == "valid", report.as_json()
    row = endorse.look(trip.campus, link).row
    endorse.accept(trip.campus, row.achievement_id, row.id, "person:t")
    return row.id


def award(trip: Trip, sub: str) -> Award:
    with trip.db.reading() as session:
        found = session.scalars(select(Award).order_by(Award.awarded_at)).all()
    return found[0] if sub == "ann" else found[-1]


def inside(trip: Trip, award_id: str) -> list[str]:
    """Names of the endorsers in the newest file of an award."""
    with trip.db.reading() as session:
        document = json.loads(files.current(session, award_id).document)
    listed = document["credentialSubject"]["achievement"].get("endorsement", [])
    return [one["issuer"]["name"] for one in listed]


def test_badges_signed_from_then_on_carry_it_and_earlier_ones_when_signed_again(trip: Trip) -> None:
    before = award(trip, "ann")
    accepted(trip)
    trip.clock.forward(hours=1)
    trip.learner("bo")
    trip.book.grades["quiz", "bo"] = Decimal(8)
    trip.collect()
    trip.sign()
    after = award(trip, "bo")
    assert inside(trip, before.id) == []
    assert inside(trip, after.id) == ["Partner Ltd"]
    with trip.db.reading() as session:
        told = endorsed.difference(session, before, files.current(session, before.id))
        assert ([one.says.name for one in told.beside], told.gains) == (["Partner Ltd"], True)
        signed = json.loads(files.current(session, after.id).document)
    del signed["proof"]
    assert data_integrity.check_trim(signed), "the fast way has to read it as the reference does"

    supersede(trip.campus, before.id, "endorsement", "person:a")
    assert inside(trip, before.id) == ["Partner Ltd"]
    with trip.db.reading() as session:
        again = session.get_one(Award, before.id)
        assert again.awarded_at == before.awarded_at
        assert not endorsed.difference(session, again, files.current(session, again.id)).gains


def test_one_that_is_withdrawn_is_carried_no_more_and_pages_can_tell(trip: Trip) -> None:
    row_id = accepted(trip)
    holder = award(trip, "ann")
    supersede(trip.campus, holder.id, "endorsement", "person:a")
    endorse.withdraw(trip.campus, badge_id(trip), row_id, "person:t")
    with trip.db.reading() as session:
        told = endorsed.difference(session, holder, files.current(session, holder.id))
    assert ([one.id for one in told.withdrawn], told.gains) == ([row_id], True)
    supersede(trip.campus, holder.id, "endorsement", "person:a")
    assert inside(trip, holder.id) == []
    with trip.db.reading() as session:
        said = session.scalars(select(AuditEntry.action).where(AuditEntry.action.like("endors%")))
        assert list(said) == [
            f"endorsement.{what}" for what in ("invited", "received", "accepted", "withdrawn")
        ]


def test_a_new_wording_asks_again(trip: Trip) -> None:
    accepted(trip)
    with trip.db.reading() as session:
        present = badges.draft(session, trip.course_id, badge_id(trip))
    link = endorse.invite(trip.campus, badge_id(trip), "Second Ltd", "person:t")
    edit = badges.BadgeEdit(
        name="Data literacy, revised", description="Reads data.", criteria="", design="shield",
        palette="indigo", image=None, image_alt="A shield", regrade="keep", course_column=True,
        definition=present.definition,
    )  # fmt: skip
    badges.save(trip.campus, trip.course_id, badge_id(trip), edit, "test")
    badges.publish(trip.campus, trip.course_id, badge_id(trip), "test")
    with trip.db.reading() as session:
        assert [len(endorsed.standing(session, badge_id(trip), n)) for n in (1, 2)] == [1, 0]
    second = text(
        seal(by_partner(trip, id="urn:uuid:00000000-0000-4000-8000-0000000e0002"), PARTNER)
    )
    with pytest.raises(Conflict, match="worded anew"):
        bring(trip, link, second)
    assert bring(trip, link, second, seen=2).verdict == "valid"


SHOWN_ONLY: dict[str, Callable[[Trip], bytes]] = {
    "a token": lambda trip: token(by_partner(trip, issuer__id=P256.did), P256),
    "one that ends": lambda trip: text(
        seal(by_partner(trip, validUntil="2030-01-01T00:00:00Z"), PARTNER)
    ),
    "one that speaks about the issuer too": lambda trip: text(
        seal({**by_partner(trip), "evidence": _about_us(trip)}, PARTNER)
    ),
    "a picture that claims to be the badge": lambda trip: text(
        seal(by_partner(trip, issuer__image=_picture(trip)), PARTNER)
    ),
    "a picture that claims to be the badge's": lambda trip: text(
        seal(by_partner(trip, issuer__image=_picture(trip, ".png")), PARTNER)
    ),
    "one by a key that its owner may list no more": lambda trip: text(
        seal(by_partner(trip, issuer__id=FOREIGN.did), FOREIGN)
    ),
    "one under the id of our issuer": lambda trip: text(
        seal(by_partner(trip, id=_about_us(trip)[0]["id"]), PARTNER)
    ),
}


def _about_us(trip: Trip) -> list[Document]:
    with trip.db.reading() as session:
        did = session.scalars(select(Issuer.did)).one()
    return [{"id": did, "type": ["Evidence"], "name": "The better university"}]


def _picture(trip: Trip, of: str = "") -> Document:
    about = endorse.about(trip.campus, badge_id(trip)) + of
    return {"id": about, "type": "Image", "caption": "Something else"}


def test_some_are_shown_but_no_badge_carries_them(trip: Trip) -> None:
    for kind, make in SHOWN_ONLY.items():
        row_id = accepted(trip, make(trip))
        with trip.db.reading() as session:
            (one,) = endorsed.standing(session, badge_id(trip), 1)
        assert (one.says.name, one.carried) == ("Partner Ltd", False), kind
        with trip.db.transaction() as session:
            session.get_one(Endorsement, row_id).document = None
            session.get_one(Endorsement, row_id).state = "declined"
    accepted(trip, next(iter(SHOWN_ONLY.values()))(trip))
    supersede(trip.campus, award(trip, "ann").id, "endorsement", "person:a")
    assert inside(trip, award(trip, "ann").id) == []


def forged(trip: Trip) -> bytes:
    return text(
        changed(seal(by_partner(trip), PARTNER), "credentialSubject.endorsementComment", "X")
    )


NOT_VALID: dict[str, Callable[[Trip], bytes]] = {
    "changed after it was signed": forged,
    "signed by a stranger": lambda trip: text(seal(by_partner(trip), FOREIGN)),
    "not signed": lambda trip: text(by_partner(trip)),
    "a key that cannot be found": lambda trip: text(
        seal(by_partner(trip, issuer__id="did:web:gone.example"), FOREIGN)
    ),
    "from the future": lambda trip: text(
        seal(by_partner(trip, validFrom="2090-01-01T00:00:00Z"), PARTNER)
    ),
    "under the id of its endorser": lambda trip: text(
        seal(by_partner(trip, id=PARTNER.did), PARTNER)
    ),
    "no JSON": lambda _: b"{" + b"[" * 5000,
}


def test_what_does_not_verify_is_not_kept(trip: Trip) -> None:
    link = endorse.invite(trip.campus, badge_id(trip), "Partner Ltd", "person:t")
    for kind, make in NOT_VALID.items():
        assert bring(trip, link, make(trip)).verdict != "valid", kind
    with trip.db.reading() as session:
        row = session.scalars(select(Endorsement)).one()
        assert (row.state, row.document) == ("invited", None)


def own(trip: Trip) -> bytes:
    """A badge of this campus by its own key, brought as its endorsement."""
    with trip.db.reading() as session:
        return files.current(session, award(trip, "ann").id).document


REFUSED: dict[str, tuple[Callable[[Trip], bytes], str]] = {
    "another badge": (
        lambda trip: text(seal(endorsement("http://127.0.0.1:8080/achievements/x"), PARTNER)),
        "of something else",
    ),
    "nobody's name": (
        lambda trip: text(seal(by_partner(trip, issuer__name=" "), PARTNER)),
        "who endorses",
    ),
    "huge": (lambda trip: b'{"a":"' + b"x" * 30_000 + b'"}', "larger than"),
    "empty": (lambda _: b" \n", "Choose a file"),
    "a picture": (lambda _: b"\x89PNG\r\n\x1a\n" + b"0" * 100, "neither JSON"),
}


def test_what_is_no_endorsement_of_this_badge_is_refused(trip: Trip) -> None:
    link = endorse.invite(trip.campus, badge_id(trip), "Partner Ltd", "person:t")
    for make, why in REFUSED.values():
        with pytest.raises(Invalid, match=why):
            bring(trip, link, make(trip))
    assert endorse.look(trip.campus, link).open


def test_the_issuer_does_not_endorse_itself(trip: Trip) -> None:
    """Neither by a badge that it signed, nor by an endorsement under its own key."""
    places = World()
    link = endorse.invite(trip.campus, badge_id(trip), "Partner Ltd", "person:t")
    with trip.db.transaction() as session:
        session.scalars(select(Issuer)).one().did = PARTNER.did
    with pytest.raises(Invalid, match="cannot endorse"):
        endorse.receive(
            trip.campus, link, text(seal(by_partner(trip), PARTNER)), 1, judge(trip, places)
        )
    assert bring(trip, link, own(trip)).verdict != "valid"


def test_a_link_opens_once_not_for_ever_and_not_when_taken_back(trip: Trip) -> None:
    signed = text(seal(by_partner(trip), PARTNER))
    used, old, closed = (
        endorse.invite(trip.campus, badge_id(trip), name, "person:t")
        for name in ("Used", "Old", "Closed")
    )
    row = endorse.look(trip.campus, closed).row
    endorse.close(trip.campus, row.achievement_id, row.id, "person:t")
    assert bring(trip, used, signed).verdict == "valid"
    attempts: list[tuple[str, type[AppError]]] = [
        (used, Conflict),
        (closed, NotFound),
        ("guessed", NotFound),
    ]
    for link, kind in attempts:
        with pytest.raises(kind):
            bring(trip, link, signed)
    with pytest.raises(Conflict, match="brought before"):
        bring(trip, old, signed)
    trip.clock.forward(days=31)
    with pytest.raises(NotFound):
        bring(trip, old, text(seal(by_partner(trip), SMALL)))
    assert endorse.look(trip.campus, used).row.state == "received"


def test_a_link_that_is_taken_back_at_the_same_moment_takes_nothing(trip: Trip) -> None:
    link = endorse.invite(trip.campus, badge_id(trip), "Partner Ltd", "person:t")
    row = endorse.look(trip.campus, link).row
    signed = text(seal(by_partner(trip), PARTNER))
    judged = judge(trip)(signed)
    with trip.db.transaction() as session:
        session.get_one(Endorsement, row.id).state = "closed"
        session.flush()
        second = Second(lambda: endorse.receive(trip.campus, link, signed, 1, lambda _: judged))
    with pytest.raises(NotFound):
        second.result()


def test_each_step_follows_the_one_before_and_belongs_to_its_badge(trip: Trip) -> None:
    link = endorse.invite(trip.campus, badge_id(trip), "Partner Ltd", "person:t")
    row = endorse.look(trip.campus, link).row
    for step in (endorse.accept, endorse.decline, endorse.withdraw):
        with pytest.raises(Conflict):
            step(trip.campus, row.achievement_id, row.id, "person:t")
        with pytest.raises(NotFound):
            step(trip.campus, "another-badge", row.id, "person:t")
    bring(trip, link, text(seal(by_partner(trip), PARTNER)))
    endorse.take_back(trip.campus, link)
    with pytest.raises(Conflict):
        endorse.accept(trip.campus, row.achievement_id, row.id, "person:t")
    with trip.db.reading() as session:
        assert endorsed.standing(session, row.achievement_id, 1) == []
