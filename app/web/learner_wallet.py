"""A learner puts a badge into a wallet: the offer as QR code and link, with the code to type if any."""

from __future__ import annotations

import segno
from flask import Response, url_for

from app.models import Person
from app.pipeline import exchange as exchanging
from app.pipeline import hand_over
from app.web import learner_data
from app.web.course_page import Frame, frame, show, then
from app.web.learner import bp
from app.web.session import campus

__all__ = ["bp"]

QR_QUIET_ZONE = 4
"""Light modules around the code, as ISO/IEC 18004 asks."""


def _opened(course_id: str, award_id: str) -> tuple[Frame, Person, learner_data.Mine]:
    """The page's frame, who asks and the badge. Raises NotFound for a badge of somebody else."""
    with campus().db.reading() as session:
        around = frame(session, course_id)
        me = learner_data.me(session, around)
        return around, me, learner_data.one(session, course_id, me, award_id)


@bp.post("/badges/<award_id>/wallet")
def wallet(course_id: str, award_id: str) -> Response:
    """Make an offer and show it once; opening this again makes another and ends this one."""
    around, me, mine = _opened(course_id, award_id)
    offered = hand_over.offer(campus(), award_id, f"person:{me.id}")
    return _shown(around, "learner/wallet.html", me, mine, offered)


@bp.post("/badges/<award_id>/wallet/exchange")
def exchange(course_id: str, award_id: str) -> Response:
    """The same for the Learner Credential Wallet, whose way has no code to type."""
    around, me, mine = _opened(course_id, award_id)
    offered = exchanging.offer(campus(), award_id, f"person:{me.id}")
    return _shown(around, "learner/exchange.html", me, mine, offered)


def _shown(
    around: Frame,
    template: str,
    me: Person,
    mine: learner_data.Mine,
    offered: hand_over.Offered | exchanging.Offered,
) -> Response:
    return show(
        around,
        template,
        "badges",
        me=me,
        mine=mine,
        offered=offered,
        qr=_qr(offered.link),
        back=url_for("learner.badge", course_id=around.id, award_id=mine.award.id),
    )


@bp.post("/badges/<award_id>/wallet/withdraw")
def withdraw(course_id: str, award_id: str) -> Response:
    """End an offer that no wallet has taken."""
    _around, me, _mine = _opened(course_id, award_id)
    hand_over.withdraw(campus(), award_id, f"person:{me.id}")
    return then("learner.badge", course_id, "offer-ended", award_id=award_id)


def _qr(link: str) -> str:
    """The link as a data: URI of an SVG, dark on white whatever the page's colours are."""
    # On a screen nothing is torn off: large modules help a camera more than spare ones.
    code = segno.make(link, error="l", micro=False)
    return code.svg_data_uri(border=QR_QUIET_ZONE, dark="#000", light="#fff", omitsize=True)
