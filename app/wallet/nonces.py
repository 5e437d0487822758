"""Nonces for key proofs: sealed, so that asking for one writes nothing; spent ones are kept."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.errors import AppError
from app.models import SpentNonce
from app.secrets import SecretBox, new_token, token_hash
from app.wallet.errors import WalletRefused

LIFE: Final = timedelta(minutes=5)
_PURPOSE: Final = "wallet-nonce"


def fresh(box: SecretBox, slug: str, now: datetime) -> str:
    """A nonce for a proof to the issuer ``slug``."""
    ends = int((now + LIFE).timestamp())
    return box.seal(json.dumps([_PURPOSE, slug, ends, new_token(12)]).encode())


def spend(session: Session, box: SecretBox, slug: str, nonce: str, now: datetime) -> None:
    """Use a nonce up; raises WalletRefused (``invalid_nonce``) for any but a fresh one of ours."""
    ends = _ends(box, slug, nonce)
    if ends is None or ends < now.timestamp():
        raise _refused()
    session.execute(delete(SpentNonce).where(SpentNonce.expires_at < now - LIFE))
    try:
        with session.begin_nested():
            session.add(SpentNonce(nonce_hash=token_hash(nonce), expires_at=now + LIFE))
    except IntegrityError:
        raise _refused() from None


def _ends(box: SecretBox, slug: str, nonce: str) -> float | None:
    """When a nonce of ours for this issuer ends; None for anything else."""
    try:
        purpose, whose, ends, _ = json.loads(box.open(nonce))
    except (AppError, ValueError, TypeError):
        return None
    return float(ends) if purpose == _PURPOSE and whose == slug else None


def _refused() -> WalletRefused:
    return WalletRefused("invalid_nonce", "This nonce is unknown, used or over; ask for another.")
