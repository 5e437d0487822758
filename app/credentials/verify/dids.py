"""Whose key is it? From the name of a key to the key, and whether the issuer vouches for it.

A signature by a key that somebody else controls proves nothing, whoever the document names as its
issuer. So the finding about ownership and the key itself are separate: a forged credential is told
that its key is foreign even where the signature holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote

from app.credentials.verify import crypto, strict_json
from app.credentials.verify.limits import Run
from app.credentials.verify.reading import decode64
from app.credentials.verify.report import Finding, failed, passed, unknown
from app.credentials.verify.times import moment
from app.errors import Invalid, UpstreamError
from app.http import origin_of
from app.words import Said, as_said, say


@dataclass(frozen=True, slots=True)
class Found:
    """A key, if there is one, and what is known about whose it is."""

    finding: Finding
    key: crypto.Key | None = None


def find(method: object, issuer: str, run: Run, signed_at: datetime | None = None) -> Found:
    """The key that ``method`` (an absolute DID URL or https address) names, as one of ``issuer``.

    :param signed_at: when it signed, for keys that were taken back at a certain time.
    :raises OverLimitError: too many look-ups.
    """
    if not isinstance(method, str) or not method:
        return Found(failed(say("The signature names no key.")))
    controller, _, fragment = method.partition("#")
    try:
        if method.startswith("did:"):
            if not fragment:
                return Found(
                    failed(say("The signature names a DID, but none of its keys (no '#')."))
                )
            found = _in_did(method, controller, fragment, run, signed_at)
        elif method.startswith(("https://", "http://")):
            return _at_address(method, issuer, run)
        else:
            return Found(
                failed(say("%(key)r is not the complete name of a key.", key=method[:100]))
            )
    except UpstreamError as error:
        return Found(
            unknown(
                say("The issuer's keys cannot be looked up: %(problem)s", problem=error.message)
            )
        )
    except Invalid as problem:
        return Found(_bad_key(problem))
    if found.key is not None and controller != issuer:
        why = say(
            "The key belongs to %(controller)s, but the issuer is %(issuer)s.",
            controller=controller[:100],
            issuer=issuer[:100],
        )
        return Found(failed(why), found.key)
    return found


def _bad_key(problem: Invalid) -> Finding:
    return (unknown if problem.code == "unknown-key" else failed)(as_said(problem.message))


def did_web_address(did: str) -> str:
    """Where the document of a ``did:web`` stands (did:web method, "Read"); always https.

    :raises Invalid: not a well-formed one (code ``bad-did``).
    """
    parts = [unquote(part) for part in did.split(":")[2:]]
    if not parts or not all(parts) or any(set(part) & set("/?#@\\ ") for part in parts):
        raise Invalid("bad-did", say("%(did)r is not a well-formed did:web.", did=did[:100]))
    if any(part in {".", ".."} for part in parts):
        raise Invalid("bad-did", say("%(did)r is not a well-formed did:web.", did=did[:100]))
    return "https://" + "/".join([parts[0], *(parts[1:] or [".well-known"]), "did.json"])


def fetch_json(url: str, run: Run, what: Said) -> dict[str, Any]:
    """The JSON object at ``url``.

    :raises UpstreamError: not to be had.
    :raises Invalid: something else stands there (code ``unknown-key``: nothing is known then).
    """
    try:
        return strict_json.loads(run.fetch(url))
    except Invalid as problem:
        raise Invalid(
            "unknown-key",
            say(
                "%(what)s at %(url)s cannot be read: %(problem)s",
                what=what,
                url=url[:200],
                problem=problem.message,
            ),
        ) from None


def _in_did(method: str, did: str, fragment: str, run: Run, signed_at: datetime | None) -> Found:
    kind = did.split(":")[1] if did.count(":") >= 2 else ""
    if kind == "key":
        text = did.removeprefix("did:key:")
        if fragment != text:
            return Found(failed(say("The name of the key does not repeat the did:key.")))
        return Found(
            passed(say("The key is the issuer's did:key itself.")), crypto.from_multikey(text)
        )
    if kind == "jwk":
        if fragment != "0":
            return Found(failed(say("The key of a did:jwk is named '#0'.")))
        jwk = strict_json.loads(decode64(did.removeprefix("did:jwk:").encode()))
        return Found(passed(say("The key is the issuer's did:jwk itself.")), crypto.from_jwk(jwk))
    if kind == "web":
        document = fetch_json(did_web_address(did), run, say("The issuer's DID document"))
        return _listed(document, did, method, signed_at or run.now)
    return Found(
        unknown(say("Tassel cannot look up keys by the DID method %(kind)r.", kind=kind[:20]))
    )


def _listed(document: Mapping[str, Any], did: str, method: str, signed_at: datetime) -> Found:
    if document.get("id") != did:
        return Found(failed(say("The DID document that was found belongs to another DID.")))
    entries = [
        entry
        for name in ("verificationMethod", "assertionMethod", "authentication")
        for entry in _entries(document.get(name))
        if isinstance(entry, dict) and _absolute(entry.get("id"), did) == method
    ]
    if not entries:
        return Found(
            failed(say("The issuer's DID document lists no key %(key)r.", key=method[:150]))
        )
    if any(entry != entries[0] for entry in entries):
        return Found(failed(say("The issuer's DID document lists two keys under this name.")))
    key = _key_in(entries[0])
    asserting = {
        _absolute(entry.get("id") if isinstance(entry, dict) else entry, did)
        for entry in _entries(document.get("assertionMethod"))
    }
    if entries[0].get("controller") != did:
        return Found(
            failed(say("The key is listed by the issuer, but controlled by another.")), key
        )
    if method not in asserting:
        why = say("The issuer does not list this key for making statements (assertionMethod).")
        return Found(failed(why), key)
    ended = _ended(entries[0], signed_at)
    return Found(
        ended or passed(say("The issuer publishes this key as one that signs for it.")), key
    )


def _entries(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _absolute(name: object, did: str) -> str | None:
    if not isinstance(name, str):
        return None
    return did + name if name.startswith("#") else name


def _key_in(entry: Mapping[str, Any]) -> crypto.Key:
    if "publicKeyJwk" in entry:
        return crypto.from_jwk(entry["publicKeyJwk"])
    if "publicKeyMultibase" not in entry:
        raise Invalid(
            "unknown-key", say("The key is written down in a way that Tassel does not know.")
        )
    return crypto.from_multikey(entry["publicKeyMultibase"])


def _ended(entry: Mapping[str, Any], signed_at: datetime) -> Finding | None:
    for name, unread, ended in _ENDS:
        if name in entry:
            end = moment(entry[name])
            if end is None:
                return failed(unread)
            if end <= signed_at:
                return failed(ended(f"{end:%Y-%m-%d}"))
    return None


_ENDS: Final[tuple[tuple[str, Said, Callable[[str], Said]], ...]] = (
    (
        "revoked",
        say("The time at which the key was taken back cannot be read."),
        lambda day: say("The key was taken back on %(day)s, before it signed this.", day=day),
    ),
    (
        "expires",
        say("The time at which the key ended cannot be read."),
        lambda day: say("The key ended on %(day)s, before it signed this.", day=day),
    ),
)
"""Member of a key, what is said when it is no time, and when that time has passed."""


def _at_address(method: str, issuer: str, run: Run) -> Found:
    """A key document on the web: it counts only where the issuer's own site serves it."""
    entry = fetch_json(method.partition("#")[0], run, say("The issuer's key"))
    key = _key_in(entry) if "controller" in entry else crypto.from_jwk(entry)
    site = site_of(issuer)
    if site is None or origin_of(method) != site:
        return Found(failed(say("The key does not stand on the issuer's own site.")), key)
    if entry.get("controller", issuer) != issuer:
        return Found(failed(say("The key is controlled by another than the issuer.")), key)
    return Found(passed(say("The issuer's own site serves the key.")), key)


