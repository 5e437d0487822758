"""How the page that frames a tool behaves: platform storage, sandbox and cookies, good or bad.

One switchboard for people (the controls below the frame) and for tests (``/_control/framing``).
A ``frame`` is the name of the one that keeps values for tools without cookies (LTI platform
storage): "_parent" is the page itself, "" is an LMS that offers none.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from app.errors import Invalid

PARENT = "_parent"
MISSING_FRAME = "lti_storage_frame"
OTHER_FRAME = "lti_other_frame"

SWITCHES: dict[str, dict[str, str]] = {
    "storage": {
        "works": "works as this LMS offers it",
        "off": "is not offered",
        "no-frame": "is offered, but its frame is missing; the page itself answers",
        "silent": "is offered, but nothing ever answers (mobile app)",
        "late": "answers late",
        "wrong-origin": "answers from another site",
        "error": "answers with an error",
        "forgets": "takes values and has forgotten them later",
        "other-frame": "is in another frame than the login said",
        "old-subjects": "speaks the older org.imsglobal.lti subjects only",
    },
    "sandbox": {
        "none": "is not sandboxed",
        "no-popups": "may open no windows",
        "no-same-origin": "has no origin of its own: no cookies, no storage",
    },
    "cookies": {
        "kept": "are as the browser has them",
        "blocked": "never arrive, anywhere",
    },
}
"""Each switch with its positions in words; the first position is the one at the start."""

_SANDBOXES = {
    "none": "",
    "no-popups": "allow-scripts allow-forms allow-same-origin allow-downloads",
    "no-same-origin": "allow-scripts allow-forms allow-downloads allow-popups "
    "allow-popups-to-escape-sandbox",
}


@dataclass(slots=True)
class Framing:
    """The positions of the switches. ``delay`` is how late a late answer comes, in seconds."""

    storage: str = "works"
    sandbox: str = "none"
    cookies: str = "kept"
    delay: float = 5.0

    def turn(self, positions: dict[str, Any]) -> dict[str, Any]:
        """Move the switches that are named; all of them as they are then. Raises ``Invalid``."""
        for name, position in positions.items():
            if name == "delay":
                self.delay = float(position)
            elif position not in SWITCHES.get(name, ()):
                raise Invalid("bad-switch", f"There is no {name} {position!r}.")
            else:
                setattr(self, name, position)
        return asdict(self)

    @property
    def sandbox_words(self) -> str:
        """The ``sandbox`` attribute of the tool's frame; "" for none."""
        return _SANDBOXES[self.sandbox]

    def target(self, frame: str) -> str:
        """``lti_storage_target`` of a login; "" for none."""
        return "" if self.storage == "off" else frame


@dataclass(frozen=True, slots=True)
class Listener:
    """One window that listens to tools: the page itself or a hidden frame of it.

    ``answers``: everything, capabilities only, or nothing. ``announces`` is the frame that its
    capabilities name for the values.
    """

    name: str
    answers: str = "everything"
    announces: str = ""
    elsewhere: bool = False
    """Whether it is served from another origin than the LMS."""


def listeners(framing: Framing, frame: str) -> list[Listener]:
    """The page first, then its hidden frames."""
    if not framing.target(frame):
        return []
    own = frame != PARENT
    match framing.storage:
        case "no-frame":
            return [Listener(PARENT, announces=frame if own else MISSING_FRAME)]
        case "silent":
            return [Listener(PARENT, "nothing"), *([Listener(frame, "nothing")] if own else [])]
        case "other-frame":
            silent = [Listener(frame, "nothing")] if own else []
            page = Listener(PARENT, "capabilities", OTHER_FRAME)
            return [page, *silent, Listener(OTHER_FRAME, announces=OTHER_FRAME)]
        case "wrong-origin":
            asked = [Listener(PARENT, "relay"), *([Listener(frame, "relay")] if own else [])]
            return [*asked, Listener("stranger", announces=frame, elsewhere=True)]
    if own:
        return [Listener(PARENT, "capabilities", frame), Listener(frame, announces=frame)]
    return [Listener(PARENT, announces=frame)]


def other_name(address: str) -> str:
    """The same server under another name of this machine: another origin and another site."""
    parts = urlsplit(address)
    host = "127.0.0.1" if parts.hostname == "localhost" else "localhost"
    return urlunsplit(parts._replace(netloc=f"{host}:{parts.port or 80}"))
