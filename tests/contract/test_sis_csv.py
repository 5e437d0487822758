"""OneRoster CSV packages: what stands in them and how they come to lie in the drop folder."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.delivery.port import AwardFacts, CompetencyFact
from app.delivery.sis.oneroster_package import is_formula, plain
from app.demo.sis.server import SisServer
from app.errors import Invalid
from app.http import HttpClient
from tests.contract.sis_rigs import (
    CASE_ID,
    OTHER_STUDENT,
    CsvRig,
    award,
    check_package,
    explained,
    withdrawn,
)

BATCH = [
    ("d1", award(1), "create"),
    ("d2", award(2, learner_sis_id=OTHER_STUDENT), "create"),
]


@pytest.fixture(scope="module")
def sis() -> Iterator[SisServer]:
    with SisServer() as server:
        yield server


@pytest.fixture
def rig(sis: SisServer, tmp_path: Path) -> CsvRig:
    return CsvRig(sis, tmp_path, HttpClient(()))


def test_the_package_is_whole(rig: CsvRig) -> None:
    """Every field of every table, as an importing SIS reads it."""
    rig.target({"category_title": "Micro-credentials"}).send_many(BATCH[:1])
    (path,) = rig.packages()
    tables = check_package(path.read_bytes())
    assert set(tables) == {
        "categories",
        "lineItems",
        "results",
        "lineItemLearningObjectiveIds",
        "resultLearningObjectiveIds",
    }
    (column,) = tables["lineItems"]
    assert {k: v for k, v in column.items() if k != "sourcedId"} == {
        "status": "active",
        "dateLastModified": "2026-11-20T23:30:00.000Z",
        "title": "Data literacy",
        "description": "Reads and draws charts of real data.",
        "assignDate": "2026-11-20",
        "dueDate": "2026-11-20",
        "classSourcedId": "STAT101-2026-AUT-A",
        "categorySourcedId": "CAT-MICRO",
        "academicSessionSourcedId": "2026-AUT",
        "resultValueMin": "0",
        "resultValueMax": "1",
        "schoolSourcedId": "SCHOOL-1",
    }
    (result,) = tables["results"]
    assert result["lineItemSourcedId"] == column["sourcedId"]
    assert (result["score"], result["textScore"], result["late"]) == ("1", "Met", "")
    objectives = tables["lineItemLearningObjectiveIds"]
    assert sorted(row["learningObjectiveId"] for row in objectives) == [
        "DL-2",
        f"urn:uuid:{CASE_ID}",
    ]


def test_without_a_title_the_category_is_left_to_the_sis(rig: CsvRig) -> None:
    rig.target().send_many(BATCH)
    assert "categories" not in rig.imported()


def test_one_batch_is_one_file_in_any_order(rig: CsvRig) -> None:
    """A repeat after a crash replaces the file by the same bytes, whatever order the rows have."""
    rig.target().send_many(BATCH)
    (path,) = rig.packages()
    first = path.read_bytes()
    rig.target().send_many(BATCH[::-1])
    assert rig.packages() == [path]
    assert path.read_bytes() == first
    rig.target().send_many([*BATCH, ("d3", award(3), "create")])
    assert len(rig.packages()) == 2
    assert len(rig.records()) == 3


def test_a_batch_that_creates_and_withdraws_ends_withdrawn(rig: CsvRig) -> None:
    """Two operations on one award in one file cannot contradict each other."""
    facts = award(1, **withdrawn(award(1)))
    rows = [("d2", facts, "revoke"), ("d1", award(1), "create")]
    outcomes = rig.target().send_many(rows)
    assert {outcome.kind for outcome in outcomes.values()} == {"sent"}
    assert rig.records() == []
    (row,) = rig.imported()["results"].values()
    assert row["status"] == "tobedeleted"
    assert row["comment"] == "Withdrawn: entered for STAT 101 by mistake"


def test_files_sort_by_the_newest_event(rig: CsvRig) -> None:
    """A SIS that imports by name sees the withdrawal after the award."""
    rig.target().send_many([("zzz", award(1), "create")])
    rig.target().send_many([("aaa", award(1, **withdrawn(award(1))), "revoke")])
    assert len(rig.packages()) == 2
    assert rig.records() == []


@pytest.mark.parametrize("opening", ["=", "+", "-", "@", "\t=", "\r\n@", "  ="])
def test_no_cell_is_a_formula(rig: CsvRig, opening: str) -> None:
    """Names, descriptions, reasons and codes from people cannot run in a spreadsheet."""
    bomb = opening + 'HYPERLINK("https://evil.example","x")'
    facts = award(
        achievement_name=bomb,
        achievement_description=bomb,
        competencies=(CompetencyFact(bomb, bomb, ""),),
    )
    rig.target({"category_title": bomb, "text_score": bomb}).send_many([("d", facts, "create")])
    (column,) = rig.columns()
    assert column["title"].startswith("'")
    assert "HYPERLINK" in column["title"]
    (path,) = rig.packages()
    check_package(path.read_bytes())


@given(st.text())
def test_plain_text_is_never_a_formula(text: str) -> None:
    """Whatever is typed, one line comes out that no spreadsheet program executes."""
    clean = plain(text)
    assert not is_formula(clean)
    assert len(clean.splitlines()) <= 1
    assert plain(clean) == clean


@pytest.mark.parametrize("field", ["learner_sis_id", "class_sis_id"])
def test_an_id_like_a_formula_is_held(rig: CsvRig, field: str) -> None:
    """An id cannot be changed without pointing at somebody else."""
    bad: AwardFacts = award(2, **{field: "=1+1"})
    outcomes = rig.target().send_many([("d1", award(1), "create"), ("d2", bad, "create")])
    assert outcomes["d1"].kind == "sent"
    held = explained(outcomes["d2"])
    assert (held.kind, held.code) == ("held", "unsafe-sis-id")
    assert len(rig.records()) == 1


def test_text_from_everywhere_survives(rig: CsvRig) -> None:
    """Quotes, commas, line breaks and letters of any script."""
    name = 'Größe, "Maß" und 統計 – δ'
    rig.target().send_many([("d", award(achievement_name=name + "\nII"), "create")])
    (column,) = rig.columns()
    assert column["title"] == name + " II"


def test_nothing_half_written_is_ever_seen(rig: CsvRig) -> None:
    """Only whole files stand under a name that a SIS fetches."""
    rig.target().send_many(BATCH)
    assert [path.suffix for path in rig.drop.iterdir()] == [".zip"]
    (path,) = rig.packages()
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[0] == "manifest.csv"


def test_a_folder_that_cannot_be_written_delays_all_rows(rig: CsvRig) -> None:
    """Nothing is lost: the rows wait, held ones stay held, and the test is red."""
    rig.drop.parent.mkdir(parents=True, exist_ok=True)
    rig.drop.write_text("a file where the folder should be")
    held = ("d3", award(3, learner_sis_id=None), "create")
    outcomes = rig.target().send_many([*BATCH, held])
    assert explained(outcomes["d1"]).code == "drop-unwritable"
    assert (outcomes["d1"].kind, outcomes["d1"].attention) == ("later", True)
    assert outcomes["d3"].kind == "held"
    (line,) = rig.target().test()
    assert (line.state, line.name) == ("red", "Write to the drop folder")
    rig.drop.unlink()
    assert rig.target().send_many(BATCH)["d1"].kind == "sent"


@pytest.mark.parametrize("folder", ["../elsewhere", "/etc", ".", "a/../..", "link/out"])
def test_the_drop_folder_stays_below_the_data(rig: CsvRig, tmp_path: Path, folder: str) -> None:
    (tmp_path / "link").symlink_to("/")
    with pytest.raises(Invalid) as caught:
        rig.target({"folder": folder})
    assert set(caught.value.fields) == {"folder"}


def test_a_file_that_was_fetched_cannot_be_read_back(rig: CsvRig) -> None:
    outcome = rig.target().send_many(BATCH)["d1"]
    assert outcome.remote_ref
    (path,) = rig.packages()
    path.unlink()
    assert rig.target().fetch(outcome.remote_ref) is None
    assert rig.target().fetch("../../etc/passwd#x") is None


def test_columns_take_the_earliest_award(rig: CsvRig) -> None:
    """The due date of a line item does not depend on which row came first."""
    early = award(1, awarded_at=datetime(2026, 10, 1, 12, tzinfo=UTC))
    rig.target().send_many([("d1", award(2), "create"), ("d2", early, "create")])
    (column,) = rig.columns()
    assert column["dueDate"] == "2026-10-01"