def site_of(issuer: str) -> str | None:
    """The origin that an issuer's identifier belongs to; None if it names none."""
    if issuer.startswith("did:web:"):
        try:
            return origin_of(did_web_address(issuer))
        except Invalid:
            return None
    return origin_of(issuer) if issuer.startswith("https://") else None


def in_key_set(jwk: Mapping[str, Any], issuer: str, run: Run) -> Found:
    """A key that the token itself brought: it must stand in the key set of the issuer's site.

    :raises OverLimitError: too many look-ups.
    """
    try:
        key = crypto.from_jwk(jwk)
        if issuer.startswith("did:key:"):
            same = crypto.from_multikey(issuer.removeprefix("did:key:")).raw == key.raw
            finding = passed(say("The key is the issuer's did:key itself."))
            return Found(finding if same else failed(say("The key is not the issuer's.")), key)
        site = site_of(issuer)
        if site is None:
            return Found(
                failed(say("The token brings its own key, and the issuer has no site.")), key
            )
        listed = fetch_json(f"{site}/.well-known/jwks.json", run, say("The issuer's key set"))
    except UpstreamError as error:
        return Found(
            unknown(
                say("The issuer's keys cannot be looked up: %(problem)s", problem=error.message)
            )
        )
    except Invalid as problem:
        return Found(_bad_key(problem))
    if any(_is(entry, key) for entry in _entries(listed.get("keys"))[:50]):
        return Found(passed(say("The key set of the issuer's site lists the key.")), key)
    return Found(failed(say("The token brings a key that the issuer's site does not list.")), key)


def _is(entry: object, key: crypto.Key) -> bool:
    return next(_raw(entry), None) == key.raw


def _raw(entry: object) -> Iterator[object]:
    try:
        yield crypto.from_jwk(entry).raw
    except Invalid:
        return
