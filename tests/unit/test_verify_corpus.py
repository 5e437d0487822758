"""Forged and malformed credentials, each one fault away from a valid one.

The check that is meant for the fault must fail and every other must say what it says of the valid
one. Where the fault sits inside what is signed, the credential is signed again, so that no broken
signature hides whether anybody looked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from app.credentials import contexts, status
from app.credentials.keys import KeyKind
from app.credentials.verify import Report, Result, verify
from tests.forging import (
    ACHIEVEMENT_ID,
    CAMPUS,
    CAMPUS_DID,
    ED,
    FOREIGN,
    FREE,
    LIST,
    LOGIN,
    MAIL,
    NOW,
    P256,
    PARTNER,
    REVOKED,
    RSA,
    SMALL,
    SUSPENSIONS,
    Document,
    Name,
    World,
    badge,
    changed,
    did_key,
    endorsement,
    entry,
    listed,
    made,
    part,
    png,
    record,
    seal,
    status_list,
    svg,
    text,
    token,
    world,
)

Make = Callable[[World], bytes]


def looked_at(make: Make, recipient: str | None = None) -> Report:
    place = world()
    return verify(make(place), place.lookup, NOW, recipient=recipient)


@cache
def said_of_valid(name: str) -> dict[str, Result]:
    return results(looked_at(VALID[name]))


def results(report: Report) -> dict[str, Result]:
    return {check.name: check.result for check in report.checks}


# What is valid ----------------------------------------------------------------------------------


def endorsed(inner: Any = None, where: str = "endorsement") -> Document:
    return changed(badge(), where, [inner or seal(endorsement(), PARTNER)])


def small() -> Document:
    """A badge of an issuer who has a key and nothing else."""
    return changed(badge(SMALL.did), "credentialStatus")


def with_lists(url: str = SUSPENSIONS, index: int = FREE) -> Document:
    both = [entry(), entry(index, url, statusPurpose="suspension")]
    return changed(badge(), "credentialStatus", both)


def brought(name: Name = RSA) -> dict[str, Any]:
    return {"kid": None, "jwk": name.key.public.jwk}


REVOCATIONS = "https://campus.example/revoked.json"


def old_list(issuer: str = CAMPUS, *revoked: str) -> Make:
    """A badge with the older, unsigned list of 1EdTech."""

    def make(place: World) -> bytes:
        rows = [{"id": name} for name in revoked]
        place.put(REVOCATIONS, {"id": REVOCATIONS, "issuer": issuer, "revokedCredentials": rows})
        old = {"id": REVOCATIONS, "type": "1EdTechRevocationList"}
        document = changed(badge(), "credentialStatus", old)
        document["@context"] += ["https://purl.imsglobal.org/spec/ob/v3p0/extensions.json"]
        return text(seal(document, ED))

    return make


def stacked(inner: Any = None) -> Document:
    return record(inner or seal(badge(), ED), seal(badge(number=2), ED))


VALID: dict[str, Make] = {
    "badge": lambda _: text(seal(badge(), ED)),
    "did:key": lambda _: text(seal(small(), SMALL)),
    "jcs": lambda _: text(seal(badge(), ED, cryptosuite="eddsa-jcs-2022")),
    "ecdsa": lambda _: text(seal(badge(), P256, cryptosuite="ecdsa-rdfc-2019")),
    "suspension list": lambda _: text(seal(with_lists(), ED)),
    "old list": old_list(),
    "token": lambda _: token(badge()),
    "ES256": lambda _: token(badge(), P256),
    "token with key": lambda _: token(badge(), header=brought()),
    "token with address": lambda _: token(
        badge(), header={"kid": "https://campus.example/keys/rsa"}
    ),
    "endorsed": lambda _: text(seal(endorsed(), ED)),
    "achievement endorsed": lambda _: text(
        seal(endorsed(where="credentialSubject.achievement.endorsement"), ED)
    ),
    "endorsed by token": lambda _: text(seal(endorsed(BY_TOKEN, "endorsementJwt"), ED)),
    "endorsement": lambda _: text(seal(endorsement(), PARTNER)),
    "record": lambda _: text(seal(stacked(), ED)),
    "record of endorsed": lambda _: text(seal(stacked(seal(endorsed(), ED)), ED)),
    "png": lambda _: png(text(seal(badge(), ED))),
    "packed png": lambda _: png(text(seal(badge(), ED)), compressed=True),
    "png with token": lambda _: png(token(badge())),
    "svg": lambda _: svg(text(seal(badge(), ED))),
    "svg with token": lambda _: svg(token(badge())),
}
ES_PARTNER = did_key(KeyKind.P256)
BY_TOKEN = token(
    changed(endorsement(), "issuer.id", ES_PARTNER.did),
    ES_PARTNER,
).decode()


@pytest.mark.parametrize("name", VALID)
def test_what_is_in_order_is_valid(name: str) -> None:
    report = looked_at(VALID[name])
    bad = [c for c in report.checks if c.result in {Result.FAIL, Result.UNKNOWN}]
    assert bad == []
    assert report.verdict == "valid"


# What is not ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """One fault, the check that must see it, and the valid one that it is measured against."""

    name: str
    check: str
    make: Make
    base: str = "badge"
    keyless: bool = False
    """There is no key, so that nothing can be said about the signature."""


def inside(name: str, check: str, path: str, value: Any = None) -> Fault:
    """A fault in what is signed; signed again."""
    return Fault(name, check, lambda _: text(seal(changed(badge(), path, value), ED)))


def after(name: str, path: str, value: Any = None, base: str = "badge") -> Fault:
    """Something was changed after signing."""
    documents = {
        "badge": lambda: seal(badge(), ED),
        "jcs": lambda: seal(badge(), ED, cryptosuite="eddsa-jcs-2022"),
        "ecdsa": lambda: seal(badge(), P256, cryptosuite="ecdsa-rdfc-2019"),
        "record": lambda: seal(stacked(), ED),
    }
    return Fault(name, "proof", lambda _: text(changed(documents[base](), path, value)), base)


def proved(
    name: str, check: str, signer: Name = ED, keyless: bool = False, **options: Any
) -> Fault:
    """A fault in the proof; signed again."""
    return Fault(name, check, lambda _: text(seal(badge(), signer, **options)), keyless=keyless)


def listing(name: str, change: Callable[[Document], Document], signer: Name | None = ED) -> Fault:
    """A fault in the status list."""

    def make(place: World) -> bytes:
        document = change(status_list())
        place.put(LIST, seal(document, signer) if signer else document)
        return text(seal(badge(), ED))

    return Fault(name, "status", make)


def marked(name: str, value: Any) -> Fault:
    return inside(name, "status", "credentialStatus", value)


def did(name: str, change: Callable[[Document], Document], keyless: bool = False) -> Fault:
    """A fault in the issuer's DID document."""

    def make(place: World) -> bytes:
        # The list is signed with another key of the issuer, so that it stays in order.
        document = status_list()
        place.put(LIST, seal(document, P256, cryptosuite="ecdsa-rdfc-2019"))
        place.put(CAMPUS_DID, change(place.get(CAMPUS_DID)))
        return text(seal(badge(), ED))

    return Fault(name, "key", make, keyless=keyless)


