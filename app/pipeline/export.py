"""EXPORT: everything that Tassel holds about one learner, over all LMS accounts, as one zip file.

The file is written first and sent afterwards, so that a slow reader holds no connection of the
database; whatever somebody has collected in years, only a piece of it is in memory. Secrets and what opens doors are left out, as in ``personal``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import Any, Final
from zipfile import ZIP_DEFLATED, ZipFile

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app import audit
from app.db import Base
from app.errors import NotFound
from app.models import Award, Credential, Disclosure, Installation, Person, UnjoinedResult
from app.pipeline import fates, personal, taking_away
from app.pipeline.campus import Campus

LEFT_OUT: Final = frozenset({"grant", "content_selection", "grade_consent", "app_token"})
"""Open doors of the moment, which end by themselves."""
_PIECE: Final = 200
_IN_MEMORY: Final = 4_000_000
_SENT: Final = 65_536
README: Final = """\
What Tassel holds about you
===========================

Made on {day} for you, over all your accounts in the learning platforms of this campus.

accounts.json   which platforms know you, and what they told Tassel: name, e-mail address, ids.
credentials/    every badge that was signed for you. The .json file is the badge itself: any
                verifier of Open Badges 3.0 can check it. The .jwt file is the same as a token.
                Files that a newer one replaced are here too; the highest number is the one that
                stands.
tables/         every record, one file per kind. The most important ones:
                  enrolment      the courses that you are or were in
                  result         your grades as Tassel knows them now
                  result_version every earlier state of a grade, and when it was seen
                  decision       what was decided about badges, with the reasons
                  attainment     competencies that you have shown
                  award          badges that you have earned
                  delivery       where badges were sent, and what became of it
                  disclosure     whom badges were shown to
                  share          your public links
                  app_consent    apps that you let read your badges
                  unjoined_result grades that wait until it is clear whose they are

Not in here: keys and one-time codes, because they open doors. What Tassel has sent elsewhere (the
gradebook of the course, the student information system, wallets) is held there: ask there.
"""


def begin(campus: Campus, learner_id: str, actor: str) -> Iterator[bytes]:
    """Note that the data are handed out, and return the file in pieces. NotFound: nobody there.

    Every award's learner reads it among the disclosures; the audit log has it too.
    """
    now = campus.clock()
    with campus.db.transaction() as session:
        family = taking_away.family_of(session, learner_id)
        if not family:
            raise NotFound("learner-unknown", "There is no such learner here.")
        for award_id in session.scalars(select(Award.id).where(fates.doomed("award", family))):
            session.add(Disclosure(award_id=award_id, kind="privacy", target="export", at=now))
        audit.record(session, actor, "learner.exported", f"learner:{learner_id}", {}, now)
    return _written(campus, family, now)


def _written(campus: Campus, family: Collection[str], now: datetime) -> Iterator[bytes]:
    folder = campus.settings.data_dir
    with SpooledTemporaryFile(_IN_MEMORY, dir=str(folder) if folder.is_dir() else None) as whole:
        with campus.db.reading() as session, ZipFile(whole, "w", ZIP_DEFLATED) as archive:
            archive.writestr("README.txt", README.format(day=f"{now:%Y-%m-%d %H:%M} UTC"))
            archive.writestr("accounts.json", _text(_accounts(session, family)))
            for name, query in _queries(session, family).items():
                _table(session, archive, f"tables/{name}.json", query)
            _credentials(session, archive, family)
        whole.seek(0)
        while piece := whole.read(_SENT):
            yield piece


def _text(found: object) -> str:
    return json.dumps(found, ensure_ascii=False, indent=1)


def _accounts(session: Session, family: Collection[str]) -> list[dict[str, Any]]:
    query = (
        select(Person, Installation.name)
        .join(Installation, Installation.id == Person.installation_id)
        .where(fates.doomed("person", family))
        .order_by(Person.created_at)
    )
    return [
        {
            "platform": platform,
            "name": one.name,
            "email": one.email,
            "id_in_the_platform": one.sub,
            "student_number": one.sis_id,
            "known_since": one.created_at.isoformat(),
        }
        for one, platform in session.execute(query)
    ]


def _queries(session: Session, family: Collection[str]) -> dict[str, Select[Any]]:
    """What is asked of each table, parents first."""
    found: dict[str, Select[Any]] = {}
    for table in Base.metadata.sorted_tables:
        if table.name in fates.GONE and table.name not in LEFT_OUT:
            found[table.name] = select(table).where(fates.doomed(table.name, family))
    waiting = taking_away.waiting_for(taking_away.ids_of(session, family))
    found["unjoined_result"] = select(UnjoinedResult.__table__).where(waiting)
    return found


def _table(session: Session, archive: ZipFile, name: str, query: Select[Any]) -> None:
    """One file with a JSON list, row by row; none for a table without rows."""
    if not session.scalar(select(func.count()).select_from(query.subquery())):
        return
    with archive.open(name, "w") as entry:
        before = b"[\n"
        for row in session.execute(query.execution_options(yield_per=_PIECE)):
            entry.write(before + _text(personal.shown(dict(row._mapping))).encode())
            before = b",\n"
        entry.write(b"\n]\n")


def _credentials(session: Session, archive: ZipFile, family: Collection[str]) -> None:
    """The signed files, byte by byte as they were handed out."""
    query = (
        select(Credential.award_id, Credential.number, Credential.document, Credential.jwt)
        .where(fates.doomed("credential", family))
        .order_by(Credential.award_id, Credential.number)
        .execution_options(yield_per=20)
    )
    for award_id, number, document, jwt in session.execute(query):
        archive.writestr(f"credentials/{award_id}-{number}.json", document)
        archive.writestr(f"credentials/{award_id}-{number}.jwt", jwt)
