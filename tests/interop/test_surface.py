"""What a learner takes over HTTP, in every form, before and after keys were changed.

Each file is judged by every foreign verifier that reads its form; the names inside lead to what the
same server publishes. One badge is revoked: whoever looks at the status list refuses it. One has run
out: whoever looks at the clock refuses it.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import cast
from uuid import uuid4

import base58
import pytest
import requests
from openbadgeslib.ob3 import OB3LdpVerifier, OB3VerificationError, OB3Verifier
from openvc.errors import OpenvcError
from openvc.proof.data_integrity import DataIntegrityProofSuite
from openvc.proof.vc_jwt import VcJwtProofSuite
from sqlalchemy import select

from app.credentials import contexts
from app.credentials.keys import KeyKind
from app.credentials.verify import verify
from app.db import Base, Database
from app.main import create_app, create_campus
from app.models import Award, Issuer, Person
from app.pipeline import award as awarding
from app.pipeline import issuer_keys, revoke
from app.pipeline.campus import Campus
from app.pipeline.supersede import supersede
from app.settings import load
from tests.conftest import MATERIAL, fresh_database
from tests.course_seed import Seeded, make_badge, seed, token_for
from tests.endorsing import accepted
from tests.integration.lti_rig import running
from tests.integration.trip import Clock
from tests.interop import story_check

pytestmark = pytest.mark.interop
ORIGIN = "https://badges.example.edu"
FORMS = ("json", "jwt", "png", "svg")
SUITE = "eddsa-rdfc-2022"


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    reason = story_check.missing_tools()
    if reason:
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@dataclass
class Taken:
    """One badge as its holder downloaded it, and what became of it since."""

    files: dict[str, bytes]
    key: str
    """Verification method of its embedded proof."""


class Surface:
    """A campus behind its public name, asked over real HTTP."""

    def __init__(self, campus: Campus, port: int, folder: Path) -> None:
        self.campus, self.folder = campus, folder
        self._base = f"http://127.0.0.1:{port}"

    def get(self, path: str) -> bytes:
        answer = requests.get(self._base + path, timeout=30)
        assert answer.status_code == 200, (path, answer.status_code)
        return answer.content

    def take(self, made: Seeded, award: Award) -> Taken:
        """Every file of a badge by the holder's own buttons."""
        cookie = f"__Host-tassel={token_for(made, award.person_id, 'learner')}"
        files = {}
        for form in FORMS:
            answer = requests.post(
                f"{self._base}/courses/{made.course_id}/me/badges/{award.id}/files/{form}",
                headers={"Cookie": cookie, "Sec-Fetch-Site": "same-origin"},
                timeout=30,
            )
            assert answer.status_code == 200, (form, answer.text[:300])
            files[form] = answer.content
        return Taken(files, json.loads(files["json"])["proof"]["verificationMethod"])

    def publish(self) -> None:
        """What the world reads of the issuer, as files for verifiers without a network."""
        for path in ("did.json", "jwks.json", "status/1"):
            place = self.folder / "www/issuers/campus" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(self.get(f"/issuers/campus/{path}"))

    def look_up(self, url: str, *_: object, **__: object) -> bytes:
        """The network of the verifiers that are libraries."""
        if not url.startswith(ORIGIN):
            raise OSError(f"offline: {url}")
        return self.get(url.removeprefix(ORIGIN).partition("#")[0])

    def jwk(self, method: str) -> dict[str, str]:
        """A key of the issuer's key set."""
        known = json.loads(self.get("/issuers/campus/jwks.json"))["keys"]
        (found,) = [one for one in known if one["kid"] == method]
        return dict(found)


@dataclass
class Story:
    """The badges of five learners: under the first keys, under the next ones, a revoked one, one that
    has run out, and one that was signed again after a partner had endorsed it."""

    surface: Surface
    old: Taken
    new: Taken
    revoked: Taken
    expired: Taken
    endorsed: Taken


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("surface")
    with fresh_database(folder) as url:
        db = Database(url, pool_size=5)
        Base.metadata.create_all(db.engine)
        named = {
            "TASSEL_DATABASE_URL": url,
            "TASSEL_DATA_DIR": str(folder / "data"),
            "TASSEL_PUBLIC_URL": ORIGIN,
            "TASSEL_MASTER_KEY": "A" * 43 + "=",
        }
        campus = create_campus(load(named))
        # What is signed later on must not lie ahead for verifiers, which have the real time.
        campus = replace(campus, clock=Clock(campus.clock() - timedelta(hours=3)))
        with running(create_app(campus.settings, campus)) as port:
            yield _told(Surface(campus, port, folder))
        campus.http.close()
        campus.db.close()
        db.close()


