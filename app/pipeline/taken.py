"""Take the grades of an uploaded file, and take the latest upload back.

Each is one transaction over versions that are only ever added; a reading then decides for those whom
it concerns, whose enrolments are marked in the same transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from app import audit
from app.db import new_id
from app.errors import Conflict
from app.gradebook import store
from app.gradebook.csv_upload import KEY, Column, Value
from app.gradebook.port import SourceScore
from app.models import Assessment, GradeUpload, GradeUploadChange, Result, ResultVersion
from app.pipeline import collect, tombstones
from app.pipeline.campus import Campus
from app.pipeline.decide import mark_stale
from app.pipeline.uploads import Preview, known_results, preview_of, score_of

CHUNK = 500


def apply(campus: Campus, course_id: str, upload_id: str, actor: str) -> GradeUpload:
    """Store what the preview shows, forget the file, and ask for a reading that decides.

    Raises NotFound when the preview is over, Conflict when no column was chosen.
    """
    now = campus.clock()
    with campus.db.transaction() as session:
        tombstones.beside(session)
        upload = session.get(GradeUpload, upload_id, with_for_update=True)
        seen = preview_of(campus, session, course_id, upload)
        if not any(column.kind == "grade" for column in seen.columns):
            raise Conflict(
                "upload-no-column",
                "No column of this file is chosen as a grade.",
                fix="Choose “Grade” for at least one column and give its maximum.",
            )
        taken = _store(session, course_id, seen, now)
        row = seen.upload
        row.state, row.applied_at, row.taken = "applied", now, taken
        row.unchanged = seen.count("unchanged")
        row.left_out = len(seen.problems) + len(seen.strangers) + len(seen.suggested)
        row.sealed = row.choices = row.expires_at = None
        counts = {"taken": taken, "unchanged": row.unchanged, "left_out": row.left_out}
        audit.record(session, actor, "grades.uploaded", f"course:{course_id}", counts, now)
        session.flush()
        session.expunge(row)
    collect.request(campus, course_id, "upload")
    return row


def _store(session: Session, course_id: str, seen: Preview, now: datetime) -> int:
    """Every chosen column; returns how many results changed."""
    by_column: dict[int, dict[str, Value]] = defaultdict(dict)
    for cell in seen.cells:
        if isinstance(cell.value, Value):
            by_column[cell.column][cell.person_id] = cell.value
    known = known_results(session, course_id, seen.columns, seen.targets)
    taken = 0
    for place, values in by_column.items():
        column = seen.columns[place]
        target = seen.targets.get(place) or _assessment(session, course_id, column, place, now)
        fresh = {
            person: score_of(value, known[place].get(person)) for person, value in values.items()
        }
        cells = {(target, person): score for person, score in fresh.items()}
        changed = store.keep_scores(session, KEY, cells, now)
        _remember(session, seen.upload.id, target, changed)
        mark_stale(session, course_id, sorted(changed))
        taken += len(changed)
    return taken


def _assessment(session: Session, course_id: str, column: Column, place: int, now: datetime) -> str:
    """The assessment of a column, made when the file brings it for the first time."""
    item = session.scalar(
        select(Assessment).where(
            Assessment.course_id == course_id,
            Assessment.source == KEY,
            Assessment.external_id == column.key,
        )
    )
    if item is None:
        item = Assessment(
            id=new_id(), course_id=course_id, source=KEY, external_id=column.key, position=place
        )
        session.add(item)
    item.title = column.title
    item.maximum = column.maximum if column.maximum is not None else item.maximum
    item.state, item.seen_at = "active", now
    session.flush()
    return item.id


def _remember(session: Session, upload_id: str, assessment_id: str, people: Iterable[str]) -> None:
    """Note which versions this upload made, so that it can be taken back."""
    wanted = sorted(people)
    for start in range(0, len(wanted), CHUNK):
        rows = session.execute(
            select(Result.id, Result.version).where(
                Result.assessment_id == assessment_id,
                Result.person_id.in_(wanted[start : start + CHUNK]),
            )
        ).all()
        if rows:
            session.execute(
                insert(GradeUploadChange),
                [
                    {"upload_id": upload_id, "result_id": one, "number": number}
                    for one, number in rows
                ],
            )


def latest(session: Session, course_id: str, limit: int = 10) -> Sequence[GradeUpload]:
    """Uploads that were taken, latest first."""
    query = select(GradeUpload).where(
        GradeUpload.course_id == course_id, GradeUpload.state != "preview"
    )
    return session.scalars(query.order_by(GradeUpload.applied_at.desc()).limit(limit)).all()


def undo(campus: Campus, course_id: str, upload_id: str, actor: str) -> tuple[int, int]:
    """Take the latest upload back; returns how many results went back and how many stayed.

    A result that changed again since then stays. Every step is a new version: nothing is erased.
    Raises Conflict when it is not the latest one.
    """
    now = campus.clock()
    with campus.db.transaction() as session:
        upload = session.get(GradeUpload, upload_id, with_for_update=True)
        newest = next((one for one in latest(session, course_id) if one.state == "applied"), None)
        if upload is None or newest is None or newest.id != upload.id:
            raise Conflict(
                "upload-not-latest",
                "Only the latest upload of a course can be taken back.",
                fix="Upload a file with the right grades instead: it replaces them.",
            )
        back, stayed = _restore(session, upload, now)
        upload.state, upload.undone_at = "undone", now
        counts = {"back": back, "stayed": stayed}
        audit.record(session, actor, "grades.upload-undone", f"course:{course_id}", counts, now)
    collect.request(campus, course_id, "upload")
    return back, stayed


def _restore(session: Session, upload: GradeUpload, now: datetime) -> tuple[int, int]:
    query = (
        select(GradeUploadChange.number, Result)
        .join(Result, Result.id == GradeUploadChange.result_id)
        .where(GradeUploadChange.upload_id == upload.id)
    )
    rows = session.execute(query).all()
    mine = [result for number, result in rows if result.version == number]
    before = _versions_before(session, mine)
    fresh: dict[str, dict[str, SourceScore]] = defaultdict(dict)
    for result in mine:
        fresh[result.assessment_id][result.person_id] = before.get(
            result.id, SourceScore("", "", None, result.maximum)
        )
    for assessment_id, scores in fresh.items():
        cells = {(assessment_id, person): score for person, score in scores.items()}
        changed = store.keep_scores(session, KEY, cells, now)
        mark_stale(session, upload.course_id, sorted(changed))
    _close_empty(session, fresh)
    return len(mine), len(rows) - len(mine)


def _versions_before(session: Session, results: Sequence[Result]) -> dict[int, SourceScore]:
    """What each result was before its current version."""
    found = {}
    numbers = {result.id: result.version - 1 for result in results}
    ids = list(numbers)
    for start in range(0, len(ids), CHUNK):
        query = select(ResultVersion).where(ResultVersion.result_id.in_(ids[start : start + CHUNK]))
        for row in session.scalars(query):
            if row.number == numbers[row.result_id]:
                found[row.result_id] = SourceScore(
                    "",
                    "",
                    row.raw,
                    row.maximum,
                    posted=row.posted,
                    excused=row.excused,
                    graded_at=row.graded_at,
                    scale=row.scale,
                    attempt=row.attempt,
                    overridden=row.overridden,
                    locked=row.locked,
                )
    return found


def _close_empty(session: Session, touched: Iterable[str]) -> None:
    """A column of a file in which no grade is left is not offered for mapping any more."""
    for assessment_id in touched:
        left = select(Result.id).where(
            Result.assessment_id == assessment_id, Result.raw.is_not(None)
        )
        if session.scalar(left.limit(1)) is None:
            session.execute(
                update(Assessment)
                .where(Assessment.id == assessment_id, Assessment.source == KEY)
                .values(state="gone")
            )