def headed(name: str, check: str, keyless: bool = False, **header: Any) -> Fault:
    return Fault(name, check, lambda _: token(badge(), header=header), "token", keyless)


def claimed(name: str, **claims: Any) -> Fault:
    return Fault(name, "token", lambda _: token(badge(), claims=claims), "token")


def inner(name: str, check: str, make: Callable[[], Any]) -> Fault:
    """A fault in a badge of a record, sealed after it."""
    place = f"credentialSubject.verifiableCredential[0].{check}"
    return Fault(name, place, lambda _: text(seal(stacked(make()), ED)), "record")


def endorsing(name: str, check: str, make: Callable[[], Any]) -> Fault:
    """A fault in an endorsement, sealed after it."""
    return Fault(
        name, f"endorsement[0].{check}", lambda _: text(seal(endorsed(make()), ED)), "endorsed"
    )


def forged_endorsement() -> Document:
    return changed(
        seal(endorsement(), PARTNER), "credentialSubject.endorsementComment", "Hire at once."
    )


def hidden(name: str) -> Make:
    """A member by its full address: the same statements, so that the signature still holds."""
    revoked = changed(badge(), "credentialStatus", entry(REVOKED))

    def make(_: World) -> bytes:
        sealed = seal(revoked if name == "credentialStatus" else badge(), ED)
        value = sealed.pop(name)
        if name == "validUntil":
            value = {"@type": "http://www.w3.org/2001/XMLSchema#dateTime", "@value": value}
        return text({**sealed, f"https://www.w3.org/2018/credentials#{name}": value})

    return make


