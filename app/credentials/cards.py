"""The picture that other sites show beside a link to a badge: badge, name, issuer, and no learner.

Sites keep a preview for as long as they like, also after the link was closed; so a card belongs to a
wording, not to a share, and there is nothing on it that a learner could want back.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from threading import BoundedSemaphore
from typing import Final

from app.credentials import apart
from app.credentials.apart import Bounds

SECONDS: Final = 30.0
"""By the clock, for drawing."""
WAIT: Final = 1.0
"""Seconds until a busy machine gives up: whoever waits holds a thread that pages need too."""
_BOUNDS: Final = Bounds(memory=1_200_000_000, seconds=10, patience=SECONDS)
_PAINTER: Final = Path(__file__).with_name("card_painter.py")
MOST: Final = 140
"""Characters of a text: more than fits is not laid out."""
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_room = BoundedSemaphore(1)


@dataclass(frozen=True, slots=True)
class Card:
    """What stands on it. Texts may be of any length; what does not fit is cut with an ellipsis."""

    name: str
    issuer: str
    kind: str
    language: str
    """BCP 47, of the wording."""
    direction: str
    """ltr | rtl."""


@lru_cache(maxsize=64)
def png(card: Card, picture: bytes) -> bytes | None:
    """The card, 1200 by 630 pixels; None where this server cannot draw text.

    :raises TimeoutError: the machine is too busy just now.
    """
    address = "data:image/png;base64," + base64.b64encode(picture).decode("ascii")
    if not _room.acquire(timeout=WAIT):
        raise TimeoutError(_PAINTER.name)
    try:
        words = {key: text[:MOST] for key, text in asdict(card).items()}
        said = json.dumps(words | {"picture": address}).encode()
        made = apart.read(_PAINTER, said, _BOUNDS)
    finally:
        _room.release()
    return made if made.startswith(_PNG) else None
