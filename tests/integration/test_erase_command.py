"""``tassel learner export`` and ``erase``, as an operator gives them."""

from __future__ import annotations

import zipfile
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from app.cli import main
from app.models import Person
from app.pipeline import erasure_journal
from app.pipeline.campus import Campus
from tests.integration.trip import Trip


@pytest.fixture
def person(campus: Campus, monkeypatch: pytest.MonkeyPatch) -> str:
    """Somebody with a grade; commands find the same campus."""
    settings = campus.settings
    for name, value in {
        "DATABASE_URL": settings.database,
        "DATA_DIR": str(settings.data_dir),
        "PUBLIC_URL": settings.public_url,
        "MASTER_KEY": "A" * 43 + "=",
    }.items():
        monkeypatch.setenv(f"TASSEL_{name}", value)
    trip = Trip(campus)
    trip.book.maximum = {"quiz": Decimal(10)}
    trip.book.grades["quiz", "ann"] = Decimal(9)
    found = trip.learner("ann")
    trip.collect()
    return found


def told(*words: str) -> tuple[int, str]:
    answer = CliRunner().invoke(main, ["learner", *words])
    return answer.exit_code, answer.output


def test_export_writes_a_file_for_its_owner_only(person: str, tmp_path: Path) -> None:
    file = tmp_path / "ann.zip"
    code, said = told("export", person, str(file))
    assert code == 0, said
    assert file.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(file) as archive:
        assert b"ann@example.edu" in archive.read("accounts.json")
    assert told("export", person, str(file))[0] == 2, "an old file is not overwritten"


def test_erase_asks_and_erases(person: str, campus: Campus) -> None:
    code, said = told("erase", person)
    assert code == 1, "nobody said yes"
    assert "1 person" in said
    code, said = told("erase", person, "--yes")
    assert code == 0, said
    with campus.db.reading() as session:
        assert session.scalars(select(Person.id)).all() == []
    assert not erasure_journal.differs(campus)
    code, said = told("erase", person, "--yes")
    assert (code, "no such learner" in said) == (2, True)