def moved(_: World) -> bytes:
    """The partner vouches for the badge and repeats its status; the holder then takes out the other."""
    about = {**endorsement(badge()["id"]), "id": "urn:uuid:00000000-0000-4000-8000-0000000e0002"}
    about["credentialSubject"]["credentialStatus"] = entry(REVOKED)
    about["credentialSubject"]["type"] += ["VerifiableCredential"]
    document = {**badge(), "credentialStatus": entry(REVOKED)}
    document["endorsement"] = [seal(about, PARTNER)]
    sealed = seal(document, ED)
    del sealed["credentialStatus"]
    return text(sealed)


def ended_in_other_words(_: World) -> bytes:
    sealed = seal(badge(), ED, expires="2026-10-02T08:00:00Z")
    ends = {
        "@type": "http://www.w3.org/2001/XMLSchema#dateTime",
        "@value": sealed["proof"].pop("expires"),
    }
    sealed["proof"]["https://w3id.org/security#expiration"] = ends
    return text(sealed)


def stripped(place: World) -> bytes:
    del place
    return token(badge()).rpartition(b".")[0] + b"."


def symmetric(place: World) -> bytes:
    """The public key used as a shared secret, for readers that let the header choose."""
    del place
    import hashlib
    import hmac

    head, body, _ = token(badge(), header={"alg": "HS256"}).split(b".")
    secret = RSA.key.public.jwk["n"].encode()
    return head + b"." + body + b"." + part(hmac.digest(secret, head + b"." + body, hashlib.sha256))


def other_payload(place: World) -> bytes:
    del place
    head, _, signature = token(badge()).split(b".")
    better = changed(badge(), "credentialSubject.result.0.value", "100")
    return head + b"." + token(better).split(b".")[1] + b"." + signature


