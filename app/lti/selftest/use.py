"""Whether the registration is used and its services answer: clocks, launches, courses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import islice

from sqlalchemy import func, select

from app.errors import AppError
from app.lti.selftest.finding import BOTH, OURS, THEIRS, Finding, State, Trial, failed
from app.lti.vocabulary import LINE_ITEM_READ_SCOPE, LINE_ITEM_SCOPE, MEMBERS_SCOPE
from app.models import Course, Deployment

NOTICED = timedelta(seconds=10)
BORNE = timedelta(seconds=60)
"""Differences of clocks: worth a word, and the most that a launch survives."""


def clock(trial: Trial) -> Iterator[Finding]:
    """Whether the clocks agree."""
    title, platform = "Clocks", trial.platform
    if platform.launch_skew is not None and platform.launch_skew > 0:
        trial.skews.append(platform.launch_skew)
    if not trial.skews:
        yield Finding("clock", "skip", title, "The LMS did not say what time it is.")
        return
    seconds = max(trial.skews, key=abs)
    off = timedelta(seconds=abs(seconds))
    if off <= NOTICED:
        yield Finding("clock", "good", title, "They agree to within ten seconds.")
        return
    words = f"The clock of the LMS is {_span(off)} {'ahead of' if seconds > 0 else 'behind'} ours."
    state: State = "warn" if off <= BORNE else "bad"
    effect = "Launches still work." if state == "warn" else "Launches are refused for it."
    fix = "Let both servers take their time from a time server (NTP)."
    yield Finding("clock", state, title, f"{words} {effect}", fix, BOTH)


def _span(off: timedelta) -> str:
    seconds = round(off.total_seconds())
    return f"{seconds} seconds" if seconds < 120 else f"{round(seconds / 60)} minutes"


def launches(trial: Trial) -> Iterator[Finding]:
    """When somebody came in."""
    title, at = "Last launch", trial.platform.launched_at
    if at is not None:
        yield Finding("launch", "good", title, f"At {at:%Y-%m-%d %H:%M} UTC.")
        return
    yield Finding(
        "launch",
        "warn",
        title,
        "Nobody has opened Tassel through this registration yet.",
        trial.lms.advice_on("launch"),
        THEIRS,
    )


def deployments(trial: Trial) -> Iterator[Finding]:
    """What waits for approval."""
    title = "Deployments"
    with trial.db.reading() as session:
        chosen = select(Deployment.state, func.count()).group_by(Deployment.state)
        mine = chosen.where(Deployment.platform_id == trial.platform.id)
        count = dict(session.execute(mine).all())
    waiting, active = count.get("pending", 0), count.get("active", 0)
    if waiting:
        yield Finding(
            "deployments",
            "warn",
            title,
            f"{waiting} wait for approval; people who come from there are turned away.",
            "Approve them under Platforms if they are yours.",
            OURS,
        )
    elif active:
        yield Finding("deployments", "good", title, f"{active} approved, none waiting.")
    else:
        fix = "The first launch names it; then approve it under Platforms."
        yield Finding("deployments", "warn", title, "The LMS named none yet.", fix, OURS)


def course(trial: Trial) -> Iterator[Finding]:
    """Roster and columns of the course that was opened here last."""
    with trial.db.reading() as session:
        courses = session.scalars(
            select(Course)
            .join(Deployment, Deployment.id == Course.deployment_id)
            .where(Deployment.platform_id == trial.platform.id, Course.state == "active")
            .order_by(Course.created_at.desc())
            .limit(20)
        ).all()
    roster = next((c.services["memberships"] for c in courses if c.services.get("memberships")), "")
    items = next((c.services["lineitems"] for c in courses if c.services.get("lineitems")), "")
    yield _read(trial, "roster", "Roster", roster, [MEMBERS_SCOPE], _members)
    readable = [LINE_ITEM_READ_SCOPE, LINE_ITEM_SCOPE]
    yield _read(trial, "columns", "Columns", items, readable, _columns)


def _members(trial: Trial, url: str) -> str:
    count = len(list(islice(trial.lti.members(trial.platform.id, url), 500)))
    return f"Read: {count} members of a course."


def _columns(trial: Trial, url: str) -> str:
    count = len(trial.lti.line_items(trial.platform.id, url))
    return f"Read: {count} columns of a course belong to Tassel."


def _read(
    trial: Trial,
    key: str,
    title: str,
    url: str,
    scopes: list[str],
    act: Callable[[Trial, str], str],
) -> Finding:
    if trial.given is None or trial.platform.state != "active":
        return Finding(
            key, "skip", title, "Not tried: it needs a token and an approved registration."
        )
    if not set(scopes) & set(trial.given):
        fix = trial.lms.advice_on("scopes")
        return Finding(key, "bad", title, "The LMS does not permit it.", fix, THEIRS)
    if not url:
        fix = trial.lms.advice_on(key)
        return Finding(
            key, "warn", title, "No course that was opened offers it so far.", fix, THEIRS
        )
    try:
        return Finding(key, "good", title, act(trial, url))
    except AppError as error:
        return failed(key, title, error, trial.lms.advice_on(key))
