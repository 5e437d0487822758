"""Erasing one learner: what goes, what stays, who comes back and who does not, on a real database."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from cryptography.fernet import Fernet, MultiFernet
from sqlalchemy import func, select, update

from app import audit
from app.credentials import issuers, shares, status
from app.errors import ConfigurationError, NotFound
from app.gradebook import unjoined
from app.gradebook.port import SourceScore
from app.models import (
    AuditEntry,
    Award,
    Credential,
    Disclosure,
    ErasedEntry,
    Erasure,
    Installation,
    Learner,
    OptOut,
    Person,
    Result,
    SpentEntry,
    StatusList,
    Tombstone,
    TombstoneKey,
    UnjoinedResult,
)
from app.pipeline import erase, erasure_journal, resealing, revoke, taking_away
from app.pipeline.campus import Campus
from app.secrets import SecretBox
from tests.integration.secrets_watch import stored
from tests.integration.trip import Trip


@pytest.fixture
def trip(campus: Campus) -> Trip:
    made = Trip(campus)
    made.book.maximum = {"quiz": Decimal(10)}
    for name in ("anneliese-quux", "bo"):
        made.learner(name)
        made.book.grades["quiz", name] = Decimal(9)
    made.collect()
    made.badge({"quiz": 70})
    made.collect()
    made.sign()
    return made


NAME = "anneliese-quux"


def learner_id(trip: Trip, sub: str = NAME) -> str:
    with trip.db.reading() as session:
        return session.scalars(select(Person.learner_id).where(Person.sub == sub)).one()


def gone(trip: Trip, sub: str = NAME, badges: erase.Badges = "kept") -> erase.Erased:
    return erase.erase(trip.campus, learner_id(trip, sub), "operator:test", badges)


def count(trip: Trip, table: type) -> int:
    with trip.db.reading() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def words_of(trip: Trip, sub: str = NAME) -> set[str]:
    """By which a person is found: names, ids, salts."""
    with trip.db.reading() as session:
        one = session.scalars(select(Person).where(Person.sub == sub)).one()
        found = {one.sub, one.name, one.email or one.sub, one.sis_id or one.sub}
        for award in session.scalars(select(Award).where(Award.person_id == one.id)):
            found |= {award.salt, award.subject_id}
            ids = select(Credential.id).where(Credential.award_id == award.id)
            found |= set(session.scalars(ids))
        return found


def places(trip: Trip, words: set[str]) -> set[str]:
    """Columns in which one of the words stands."""
    return {place for place, text in stored(trip.campus) for one in words if one in text}


def test_nothing_is_left_but_marks(trip: Trip) -> None:
    words = words_of(trip)
    assert len(words) > 4
    assert {"person.sub", "credential.document", "award.salt"} <= places(trip, words)
    done = gone(trip)
    assert (done.accounts, done.awards) == (1, 1)
    assert places(trip, words) == set()
    assert count(trip, Person) == count(trip, Award) == count(trip, Credential) == 1
    assert count(trip, Tombstone) >= 1
    with trip.db.reading() as session:
        assert audit.broken_at(session) is None


def test_twice_is_once(trip: Trip) -> None:
    one = learner_id(trip)
    gone(trip)
    with pytest.raises(NotFound):
        erase.erase(trip.campus, one, "operator:test")
    assert count(trip, Erasure) == 1


def test_a_reading_does_not_bring_the_person_back(trip: Trip) -> None:
    words = words_of(trip)
    gone(trip)
    for _ in range(2):
        trip.collect()
        trip.sign()
    assert places(trip, words) == set()
    assert (count(trip, Person), count(trip, Award), count(trip, UnjoinedResult)) == (1, 1, 0)
    assert count(trip, Learner) == 1


def test_without_the_marks_the_reading_would(trip: Trip) -> None:
    """The control: it is the tombstones that keep the person out."""
    gone(trip)
    with trip.db.transaction() as session:
        session.execute(update(Erasure).values(lifted_at=trip.clock()))
    trip.collect()
    assert count(trip, Person) == 2


def test_the_entry_stays_taken_and_unset(trip: Trip) -> None:
    with trip.db.reading() as session:
        before = session.scalars(select(Award).where(Award.learner_id == learner_id(trip))).one()
    gone(trip)
    with trip.db.reading() as session:
        entry = session.scalars(select(ErasedEntry)).one()
        listed = session.get_one(StatusList, entry.status_list_id)
        assert entry.status_index == before.status_index
        assert entry.status_index in issuers._taken(session, listed)
        assert entry.status_index not in issuers.revoked_entries(session, listed)


def test_who_wants_it_revoked_gets_it_revoked(trip: Trip) -> None:
    with trip.db.reading() as session:
        mine = select(Award.status_index).where(Award.learner_id == learner_id(trip))
        index = session.scalars(mine).one()
    gone(trip, badges="revoked")
    with trip.db.reading() as session:
        listed = session.scalars(select(StatusList)).one()
        assert index in issuers.revoked_entries(session, listed)
        assert listed.signed is not None
        signed = json.loads(listed.signed)["credentialSubject"]["encodedList"]
    assert status.get(status.decode(signed), index or 0)


def test_what_was_revoked_stays_revoked(trip: Trip) -> None:
    with trip.db.reading() as session:
        award = session.scalars(select(Award).where(Award.learner_id == learner_id(trip))).one()
    revoke.revoke(trip.campus, award.id, "A mistake.", "operator:test")
    gone(trip)
    with trip.db.reading() as session:
        listed = session.scalars(select(StatusList)).one()
        assert award.status_index in issuers.revoked_entries(session, listed)
        assert session.scalars(select(SpentEntry)).one().credential_id is None


def test_all_accounts_go(trip: Trip) -> None:
    """A second LMS: its account has the same learner, so it goes too, and neither comes back."""
    with trip.db.transaction() as session:
        other = Installation(
            name="Other", lms="generic", origin="http://127.0.0.1:8099", created_at=trip.clock()
        )
        session.add(other)
        session.flush()
        session.add(
            Person(
                installation_id=other.id,
                sub="elsewhere-77",
                learner_id=learner_id(trip),
                sis_id="S-4711",
                created_at=trip.clock(),
            )
        )
        session.add(OptOut(learner_id=learner_id(trip), kind="mail", at=trip.clock()))
    assert gone(trip).accounts == 2
    assert places(trip, {"elsewhere-77", "S-4711", NAME}) == set()


def test_waiting_grades_go_and_are_not_kept_again(trip: Trip) -> None:
    """Another source knows the person by the student number alone."""
    number = "S-4711"
    with trip.db.transaction() as session:
        session.execute(update(Person).where(Person.sub == NAME).values(sis_id=number))
        course_id = trip.course_id
        assessment = session.scalars(select(Result.assessment_id).limit(1)).one()
        waits = [(assessment, SourceScore("", "17", Decimal(5), None, kind="lms"))]
        unjoined.keep(session, course_id, "ags", waits, {("lms", "17"): number}, trip.clock())
    gone(trip)
    assert count(trip, UnjoinedResult) == 0
    assert places(trip, {number}) == set()


def test_a_share_and_disclosures_go(trip: Trip) -> None:
    with trip.db.transaction() as session:
        award = session.scalars(select(Award).where(Award.learner_id == learner_id(trip))).one()
        shares.share(session, award.id, True, trip.clock())
        session.add(Disclosure(award_id=award.id, kind="sis", target="Campus", at=trip.clock()))
    gone(trip)
    assert count(trip, Disclosure) == 0


def test_the_audit_log_tells_ids_only(trip: Trip) -> None:
    gone(trip)
    with trip.db.reading() as session:
        entry = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "learner.erased")
        ).one()
    assert entry.detail == {"accounts": 1, "awards": 1, "badges": "kept"}


# --- the journal ---------------------------------------------------------------------------------


def bring_back(trip: Trip) -> None:
    """The database as a backup from before has it: the person is there, the erasure is not known."""
    with trip.db.transaction() as session:
        for table in (Tombstone, Erasure, TombstoneKey, ErasedEntry):
            for row in session.scalars(select(table)):
                session.delete(row)
            session.flush()
    trip.learner(NAME)
    trip.collect()
    trip.sign()
    assert count(trip, Award) == 2


def test_a_restored_backup_replays_erasures(trip: Trip) -> None:
    words = {NAME, f"{NAME}@example.edu"}
    gone(trip)
    bring_back(trip)
    assert erasure_journal.differs(trip.campus)
    assert erasure_journal.level(trip.campus) == 1
    assert places(trip, words) == set()
    assert not erasure_journal.differs(trip.campus)
    assert erasure_journal.level(trip.campus) == 0
    trip.collect()
    assert count(trip, Award) == count(trip, Person) == 1


def test_the_journal_names_nobody(trip: Trip) -> None:
    words = words_of(trip)
    gone(trip)
    text = erasure_journal.path_of(trip.campus).read_text()
    assert not {one for one in words if one in text}
    assert erasure_journal.path_of(trip.campus).stat().st_mode & 0o777 == 0o600


def test_without_erasures_no_folder_is_needed_and_with_one_the_message_names_it(
    trip: Trip,
) -> None:
    nowhere = trip.campus.settings.model_copy(update={"data_dir": Path("/proc/nowhere")})
    elsewhere = replace(trip.campus, settings=nowhere)
    assert erasure_journal.level(elsewhere) == 0
    gone(trip)
    with pytest.raises(ConfigurationError, match="TASSEL_DATA_DIR"):
        erasure_journal.level(elsewhere)


def test_the_log_is_emptied_once_nobody_reads_any_more(trip: Trip) -> None:
    with trip.db.reading() as session:
        session.scalars(select(Person.id)).all()
        gone(trip)
        assert taking_away.settle_file(trip.db) is not trip.db.is_sqlite
    assert taking_away.settle_file(trip.db)


def test_a_lost_journal_is_written_again(trip: Trip) -> None:
    gone(trip)
    path = erasure_journal.path_of(trip.campus)
    before = path.read_text()
    path.unlink()
    erasure_journal.level(trip.campus)
    assert path.read_text() == before


def test_killed_before_the_journal_was_written(trip: Trip, monkeypatch: pytest.MonkeyPatch) -> None:
    """The erasure stands, and the next start writes the journal."""

    class Killed(BaseException):
        pass

    def die(path: Path, content: object) -> None:
        del path, content
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(erasure_journal, "_write", die)
        with pytest.raises(Killed):
            gone(trip)
    assert count(trip, Person) == 1
    assert erasure_journal.differs(trip.campus)
    erasure_journal.level(trip.campus)
    bring_back(trip)
    assert erasure_journal.level(trip.campus) == 1


def test_a_spoilt_journal_stops_the_start(trip: Trip) -> None:
    gone(trip)
    erasure_journal.path_of(trip.campus).write_text("{", encoding="ascii")
    with pytest.raises(ConfigurationError):
        erasure_journal.level(trip.campus)


def test_marks_outlive_the_master_key(trip: Trip) -> None:
    """Resealed under another master key, the marks and the journal still know the person."""
    gone(trip)
    new = Fernet.generate_key().decode()
    both = SecretBox([new])
    both._box = MultiFernet([Fernet(new), *trip.campus.box._box._fernets])
    resealing.reseal(replace(trip.campus, box=both), "operator:test")
    trip.campus = replace(trip.campus, box=SecretBox([new]))
    trip.collect()
    assert count(trip, Person) == 1
    bring_back(trip)
    assert erasure_journal.level(trip.campus) == 1
    assert count(trip, Person) == 1


def test_a_journal_of_another_master_key_says_so(trip: Trip) -> None:
    gone(trip)
    bring_back(trip)
    other = replace(trip.campus, box=SecretBox([Fernet.generate_key().decode()]))
    with pytest.raises(ConfigurationError, match="journal of erasures"):
        erasure_journal.level(other)


# --- who comes back ------------------------------------------------------------------------------


def test_whoever_begins_afresh_is_somebody_new(trip: Trip) -> None:
    old = learner_id(trip)
    done = gone(trip)
    trip.clock.forward(hours=1)
    assert erase.lift(trip.campus, [done.erasure_id]) == 1
    assert erase.lift(trip.campus, [done.erasure_id]) == 0
    trip.collect()
    assert count(trip, Person) == 2
    assert learner_id(trip) != old


def test_a_lifted_erasure_is_not_replayed_twice(trip: Trip) -> None:
    """What the backup holds is of before the erasure, so it goes; who came back may stay."""
    done = gone(trip)
    erase.lift(trip.campus, [done.erasure_id])
    bring_back(trip)
    assert erasure_journal.level(trip.campus) == 1
    assert count(trip, Person) == 1
    trip.collect()
    assert count(trip, Person) == 2
    assert erasure_journal.level(trip.campus) == 0
    assert count(trip, Person) == 2
