"""Grade files as exports and people write them: encodings, separators, headings, numbers."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Invalid
from app.gradebook.csv_upload import MAX_BYTES, Table, Value, guess, read_grade, read_table

EXPORT = """Student,ID,SIS User ID,SIS Login ID,Section,Quiz 1 (101),"Essay, long (102)",Attendance (103),Assignments Current Score,Final Grade
,,,,,,Manual Posting,,,
    Points Possible,,,,,10,100,5,(read only),(read only)
"Ángström, Ana",17,S-1,ana,Section A,8.5,70,EX,85,B
"Brown, Ben",18,S-2,ben,Section A,,90,5,100,A
"Student, Test",19,,x,Section A,10,100,5,100,A
"""
REPORT = "\ufeffFirst name,Surname,ID number,Institution,Email address,Quiz: Cells (Real),Quiz: Cells (Percentage),Quiz: Cells (Letter),Assignment: Lab (Real),Course total (Real),Last downloaded from this course\r\nAna,Ábrego,S-1,,ana@example.edu,9.50,95.00 %,A,-,91.50,1795307869\r\n"
PLAIN = "Matrikelnummer;Name;Klausur;Übung\nS-1;Ängel;71,5;18/20\nS-2;Öde;85 %;-\n"


def test_a_gradebook_export_with_its_points_row() -> None:
    table = read_table(EXPORT.encode())
    assert [row.number for row in table.rows] == [4, 5, 6]
    columns = guess(table)
    assert [column.kind for column in columns] == [
        "name", "lms_id", "sis_id", "login", "ignore", "grade", "ignore", "grade", "ignore", "ignore",
    ]  # fmt: skip
    quiz, essay, attendance = columns[5:8]
    assert (quiz.title, quiz.key, quiz.maximum) == ("Quiz 1", "id:101", 10)
    assert (essay.title, essay.why, essay.maximum) == ("Essay, long", "unposted", 100)
    assert attendance.maximum == 5
    assert [column.why for column in columns[8:]] == ["total", "total"]


def test_a_grader_report() -> None:
    columns = guess(read_table(REPORT.encode()))
    assert [(column.kind, column.why) for column in columns] == [
        ("name", ""), ("name", ""), ("sis_id", ""), ("ignore", "unknown"), ("email", ""),
        ("grade", ""), ("grade", ""), ("ignore", "text"), ("ignore", "empty"),
        ("ignore", "total"), ("ignore", "unknown"),
    ]  # fmt: skip
    assert [(c.title, c.maximum, c.percent) for c in columns[5:7]] == [
        ("Cells", None, False), ("Cells", 100, True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]
)
@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_encodings_and_separators(encoding: str, delimiter: str) -> None:
    table = read_table(PLAIN.replace(";", delimiter).encode(encoding))
    assert table.headings == ("Matrikelnummer", "Name", "Klausur", "Übung")
    assert table.rows[0].cells == ("S-1", "Ängel", "71,5", "18/20")
    assert [column.kind for column in guess(table)] == ["sis_id", "name", "grade", "grade"]


def test_the_mark_of_spreadsheets_and_blank_lines() -> None:
    table = read_table(b"sep=;\r\n\r\nid;x, y\r\n1;2\r\n;\r\n3;4\r\n")
    assert table.headings == ("id", "x, y")
    assert [(row.number, row.cells) for row in table.rows] == [(4, ("1", "2")), (6, ("3", "4"))]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "csv-empty"),
        (b"\r\n  ", "csv-empty"),
        (b"PK\x03\x04rest", "csv-workbook"),
        (b"a,b\n" + b"1,2\n" * (MAX_BYTES // 4), "csv-big"),
        (b"a,b\n" + b"1,2\n" * 20_001, "csv-long"),
        (b"just one line", "csv-no-rows"),
        (b"heading\n1\n2\n", "csv-one-column"),
        (b",".join([b"x"] * 500) + b"\n1\n", "csv-wide"),
        (b"a,b\x00\n\x00\x01\x02\xff", "csv-not-text"),
    ],
)
def test_what_is_no_table_is_refused(content: bytes, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_table(content)
    assert caught.value.code == code


def points(raw: str, top: str | int = 100) -> Value:
    return Value(Decimal(raw), Decimal(top))


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("", Value(None, Decimal(100))),
        (" - ", Value(None, Decimal(100))),
        ("EX", Value(None, Decimal(100), excused=True)),
        ("0", points("0")),
        ("71.50", points("71.50")),
        ("71,5", points("71.5")),
        ("'71.5", points("71.5")),
        ("85 %", points("85")),
        ("85,5%", points("85.5")),
        ("18/20", points("18", 20)),
        ("17,5 / 20", points("17.5", 20)),
        ("110", points("110")),
        ("1,234", points("1.234")),
        ("850", "too-high"),
        ("-1", "negative"),
        ("B+", "letter"),
        ("Pass", "letter"),
        ("late", "text"),
        ("=1+1", "text"),
        ("3/0", "text"),
        ("NaN", "text"),
        ("1e5", "text"),
        ("9" * 60, "too-long"),
        ("٣", points("3")),
    ],
)
def test_grades_as_people_write_them(cell: str, found: Value | str) -> None:
    assert read_grade(cell, Decimal(100)) == found


def test_thousands_are_never_guessed() -> None:
    assert read_grade("1,234", Decimal(2000)) == "ambiguous"
    assert read_grade("1,234", Decimal(2000), ";") == points("1.234", 2000)
    assert read_grade("1,234.5", Decimal(2000)) == points("1234.5", 2000)
    assert read_grade("1.234,5", Decimal(2000)) == points("1234.5", 2000)
    assert read_grade("12", None) == "no-maximum"
    assert read_grade("12/20", None) == points("12", 20)
    assert read_grade("50", Decimal(8), percent=True) == points("50")


@given(st.decimals(0, 100, places=2), st.sampled_from([".", ","]), st.sampled_from([",", ";"]))
def test_a_number_comes_back_as_written(number: Decimal, point: str, delimiter: str) -> None:
    cell = str(number).replace(".", point)
    assert read_grade(cell, Decimal(100), delimiter) == Value(number, Decimal(100))


@given(st.binary(max_size=300))
def test_any_bytes_are_a_table_or_are_refused(content: bytes) -> None:
    try:
        table = read_table(content)
    except Invalid:
        return
    assert isinstance(table, Table)
    for column in guess(table):
        assert len(column.title) <= 300
