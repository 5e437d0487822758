"""Grades from a file: a gradebook export or any plain table, read cell by cell. Pure.

The bytes are hostile: size, rows, columns and cells are limited, the encoding is found by rule and
never guessed by content, and what cannot be read is named with its row and column. Exports that are
known by their headings: a Canvas gradebook (its "Points Possible" row and the ids in brackets), a
Moodle grader report ("Quiz: Cells (Real)"). Nothing here decides about people: see ``csv_people``.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final, Literal

from app.errors import Invalid

KEY: Final = "csv"
MAX_BYTES = 3_000_000
MAX_ROWS = 20_000
MAX_COLUMNS = 400
MAX_CELL = 1000
DELIMITERS: Final = (",", ";", "\t", "|")

Kind = Literal["ignore", "sis_id", "lms_id", "login", "email", "name", "grade"]
PERSON_KINDS: Final[tuple[Kind, ...]] = ("sis_id", "lms_id", "login", "email")


@dataclass(frozen=True)
class Row:
    """One line of data; ``number`` is its line in the file as a spreadsheet counts, from 1."""

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """The file as read. ``maximums`` are the points that the file itself gives, by column."""

    headings: tuple[str, ...]
    rows: tuple[Row, ...]
    maximums: dict[int, Decimal]
    read_only: frozenset[int]
    """Columns that the export calls computed."""
    unposted: frozenset[int]
    """Columns that the export calls "Manual Posting": perhaps not shown to the learners yet."""
    delimiter: str


@dataclass(frozen=True)
class Column:
    """What a column is taken for. ``key`` is stable over uploads; ``why`` says why it is ignored."""

    kind: Kind
    title: str
    key: str
    maximum: Decimal | None = None
    percent: bool = False
    why: Literal["", "total", "text", "unposted", "empty", "unknown"] = ""


@dataclass(frozen=True)
class Value:
    """A readable cell: ``raw`` empty = no grade given."""

    raw: Decimal | None
    maximum: Decimal | None
    excused: bool = False


Problem = Literal["letter", "text", "negative", "too-high", "ambiguous", "no-maximum", "too-long"]


def read_table(content: bytes) -> Table:
    """The file as a table. Raises ``Invalid`` (code ``csv-...``) when it is none."""
    text = decode(content)
    delimiter = _delimiter(text)
    lines = _lines(text, delimiter)
    headings = [heading.strip() for heading in lines[0].cells]
    while headings and not headings[-1]:
        headings.pop()
    if len(headings) < 2:
        raise Invalid("csv-one-column", "The first row of this file does not hold headings.")
    if len(headings) > MAX_COLUMNS:
        raise Invalid("csv-wide", "This file has too many columns.")
    return _with_points(headings, lines[1:], delimiter)


def decode(content: bytes) -> str:
    """The text of a file: by its mark, else UTF-16 by its zero bytes, else UTF-8, else Windows-1252."""
    if not content.strip(b"\x00 \t\r\n"):
        raise Invalid("csv-empty", "This file is empty.")
    if len(content) > MAX_BYTES:
        raise Invalid("csv-big", "This file is too large.")
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise Invalid("csv-workbook", "This is a spreadsheet file and not a CSV file.")
    for encoding in _encodings(content):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" not in text:
            return text.removeprefix("\ufeff")
    raise Invalid("csv-not-text", "This file is not text.")


def _encodings(content: bytes) -> tuple[str, ...]:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ("utf-16",)
    head = content[:400]
    if head[1::2].count(0) > len(head) // 4:
        return ("utf-16-le",)
    if head[0::2].count(0) > len(head) // 4:
        return ("utf-16-be",)
    return ("utf-8", "cp1252")


def _delimiter(text: str) -> str:
    """The separator of the first line, quoted parts left out; "sep=;" of spreadsheets is obeyed."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    named = re.fullmatch(r'"?sep=(.)"?', first.strip("\r\n "), re.IGNORECASE)
    if named and named[1] in DELIMITERS:
        return named[1]
    bare = re.sub(r'"[^"]*"', "", first)
    return max(DELIMITERS, key=lambda mark: (bare.count(mark), -DELIMITERS.index(mark)))


