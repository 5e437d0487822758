"""From when until when: the dates of a credential and of its proofs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from app.credentials.verify.report import Finding, absent, failed, passed, together
from app.words import say

LEEWAY: Final = timedelta(minutes=5)
"""How far the clocks of issuer and verifier may differ."""
_DATE_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)")


def moment(text: object) -> datetime | None:
    """An xsd:dateTime with a time zone, else None."""
    if not isinstance(text, str) or not _DATE_TIME.fullmatch(text):
        return None
    whole, _, rest = text.partition(".")
    digits = re.match(r"\d*", rest)
    fraction = digits.group() if digits else ""
    try:
        return datetime.fromisoformat(
            whole + (f".{fraction[:6].ljust(6, '0')}{rest[len(fraction) :]}" if fraction else "")
        )
    except ValueError:
        return None


def check_valid_from(document: Mapping[str, Any], now: datetime) -> Finding:
    """Whether the credential has begun."""
    if "validFrom" not in document:
        if "issuanceDate" in document:
            return absent(
                say("It carries the old 'issuanceDate', which its contexts do not define.")
            )
        return failed(say("It does not say from when it is valid."))
    begins = moment(document["validFrom"])
    if begins is None:
        return failed(say("'validFrom' is not a date and time with a time zone."))
    if begins > now + LEEWAY:
        return failed(say("It is valid only from %(begins)s.", begins=f"{begins:%Y-%m-%d}"))
    return passed(say("It is valid since %(begins)s.", begins=f"{begins:%Y-%m-%d}"))


def check_valid_until(document: Mapping[str, Any], now: datetime) -> Finding:
    """Whether the credential has ended."""
    if "validUntil" not in document:
        return absent(say("It has no end."))
    ends = moment(document["validUntil"])
    if ends is None:
        return failed(say("'validUntil' is not a date and time with a time zone."))
    begins = moment(document.get("validFrom"))
    if begins is not None and ends < begins:
        return failed(say("It ends before it begins."))
    if ends <= now:
        return failed(say("It ended on %(ends)s.", ends=f"{ends:%Y-%m-%d}"))
    return passed(say("It is valid until %(ends)s.", ends=f"{ends:%Y-%m-%d}"))


def check_signed_at(proofs: Sequence[Any], now: datetime) -> Finding:
    """Whether the times in the proofs are possible."""
    found = [_proof_times(proof, now) for proof in proofs if isinstance(proof, dict)]
    return together(found) if found else absent(say("There is no proof with a time."))


def _proof_times(proof: Mapping[str, Any], now: datetime) -> Finding:
    if "created" not in proof and "expires" not in proof:
        return absent(say("The proof does not say when it was made."))
    created = moment(proof["created"]) if "created" in proof else now
    expires = moment(proof["expires"]) if "expires" in proof else None
    if created is None or ("expires" in proof and expires is None):
        return failed(say("A time in the proof is not a date and time with a time zone."))
    if created > now + LEEWAY:
        return failed(
            say(
                "The proof claims to be made on %(created)s, in the future.",
                created=f"{created:%Y-%m-%d}",
            )
        )
    if expires is not None and expires <= now:
        return failed(say("The proof itself ended on %(expires)s.", expires=f"{expires:%Y-%m-%d}"))
    return passed(say("It was signed on %(created)s.", created=f"{created:%Y-%m-%d}"))
