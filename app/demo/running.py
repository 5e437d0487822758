"""``tassel demo``: a whole campus to click through, until Ctrl-C."""

from __future__ import annotations

import time

from app.demo import people
from app.demo.stage import Stage


def open_campus(stage: Stage) -> str:
    """Start everything and set it up as two administrators would; returns an operator's link.

    The course is left untouched: mapping and publishing is what the newcomer does.
    """
    stage.start_lms()
    stage.start_sis()
    stage.start_tassel()
    visitor = people.operator(stage)
    try:
        people.connect_lms(stage, visitor)
        people.connect_sis(stage, visitor)
    finally:
        visitor.close()
    return stage.command("admin", "link", "--name", "newcomer")


def stay(stage: Stage) -> None:
    """Until Ctrl-C, or until a part of the campus ends."""
    try:
        while all(stage.alive(name) for name in ("lms", "sis", "tassel")):
            time.sleep(0.5)
    except KeyboardInterrupt:
        return