def _told(surface: Surface) -> Story:
    campus = surface.campus
    made = seed(campus, learners=12)
    make_badge(made)
    _back_in_time(campus)
    ended, first, second = _signed(campus)[:3]
    old, revoked = surface.take(made, first), surface.take(made, second)
    expired = surface.take(made, ended)
    with campus.db.reading() as session:
        issuer_id = session.scalars(select(Issuer.id)).one()
    for kind in KeyKind:
        issuer_keys.rotate(campus, issuer_id, kind, "test")
    cast(Clock, campus.clock).forward(hours=2)
    make_badge(made, "Data literacy, level 2")
    late, other = [award for award in _signed(campus) if award.awarded_at > first.awarded_at][:2]
    new = surface.take(made, late)
    accepted(campus, other.achievement_id)
    supersede(campus, other.id, "endorsement", "test")
    endorsed = surface.take(made, other)
    revoke.revoke(campus, second.id, "Only for this test.", "operator:test")
    surface.publish()
    return Story(surface, old, new, revoked, expired, endorsed)


def _back_in_time(campus: Campus) -> None:
    """One award is of a year and a day ago, and was for a year."""
    with campus.db.transaction() as session:
        query = select(Award).join(Person, Person.id == Award.person_id)
        award = session.scalars(query.where(Person.email.like("%@%")).limit(1)).one()
        award.awarded_at -= timedelta(days=366)
        award.expires_at = award.awarded_at + timedelta(days=365)


def _signed(campus: Campus) -> list[Award]:
    for batch in awarding.claim(campus):
        awarding.run(campus, batch.ids)
    with campus.db.reading() as session:
        query = select(Award).where(Award.state == "issued").order_by(Award.awarded_at, Award.id)
        return list(session.scalars(query))


# --- the verifiers ---------------------------------------------------------------------------------

Judge = Callable[[Surface, bytes], bool]


def _script(name: str, suffix: str, surface: Surface, signed: bytes) -> bool:
    """A verifier in JavaScript; it reads what was published as files."""
    file = surface.folder / f"{uuid4().hex}{suffix}"
    file.write_bytes(signed)
    schemas = story_check.material_schemas() if name == "schema" else None
    places = [f"{ORIGIN}={surface.folder / 'www'}"]
    ((_, verdict, _why),) = story_check.run_verifier(name, [file], places, schemas)
    return verdict == "valid"


def _openbadgeslib(surface: Surface, signed: bytes) -> bool:
    """It knows lists signed as a token only: the bit is read, the list's own proof is not."""
    text = signed.decode()
    document = json.loads(text) if text.startswith("{") else {}
    with suppress(OB3VerificationError):
        if document:
            verifier = OB3LdpVerifier.for_issuer_did(document["issuer"]["id"])
        else:
            did = VcJwtProofSuite().peek_issuer(text)[0]
            verifier = OB3Verifier.for_issuer_did(did, download=surface.look_up)
        verifier.verify(text, check_status=True, download=surface.look_up, verify_status_list=False)
        return True
    return False


def _openvc(surface: Surface, signed: bytes) -> bool:
    """Proof and times; whether the key is the issuer's and the status are left to its caller.

    Its tokens are those of the older data model, with the credential inside a claim of its own.
    """
    document = json.loads(signed)
    key = surface.jwk(document["proof"]["verificationMethod"])
    known = {url: contexts.pinned(url) for url in document["@context"]}
    with suppress(OpenvcError):
        DataIntegrityProofSuite().verify(document, public_key_jwk=key, extra_contexts=known)
        return True
    return False


EMBEDDED: dict[str, Judge] = {
    "verifier-core": partial(_script, "verifier-core", ".json"),
    "digitalbazaar-vc": partial(_script, "digitalbazaar-vc", ".json"),
    "openbadgeslib": _openbadgeslib,
    "openvc-core": _openvc,
    "schema": partial(_script, "schema", ".json"),
}
TOKENS: dict[str, Judge] = {
    "jose": partial(_script, "jose", ".jwt"),
    "openbadgeslib": _openbadgeslib,
    "schema": partial(_script, "schema", ".jwt"),
}
BLIND_TO_STATUS = ("openvc-core", "schema")
BLIND_TO_TIME = ("schema",)


def verdicts(judges: Mapping[str, Judge], surface: Surface, signed: bytes) -> dict[str, bool]:
    return {name: judge(surface, signed) for name, judge in judges.items()}


