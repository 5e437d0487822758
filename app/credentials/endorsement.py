"""An endorsement of a badge by somebody else: its shape, what it may be about, whether a badge carries it.

A partner signs an EndorsementCredential (Open Badges 3.0, 5.8) about the address of an achievement
with a key of the partner's own. Whether the signature holds is the verifier's question, not asked
here. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from app.credentials import did, wording
from app.credentials.contexts import CREDENTIALS, OPEN_BADGES
from app.credentials.verify import form, reading, say
from app.errors import Invalid

MAX_BYTES: Final = 20_000
"""Of one endorsement: it travels in every badge that carries it."""
MOST: Final = 3
"""Endorsements that one badge carries."""
NAME_LENGTH: Final = 200
COMMENT_LENGTH: Final = 2000

_LASTING: Final = "did:key:"
"""Endorsers whose key nobody can change."""
_CONTEXTS: Final = [CREDENTIALS, OPEN_BADGES]
_TYPES: Final = ["VerifiableCredential", "EndorsementCredential"]
_PROOF: Final = frozenset(
    {"type", "cryptosuite", "created", "verificationMethod", "proofPurpose", "proofValue"}
)
_IMAGE: Final = frozenset({"id", "type", "caption"})
_MEMBERS: Final[Mapping[str, frozenset[str]]] = {
    "": frozenset(
        {"@context", "id", "type", "name", "description", "issuer", "validFrom", "proof"}
        | {"credentialSubject"}
    ),
    "issuer": frozenset({"id", "type", "name", "url", "email", "description", "image"}),
    "issuer.image": _IMAGE,
    "credentialSubject": frozenset({"id", "type", "endorsementComment"}),
    "proof": _PROOF,
}
"""Objects of an endorsement that a badge carries, and their members. A statement about anything else
would stand in the badge under our signature."""


@dataclass(frozen=True, slots=True)
class Endorser:
    """Who endorses. ``did`` is the controller of the key that signs."""

    did: str
    name: str
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """What an endorsement says, for people. Every text is a stranger's."""

    id: str
    did: str
    name: str
    url: str
    """Empty unless it is a web address."""
    comment: str
    valid_from: str
    """As written, an ISO 8601 time."""

    @property
    def host(self) -> str:
        """The web name that keeps the key (did:web); empty for a key that names itself."""
        kind, _, rest = self.did.removeprefix("did:").partition(":")
        return rest.partition(":")[0].replace("%3A", ":") if kind == "web" else ""


def unsigned(
    *,
    credential_id: str,
    about: str,
    title: str,
    endorser: Endorser,
    comment: str,
    valid_from: datetime,
) -> dict[str, Any]:
    """The endorsement of the achievement at ``about``, for its endorser to sign.

    :param title: what it is called, for people.
    :param comment: what the endorser says of it; may be empty.
    :raises Invalid: a value that verifiers would read differently; ``fields`` names it.
    """
    issuer: dict[str, Any] = {
        "id": wording.iri(endorser.did, "endorser"),
        "type": ["Profile"],
        "name": wording.text(endorser.name, "name"),
    }
    if endorser.url:
        issuer["url"] = wording.iri(endorser.url, "url")
    subject = {"id": wording.iri(about, "achievement"), "type": ["EndorsementSubject"]}
    if comment:
        subject["endorsementComment"] = wording.text(comment, "comment")
    return {
        "@context": list(_CONTEXTS),
        "id": wording.iri(credential_id, "credential id"),
        "type": list(_TYPES),
        "name": wording.text(title, "title"),
        "issuer": issuer,
        "validFrom": wording.timestamp(valid_from, "valid from"),
        "credentialSubject": subject,
    }


