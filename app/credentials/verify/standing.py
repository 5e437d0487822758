"""Was it taken back? Bitstring Status List 1.0, and the older revocation list of 1EdTech.

A list counts only if the issuer of the credential signed it, it is the list that the credential
names, and it is in force; otherwise anybody could clear a revoked badge with a list of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.credentials import status
from app.credentials.verify import dids, linked_data, reading, seals, strict_json, times
from app.credentials.verify.limits import MAX_PROOFS, Run
from app.credentials.verify.reading import Sealed, named_types
from app.credentials.verify.report import (
    Finding,
    Result,
    absent,
    failed,
    passed,
    together,
    unknown,
)
from app.errors import Invalid, UpstreamError
from app.words import as_said, say

_LIST_TYPES: Final = {
    "BitstringStatusListEntry": ("BitstringStatusListCredential", "BitstringStatusList"),
    "StatusList2021Entry": ("StatusList2021Credential", "StatusList2021"),
}
_TAKEN: Final = {
    "revocation": say("It was revoked by its issuer."),
    "suspension": say("It is suspended by its issuer at the moment."),
}


def check(document: Mapping[str, Any], run: Run) -> Finding:
    """Whether the issuer took the credential back.

    :raises OverLimitError: too many lists.
    """
    if "credentialStatus" not in document:
        return absent(say("Its issuer keeps no list in which it could be taken back."))
    listed = document["credentialStatus"]
    entries = listed if isinstance(listed, list) else [listed]
    if not entries or len(entries) > MAX_PROOFS:
        return failed(say("The status is empty, or names too many lists."))
    return together([_entry(entry, document, run) for entry in entries])


def _entry(entry: Any, document: Mapping[str, Any], run: Run) -> Finding:
    kinds = set(named_types(entry))
    try:
        if kinds & _LIST_TYPES.keys():
            return _bit(entry, document, run)
        if "1EdTechRevocationList" in kinds:
            return _revocation_list(entry, document, run)
    except UpstreamError as error:
        return unknown(
            say("The issuer's list cannot be looked up: %(problem)s", problem=error.message)
        )
    except Invalid as problem:
        return (unknown if problem.code == "unknown-key" else failed)(as_said(problem.message))
    if not kinds:
        return failed(say("The status has no type."))
    return unknown(say("Tassel does not know the kind of status %(kind)r.", kind=min(kinds)[:60]))


def _bit(entry: Mapping[str, Any], document: Mapping[str, Any], run: Run) -> Finding:
    purpose, index, address = (
        entry.get(name) for name in ("statusPurpose", "statusListIndex", "statusListCredential")
    )
    if not isinstance(purpose, str) or not isinstance(address, str):
        return failed(say("The status does not say which list it means, and for what."))
    if not isinstance(index, str) or not index.isascii() or not index.isdecimal() or len(index) > 9:
        return failed(say("The place in the status list is not a number written as text."))
    if entry.get("id") == address:
        return failed(say("The status has the same address as its list."))
    if str(entry.get("statusSize", 1)) != "1":
        return unknown(say("Tassel reads status lists with one bit per credential only."))
    kind = next(name for name in _LIST_TYPES if name in named_types(entry))
    bits, problem = _bits(address, purpose, _LIST_TYPES[kind], document, run)
    if problem is not None:
        return problem
    if int(index) >= len(bits) * 8:
        return failed(say("The place lies outside the status list."))
    if status.get(bits, int(index)):
        taken = _TAKEN.get(purpose)
        return (
            failed(taken)
            if taken
            else unknown(say("Its issuer set the mark %(purpose)r.", purpose=purpose[:40]))
        )
    return passed(
        say("The issuer's signed list does not mark it (%(purpose)s).", purpose=purpose[:40])
    )


def _bits(
    address: str,
    purpose: str,
    types: tuple[str, str],
    document: Mapping[str, Any],
    run: Run,
) -> tuple[bytes, Finding | None]:
    """The list at ``address``, or what is wrong with it."""
    run.begin_credential(0)
    sealed = _fetched(address, run)
    problem = _wrong_list(sealed, address, types, document, run) or _untrusted(sealed, run)
    if problem is not None:
        return b"", problem
    subject = sealed.document["credentialSubject"]
    purposes = subject.get("statusPurpose")
    if purpose not in (purposes if isinstance(purposes, list) else [purposes]):
        return b"", failed(say("The status list is kept for another purpose."))
    encoded = subject.get("encodedList")
    if not isinstance(encoded, str):
        return b"", failed(say("The status list is empty."))
    if types[0] == "StatusList2021Credential" and not encoded.startswith("u"):
        encoded = "u" + encoded.translate(str.maketrans("+/", "-_"))
    bits = status.decode(encoded)
    if len(bits) * 8 < status.SIZE:
        return b"", failed(say("The status list is shorter than the standard allows."))
    return bits, None


def _fetched(address: str, run: Run) -> Sealed:
    raw = run.fetch(address).strip()
    try:
        if raw.startswith(b"{"):
            return reading.from_object(strict_json.loads(raw))
        return reading.from_token(raw)
    except Invalid as problem:
        # A maintenance page says nothing about the badge.
        message = f"What stands at {address[:200]} is no status list: {problem.message}"
        raise Invalid("unknown-key", message) from None


def _wrong_list(
    sealed: Sealed,
    address: str,
    types: tuple[str, str],
    document: Mapping[str, Any],
    run: Run,
) -> Finding | None:
    found = sealed.document
    subject = found.get("credentialSubject")
    if types[0] not in named_types(found) or types[1] not in named_types(subject):
        return failed(say("What the status points to is not a status list."))
    if seals.issuer_of(found) != seals.issuer_of(document):
        return failed(say("The status list is signed by another issuer than the credential."))
    if found.get("id") != address:
        return failed(say("The status list that was found is another one than was asked for."))
    for finding in (
        times.check_valid_from(found, run.now),
        times.check_valid_until(found, run.now),
    ):
        if finding.result is Result.FAIL:
            return failed(say("The status list is not in force: %(why)s", why=finding.why))
    ends = sealed.token.claims.get("exp") if sealed.token else None
    if ends is not None and not (isinstance(ends, int) and ends > run.now.timestamp()):
        return failed(say("The status list is not in force: its token has ended."))
    return None


def _untrusted(sealed: Sealed, run: Run) -> Finding | None:
    """What is wrong with the seal of the list."""
    linked_data.screen(sealed)
    contexts = linked_data.check_contexts(sealed.document)
    readable = contexts.result is not Result.UNKNOWN
    found = seals.check(sealed, run, readable=readable)
    if readable:
        found["terms"] = linked_data.check_terms(
            sealed.document, run, sealed_as_text=seals.signs_text(sealed)
        )
    if sealed.token is not None:
        # The claim for the subject is a detail that lists in use do not all repeat.
        found.pop("token")
    worst = together([contexts, *found.values()])
    if worst.result is Result.PASS:
        return None
    return Finding(worst.result, say("The status list cannot be relied on: %(why)s", why=worst.why))


def _revocation_list(entry: Mapping[str, Any], document: Mapping[str, Any], run: Run) -> Finding:
    """The unsigned list of 1EdTech; it counts where the issuer's own site serves it."""
    address = entry.get("id")
    if not isinstance(address, str):
        return failed(say("The status does not say where its list is."))
    listed = dids.fetch_json(address, run, say("The revocation list"))
    issuer = seals.issuer_of(document)
    if listed.get("issuer") != issuer:
        return failed(say("The revocation list belongs to another issuer."))
    rows = listed.get("revokedCredentials", listed.get("revokedCredential", []))
    marked = [row.get("id") if isinstance(row, dict) else row for row in _rows(rows)]
    if document.get("id") in marked:
        return failed(_TAKEN["revocation"])
    return passed(say("The issuer's revocation list, which is not signed, does not name it."))


def _rows(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
