"""What a stranger's page checks of a badge: our own verifiers on the very bytes that were kept.

Nothing is taken from the award row where the signed files say it: the signature, the issuer, the
dates and the revocation bit come from the credential and from the signed status list.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.credentials import contexts, issuers, status
from app.credentials.keys import PublicKey
from app.credentials.proofs import FORMATS
from app.errors import Invalid
from app.models import Credential, Issuer, StatusList
from app.web.locale import spoken
from app.web.public.blueprint import written_day

EMBEDDED = FORMATS["eddsa-rdfc-2022"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at, and how it turned out."""

    key: str
    """signature | issuer | status | dates | form."""
    passed: bool
    title: str
    detail: str


@dataclass(frozen=True)
class _Facts:
    """What the checks read, loaded once."""

    document: dict[str, Any]
    credential: Credential
    issuer: Issuer
    keys: list[PublicKey]
    status_list: StatusList | None
    status_index: int | None
    now: datetime


def checks(session: Session, credential: Credential, issuer: Issuer, now: datetime) -> list[Check]:
    """Every check of one stored credential, in the order in which people ask."""
    document = json.loads(credential.document)
    listed, index = _entry(session, issuer, document)
    facts = _Facts(
        document=document,
        credential=credential,
        issuer=issuer,
        keys=issuers.public_keys(session, issuer),
        status_list=listed,
        status_index=index,
        now=now,
    )
    return [_signature(facts), _issuer(facts), _status(facts), _dates(facts), _form(facts)]


def _entry(
    session: Session, issuer: Issuer, document: dict[str, Any]
) -> tuple[StatusList | None, int | None]:
    """The issuer's status list and the entry in it that the signed file names."""
    named = document.get("credentialStatus", {})
    _, _, number = str(named.get("statusListCredential", "")).rpartition("/status/")
    index = str(named.get("statusListIndex", ""))
    if not number.isdecimal() or not index.isdecimal():
        return None, None
    query = select(StatusList).where(
        StatusList.issuer_id == issuer.id, StatusList.number == int(number)
    )
    return session.scalar(query), int(index)


def _key_of(facts: _Facts, signed: dict[str, Any]) -> PublicKey | None:
    """The issuer's listed key that the proof names."""
    method = str(signed.get("proof", {}).get("verificationMethod", ""))
    did, _, fragment = method.partition("#")
    if did != facts.issuer.did:
        return None
    return next((key for key in facts.keys if key.fragment == fragment), None)


def _holds(facts: _Facts, signed: bytes) -> str:
    """Empty when the proof in ``signed`` holds, else why not."""
    key = _key_of(facts, json.loads(signed))
    if key is None:
        return gettext("The key is not one that the issuer lists.")
    try:
        EMBEDDED.verify(signed, key)
    except Invalid as error:
        return spoken(error.message)
    return ""


def _signature(facts: _Facts) -> Check:
    kept = facts.credential
    if hashlib.sha256(kept.document).hexdigest() != kept.sha256:
        wrong = gettext("The file is not the one that was signed.")
    else:
        wrong = _holds(facts, kept.document)
    return Check(
        "signature",
        not wrong,
        gettext("The signature does not hold") if wrong else gettext("The signature is intact"),
        wrong or gettext("Nothing changed since it was signed."),
    )


def _issuer(facts: _Facts) -> Check:
    named = facts.document.get("issuer", {})
    same = isinstance(named, dict) and named.get("id") == facts.issuer.did
    passed = same and _key_of(facts, facts.document) is not None
    return Check(
        "issuer",
        passed,
        gettext("The key belongs to the issuer")
        if passed
        else gettext("The key does not belong to the issuer"),
        f"{facts.issuer.name}, {facts.issuer.did}",
    )


def _status(facts: _Facts) -> Check:
    revoked, detail = _revoked(facts)
    titles = {
        True: gettext("Revoked by the issuer"),
        False: gettext("Not revoked"),
        None: gettext("It cannot be said whether it was revoked"),
    }
    return Check("status", revoked is False, titles[revoked], detail)


def _revoked(facts: _Facts) -> tuple[bool | None, str]:
    """The bit in the signed list, and a sentence; None when the list cannot be relied on."""
    listed = facts.status_list
    if listed is None or listed.signed is None or facts.status_index is None:
        return None, gettext("The issuer's status list is not signed yet.")
    wrong = _holds(facts, listed.signed)
    if wrong:
        return None, wrong
    subject = json.loads(listed.signed)["credentialSubject"]
    bit = status.get(status.decode(subject["encodedList"]), facts.status_index)
    signed_at = listed.signed_at or facts.now
    return bit, gettext(
        "The issuer's signed status list of %(date)s says so.", date=written_day(signed_at)
    )


def _dates(facts: _Facts) -> Check:
    begins = _moment(facts.document.get("validFrom"))
    ends = _moment(facts.document.get("validUntil"))
    if begins is None or begins > facts.now:
        title = gettext("Not in force yet")
        return Check("dates", False, title, gettext("Its first day lies in the future."))
    if ends is not None and ends <= facts.now:
        detail = gettext("It ended on %(date)s.", date=written_day(ends))
        return Check("dates", False, gettext("Expired"), detail)
    since = gettext("Valid since %(date)s", date=written_day(begins))
    until = gettext("until %(date)s", date=written_day(ends)) if ends else gettext("without an end")
    return Check("dates", True, gettext("In force"), f"{since}, {until}.")


def _moment(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else None


def _form(facts: _Facts) -> Check:
    """Members that Open Badges 3.0 requires, and the contexts that give them their meaning."""
    passed = _has_members(facts.document) and _same_contexts(facts)
    return Check(
        "form",
        passed,
        gettext("Well formed") if passed else gettext("Not well formed"),
        gettext("Open Badges 3.0"),
    )


def _has_members(document: dict[str, Any]) -> bool:
    subject = document.get("credentialSubject")
    if not isinstance(subject, dict) or not (subject.get("id") or subject.get("identifier")):
        return False
    achievement = subject.get("achievement")
    if not isinstance(achievement, dict):
        return False
    wanted = ("id", "type", "name", "description", "criteria")
    types = set(document.get("type", ()))
    return {"VerifiableCredential", "OpenBadgeCredential"} <= types and all(
        achievement.get(name) for name in wanted
    )


def _same_contexts(facts: _Facts) -> bool:
    try:
        return dict(contexts.hashes_used(facts.document)) == facts.credential.contexts
    except Invalid:
        return False
