"""The operator's first page: what needs a person, most urgent first, and what is still to set up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from flask import redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import Award, CollectRun, Connection, Deployment, Issuer, Platform
from app.pipeline import approvals, sign_all
from app.web import ledger, session, vitals
from app.web.operator.blueprint import bp, may


@dataclass(frozen=True)
class Need:
    """One thing that waits for somebody: what it is, why it matters, where it is mended."""

    kind: str
    """bad (something stands still) | wait (somebody waits)."""
    title: str
    text: str
    action: str
    address: str


@bp.get("/")
def home() -> ResponseReturnValue:
    """What needs you; for approvers that is the list of requests."""
    if not may("deliveries"):
        return redirect(url_for("operator.approvals"), 303)
    campus = session.campus()
    with campus.db.reading() as db:
        needs = _about_deliveries(db) + (_about_campus(db) if may("operator") else [])
        return render_template(
            "operator/home.html",
            needs=sorted(needs, key=lambda need: need.kind),
            numbers=ledger.numbers(db, campus.clock()),
            signing=sign_all.by_badge(db) if may("operator") else [],
            steps=_steps(db) if may("operator") else [],
        )


def _about_deliveries(db: Session) -> list[Need]:
    needs = []
    stuck = ledger.numbers(db, session.campus().clock()).needs_you
    if stuck:
        title = ngettext("One delivery needs you", "%(num)d deliveries need you", stuck)
        text = gettext("They were refused or lack a student number. Each says what to do.")
        where = url_for("operator.deliveries", state="needs_you")
        needs.append(Need("bad", title, text, gettext("See them"), where))
    for row in db.scalars(select(Connection).where(Connection.state == "attention")):
        problem = row.problem or {}
        needs.append(
            Need(
                "bad",
                gettext("%(name)s needs attention", name=row.name),
                f"{problem.get('message', '')} {problem.get('fix', '')}".strip(),
                gettext("Open the connection"),
                url_for("operator.connection", connection_id=row.id),
            )
        )
    return needs


def _about_campus(db: Session) -> list[Need]:
    found = (_worker(db), _platforms(db), _approvals(db), _recipients(db), _readings(db))
    return [need for need in found if need]


def _worker(db: Session) -> Need | None:
    if vitals.workers(db, session.campus().clock()):
        return None
    return Need(
        "bad",
        gettext("No worker is running"),
        gettext(
            "Grades are not read and awards are not sent until one runs. Nothing is lost."
            " The administrator of the server starts one with: tassel worker"
        ),
        gettext("See health"),
        url_for("operator.health"),
    )


def _platforms(db: Session) -> Need | None:
    waiting = _count(db, Platform, "pending") + _count(db, Deployment, "pending")
    if not waiting:
        return None
    return Need(
        "wait",
        ngettext(
            "One registration waits for approval",
            "%(num)d registrations wait for approval",
            waiting,
        ),
        gettext("Until you approve it, nobody can open Tassel from there."),
        gettext("Review"),
        url_for("operator.platforms"),
    )


def _approvals(db: Session) -> Need | None:
    asked = approvals.count(db)
    if not asked:
        return None
    return Need(
        "wait",
        ngettext("One badge waits for approval", "%(num)d badges wait for approval", asked),
        gettext("A teacher wants to publish it for an issuer that looks at badges first."),
        gettext("Review"),
        url_for("operator.approvals"),
    )


def _recipients(db: Session) -> Need | None:
    waiting = _count(db, Award, "needs_recipient")
    if not waiting:
        return None
    return Need(
        "wait",
        ngettext(
            "One award has no recipient address",
            "%(num)d awards have no recipient address",
            waiting,
        ),
        gettext(
            "The LMS sends no e-mail for these learners, so their badges cannot be signed."
            " The LMS administrator can share e-mail addresses with Tassel."
        ),
        gettext("See them"),
        url_for("operator.awards", state="needs_recipient"),
    )


def _readings(db: Session) -> Need | None:
    since = session.campus().clock() - timedelta(days=1)
    failed = db.scalar(
        select(func.count(CollectRun.course_id.distinct())).where(
            CollectRun.state == "failed", CollectRun.created_at > since
        )
    )
    if not failed:
        return None
    return Need(
        "wait",
        ngettext(
            "The grades of one course could not be read today",
            "The grades of %(num)d courses could not be read today",
            failed,
        ),
        gettext("Earlier grades stay. The teacher sees the reason on the course page."),
        gettext("See health"),
        url_for("operator.health"),
    )


def _count(db: Session, table: type[Platform | Deployment | Award], state: str) -> int:
    return db.scalar(select(func.count()).select_from(table).where(table.state == state)) or 0


@dataclass(frozen=True)
class Step:
    """One step of setting up, and whether it is done."""

    done: bool
    title: str
    text: str
    address: str


def _steps(db: Session) -> list[Step]:
    """Setting up, in order; an empty list when all of it is done."""
    settings = session.campus().settings
    platforms = _count(db, Platform, "active")
    targets = db.scalar(
        select(func.count()).select_from(Connection).where(~Connection.kind.in_(("course", "mail")))
    )
    steps = [
        Step(
            bool(platforms),
            gettext("Connect your LMS"),
            gettext("Make an invitation link; the LMS administrator opens it once."),
            url_for("operator.platforms"),
        ),
        Step(
            bool(db.scalar(select(func.count()).select_from(Issuer))),
            gettext("Name the issuer"),
            gettext("Who stands behind the badges. Made with the first badge, yours to describe."),
            url_for("operator.issuers"),
        ),
        Step(
            bool(targets),
            gettext("Connect the student information system"),
            gettext("So that awards arrive on the student's record. Optional."),
            url_for("operator.connections"),
        ),
        Step(
            bool(settings.smtp_url),
            gettext("Let Tassel send mail"),
            gettext("Learners hear of a new badge. Set TASSEL_SMTP_URL. Optional."),
            url_for("operator.health"),
        ),
    ]
    return [] if all(step.done for step in steps) else steps
