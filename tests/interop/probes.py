"""Badges that are hard to sign alike: every optional part, every odd character, equal parts twice."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from decimal import Decimal
from typing import Any

from app.credentials.document import AlignmentFacts, EvidenceFacts, ImageFacts, RecipientFacts
from tests.interop.samples import ACHIEVEMENT, AWARDED, ORIGIN

SALT = "00112233445566778899aabbccddeeff"
SUBJECT = "urn:uuid:0e1b2c3d-1111-4222-8333-444455556666"


def achievement(**changes: Any) -> dict[str, Any]:
    """Arguments of ``Campus.badge`` for the sample achievement with some facts changed."""
    return {"achievement": dataclasses.replace(ACHIEVEMENT, **changes)}


TWIN = AlignmentFacts("same", f"{ORIGIN}/same", "CFItem")

BUILT: dict[str, dict[str, Any]] = {
    "everything": {},
    "no alignment": achievement(alignments=()),
    "twenty alignments": achievement(
        alignments=tuple(AlignmentFacts(f"a{i}", f"{ORIGIN}/a/{i}") for i in range(20))
    ),
    "two equal alignments": achievement(alignments=(TWIN, TWIN)),
    "no tag, version or criteria address": achievement(tags=(), version=None, criteria_url=None),
    "equal tags": achievement(tags=("x", "x", "y")),
    "whole credits": achievement(credits_available=Decimal("3.00")),
    "half credits": achievement(credits_available=Decimal("0.5")),
    "no credits": achievement(credits_available=Decimal(0)),
    "long fraction": achievement(credits_available=Decimal("1.3333333")),
    "quotes and backslashes": achievement(description='\\"\\n\' \\\\ "x"\\u00e9'),
    "line ends and tabs": achievement(description="a\r\nb\tc\n\nd"),
    "right to left": achievement(description="شارة رقمية \u200f(2) תג"),
    "beyond the basic plane": achievement(description="🎓𝒳 👩🏽‍🎓"),
    "combining and compatibility": achievement(description="e\u0301 ﬁ Å \u212b \u00a0x\u2028y"),
    "looks like JSON-LD": achievement(name="@type", description="_:b0", version="id"),
    "looks like a term": achievement(name="Profile", tags=("type", "@id", "name")),
    "looks like N-Quads": achievement(description='<a> <b> "c"^^<d> .'),
    "international address": achievement(
        image=ImageFacts("https://bücher.example/größe.png?q=ä#ü", "x")
    ),
    "escaped address": achievement(image=ImageFacts("https://a.example/%C3%BC%20b?x=%22", "x")),
    "ends": {"valid_until": AWARDED + timedelta(days=365)},
    "no evidence": {"evidence": []},
    "equal evidence": {
        "evidence": [EvidenceFacts("Essay", "good"), EvidenceFacts("Essay", "good")]
    },
    "described evidence": {"evidence": [EvidenceFacts("Essay", description="An essay.")]},
    "nobody named": {"recipient": RecipientFacts(SUBJECT)},
    "name and mail": {"recipient": RecipientFacts(SUBJECT, "a@b.example", SALT, "Zoë Ünal")},
    "wallet": {
        "recipient": RecipientFacts("did:key:z6MkfvahJocHFu3xoHBFrHMzHu8Yzr4Zko293WM44yUrusYQ")
    },
}
"""What is odd -> arguments of ``Campus.badge``."""
