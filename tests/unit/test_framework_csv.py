"""Competencies from CSV: what spreadsheets really write, and rows that cannot be used."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Invalid
from app.mastery.frameworks.csv_format import parse_csv


def test_a_spreadsheet_with_mark_and_semicolons() -> None:
    text = "\ufeffCode;Statement;URI\nDL.1;Interprets data displays;https://example.org/dl1\n"
    rows, problems = parse_csv(text.encode())
    assert [(r.code, r.statement, r.uri) for r in rows] == [
        ("DL.1", "Interprets data displays", "https://example.org/dl1")
    ]
    assert problems == []


def test_bad_rows_are_named_and_lose_nothing_else() -> None:
    text = "code,statement,uri\nA,First,\nB,,\nA,Again,\nC,Third,javascript:alert(1)\nD,Last,\n"
    rows, problems = parse_csv(text.encode())
    assert [row.code for row in rows] == ["A", "D"]
    assert [problem.line for problem in problems] == [3, 4, 5]


def test_codes_are_made_up_from_the_place() -> None:
    rows, _ = parse_csv(b"statement\nOne thing\nAnother\n")
    assert [row.code for row in rows] == ["C1", "C2"]


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", "statement\nÄ".encode("latin-1")])
def test_what_is_no_table_is_refused_with_a_fix(content: bytes) -> None:
    with pytest.raises(Invalid):
        parse_csv(content)


@given(st.binary(max_size=300))
def test_no_bytes_crash_it(content: bytes) -> None:
    with contextlib.suppress(Invalid):
        parse_csv(b"statement,code\n" + content)
