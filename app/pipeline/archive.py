"""The issuer archive: all that verifiers look up, as files for the day when the domain is gone.

The files lie at the paths at which this server serves them, so any web server can stand in for it.
A manifest holds the hash of each file and is signed as a token by the issuer's P-256 key, so that
whoever finds the archive can tell it from one that was made up later. Nothing in it is about a
learner.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import audit
from app.credentials import contexts, did, editions, endorsed, files, issuers, issuing
from app.credentials.keys import KeyKind, base64url
from app.models import Achievement, AchievementVersion, Issuer, StatusList
from app.pipeline.campus import Campus

README: Final = """\
Archive of the badge issuer {name}
{did}
Made {made_at} from {public_url}

Badges of this issuer name addresses below {public_url}. While that address is served, nobody needs
this archive. When it is gone, this folder answers in its place:

  1. Check the archive: manifest.jwt is a token whose payload is manifest.json; its key is in
     www/issuers/{slug}/jwks.json. Compare the SHA-256 of each file with the manifest. Compare the
     archive's own SHA-256 with the one that the campus published or deposited, if there is one:
     the archive brings its own keys, so the signature alone shows only that nothing was changed.
  2. Serve the folder www:      python3 -m http.server 8000 --directory www
  3. Verify a badge with it:    tassel verify badge.json --resolve {public_url}=http://127.0.0.1:8000

Or copy the folder www to any web server that is given the old name, and every verifier works again.

  www/issuers/{slug}/did.json      the keys, also the retired ones (DID document, did:web)
  www/issuers/{slug}/jwks.json     the same keys as a JWK set
  www/issuers/{slug}/profile       the issuer's profile
  www/issuers/{slug}/status/N      signed status lists: what was revoked up to that day
  www/achievements/ID              what the badges stand for, with pictures (ID.png)
  contexts/SHA256.json             the JSON-LD contexts that signatures depend on, by their hash
  contexts/index.json              address of each context and its hash

Status lists say what was revoked when the archive was made, and nothing about later days.
"""


def make(campus: Campus, slug: str, actor: str) -> bytes:
    """The archive of one issuer as a zip. Raises NotFound, and UpstreamError of a keeper."""
    now = campus.clock()
    with campus.db.reading() as session:
        issuer = issuers.by_slug(session, slug)
        found = _web(campus, session, issuer) | _contexts()
        key = issuers.key_row(session, issuer.id, KeyKind.P256, now)
    facts = {"public_url": campus.settings.public_url, "made_at": f"{now:%Y-%m-%d %H:%M} UTC"}
    text = README.format(name=issuer.name, did=issuer.did, slug=slug, **facts)
    found["README.txt"] = text.encode()
    manifest = {
        "iss": issuer.did,
        "iat": int(now.timestamp()),
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in found.items()},
    }
    found["manifest.json"] = _json(manifest)
    head = {"alg": "ES256", "typ": "JWT", "kid": f"{issuer.did}#{key.fragment}"}
    signing_input = f"{_part(head)}.{_part(manifest)}".encode("ascii")
    signature = campus.keyring.signer(key).sign(signing_input)
    found["manifest.jwt"] = signing_input + b"." + base64url(signature).encode("ascii")
    with campus.db.transaction() as session:
        audit.record(session, actor, "issuer.archived", f"issuer:{issuer.id}", {}, now)
    return _zip(found)


def _web(campus: Campus, session: Session, issuer: Issuer) -> dict[str, bytes]:
    """Path in the archive to content, for everything that a badge's names lead to."""
    home = f"www/issuers/{issuer.slug}"
    found = {
        f"www{did.did_url_path(issuer.did)}": _json(issuers.did_document(session, issuer)),
        f"{home}/jwks.json": _json(issuers.jwks(session, issuer)),
        f"{home}/profile": _json(issuers.profile_json(issuer)),
    }
    lists = select(StatusList).where(
        StatusList.issuer_id == issuer.id, StatusList.signed.is_not(None)
    )
    for one in session.scalars(lists.order_by(StatusList.number)):
        found[f"{home}/status/{one.number}"] = one.signed or b""
    query = (
        select(AchievementVersion)
        .join(Achievement, Achievement.id == AchievementVersion.achievement_id)
        .where(Achievement.issuer_id == issuer.id, AchievementVersion.published_at.is_not(None))
        .order_by(AchievementVersion.achievement_id, AchievementVersion.number)
    )
    for version in session.scalars(query):
        place = f"www/achievements/{version.achievement_id}"
        key = (version.achievement_id, version.number)
        inside = endorsed.carried(session, {key}).get(key, ())
        wording = issuing.achievement_json(version, issuer, campus.settings.public_url, inside)
        found[place] = _json(wording)
        found[f"{place}.png"] = files.image_png(version)
        for language in editions.of(version):
            found[editions.address(place, language)] = _json(
                issuing.achievement_json(
                    version, issuer, campus.settings.public_url, language=language
                )
            )
        found[f"achievements/{version.achievement_id}-{version.number}.json"] = _json(wording)
    return found


def _contexts() -> dict[str, bytes]:
    found = {f"contexts/{sha}.json": contexts.raw(url) for url, (_, sha) in contexts.PINNED.items()}
    index = {url: sha for url, (_, sha) in contexts.PINNED.items()}
    return {**found, "contexts/index.json": _json(index)}


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()


def _part(value: Any) -> str:
    return base64url(json.dumps(value, separators=(",", ":")).encode("ascii"))


def _zip(found: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(found):
            archive.writestr(name, found[name])
    return out.getvalue()
