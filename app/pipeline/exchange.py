"""EXCHANGE: the VC-API way into a wallet, which the Learner Credential Wallet uses.

The wallet proves its key to an address that serves once, and gets the same credential that the
OpenID4VCI way would give it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app import audit
from app.credentials import issuers
from app.pipeline import hand_over
from app.pipeline.campus import Campus
from app.wallet import did_auth, exchanges


@dataclass(frozen=True)
class Offered:
    """An exchange as the learner's page shows it."""

    link: str
    expires_at: datetime


def offer(campus: Campus, award_id: str, actor: str) -> Offered:
    """Begin an exchange for a signed award. Raises Conflict when it is not in force."""
    now, url = campus.clock(), campus.settings.public_url
    with campus.db.transaction() as session:
        award, issuer = hand_over.standing(session, award_id, now)
        made = exchanges.make(session, award.id, issuer.id, now)
        detail = {"door": exchanges.DOOR}
        audit.record(session, actor, "wallet.offered", f"award:{award.id}", detail, now)
        link = exchanges.deep_link(url, issuer.slug, issuer.did, made.reference)
    return Offered(link, made.expires_at)


def ask(campus: Campus, slug: str, reference: str) -> dict[str, Any]:
    """What the wallet has to prove. Raises WalletRefused for an exchange that is not open."""
    with campus.db.reading() as session:
        exchanges.under_way(session, issuers.by_slug(session, slug), reference, campus.clock())
    return exchanges.request(campus.settings.public_url, slug, reference)


def hand_over_to(
    campus: Campus, slug: str, reference: str, proof: Mapping[str, Any], *, domain_said: bool
) -> bytes:
    """The badge, in a presentation, for the wallet that signed ``proof``. Raises WalletRefused.

    :param domain_said: whether the wallet speaks the whole protocol, in which it was told the
        domain; the link alone cannot carry it.
    """
    now = campus.clock()
    asked = exchanges.asked(campus.settings.public_url, reference, domain_said=domain_said)
    with campus.db.transaction() as session:
        issuer = issuers.by_slug(session, slug)
        row = exchanges.under_way(session, issuer, reference, now, locked=True)
        did = did_auth.prove(proof, asked, now)
        award_id, offer_id = row.award_id, hand_over.bind(session, row, did)
        # Should signing fail, the same wallet may ask again; no other can.
        row.state = "redeemed"
    fresh = hand_over.sign_for(campus, award_id, did, now)
    with campus.db.transaction() as session:
        _, credential = hand_over.keep(campus, session, offer_id, fresh)
    return exchanges.presentation(credential.document)
