"""The one way in which a proof is refused."""

from __future__ import annotations

from app.errors import Invalid
from app.words import Said


class ProofError(Invalid):
    """A signature does not hold. Says why in words; code ``proof-invalid``."""

    def __init__(self, message: Said) -> None:
        super().__init__("proof-invalid", message)
