"""How much one document may cost: the bounds, and the purse that a verification pays from.

Everything here is spent on input that nobody has vouched for yet, so each bound stands before the
work that it bounds. Going over one is never "invalid": it says that Tassel stopped reading.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from openbadgeslib.ob3._canon_guard import WorkBudget

from app.errors import UpstreamError
from app.words import Said, say

MAX_FILE_BYTES: Final = 5_000_000
"""A picture with a credential in it; nothing is drawn, so pixels cost nothing."""
MAX_CREDENTIAL_BYTES: Final = 1_000_000
"""The credential itself, after unpacking."""
MAX_DEPTH: Final = 36
"""Levels of objects and lists; a record of endorsed badges has about fourteen."""
MAX_VALUES: Final = 30_000
"""Objects, lists and values of one document."""
MAX_CREDENTIALS: Final = 120
"""The document, what is inside it, and the status lists that were fetched."""
MAX_NESTED: Final = 4
"""Credentials inside credentials: a record, a badge, its endorsement, and one to spare."""
MAX_PROOFS: Final = 5
MAX_LOOKUPS: Final = 25
MAX_SECONDS: Final = 45.0
"""After which no further part is begun."""

Lookup = Callable[[str], bytes]
"""The bytes at an https address; raises UpstreamError. Guarding it is the caller's part."""


class OverLimitError(Exception):
    """The document asks for more than Tassel spends on a stranger; ``why`` says of what."""

    def __init__(self, why: Said) -> None:
        super().__init__(why)
        self.why = why


@dataclass
class Run:
    """One verification: what it may ask, what time it is, and what is left to spend."""

    lookup: Lookup
    now: datetime
    person: str | None = None
    """Who should be the recipient, if the asker gave an identifier."""
    work: WorkBudget = field(
        default_factory=lambda: WorkBudget(limit=500_000, seconds=4.0, pairs=4_000_000)
    )
    """Canonicalization is factorial on graphs made for it; see openbadgeslib's guard."""
    contexts: dict[str, Any] = field(default_factory=dict)
    """What the JSON-LD processor remembers of the contexts it has read."""
    _begun: float = field(default_factory=time.monotonic)
    _credentials: int = 0
    _lookups: int = 0
    _answers: dict[str, bytes | UpstreamError] = field(default_factory=dict)

    def begin_credential(self, depth: int) -> None:
        """Pay for one more credential, ``depth`` levels inside the document.

        :raises OverLimitError: too many, too deep or too late.
        """
        self._credentials += 1
        if depth > MAX_NESTED:
            raise OverLimitError(
                say("Credentials stand more than %(most)s levels inside others.", most=MAX_NESTED)
            )
        if self._credentials > MAX_CREDENTIALS:
            raise OverLimitError(
                say("There are more than %(most)s credentials to look at.", most=MAX_CREDENTIALS)
            )
        self._check_time()

    def fetch(self, url: str) -> bytes:
        """What stands at ``url``; each address is asked once.

        :raises UpstreamError: it could not be had.
        :raises OverLimitError: too many addresses, or too late.
        """
        if url not in self._answers:
            self._lookups += 1
            if self._lookups > MAX_LOOKUPS:
                raise OverLimitError(
                    say("More than %(most)s addresses would have to be asked.", most=MAX_LOOKUPS)
                )
            self._check_time()
            self._answers[url] = self._ask(url)
        answer = self._answers[url]
        if isinstance(answer, UpstreamError):
            raise answer
        return answer

    def _ask(self, url: str) -> bytes | UpstreamError:
        try:
            return self.lookup(url)
        except UpstreamError as error:
            return error

    def _check_time(self) -> None:
        if time.monotonic() - self._begun > MAX_SECONDS:
            raise OverLimitError(
                say("It took longer than %(most)s seconds.", most=f"{MAX_SECONDS:.0f}")
            )
