"""Competencies from a small CSV: columns ``code``, ``statement`` and, if there is one, ``uri``.

Comma, semicolon or tab, UTF-8 with or without mark (spreadsheets write all of these).
"""

from __future__ import annotations

import csv
import io
from urllib.parse import urlsplit

from app.errors import Invalid
from app.mastery.frameworks.rows import CompetencyRow, Problem

MAX_BYTES = 2_000_000
MAX_ROWS = 5000


def parse_csv(content: bytes) -> tuple[list[CompetencyRow], list[Problem]]:
    """Rows that can be used and problems of those that cannot. Raises Invalid for no table at all."""
    if len(content) > MAX_BYTES:
        raise Invalid("csv-too-large", "The file is larger than 2 MB.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid(
            "csv-encoding", "The file is not UTF-8.", fix="Save it as “CSV UTF-8” and try again."
        ) from error
    reader = csv.DictReader(io.StringIO(text), delimiter=_delimiter(text), strict=True)
    names = {(name or "").strip().lower(): name for name in reader.fieldnames or []}
    if "statement" not in names:
        raise Invalid(
            "csv-columns",
            "The first line must name the columns code, statement and uri.",
            fix="Add a first line: code,statement,uri",
        )
    return _rows(reader, names)


def _delimiter(text: str) -> str:
    """The separator that the first line uses most."""
    head = text.split("\n", 1)[0]
    return max(",;\t", key=head.count)


def _rows(
    reader: csv.DictReader[str], names: dict[str, str]
) -> tuple[list[CompetencyRow], list[Problem]]:
    rows: list[CompetencyRow] = []
    problems: list[Problem] = []
    seen: set[str] = set()
    try:
        for place, record in enumerate(reader, 1):
            if place > MAX_ROWS:
                problems.append(
                    Problem(reader.line_num, f"only the first {MAX_ROWS} rows are read")
                )
                break
            row, why = _row(record, names, place, seen)
            if row is None:
                problems.append(Problem(reader.line_num, why))
            else:
                seen.add(row.code)
                rows.append(row)
    except csv.Error as error:
        problems.append(Problem(reader.line_num, f"the rest cannot be read: {error}"))
    return rows, problems


def _row(
    record: dict[str, str], names: dict[str, str], place: int, seen: set[str]
) -> tuple[CompetencyRow | None, str]:
    """The row, or None and why."""

    def cell(name: str) -> str:
        value = record.get(names.get(name, ""), "") or ""
        return " ".join(value.split())

    code, statement, uri = cell("code") or f"C{place}", cell("statement"), cell("uri")
    if not statement:
        return None, "the statement is empty"
    if len(code) > 100 or len(statement) > 4096:
        return None, "code (100) or statement (4,096 characters) is too long"
    if code in seen:
        return None, f"the code {code} stands there twice; the first one was taken"
    if uri and not _is_uri(uri):
        return None, "the uri is no web address"
    return CompetencyRow(code, statement, uri or None), ""


def _is_uri(value: str) -> bool:
    parts = urlsplit(value)
    good = parts.scheme in ("http", "https") and bool(parts.netloc)
    return (good or parts.scheme == "urn") and " " not in value and len(value) <= 1000