def brought(raw: bytes) -> bytes:
    """The signed text in ``raw``, without what editors put around it.

    :raises Invalid: too long, or neither JSON nor a token (code ``endorsement-form``).
    """
    text = raw.removeprefix(b"\xef\xbb\xbf").strip()
    if not text:
        raise Invalid("endorsement-form", say("Choose a file, or paste the signed endorsement."))
    if len(text) > MAX_BYTES:
        raise Invalid(
            "endorsement-form",
            say("The endorsement is larger than %(size)s kB.", size=MAX_BYTES // 1000),
            fix=say("Leave out pictures and everything that does not belong to it."),
        )
    if not text.startswith(b"{") and text.count(b".") != 2:
        raise Invalid("endorsement-form", say("This is neither JSON nor a signed token."))
    return text


def read(document: bytes) -> Statement:
    """What a stored endorsement says.

    :raises Invalid: it cannot be read.
    """
    found = reading.read(document).document
    issuer = found.get("issuer")
    profile = issuer if isinstance(issuer, dict) else {"id": issuer}
    subject = found.get("credentialSubject")
    return Statement(
        id=_text(found, "id"),
        did=_text(profile, "id"),
        name=_text(profile, "name")[:NAME_LENGTH],
        url=_web(_text(profile, "url")),
        comment=_text(subject, "endorsementComment")[:COMMENT_LENGTH],
        valid_from=_text(found, "validFrom"),
    )


def check(document: Mapping[str, Any], about: str, ours: Collection[str]) -> None:
    """Whether a verified ``document`` may be taken as an endorsement of ``about``.

    :param about: address of the achievement.
    :param ours: the DIDs of this campus's issuers, who do not endorse their own badges.
    :raises Invalid: it is something else, of something else, or by one of us.
    """
    if form.kind_of(document) != "endorsement":
        raise Invalid(
            "endorsement-kind", say("This is a credential, but not an EndorsementCredential.")
        )
    subject = document.get("credentialSubject")
    if _text(subject, "id") != about:
        raise Invalid(
            "endorsement-other",
            say("This endorsement is of something else."),
            fix=say("Its credentialSubject.id has to be %(address)s", address=about),
        )
    issuer = document.get("issuer")
    if not _text(issuer, "name").strip():
        raise Invalid(
            "endorsement-nameless",
            say("The endorsement does not say who endorses."),
            fix=say("Give its issuer as a Profile with a name."),
        )
    if _text(issuer, "id") in ours:
        raise Invalid("endorsement-own", say("The issuer of a badge cannot endorse it."))


def carried(document: bytes) -> dict[str, Any] | None:
    """The endorsement as it stands inside a badge; None for one that is only shown on pages.

    A badge is kept for years, so it carries only what stays good with it and what every verifier
    reads alike: JSON with a proof inside by a key that names itself (one at a web address may be
    changed or gone, and every badge would be invalid with it), under our own two contexts, without an
    end or a status of its own, and with no statement about anything but the badge and its endorser.
    """
    if not document.startswith(b"{"):
        return None
    found: dict[str, Any] = json.loads(document)
    plain = (
        found.get("@context") == _CONTEXTS
        and found.get("type") in (_TYPES, _TYPES[::-1])
        and all(_only(found, place, allowed) for place, allowed in _MEMBERS.items())
    )
    lasting = plain and found["issuer"]["id"].startswith(_LASTING)
    return found if lasting and _speaks_apart(found) else None


def _speaks_apart(found: Mapping[str, Any]) -> bool:
    """Whether badge, endorser, picture and endorsement are four things with four ids, and all but the
    badge stand outside its house: nothing is said of our issuers, lists or pictures."""
    issuer, about = found["issuer"], found["credentialSubject"]["id"]
    others = [found["id"], issuer["id"]]
    if "image" in issuer:
        others.append(issuer["image"].get("id") or "")
    apart = len({about, *others}) == 1 + len(others)
    return apart and not any(one.startswith(_house(about)) for one in others)


def _house(about: str) -> tuple[str, str]:
    """How addresses and DIDs begin that belong to where the achievement at ``about`` stands."""
    address = about.rpartition("/achievements/")[0]
    return f"{address}/", did.did_for(address, "x").removesuffix("x")


def _only(found: Mapping[str, Any], place: str, allowed: frozenset[str]) -> bool:
    """Whether the object at ``place`` has no other members, and they hold texts or what is allowed."""
    node: Any = found
    for step in filter(None, place.split(".")):
        node = node.get(step)
        if node is None:
            return place == "issuer.image"
    if not isinstance(node, dict) or not node.keys() <= allowed:
        return False
    inner = {name.rpartition(".")[2] for name in _MEMBERS}
    return all(
        isinstance(value, str) or name in inner or name in {"@context", "type"}
        for name, value in node.items()
    )


def _text(node: Any, name: str) -> str:
    value = node.get(name) if isinstance(node, dict) else None
    return value if isinstance(value, str) else ""


def _web(url: str) -> str:
    """``url`` if a page may lead there."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in {"https", "http"} and parts.hostname else ""
