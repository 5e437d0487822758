"""CSV that people open in a spreadsheet: cells that it would run as formulas are defused."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Final

_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def safe_cell(value: object) -> str:
    """``value`` as text; an apostrophe before what a spreadsheet takes for a formula (CWE-1236)."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.lstrip(" ").startswith(_STARTS) else text


def csv_row(cells: Iterable[object]) -> str:
    """One CSV line (RFC 4180, CRLF) of defused cells."""
    out = io.StringIO()
    csv.writer(out).writerow([safe_cell(cell) for cell in cells])
    return out.getvalue()
