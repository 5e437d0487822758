"""The OneRoster 1.2 CSV package: tables in, the bytes of a zip out. Pure and deterministic.

Binding 1.2: a flat zip of UTF-8 files, a manifest that names all 21 files, ``delta`` for those
present. A delta fills ``status`` and ``dateLastModified`` and may point at rows that the SIS
already has; a ``bulk`` package would have to carry classes, schools and students too.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence

Row = dict[str, str]

FILES = (
    "academicSessions",
    "categories",
    "classes",
    "classResources",
    "courses",
    "courseResources",
    "demographics",
    "enrollments",
    "lineItemLearningObjectiveIds",
    "lineItems",
    "lineItemScoreScales",
    "orgs",
    "resources",
    "resultLearningObjectiveIds",
    "results",
    "resultScoreScales",
    "roles",
    "scoreScales",
    "userProfiles",
    "userResources",
    "users",
)
_COMMON = ("sourcedId", "status", "dateLastModified")
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "categories": (*_COMMON, "title", "weight"),
    "lineItems": (
        *_COMMON,
        "title",
        "description",
        "assignDate",
        "dueDate",
        "classSourcedId",
        "categorySourcedId",
        "academicSessionSourcedId",
        "resultValueMin",
        "resultValueMax",
        "schoolSourcedId",
    ),
    "results": (
        *_COMMON,
        "lineItemSourcedId",
        "studentSourcedId",
        "scoreStatus",
        "score",
        "scoreDate",
        "comment",
        "textScore",
        "classSourcedId",
        "inProgress",
        "incomplete",
        "late",
        "missing",
    ),
    "lineItemLearningObjectiveIds": (
        *_COMMON,
        "lineItemSourcedId",
        "source",
        "learningObjectiveId",
    ),
    "resultLearningObjectiveIds": (
        *_COMMON,
        "resultSourcedId",
        "source",
        "learningObjectiveId",
        "score",
        "textScore",
    ),
}
# What a spreadsheet program takes for the start of a formula, or for a way to smuggle one in.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_EPOCH = (1980, 1, 1, 0, 0, 0)


def is_formula(text: str) -> bool:
    """Whether a spreadsheet program might execute this cell."""
    return text.startswith(_FORMULA)


def plain(text: str) -> str:
    """Free text on one line that no spreadsheet program takes for a formula.

    The binding has no rule for it; a leading apostrophe is what spreadsheet programs understand.
    """
    clean = " ".join(text.split())
    return f"'{clean}" if is_formula(clean) else clean


def files(tables: Mapping[str, Sequence[Row]]) -> dict[str, str]:
    """The text of every file of a delta package by its name, manifest first."""
    present = {name: rows for name, rows in tables.items() if rows}
    manifest = [
        {"propertyName": "manifest.version", "value": "1.0"},
        {"propertyName": "oneroster.version", "value": "1.2"},
        *(
            {"propertyName": f"file.{name}", "value": "delta" if name in present else "absent"}
            for name in FILES
        ),
        {"propertyName": "source.systemName", "value": "Tassel"},
        {"propertyName": "source.systemCode", "value": "tassel"},
    ]
    written = {"manifest.csv": _text(("propertyName", "value"), manifest)}
    for name in sorted(present):
        rows = sorted(present[name], key=lambda row: row["sourcedId"])
        written[f"{name}.csv"] = _text(COLUMNS[name], rows)
    return written


def package(texts: Mapping[str, str]) -> bytes:
    """The zip of these files; the same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, text.encode())
    return buffer.getvalue()


def _text(columns: Sequence[str], rows: Sequence[Row]) -> str:
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, columns, restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()
