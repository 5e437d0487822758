"""VC-API exchanges: one address that a wallet posts to until it has the badge.

The address is the secret, as the Learner Credential Wallet can carry nothing else in its link. So it
is long, kept as a hash, serves one wallet once and ends soon.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.credentials import contexts
from app.db import new_id
from app.models import Issuer, WalletOffer
from app.secrets import new_token, token_hash
from app.wallet import did_auth, offers
from app.wallet.errors import WalletRefused
from app.wallet.metadata import issuer_address

DOOR: Final = "vc-api"
LIFE: Final = timedelta(minutes=10)
WALLET_PAGE: Final = "https://lcw.app/request.html"
"""Opens the Learner Credential Wallet where it is installed."""


@dataclass(frozen=True)
class Begun:
    """What the learner's page shows once; the database keeps only hashes of it."""

    reference: str
    expires_at: datetime


def make(session: Session, award_id: str, issuer_id: str, now: datetime) -> Begun:
    """A new exchange for an award; whatever else was under way for it ends."""
    offers.revoke(session, award_id)
    reference = new_token(24)
    row = WalletOffer(
        id=new_id(),
        award_id=award_id,
        issuer_id=issuer_id,
        door=DOOR,
        reference_hash=token_hash(reference),
        code_hash=token_hash(challenge_of(reference)),
        expires_at=now + LIFE,
        created_at=now,
    )
    session.add(row)
    session.flush()
    return Begun(reference, row.expires_at)


def challenge_of(reference: str) -> str:
    """The challenge of an exchange: follows from its reference, so that no row holds it."""
    return token_hash(f"exchange-challenge:{reference}")[:32]


def under_way(
    session: Session, issuer: Issuer, reference: str, now: datetime, *, locked: bool = False
) -> WalletOffer:
    """The exchange at this address. Raises WalletRefused with 404 when there is none."""
    query = select(WalletOffer).where(
        WalletOffer.reference_hash == token_hash(reference),
        WalletOffer.issuer_id == issuer.id,
        WalletOffer.door == DOOR,
        WalletOffer.state.in_(offers.UNDER_WAY),
        WalletOffer.expires_at > now,
    )
    found = session.scalar(query.with_for_update() if locked else query)
    if found is None:
        raise gone()
    return found


def gone() -> WalletRefused:
    """An exchange that never was, is used up or is over: nobody is told which."""
    return WalletRefused("invalid_request", "There is no such exchange, or it is over.", 404)


def address(public_url: str, slug: str, reference: str) -> str:
    """Where the wallet posts to."""
    return f"{issuer_address(public_url, slug)}/wallet/exchanges/{quote(reference, safe='')}"


def domain(public_url: str) -> str:
    """What a wallet's proof has to be made for: our origin."""
    return "{0.scheme}://{0.netloc}".format(urlsplit(public_url))


def asked(public_url: str, reference: str, *, domain_said: bool) -> did_auth.Asked:
    """What the wallet's proof is held against."""
    return did_auth.Asked(challenge_of(reference), domain(public_url), domain_said)


def deep_link(public_url: str, slug: str, did: str, reference: str) -> str:
    """What the learner opens or scans; says who issues and where to ask, nothing about a learner."""
    parts = {
        "issuer": did,
        "auth_type": "bearer",
        "challenge": challenge_of(reference),
        "vc_request_url": address(public_url, slug, reference),
    }
    return f"{WALLET_PAGE}?{urlencode(parts)}"


def request(public_url: str, slug: str, reference: str) -> dict[str, Any]:
    """The VerifiablePresentationRequest: prove a key (VC-API, DIDAuthentication query)."""
    place = address(public_url, slug, reference)
    suites = [{"cryptosuite": name} for name in did_auth.SUITES]
    services = ("VerifiableCredentialApiExchangeService", "UnmediatedPresentationService2021")
    return {
        "query": [
            {
                "type": "DIDAuthentication",
                "acceptedMethods": [{"method": "key"}],
                "acceptedCryptosuites": suites,
            }
        ],
        "challenge": challenge_of(reference),
        "domain": domain(public_url),
        "interact": {"service": [{"type": one, "serviceEndpoint": place} for one in services]},
    }


def presentation(signed: bytes) -> bytes:
    """The answer: a presentation with one credential, whose JSON stays word for word the signed one.

    ``&`` is written as an escape, since the Learner Credential Wallet reads answers as if they were
    HTML and would turn ``&quot;`` inside a badge into a quote that ends the text.
    """
    head = {"@context": [contexts.CREDENTIALS], "type": ["VerifiablePresentation"]}
    made = json.dumps(head, separators=(",", ":")).encode()
    return b'%b,"verifiableCredential":[%b]}' % (made[:-1], signed.replace(b"&", b"\\u0026"))
