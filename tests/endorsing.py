"""A partner's endorsement of a badge, signed by the text of the standard and accepted."""

from __future__ import annotations

from functools import partial

from app.credentials.verify import verify
from app.pipeline import endorse
from app.pipeline.campus import Campus
from tests.forging import PARTNER, World, endorsement, seal, text


def accepted(
    campus: Campus,
    achievement_id: str,
    *,
    asked: str = "Partner Ltd",
    name: str = "Partner Ltd",
    comment: str = "What we ask of junior analysts.",
) -> str:
    """The id of an endorsement that stands for the first wording of a badge."""
    token = endorse.invite(campus, achievement_id, asked, "test")
    signed = endorsement(endorse.about(campus, achievement_id))
    signed["issuer"]["name"] = name
    signed["credentialSubject"]["endorsementComment"] = comment
    judge = partial(verify, lookup=World().lookup, now=campus.clock())
    report = endorse.receive(campus, token, text(seal(signed, PARTNER)), 1, judge)
    assert report.verdict == "valid", report.as_json()
    row = endorse.look(campus, token).row
    endorse.accept(campus, achievement_id, row.id, "test")
    return row.id
