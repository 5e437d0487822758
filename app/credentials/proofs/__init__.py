"""How a credential is sealed: the one table of proof formats.

Door: :data:`FORMATS`. A new format is one module beside these and one line here; nothing else in
the house knows how a proof is made. Every ``verify`` doubles as the check that the issuing code
runs on its own output before it keeps the bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from app.credentials.keys import KeyKind, PublicKey, Signer
from app.credentials.proofs import data_integrity, vc_jwt
from app.credentials.proofs.errors import ProofError

__all__ = ["FORMATS", "ProofError", "ProofFormat"]

SignFunction = Callable[[Mapping[str, Any], Signer, datetime, bool], bytes]
"""(document, signer, now, fast) -> the bytes to keep for ever."""


class VerifyFunction(Protocol):
    """How a format is verified."""

    def __call__(self, signed: bytes, key: PublicKey, fast: bool = False) -> dict[str, Any]:
        """The bare document in ``signed``.

        ``fast`` is for the check of our own output right after signing, with the value it was
        signed with; what comes from outside is verified without it.

        :raises ProofError: ``key`` did not sign this.
        """
        ...


@dataclass(frozen=True, slots=True)
class ProofFormat:
    """One way to seal a credential, and how the result travels."""

    name: str
    key_kind: KeyKind
    media_type: str
    """``Content-Type`` of the signed bytes."""
    suffix: str
    """File name ending of a download, with the dot."""
    sign: SignFunction
    verify: VerifyFunction


def _sign_data_integrity(
    document: Mapping[str, Any], signer: Signer, now: datetime, fast: bool
) -> bytes:
    return data_integrity.sign(document, signer, now=now, fast=fast)


def _verify_data_integrity(signed: bytes, key: PublicKey, fast: bool = False) -> dict[str, Any]:
    return data_integrity.verify(signed, key, fast=fast)


def _sign_jwt(document: Mapping[str, Any], signer: Signer, now: datetime, fast: bool) -> bytes:
    del now, fast  # A token carries no signing time and needs no RDF.
    return vc_jwt.sign(document, signer)


def _verify_jwt(signed: bytes, key: PublicKey, fast: bool = False) -> dict[str, Any]:
    del fast
    return vc_jwt.verify(signed, key)


_TABLE = (
    ProofFormat(
        "eddsa-rdfc-2022",
        KeyKind.ED25519,
        "application/vc+ld+json",
        ".json",
        _sign_data_integrity,
        _verify_data_integrity,
    ),
    ProofFormat("vc-jwt-rs256", KeyKind.RSA_2048, "text/plain", ".jwt", _sign_jwt, _verify_jwt),
    ProofFormat("vc-jwt-es256", KeyKind.P256, "text/plain", ".jwt", _sign_jwt, _verify_jwt),
)

FORMATS: Final[Mapping[str, ProofFormat]] = {row.name: row for row in _TABLE}
"""Name -> format. The name is what the database keeps with each credential."""
