"""All checks of one credential, and of every credential inside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.credentials.verify import form, linked_data, reading, recipient, seals, standing, times
from app.credentials.verify.limits import MAX_CREDENTIALS, OverLimitError, Run
from app.credentials.verify.reading import Sealed
from app.credentials.verify.report import (
    Cause,
    Check,
    Finding,
    Result,
    absent,
    failed,
    passed,
    unknown,
)
from app.errors import Invalid
from app.words import as_said, say

_CREDENTIAL_LISTS: Final = frozenset({"endorsement", "endorsementJwt", "verifiableCredential"})
_OFFICIAL_SCHEMAS: Final = "https://purl.imsglobal.org/spec/"


def check(sealed: Sealed, run: Run, place: str = "", depth: int = 0) -> Iterator[Check]:
    """Every check of ``sealed``, then those of the credentials inside, with their place in front.

    :raises OverLimitError: it asks for more than a stranger gets.
    """
    run.begin_credential(depth)
    for name, finding in _findings(sealed, run):
        yield Check(f"{place}{name}", finding.result, finding.why)
    known = frozenset(_ids(sealed.document))
    for inner_place, name, value in _inside(sealed.document, ""):
        yield from _inner(value, name, f"{place}{inner_place}.", known, run, depth + 1)


def screen(document: Mapping[str, Any]) -> None:
    """Refuse more credentials inside ``document`` than will be looked at, before any of them is.

    :raises OverLimitError: too many.
    """
    waiting: list[Any] = [document]
    count = 1
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            for name, part in node.items():
                waiting.append(part)
                if name in _CREDENTIAL_LISTS:
                    count += len(part) if isinstance(part, list) else 1
        elif isinstance(node, list):
            waiting += node
    if count > MAX_CREDENTIALS:
        raise OverLimitError(
            say("There are more than %(most)s credentials inside.", most=MAX_CREDENTIALS)
        )


def _findings(sealed: Sealed, run: Run) -> Iterator[tuple[str, Finding]]:
    document = sealed.document
    contexts = linked_data.check_contexts(document)
    readable = contexts.result is not Result.UNKNOWN
    shape, person = form.check(document), recipient.check(document, run.person)
    yield "contexts", contexts
    yield "terms", _terms(sealed, run, contexts, {shape.cause, person.cause})
    yield "form", shape
    yield "recipient", person
    found = seals.check(sealed, run, readable=readable)
    yield from ((name, found[name]) for name in ("key", "purpose", "proof", "token"))
    yield "signed-at", times.check_signed_at(sealed.proofs, run.now)
    yield "valid-from", times.check_valid_from(document, run.now)
    yield "valid-until", times.check_valid_until(document, run.now)
    yield "status", standing.check(document, run)
    yield "schema", _schema(document)
    yield "refresh", _refresh(document)


def _terms(sealed: Sealed, run: Run, contexts: Finding, causes: set[Cause]) -> Finding:
    """What the names mean; told once where a wrong type or context is what took their meaning."""
    if contexts.result is Result.UNKNOWN:
        return unknown(say("That depends on the contexts."))
    if linked_data.tells_elsewhere(sealed.document):
        return failed(say("What the credential says of itself stands in another object inside."))
    found = linked_data.check_terms(
        _without_credentials(sealed.document), run, sealed_as_text=seals.signs_text(sealed)
    )
    if found.result is Result.FAIL and contexts.result is Result.FAIL:
        return absent(say("The contexts are not the right ones; see there."))
    if found.cause is Cause.TYPE and found.cause in causes:
        return absent(
            say("An object has the wrong type, so names in it have no meaning; see there.")
        )
    return found


def _inner(
    value: Any, name: str, place: str, known: frozenset[str], run: Run, depth: int
) -> Iterator[Check]:
    try:
        sealed = reading.from_object(value)
    except Invalid as problem:
        yield Check(f"{place}document", Result.FAIL, as_said(problem.message))
        return
    if name != "verifiableCredential":
        finding = _endorses(sealed.document, known)
        yield Check(f"{place}endorses", finding.result, finding.why)
    yield from check(sealed, run, place, depth)


def _endorses(endorsement: Mapping[str, Any], known: frozenset[str]) -> Finding:
    """Whether an endorsement speaks about something in the document that carries it."""
    subject = endorsement.get("credentialSubject")
    target = subject.get("id") if isinstance(subject, dict) else None
    if form.kind_of(endorsement) != "endorsement":
        return failed(say("What stands here as an endorsement is another kind of credential."))
    if not isinstance(target, str) or target not in known:
        return failed(say("The endorsement speaks about something else."))
    return passed(say("The endorsement speaks about this."))


def _schema(document: Mapping[str, Any]) -> Finding:
    listed = document.get("credentialSchema")
    if not listed:
        return absent(say("It names no schema."))
    for entry in listed if isinstance(listed, list) else [listed]:
        address = entry.get("id") if isinstance(entry, dict) else None
        if not isinstance(address, str) or not reading.named_types(entry):
            return failed(say("A schema is named without its address or kind."))
        if not address.startswith(_OFFICIAL_SCHEMAS):
            return unknown(
                say("Tassel does not know the schema %(address)r.", address=address[:200])
            )
    return passed(say("It names a schema of 1EdTech; the check of the form asks for the same."))


def _refresh(document: Mapping[str, Any]) -> Finding:
    listed = document.get("refreshService")
    if not listed:
        return absent(say("Its issuer offers no newer copies."))
    for entry in listed if isinstance(listed, list) else [listed]:
        if not isinstance(entry, dict) or not reading.named_types(entry):
            return failed(say("The service for newer copies has no type."))
    return passed(say("Its issuer may have a newer copy; this one is what was checked."))


def _inside(node: Any, place: str) -> Iterator[tuple[str, str, Any]]:
    """Place, member and value of the credentials directly inside, not those inside them."""
    if isinstance(node, dict):
        for name, part in node.items():
            here = f"{place}.{name}".lstrip(".")
            if name in _CREDENTIAL_LISTS:
                listed = part if isinstance(part, list) else [part]
                yield from ((f"{here}[{i}]", name, value) for i, value in enumerate(listed))
            else:
                yield from _inside(part, here)
    elif isinstance(node, list):
        for number, part in enumerate(node):
            yield from _inside(part, f"{place}[{number}]")


def _without_credentials(node: Any) -> Any:
    """A copy in which the credentials inside are left out: each is checked for itself."""
    if isinstance(node, dict):
        return {
            name: _without_credentials(part)
            for name, part in node.items()
            if name not in _CREDENTIAL_LISTS
        }
    return [_without_credentials(part) for part in node] if isinstance(node, list) else node


def _ids(node: Any) -> Iterator[str]:
    """Every id outside the credentials inside."""
    if isinstance(node, dict):
        if isinstance(node.get("id"), str):
            yield node["id"]
        for name, part in node.items():
            if name not in _CREDENTIAL_LISTS:
                yield from _ids(part)
    elif isinstance(node, list):
        for part in node:
            yield from _ids(part)
