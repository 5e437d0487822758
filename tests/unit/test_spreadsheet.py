"""Cells of exported CSV files."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web.spreadsheet import csv_row, safe_cell


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "\n=1"])
def test_what_a_spreadsheet_would_run_is_defused(text):
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize(("value", "text"), [(None, ""), (0, "0"), ("S-1", "S-1"), ("a=b", "a=b")])
def test_harmless_cells_stay(value, text):
    assert safe_cell(value) == text


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"])), min_size=1))
def test_no_cell_begins_like_a_formula_and_none_is_lost(cells):
    read = next(csv.reader(io.StringIO(csv_row(cells), newline="")))
    assert len(read) == len(cells)
    for given_cell, cell in zip(cells, read, strict=True):
        assert not cell.lstrip(" ").startswith(("=", "+", "-", "@"))
        assert cell.removeprefix("'") == given_cell or cell == given_cell