SUBJECT = "credentialSubject"
ACHIEVEMENT = f"{SUBJECT}.achievement"
ALL = [
    # Names, addresses and texts that no signature covers, or that verifiers read differently.
    inside("a name without a meaning", "terms", "honours", "summa cum laude"),
    inside("a name without a meaning deep inside", "terms", f"{ACHIEVEMENT}.level", "7"),
    inside("a name in the wrong place", "terms", f"{ACHIEVEMENT}.targetCode", "X"),
    inside("a type without a meaning", "terms", f"{ACHIEVEMENT}.type", ["Achievement", "Diploma"]),
    inside("an address with a space", "terms", "image.id", "https://campus.example/a b.png"),
    inside("a relative address", "terms", "evidence.0.id", "e/1"),
    inside("an id that is no address", "terms", "id", "badge-1"),
    inside("a control character", "terms", "description", "Reads\u0007 a table."),
    inside("a delete character", "terms", f"{ACHIEVEMENT}.name", "Reading\u007f tables"),
    inside("issuanceDate of the old model", "terms", "issuanceDate", "2026-09-01T00:00:00Z"),
    inside("expirationDate of the old model", "terms", "expirationDate", "2029-09-01T00:00:00Z"),
    inside(
        "an id spelled @id",
        "terms",
        "evidence.0",
        {"@id": "https://campus.example/e/1", "type": ["Evidence"], "name": "The project"},
    ),
    Fault("a status by its long name", "terms", hidden("credentialStatus")),
    Fault("an end by its long name", "terms", hidden("validUntil")),
    Fault("a revoked status moved into an endorsement", "terms", moved, "endorsed"),
    Fault("an end of the proof by its long name", "proof", ended_in_other_words),
    inside(
        "a date told of elsewhere",
        "terms",
        "evidence.0",
        {"id": badge()["id"], "type": ["Evidence"], "name": "The project"},
    ),
    # Shape.
    inside("no criteria", "form", f"{ACHIEVEMENT}.criteria"),
    inside("empty criteria", "form", f"{ACHIEVEMENT}.criteria", {}),
    inside("no name of the achievement", "form", f"{ACHIEVEMENT}.name"),
    inside("no description of the achievement", "form", f"{ACHIEVEMENT}.description"),
    inside("no id of the achievement", "form", f"{ACHIEVEMENT}.id"),
    inside("no type of the achievement", "form", f"{ACHIEVEMENT}.type", ["Alignment"]),
    inside("no achievement", "form", ACHIEVEMENT),
    inside("a subject of the wrong type", "form", f"{SUBJECT}.type", ["Profile"]),
    inside("not said to be a credential", "form", "type", ["OpenBadgeCredential"]),
    inside("no id of the credential", "form", "id"),
    inside("an issuer of the wrong type", "form", "issuer.type", ["Image"]),
    inside("an alignment without target", "form", f"{ACHIEVEMENT}.alignment.0.targetUrl"),
    inside("evidence of the wrong type", "form", "evidence.0.type", ["Image"]),
    inside("a result of the wrong type", "form", f"{SUBJECT}.result.0.type", ["Image"]),
    inside("a result that is a number", "form", f"{SUBJECT}.result.0.value", 93),
    inside(
        "a result that points nowhere",
        "form",
        f"{SUBJECT}.result.0.resultDescription",
        "urn:uuid:33333333-0000-4000-8000-000000000001",
    ),
    inside("no kind of result", "form", f"{ACHIEVEMENT}.resultDescription.0.resultType"),
    # Contexts.
    inside(
        "contexts in the wrong order",
        "contexts",
        "@context",
        [contexts.OPEN_BADGES, contexts.CREDENTIALS],
    ),
    inside("a context twice", "contexts", "@context", [*badge()["@context"], contexts.OPEN_BADGES]),
    # The recipient.
    Fault(
        "nobody named",
        "recipient",
        lambda _: text(
            seal(changed(changed(badge(), f"{SUBJECT}.id"), f"{SUBJECT}.identifier"), ED)
        ),
    ),
    inside(
        "a hash that is none", "recipient", f"{SUBJECT}.identifier.0.identityHash", "sha256$abc"
    ),
    inside("an identifier without type", "recipient", f"{SUBJECT}.identifier.0.type"),
    inside("an identifier without kind", "recipient", f"{SUBJECT}.identifier.0.identityType"),
    inside("hashed or not", "recipient", f"{SUBJECT}.identifier.0.hashed", "true"),
    # Dates.
    inside("a date without zone", "valid-from", "validFrom", "2026-09-01T00:00:00"),
    inside("a date without time", "valid-from", "validFrom", "2026-09-01"),
    inside("no beginning", "valid-from", "validFrom"),
    inside("not begun", "valid-from", "validFrom", "2027-09-01T00:00:00Z"),
    inside("expired", "valid-until", "validUntil", "2026-10-01T00:00:00Z"),
    inside("an end without zone", "valid-until", "validUntil", "2028-09-01T00:00:00"),
    inside("a day that does not exist", "valid-until", "validUntil", "2028-02-30T00:00:00Z"),
    inside("an end before the beginning", "valid-until", "validUntil", "2020-09-01T00:00:00Z"),
    # Changed after signing.
    after("a better result", f"{SUBJECT}.result.0.value", "100"),
    after("another name of the badge", "name", "Master of Science"),
    after("another issuer's name", "issuer.name", "Great University"),
    after("another recipient", f"{SUBJECT}.id", "urn:uuid:99999999-0000-4000-8000-000000000001"),
    after("the end taken out", "validUntil", "2038-09-01T00:00:00Z"),
    after("another evidence", "evidence.0.id", "https://campus.example/e/2"),
    after("another time of signing", "proof.created", "2026-09-03T08:00:00Z"),
    after("another signature", "proof.proofValue", "z" + "2" * 88),
    after("a signature that is none", "proof.proofValue", "u0OIl"),
    after("another kind of signature", "proof.cryptosuite", "eddsa-jcs-2022"),
    after("a word added to the proof", "proof.vouchedFor", "by the ministry"),
    after("a better result, signed by JCS", f"{SUBJECT}.result.0.value", "100", "jcs"),
    after("a better result, signed by ECDSA", f"{SUBJECT}.result.0.value", "100", "ecdsa"),
    after("another stack in a record", f"{SUBJECT}.association.0.targetId", CAMPUS, "record"),
    # The proof itself.
    proved("made for a login", "purpose", proofPurpose="authentication"),
    proved("made in the future", "signed-at", created="2027-01-01T00:00:00Z"),
    proved("made at a time without zone", "signed-at", created="2026-09-02T08:00:00"),
    proved("a proof that has ended", "signed-at", expires="2026-10-02T08:00:00Z"),
    # Whose key.
    proved("signed by a stranger", "key", FOREIGN),
    proved("signed by a stranger's did:key", "key", did_key()),
    proved("a key for logins only", "key", LOGIN),
    proved("a key that is not listed", "key", made(KeyKind.ED25519, CAMPUS, "new"), keyless=True),
    proved("a key by a short name", "key", verificationMethod="#ed", keyless=True),
    proved("no key named", "key", verificationMethod=CAMPUS, keyless=True),
    Fault(
        "a did:key without the key's name",
        "key",
        lambda _: text(seal(small(), SMALL, verificationMethod=SMALL.did)),
        "did:key",
        keyless=True,
    ),
    Fault(
        "a did:key with another's name",
        "key",
        lambda _: text(seal(small(), SMALL, verificationMethod=f"{SMALL.did}#{PARTNER.did[8:]}")),
        "did:key",
        keyless=True,
    ),
    did(
        "a key controlled by another", lambda d: changed(d, "verificationMethod.0.controller", "x")
    ),
    did(
        "a key taken back before it signed",
        lambda d: changed(d, "verificationMethod.0.revoked", "2026-08-01T00:00:00Z"),
    ),
    did(
        "a key that had ended",
        lambda d: changed(d, "verificationMethod.0.expires", "2026-08-01T00:00:00Z"),
    ),
    did(
        "a compromised key taken off",
        lambda d: {**d, "verificationMethod": d["verificationMethod"][1:]},
        keyless=True,
    ),
    did(
        "two keys by one name",
        lambda d: {
            **d,
            "verificationMethod": [
                *d["verificationMethod"],
                listed(FOREIGN, id=ED.method, controller=CAMPUS),
            ],
        },
        keyless=True,
    ),
    # Status.
    marked("revoked", entry(REVOKED)),
    Fault(
        "suspended",
        "status",
        lambda _: text(seal(with_lists(index=REVOKED), ED)),
        "suspension list",
    ),
    marked("a place outside the list", entry(999_999)),
    marked("a place before the list", entry(statusListIndex="-1")),
    marked("a place as a number", entry(statusListIndex=FREE)),
    marked("a status without purpose", entry(statusPurpose=["revocation"])),
    marked("a status with the address of its list", entry(id=LIST)),
    marked("a list for something else", entry(statusPurpose="suspension")),
    marked("an empty status", []),
    listing("a list by another issuer", lambda d: {**d, "issuer": FOREIGN.did}, FOREIGN),
    listing("a list in the issuer's name by a stranger", lambda d: d, FOREIGN),
    listing("a list that nobody signed", lambda d: d, None),
    listing("another list", lambda d: {**d, "id": SUSPENSIONS}),
    listing("a list that is none", lambda d: {**d, "type": ["VerifiableCredential"]}),
    listing("a list that has ended", lambda d: {**d, "validUntil": "2026-10-01T00:00:00Z"}),
    listing("a list not begun", lambda d: {**d, "validFrom": "2027-10-01T00:00:00Z"}),
    listing(
        "a list that is too short",
        lambda d: changed(d, f"{SUBJECT}.encodedList", status.encode(bytes(1_000))),
    ),
    listing("a damaged list", lambda d: changed(d, f"{SUBJECT}.encodedList", "uH4sIAAAA")),
    listing("a list with a name of its own", lambda d: {**d, "cleared": "all"}),
    Fault(
        "a list changed after signing",
        "status",
        lambda place: (
            place.put(
                LIST,
                changed(
                    place.get(LIST),
                    f"{SUBJECT}.encodedList",
                    status.encode(status.empty()),
                ),
            )
            or text(seal(badge(), ED))
        ),
    ),
    Fault("named by the older list", "status", old_list(CAMPUS, badge()["id"]), "old list"),
    Fault("another issuer's older list", "status", old_list(FOREIGN.did), "old list"),
    # Tokens.
    headed("another type of token", "token", typ="vc+jwt"),
    headed("a critical extension", "token", crit=["exp"]),
    headed("an outside certificate", "token", x5u="https://stranger.example/c.pem"),
    headed("a key named and another brought", "token", jwk=FOREIGN.key.public.jwk),
    headed("no key named in the header", "key", keyless=True, kid=None),
    headed("a key on another site", "key", kid="https://stranger.example/keys/rsa"),
    headed(
        "a private key brought along",
        "key",
        keyless=True,
        kid=None,
        jwk={**RSA.key.public.jwk, "d": "AQAB"},
    ),
    headed("an algorithm of another key", "proof", alg="ES256"),
    headed("no algorithm", "proof", alg="none"),
    Fault("the public key as a secret", "proof", symmetric, "token"),
    Fault("no signature", "proof", stripped, "token"),
    Fault("another payload", "proof", other_payload, "token"),
    Fault(
        "a key brought that nobody lists",
        "key",
        lambda _: token(badge(), P256, header=brought(P256)),
        "token with key",
    ),
    Fault(
        "a token by a stranger",
        "key",
        lambda _: token(badge(), FOREIGN),
        "token",
    ),
    claimed("another iss", iss=FOREIGN.did),
    claimed("another sub", sub="urn:uuid:99999999-0000-4000-8000-000000000001"),
    claimed("another jti", jti="urn:uuid:99999999-0000-4000-8000-000000000002"),
    claimed("another nbf", nbf=1_600_000_000),
    claimed("another exp", exp=4_000_000_000),
    claimed("no sub", sub=None),
    claimed("no jti", jti=None),
    claimed("no nbf", nbf=None),
    claimed("no exp", exp=None),
    # Credentials inside credentials: what foreign verifiers do not look at.
    inner("forged before sealing", "proof", lambda: changed(seal(badge(), ED), "name", "Doctor")),
    inner("by a stranger", "key", lambda: seal(badge(), FOREIGN)),
    inner("with a key for logins only", "key", lambda: seal(badge(), LOGIN)),
    inner(
        "revoked inside",
        "status",
        lambda: seal(changed(badge(), "credentialStatus", entry(REVOKED)), ED),
    ),
    inner(
        "expired inside",
        "valid-until",
        lambda: seal(changed(badge(), "validUntil", "2026-10-01T00:00:00Z"), ED),
    ),
    inner(
        "without criteria inside",
        "form",
        lambda: seal(changed(badge(), f"{ACHIEVEMENT}.criteria"), ED),
    ),
    inner(
        "nobody named inside",
        "recipient",
        lambda: seal(changed(changed(badge(), f"{SUBJECT}.id"), f"{SUBJECT}.identifier"), ED),
    ),
    inner(
        "a date without zone inside",
        "valid-from",
        lambda: seal(changed(badge(), "validFrom", "2026-09-01T00:00:00"), ED),
    ),
    inner(
        "a name without a meaning inside", "terms", lambda: seal({**badge(), "honours": "x"}, ED)
    ),
    inner(
        "made for a login inside",
        "purpose",
        lambda: seal(badge(), ED, proofPurpose="authentication"),
    ),
    endorsing("an endorsement changed", "proof", forged_endorsement),
    endorsing("an endorsement by a stranger", "key", lambda: seal(endorsement(), FOREIGN)),
    endorsing(
        "an endorsement of something else",
        "endorses",
        lambda: seal(endorsement("https://campus.example/achievements/other"), PARTNER),
    ),
    endorsing(
        "an endorsement that ended",
        "valid-until",
        lambda: seal({**endorsement(), "validUntil": "2026-10-01T00:00:00Z"}, PARTNER),
    ),
    Fault(
        "an endorsement of the achievement changed",
        "credentialSubject.achievement.endorsement[0].proof",
        lambda _: text(seal(endorsed(forged_endorsement(), f"{ACHIEVEMENT}.endorsement"), ED)),
        "achievement endorsed",
    ),
    Fault(
        "an endorsement inside a badge of a record changed",
        "credentialSubject.verifiableCredential[0].endorsement[0].proof",
        lambda _: text(seal(stacked(seal(endorsed(forged_endorsement()), ED)), ED)),
        "record of endorsed",
    ),
    Fault(
        "an endorsement by token changed",
        "endorsementJwt[0].proof",
        lambda _: text(
            seal(endorsed(BY_TOKEN.rpartition(".")[0] + "." + "A" * 86, "endorsementJwt"), ED)
        ),
        "endorsed by token",
    ),
    # Further parts.
    inside(
        "a service without kind", "refresh", "refreshService", {"id": "https://campus.example/r"}
    ),
    inside(
        "a schema without kind", "schema", "credentialSchema", {"id": "https://campus.example/s"}
    ),
]


