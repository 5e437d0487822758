"""Grades from a file: nothing before the preview, every row accounted for, and the way back."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from decimal import Decimal

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from app.models import (
    Assessment,
    AuditEntry,
    CollectRun,
    Enrolment,
    GradeUpload,
    Person,
    Result,
    ResultVersion,
)
from app.pipeline import uploads
from app.pipeline.campus import Campus
from tests.course_seed import Seeded, seed, token_for


class Uploader:
    """A teacher with a browser in one course."""

    def __init__(self, campus: Campus, client: FlaskClient, made: Seeded) -> None:
        self.campus, self.client, self.made = campus, client, made
        self.headers = {"Authorization": f"Bearer {token_for(made, made.teacher, 'instructor')}"}
        self.base = f"/courses/{made.course_id}/grades/upload"

    def send(self, content: str | bytes, name: str = "grades.csv") -> str:
        raw = content.encode() if isinstance(content, str) else content
        answer = self.client.post(
            self.base, data={"file": (io.BytesIO(raw), name)}, headers=self.headers
        )
        assert answer.status_code == 303, answer.text
        return str(answer.headers["Location"])

    def page(self, address: str) -> str:
        answer = self.client.get(address, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer.text

    def act(self, address: str, expect: int = 303, **form: str) -> str:
        answer = self.client.post(address, data=form, headers=self.headers)
        assert answer.status_code == expect, answer.text
        return str(answer.headers.get("Location", answer.text))

    def form(self, address: str) -> dict[str, str]:
        """What a browser would send back of the matching form."""
        page = self.page(address)
        found = {}
        for name, body in re.findall(
            r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', page, re.DOTALL
        ):
            chosen = re.search(r'<option value="([^"]*)" selected', body)
            found[name] = chosen[1] if chosen else ""
        for name, value in re.findall(r'<input[^>]*name="(maximum-\d+)" value="([^"]*)"', page):
            found[name] = value
        return found

    def take(self, address: str, **changes: str) -> str:
        return self.act(address, action="take", **(self.form(address) | changes))

    def results(self) -> dict[tuple[str, str], tuple[Decimal | None, Decimal | None]]:
        """(title, student number) to points and maximum of what files brought."""
        with self.campus.db.reading() as session:
            query = (
                select(Assessment.title, Person.sis_id, Result.raw, Result.maximum)
                .join(Result, Result.assessment_id == Assessment.id)
                .join(Person, Person.id == Result.person_id)
                .where(Assessment.source == "csv")
            )
            return {(title, sis): (raw, top) for title, sis, raw, top in session.execute(query)}

    def count(self, table: type) -> int:
        with self.campus.db.reading() as session:
            return len(session.scalars(select(table)).all())


@pytest.fixture
def up(campus: Campus, client: FlaskClient) -> Uploader:
    made = seed(campus, learners=6)
    with campus.db.transaction() as session:
        for place, person_id in enumerate(made.learners, 1):
            person = session.get_one(Person, person_id)
            person.sis_id, person.email = f"S-{place}", f"l{place}@example.edu"
    return Uploader(campus, client, made)


FILE = "ID number;Name;Oral exam (%);Practical\nS-1;X;90;18/20\nS-2;Y;70,5;17/20\nS-3;Z;B+;\nS-99;Q;50;10/20\n"


def test_nothing_is_stored_before_the_grades_are_taken(up: Uploader) -> None:
    before = (up.count(Result), up.count(Assessment), up.count(CollectRun))
    address = up.send(FILE)
    page = up.page(address)
    assert "Take 4 grades" in page
    assert "A letter or a word" in page
    assert "Nobody in this course has this id." in page
    assert (up.count(Result), up.count(Assessment), up.count(CollectRun)) == before
    up.take(address)
    assert up.results() == {
        ("Oral exam (%)", "S-1"): (Decimal(90), Decimal(100)),
        ("Oral exam (%)", "S-2"): (Decimal("70.5"), Decimal(100)),
        ("Practical", "S-1"): (Decimal(18), Decimal(20)),
        ("Practical", "S-2"): (Decimal(17), Decimal(20)),
    }
    with up.campus.db.reading() as session:
        upload = session.scalars(select(GradeUpload)).one()
        assert (upload.taken, upload.unchanged, upload.left_out) == (4, 1, 2)
        assert (upload.sealed, upload.choices, upload.expires_at) == (None, None, None)
        runs = session.scalars(select(CollectRun).where(CollectRun.trigger == "upload")).all()
        assert len(runs) == 1
        stale = session.scalars(select(Enrolment).where(Enrolment.stale.is_(True))).all()
        assert len(stale) == 2
        logged = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "grades.uploaded")
        ).one()
        assert logged.detail == {"taken": 4, "unchanged": 1, "left_out": 2}
    assert up.client.get(address, headers=up.headers).status_code == 404


def test_the_same_file_again_changes_nothing(up: Uploader) -> None:
    up.take(up.send(FILE))
    versions = up.count(ResultVersion)
    address = up.send(FILE)
    assert "Take 0 grades" in up.page(address)
    up.take(address)
    assert up.count(ResultVersion) == versions


def test_an_empty_cell_takes_back_what_an_earlier_file_gave(up: Uploader) -> None:
    up.take(up.send("ID number;Essay (%)\nS-1;90\nS-2;80\n"))
    up.take(up.send("ID number;Essay (%)\nS-1;\n"))
    assert up.results() == {
        ("Essay (%)", "S-1"): (None, Decimal(100)),
        ("Essay (%)", "S-2"): (Decimal(80), Decimal(100)),
    }


def test_the_teacher_corrects_the_matching(up: Uploader) -> None:
    address = up.send("Nummer;Punkte\nS-1;8\nS-2;9,5\n")
    page = up.page(address)
    assert "No id in this row." in page
    form = up.form(address) | {"kind-0": "sis_id", "kind-1": "grade", "maximum-1": "10"}
    # Changed choices are shown before they count.
    assert "said=upload-look" in up.act(address, action="take", **form)
    assert up.results() == {}
    assert "Take 2 grades" in up.page(address)
    up.take(address)
    assert up.results()["Punkte", "S-2"] == (Decimal("9.5"), Decimal(10))


def test_a_wrong_maximum_is_told_at_its_field(up: Uploader) -> None:
    address = up.send("ID number;Points\nS-1;8\n")
    form = up.form(address) | {"kind-1": "grade", "maximum-1": "many"}
    page = up.act(address, 422, action="look", **form)
    assert 'id="maximum-1-error"' in page
    assert "The column needs its maximum." in up.page(address)


def test_a_maximum_of_thousands_survives_the_form(up: Uploader) -> None:
    address = up.send("Student,ID,SIS User ID,Exam (7)\nPoints Possible,,,1500\nX,,S-1,750.5\n")
    up.take(address)
    assert up.results() == {("Exam", "S-1"): (Decimal("750.5"), Decimal(1500))}


def test_an_address_is_confirmed_by_a_person(up: Uploader) -> None:
    address = up.send("Email address;Quiz (%)\nL1@example.edu;90\nl2@example.edu;80\n")
    assert "Is this the same person?" in up.page(address)
    ana = up.made.learners[0]
    up.act(address, action="look", **up.form(address), **{"person-2": ana})
    up.take(address, **{"person-2": ana})
    assert up.results() == {("Quiz (%)", "S-1"): (Decimal(90), Decimal(100))}


def test_a_column_joins_another_source_only_by_choice(up: Uploader) -> None:
    with up.campus.db.reading() as session:
        lab = session.scalars(select(Assessment).where(Assessment.title == "Lab report")).one()
    text = "ID number;Lab report\nS-1;18/20\n"
    address = up.send(text)
    assert "Choose it here if both are the same." in up.page(address)
    up.take(address)
    assert up.results() == {("Lab report", "S-1"): (Decimal(18), Decimal(20))}
    again = up.send(text)
    form = up.form(again) | {"target-1": lab.id}
    up.act(again, action="look", **form)
    up.take(again, **{"target-1": lab.id})
    with up.campus.db.reading() as session:
        query = select(Result).where(
            Result.assessment_id == lab.id, Result.person_id == up.made.learners[0]
        )
        assert session.scalars(query).one().raw == 18
    # An assessment of another course cannot be chosen.
    foreign = up.send(text)
    up.act(foreign, action="look", **(up.form(foreign) | {"target-1": "no-such"}))
    assert "selected" not in up.page(foreign).partition('name="target-1"')[2].partition("</td>")[0]


def test_taking_back_restores_every_grade_but_those_that_changed_again(up: Uploader) -> None:
    up.take(up.send("ID number;Essay (%)\nS-1;50\nS-2;60\nS-3;70\n"))
    up.take(up.send("ID number;Essay (%)\nS-1;90\nS-2;90\nS-4;90\n"))
    with up.campus.db.transaction() as session:
        two = session.scalars(select(Person).where(Person.sis_id == "S-2")).one()
        row = session.scalars(
            select(Result)
            .join(Assessment, Assessment.id == Result.assessment_id)
            .where(Result.person_id == two.id, Assessment.source == "csv")
        ).one()
        row.raw, row.version = Decimal(99), row.version + 1
    first, second = _uploads(up)
    up.act(f"{up.base}/{first}/undo", 409)
    up.act(f"{up.base}/{second}/undo")
    found = {sis: raw for (_, sis), (raw, _) in up.results().items()}
    assert found == {"S-1": 50, "S-2": 99, "S-3": 70, "S-4": None}
    assert "taken back" in up.page(up.base)
    up.act(f"{up.base}/{first}/undo")
    found = {sis: raw for (_, sis), (raw, _) in up.results().items()}
    assert found == {"S-1": 50, "S-2": 99, "S-3": None, "S-4": None}


def _uploads(up: Uploader) -> list[str]:
    with up.campus.db.reading() as session:
        query = select(GradeUpload.id).order_by(GradeUpload.created_at)
        return list(session.scalars(query))


def test_the_report_cannot_trick_a_spreadsheet(up: Uploader) -> None:
    evil = '=HYPERLINK("http://x","y")'
    text = f'ID number,Name,"{evil.replace(chr(34), chr(34) * 2)}",Quiz (%)\n=1+1,@SUM(1),-2,5\nS-1,Ana,+3,7\n'
    address = up.send(text)
    answer = up.client.get(f"{address}/report.csv", headers=up.headers)
    assert answer.mimetype == "text/csv"
    cells = [cell for row in csv.reader(io.StringIO(answer.text.lstrip("\ufeff"))) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    assert "HYPERLINK(&#34;" in up.page(address)


def test_a_file_is_kept_one_hour_and_seen_by_its_course_only(up: Uploader, caplog) -> None:
    address = up.send(FILE)
    other = seed(up.campus, learners=2, label="TEACH 500")
    token = token_for(other, other.teacher, "instructor")
    foreign = address.replace(up.made.course_id, other.course_id)
    answer = up.client.get(foreign, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 404
    with up.campus.db.transaction() as session:
        upload = session.scalars(select(GradeUpload)).one()
        assert "S-1" not in (upload.sealed or "")
        upload.expires_at = up.campus.clock() - timedelta(seconds=1)
    assert up.client.get(address, headers=up.headers).status_code == 404
    assert uploads.purge(up.campus) == 1
    assert up.count(GradeUpload) == 0


def test_dropping_and_a_second_file_delete_the_first(up: Uploader) -> None:
    up.send(FILE)
    second = up.send(FILE)
    assert up.count(GradeUpload) == 1
    up.act(f"{second}/drop")
    assert up.count(GradeUpload) == 0
    up.act(f"{second}", 404, action="take")


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "empty"), (b"PK\x03\x04x", "Save it as CSV"), (b"a,b\n", "no rows")],
)
def test_what_is_no_table_is_refused_with_words(up: Uploader, content: bytes, says: str) -> None:
    answer = up.client.post(
        up.base, data={"file": (io.BytesIO(content), "x.csv")}, headers=up.headers
    )
    assert answer.status_code == 422
    assert says in answer.text
    assert up.count(GradeUpload) == 0


def test_assistants_look_at_the_list_and_learners_at_nothing(up: Uploader) -> None:
    for role, person, expected in (
        ("assistant", up.made.teacher, (200, 403)),
        ("learner", up.made.learners[0], (403, 403)),
    ):
        headers = {"Authorization": f"Bearer {token_for(up.made, person, role)}"}
        looked = up.client.get(up.base, headers=headers).status_code
        sent = up.client.post(up.base, data={}, headers=headers).status_code
        assert (looked, sent) == expected