def _lines(text: str, delimiter: str) -> list[Row]:
    """Every line that is not blank. Raises ``Invalid``."""
    found: list[Row] = []
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        for cells in reader:
            marker = not found and len(cells) <= 2 and cells and cells[0].lower().startswith("sep=")
            if marker or not any(cell.strip() for cell in cells):
                continue
            found.append(Row(reader.line_num, tuple(cells)))
            if len(found) > MAX_ROWS:
                raise Invalid("csv-long", "This file has too many rows.")
    except csv.Error as error:
        raise Invalid("csv-broken", "This file cannot be read as a table.") from error
    if len(found) < 2:
        raise Invalid("csv-no-rows", "This file has no rows below its headings.")
    return found


def _with_points(headings: Sequence[str], rows: Sequence[Row], delimiter: str) -> Table:
    """Take the rows above the first learner that describe the columns."""
    maximums: dict[int, Decimal] = {}
    read_only: set[int] = set()
    unposted: set[int] = set()
    people: list[Row] = []
    for row in rows:
        marks = [cell.strip().lower() for cell in row.cells]
        if not people and "points possible" in marks[:6]:
            for place, mark in enumerate(marks[: len(headings)]):
                points = read_number(mark, delimiter, None)
                if isinstance(points, Decimal) and points > 0:
                    maximums[place] = points
                elif mark == "(read only)":
                    read_only.add(place)
        elif not people and not marks[0] and "manual posting" in marks:
            unposted |= {place for place, mark in enumerate(marks) if mark == "manual posting"}
        else:
            people.append(row)
    return Table(
        tuple(headings),
        tuple(people),
        maximums,
        frozenset(read_only),
        frozenset(unposted),
        delimiter,
    )


_HEADINGS: Final[dict[str, Kind]] = {
    "sis user id": "sis_id",
    "sis id": "sis_id",
    "student id": "sis_id",
    "student number": "sis_id",
    "id number": "sis_id",
    "matriculation number": "sis_id",
    "matrikelnummer": "sis_id",
    "id-nummer": "sis_id",
    "id": "lms_id",
    "user id": "lms_id",
    "sis login id": "login",
    "username": "login",
    "login": "login",
    "anmeldename": "login",
    "email": "email",
    "e-mail": "email",
    "email address": "email",
    "e-mail-adresse": "email",
    "student": "name",
    "name": "name",
    "full name": "name",
    "first name": "name",
    "last name": "name",
    "surname": "name",
    "vorname": "name",
    "nachname": "name",
}
_TOTAL = re.compile(
    r"^(course|category|kurs).*(total|gesamt)|total\b.*\((real|percentage|points)\)$"
    r"|^(unposted )?(current|final) (score|grade|points)"
    r"|(current|final|unposted).* (score|grade|points)$",
    re.IGNORECASE,
)
_LETTER = re.compile(r"[A-F][+-]?|pass|fail|complete|incomplete", re.IGNORECASE)
_TEXT = re.compile(r"\((letter|feedback|bewertung|buchstabe)\)$", re.IGNORECASE)
_SKIP: Final = frozenset(
    {"section", "integration id", "institution", "department", "notes", "root account", "status",
     "last downloaded from this course", "pronouns", "group", "groups"}
)  # fmt: skip


def guess(table: Table) -> list[Column]:
    """What each column probably is; the teacher has the last word."""
    return [_guess(table, place, heading) for place, heading in enumerate(table.headings)]


def _guess(table: Table, place: int, heading: str) -> Column:
    title, key, percent = _title(heading)
    plain = heading.casefold().strip()
    kind = _HEADINGS.get(plain)
    if kind:
        return Column(kind, heading[:300], plain)
    if plain in _SKIP or not plain:
        return Column("ignore", heading[:300], key, why="unknown")
    maximum = Decimal(100) if percent else table.maximums.get(place)
    if place in table.read_only or _TOTAL.search(heading):
        return Column("ignore", title, key, maximum, percent, "total")
    cells = [row.cells[place].strip() for row in table.rows if place < len(row.cells)]
    given = [cell for cell in cells if cell and cell not in NOTHING]
    readable = [one for one in given if _looks_like_grade(one, table.delimiter)]
    why: Literal["", "text", "unposted", "empty"] = ""
    if _TEXT.search(heading) or (given and len(readable) * 2 < len(given)):
        why = "text"
    elif place in table.unposted:
        why = "unposted"
    elif not given and maximum is None:
        why = "empty"
    return Column("ignore" if why else "grade", title, key, maximum, percent, why)