@pytest.mark.parametrize("fault", ALL, ids=lambda fault: fault.name)
def test_the_right_check_fails_and_no_other(fault: Fault) -> None:
    before, found = said_of_valid(fault.base), looked_at(fault.make)
    after_all = results(found)
    differing = {name for name in before | after_all if before.get(name) != after_all.get(name)}
    assert after_all[fault.check] is Result.FAIL, found
    allowed = {fault.check}
    if fault.keyless:
        prefix = fault.check.rpartition("key")[0]
        assert after_all[f"{prefix}proof"] is Result.NOT_APPLICABLE
        allowed.add(f"{prefix}proof")
    newly_present = {
        name
        for name in differing - allowed
        if {before[name], after_all[name]} <= {Result.PASS, Result.NOT_APPLICABLE}
    }
    assert differing - newly_present == allowed, found
    assert found.verdict == "invalid"


UNREADABLE: dict[str, Make] = {
    "a name twice": lambda _: b'{"id":"urn:x:y",' + text(seal(badge(), ED))[1:],
    "a name twice deep inside": lambda _: text(seal(badge(), ED)).replace(
        b'"value": "93"', b'"value": "93", "value": "100"'
    ),
    "NaN": lambda _: text(seal(badge(), ED)).replace(b"2.5", b"NaN"),
    "half a surrogate pair": lambda _: text(seal(badge(), ED)).replace(b"Reads", b"\\ud83d"),
    "not UTF-8": lambda _: text(seal(badge(), ED)).replace(b"Reads", b"\xff"),
    "more behind it": lambda _: text(seal(badge(), ED)) + b"{}",
    "cut off": lambda _: text(seal(badge(), ED))[:-5],
    "a list": lambda _: b"[" + text(seal(badge(), ED)) + b"]",
    "a sentence": lambda _: b"I hereby certify",
    "nothing": lambda _: b"",
    "a token in another spelling": lambda _: token(badge()) + b"=",
    "a token of two parts": lambda _: token(badge()).rpartition(b".")[0],
    "a payload twice named": lambda _: b".".join(
        [part({"alg": "RS256"}), part(b'{"a":1,"a":2}'), b"AA"]
    ),
    "a picture without": lambda _: png(),
    "a picture with two": lambda _: png(text(seal(badge(), ED)), token(badge())),
    "a damaged picture": lambda _: png(text(seal(badge(), ED))).replace(b"Reads", b"Reada"),
    "a picture cut off": lambda _: png(text(seal(badge(), ED)))[:-30],
    "a drawing without": lambda _: svg(),
    "a drawing with two": lambda _: svg(text(seal(badge(), ED)), token(badge())),
    "a drawing with two in one place": lambda _: svg(token(badge())).replace(
        b'"/></svg>', b'">{}</openbadges:credential></svg>'
    ),
    "a number beyond all": lambda _: text(seal(badge(), ED)).replace(b"2.5", b"1e999"),
    "a drawing that is no XML": lambda _: svg(text(seal(badge(), ED)))[:-3],
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_in_one_way_is_invalid(name: str) -> None:
    report = looked_at(UNREADABLE[name])
    assert [(check.name, check.result) for check in report.checks] == [("document", Result.FAIL)]
    assert report.verdict == "invalid"


def gone(*urls: str) -> Make:
    def make(place: World) -> bytes:
        for url in urls:
            del place.pages[url]
        return text(seal(badge(), ED))

    return make


CANNOT_SAY: dict[str, tuple[set[str], Make]] = {
    "the list is gone": ({"status"}, gone(LIST)),
    "the issuer is gone": ({"key", "proof", "status"}, gone(CAMPUS_DID)),
    "a login page instead of the list": (
        {"status"},
        lambda place: place.put(LIST, b"<html>") or text(seal(badge(), ED)),
    ),
    "a context that is not known": (
        {"contexts", "terms", "proof"},
        lambda _: text(
            changed(
                seal(badge(), ED),
                "@context",
                [*badge()["@context"], "https://stranger.example/context"],
            )
        ),
    ),
    "a context written into the badge": (
        {"contexts", "terms", "proof"},
        lambda _: text(
            changed(
                seal(badge(), ED),
                "@context",
                [*badge()["@context"], {"name": "https://x.example/y"}],
            )
        ),
    ),
    "a kind of signature that is not known": (
        {"proof"},
        lambda _: text(changed(seal(badge(), ED), "proof.cryptosuite", "bbs-2023")),
    ),
    "a DID method that is not known": (
        {"key", "proof", "status"},
        lambda _: text(
            changed(seal(badge("did:ion:abc"), ED), "proof.verificationMethod", "did:ion:abc#key")
        ),
    ),
    "a kind of status that is not known": (
        {"status"},
        lambda _: text(
            seal(
                changed(
                    badge(), "credentialStatus", {"id": "https://campus.example/s", "type": "Image"}
                ),
                ED,
            )
        ),
    ),
    "an algorithm that is not known": (
        {"proof"},
        lambda _: token(badge(), header={"alg": "PS256"}),
    ),
}


@pytest.mark.parametrize("name", CANNOT_SAY)
def test_what_nobody_can_say_is_unknown(name: str) -> None:
    expected, make = CANNOT_SAY[name]
    report = looked_at(make)
    unknown = {check.name for check in report.checks if check.result is Result.UNKNOWN}
    failed = {check.name for check in report.checks if check.result is Result.FAIL}
    if "did:ion" in str(report.document):
        # The list of the campus is not the list of this issuer.
        assert failed == {"status"}
        assert unknown == {"key", "proof"}
        return
    assert failed == set()
    assert unknown == expected
    assert report.verdict == "unknown"


def test_the_corpus_is_large_enough() -> None:
    assert len({fault.name for fault in ALL}) == len(ALL) >= 60


def test_the_recipient_can_be_asked_about() -> None:
    assert looked_at(VALID["badge"], MAIL).verdict == "valid"
    assert looked_at(VALID["badge"], badge()["credentialSubject"]["id"]).verdict == "valid"
    report = looked_at(VALID["badge"], "eve@campus.example")
    assert [c.name for c in report.checks if c.result is Result.FAIL] == ["recipient"]


def test_each_address_is_asked_once_and_contexts_never() -> None:
    place = world()
    verify(text(seal(stacked(seal(endorsed(), ED)), ED)), place.lookup, NOW)
    assert sorted(place.asked) == sorted({CAMPUS_DID, LIST})
    assert ACHIEVEMENT_ID not in place.asked
