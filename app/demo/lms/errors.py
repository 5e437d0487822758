"""How a service endpoint says no."""

from __future__ import annotations

from typing import Any


class ServiceError(Exception):
    """A service request that the LMS refuses.

    ``reason`` is the plain text; ``body`` replaces the vendor's usual error body; ``score`` marks
    the answers that Moodle gives under the score media type; ``headers`` are added as they are.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        *,
        body: Any = None,
        score: bool = False,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.body = body
        self.score = score
        self.headers = headers or {}