def changed(signed: bytes) -> bytes:
    """One letter of the badge's name, or one of the token's signature, is another."""
    if signed.startswith(b"{"):
        return signed.replace(b'"name":"Data', b'"name":"Daba')
    return signed[:-20] + (b"A" if signed[-20:-19] != b"A" else b"B") + signed[-19:]


@pytest.mark.parametrize("which", ["old", "new"])
def test_every_form_is_accepted_before_and_after_keys_changed(story: Story, which: str) -> None:
    taken: Taken = getattr(story, which)
    assert story.old.key != story.new.key
    document = taken.files["json"]
    assert verdicts(EMBEDDED, story.surface, document) == dict.fromkeys(EMBEDDED, True)
    assert verdicts(TOKENS, story.surface, taken.files["jwt"]) == dict.fromkeys(TOKENS, True)
    assert OB3Verifier.extract_token_from_png(taken.files["png"]).encode() == document
    assert OB3Verifier.extract_token_from_svg(taken.files["svg"]).encode() == document


def test_an_endorsed_one_is_accepted_in_every_form_by_all_but_one(story: Story) -> None:
    """openvc-core reads no credential inside another: see the next test."""
    files = story.endorsed.files
    inside = json.loads(files["json"])["credentialSubject"]["achievement"]["endorsement"]
    assert [one["issuer"]["name"] for one in inside] == ["Partner Ltd"]
    wanted = {name: name != "openvc-core" for name in EMBEDDED}
    assert verdicts(EMBEDDED, story.surface, files["json"]) == wanted
    assert verdicts(TOKENS, story.surface, files["jwt"]) == dict.fromkeys(TOKENS, True)
    assert OB3Verifier.extract_token_from_png(files["png"]).encode() == files["json"]
    assert OB3Verifier.extract_token_from_svg(files["svg"]).encode() == files["json"]
    report = verify(files["json"], story.surface.look_up, story.surface.campus.clock())
    assert report.verdict == "valid", report.as_json()
    assert "credentialSubject.achievement.endorsement[0].proof" in {c.name for c in report.checks}


def test_a_changed_endorsement_breaks_the_badge_that_carries_it(story: Story) -> None:
    changed_inside = story.endorsed.files["json"].replace(b"What we ask", b"What we hate")
    found = verdicts(EMBEDDED, story.surface, changed_inside)
    assert found == {name: name == "schema" for name in EMBEDDED}


@pytest.mark.parametrize("where", ["ours", "sample"])
def test_openvc_core_refuses_whatever_names_contexts_inside(story: Story, where: str) -> None:
    """It takes any ``@context`` below the top for an attack, also where it repeats the one on top.

    An endorsement is a credential of its own and has to name its contexts (VCDM 2.0, 4.3), as the
    endorsed sample made by other software does. That is no fault of the badge: take the endorsement
    out before signing, and it is accepted (``test_every_form_is_accepted...``).
    """
    document = json.loads(story.endorsed.files["json"])
    key = story.surface.jwk(document["proof"]["verificationMethod"])
    if where == "sample":
        document = json.loads(
            (Path(MATERIAL) / "verify/samples/valid/di-rdfc-with-endorsement.json").read_bytes()
        )
        name = document["proof"]["verificationMethod"].rpartition("#")[2]
        raw = base58.b58decode(name[1:])[2:]
        x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        key = {"kty": "OKP", "crv": "Ed25519", "x": x}
    known = {url: contexts.pinned(url) for url in document["@context"]}
    with pytest.raises(OpenvcError, match=r"endorsement.*/@context"):
        DataIntegrityProofSuite().verify(document, public_key_jwk=key, extra_contexts=known)


@pytest.mark.parametrize("form", ["json", "jwt"])
def test_a_revoked_one_is_refused_by_each_that_looks(story: Story, form: str) -> None:
    judges = EMBEDDED if form == "json" else TOKENS
    found = verdicts(judges, story.surface, story.revoked.files[form])
    assert found == {name: name in BLIND_TO_STATUS for name in judges}


@pytest.mark.parametrize("form", ["json", "jwt"])
def test_a_changed_one_is_refused_by_each_that_reads_proofs(story: Story, form: str) -> None:
    judges = EMBEDDED if form == "json" else TOKENS
    found = verdicts(judges, story.surface, changed(story.new.files[form]))
    assert found == {name: name == "schema" for name in judges}


@pytest.mark.parametrize("form", ["json", "jwt"])
def test_one_that_has_run_out_is_refused_by_each_that_has_a_clock(story: Story, form: str) -> None:
    judges = EMBEDDED if form == "json" else TOKENS
    found = verdicts(judges, story.surface, story.expired.files[form])
    assert found == {name: name in BLIND_TO_TIME for name in judges}
