"""Who a credential is about: an identifier of the subject, in clear or as a salted hash."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

from app.credentials.verify import form
from app.credentials.verify.report import Cause, Finding, absent, failed, passed
from app.words import say

_HASH: Final = re.compile(r"sha256\$[0-9a-fA-F]{64}|md5\$[0-9a-fA-F]{32}")


def check(document: Mapping[str, Any], person: str | None) -> Finding:
    """Whether the recipient is named; with ``person``, whether it is that person.

    :param person: an identifier that the asker knows, e.g. an e-mail address.
    """
    if form.kind_of(document) not in {"badge", "record"}:
        return absent(say("It is not about a learner."))
    subject = document.get("credentialSubject")
    if not isinstance(subject, dict):
        return absent(say("There is no subject; see the check of the form."))
    listed = subject.get("identifier", [])
    entries = listed if isinstance(listed, list) else [listed]
    problem = next((p for p in map(_problem, entries) if p), None)
    if problem:
        return problem
    if not entries and not subject.get("id"):
        return failed(say("It does not say to whom it was given: no id and no identifier."))
    if person is None:
        return passed(say("The recipient stands in it."))
    if subject.get("id") == person or any(_is(entry, person) for entry in entries):
        return passed(say("It was given to the person who was asked about."))
    return failed(say("It was given to somebody else than the person who was asked about."))


def _problem(entry: Any) -> Finding | None:
    if not isinstance(entry, dict):
        return failed(say("An identifier of the recipient is not an object."))
    if entry.get("type") not in ("IdentityObject", ["IdentityObject"]):
        return failed(say("An identifier of the recipient has the wrong type."), Cause.TYPE)
    value = entry.get("identityHash")
    if not isinstance(value, str) or not value or not isinstance(entry.get("identityType"), str):
        return failed(say("An identifier of the recipient is incomplete."))
    if not isinstance(entry.get("hashed"), bool):
        return failed(say("It is not said whether an identifier of the recipient is hashed."))
    if entry["hashed"] and not _HASH.fullmatch(value):
        return failed(say("A hashed identifier of the recipient is not a SHA-256 or MD5 hash."))
    if not isinstance(entry.get("salt", ""), str):
        return failed(say("The salt of an identifier is not text."))
    return None


def _is(entry: Mapping[str, Any], person: str) -> bool:
    value: str = entry["identityHash"]
    if not entry["hashed"]:
        return value == person
    algorithm, _, digest = value.partition("$")
    salted = (person + entry.get("salt", "")).encode()
    return hashlib.new(algorithm, salted, usedforsecurity=False).hexdigest() == digest.lower()