def _looks_like_grade(cell: str, delimiter: str) -> bool:
    return isinstance(read_grade(cell, Decimal(10) ** 6, delimiter), Value)


def _title(heading: str) -> tuple[str, str, bool]:
    """Title for people, key that stays over uploads, and whether the heading says percentages."""
    text = " ".join(heading.split())
    numbered = re.fullmatch(r"(.+?) \((\d{1,19})\)", text)
    if numbered:
        return numbered[1][:300], f"id:{numbered[2]}", False
    kind = re.fullmatch(
        r"(?:(\w+): ?)?(.+?) \((real|percentage|reell|prozentsatz)\)", text, re.IGNORECASE
    )
    if kind:
        percent = kind[3].lower() in ("percentage", "prozentsatz")
        return kind[2][:300], f"title:{kind[2].casefold()[:300]}", percent
    percent = text.endswith(("(%)", " %", " in %"))
    return text[:300], f"title:{text.casefold()[:300]}", percent


NOTHING: Final = frozenset({"-", "–", "—", "n/a", "N/A", "null"})
_EXCUSED: Final = frozenset({"ex", "excused"})
_PLAIN = re.compile(r"[+-]?\d+(?:[.,]\d+)?")
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?|[+-]?\d{1,3}(?:\.\d{3})+,\d+")


def read_grade(
    cell: str, maximum: Decimal | None, delimiter: str = ",", *, percent: bool = False
) -> Value | Problem:
    """A grade as people and exports write it, or what is wrong with it.

    ``18/20`` and ``85 %`` bring their own maximum; a plain number needs the column's. Letter grades
    are refused: what share of the points an "A" is, only the course knows.
    """
    text = cell.strip().strip("'").replace("\u00a0", " ").replace("\u202f", " ").strip()
    if not text or text in NOTHING:
        return Value(None, maximum)
    if text.casefold() in _EXCUSED:
        return Value(None, maximum, excused=True)
    if len(text) > 40:
        return "too-long"
    share = re.fullmatch(r"(.+?)\s*(?:/|von|of|out of)\s*(.+)", text)
    if share:
        whole = read_number(share[2], delimiter, None)
        if not isinstance(whole, Decimal) or whole <= 0:
            return "text"
        return _within(read_number(share[1], delimiter, whole), whole)
    if text.endswith("%"):
        return _within(read_number(text[:-1], delimiter, Decimal(100)), Decimal(100))
    top = Decimal(100) if percent else maximum
    number = read_number(text, delimiter, top)
    return number if not isinstance(number, Decimal) else _within(number, top)


def _within(number: Decimal | Problem, top: Decimal | None) -> Value | Problem:
    """Points between 0 and twice the maximum: extra points are real, 850 of 100 is a slip."""
    if not isinstance(number, Decimal):
        return number
    if top is None:
        return "no-maximum"
    if number < 0:
        return "negative"
    return "too-high" if number > 2 * top else Value(number, top)


def read_number(text: str, delimiter: str, top: Decimal | None) -> Decimal | Problem:
    """A number with point or comma. "1,234" may be both: only ``top`` can tell, else "ambiguous"."""
    text = text.strip().replace(" ", "")
    if _GROUPED.fullmatch(text) and not _PLAIN.fullmatch(text):
        last = max(text.rfind(","), text.rfind("."))
        point = text[last] if text.count(text[last]) == 1 else ""
        other = {",": ".", ".": ","}.get(point, text[last])
        text = text.replace(other, "").replace(",", ".")
    elif not _PLAIN.fullmatch(text):
        return "letter" if _LETTER.fullmatch(text) else "text"
    elif "," in text:
        if (
            delimiter == ","
            and re.fullmatch(r"[+-]?\d{1,3},\d{3}", text)
            and (not top or top >= 1000)
        ):
            return "ambiguous"
        text = text.replace(",", ".")
    try:
        number = Decimal(text)
    except InvalidOperation:
        return "text"
    return number if abs(number) < Decimal(10) ** 9 else "too-high"
