"""What strangers open: a shared badge, the names inside credentials, the probes."""

from __future__ import annotations

import json
from datetime import timedelta
from urllib.parse import urlsplit

import html5lib
import pytest
from sqlalchemy import select

from app import schema
from app.credentials import bake, shares, status
from app.db import Base
from app.models import (
    Achievement,
    Award,
    Credential,
    Heartbeat,
    Issuer,
    IssuerKey,
    Person,
    StatusList,
)
from app.pipeline.revoke import revoke
from app.pipeline.supersede import supersede
from app.web.tokens import mint
from tests import operator_seed
from tests.endorsing import accepted
from tests.operator_seed import Lived


@pytest.fixture
def lived(campus) -> Lived:
    return operator_seed.seed(campus, learners=16)


@pytest.fixture
def token(lived: Lived) -> str:
    return operator_seed.share_one(lived)


def page(client, path: str, status_code: int = 200) -> str:
    answer = client.get(path, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert answer.status_code == status_code, answer.text[:2000]
    html5lib.HTMLParser(strict=True).parse(answer.text)
    return answer.text


def holder(lived: Lived) -> Person:
    with lived.campus.db.reading() as db:
        award = db.get_one(Award, lived.awards[0])
        return db.get_one(Person, award.person_id)


def signed(lived: Lived) -> Credential:
    with lived.campus.db.reading() as db:
        return db.scalars(select(Credential).where(Credential.award_id == lived.awards[0])).one()


# --- a shared badge ------------------------------------------------------------------------------


def test_shared_badge_shows_every_check_and_no_name(client, lived, token):
    text = page(client, f"/b/{token}")
    for said in (
        "Verified just now",
        "The signature is intact",
        "The key belongs to the issuer",
        "Not revoked",
        "In force",
        "Well formed",
        "Data literacy, level 1",
    ):
        assert said in text, said
    person = holder(lived)
    for private in (person.name, person.family_name, person.email, person.sis_id, person.id):
        assert private not in text
    assert 'name="robots" content="noindex' in text
    assert 'property="og:title" content="Data literacy, level 1"' in text


def test_name_only_with_consent(client, lived):
    token = operator_seed.share_one(lived, show_name=True)
    assert holder(lived).name in page(client, f"/b/{token}")
    operator_seed.share_one(lived, show_name=False)
    assert holder(lived).name not in page(client, f"/b/{token}")


def test_page_is_never_kept_and_its_address_never_told(client, token):
    answer = client.get(f"/b/{token}")
    assert answer.headers["Cache-Control"] == "no-store"
    assert "noindex" in answer.headers["X-Robots-Tag"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "Accept" in answer.headers["Vary"]


def test_closed_and_unknown_shares_look_the_same(client, lived, token):
    unknown = page(client, "/b/abcdefghijklmnopqrstuvwx", 404)
    with lived.campus.db.transaction() as db:
        shares.unshare(db, lived.awards[0], lived.campus.clock())
    closed = page(client, f"/b/{token}", 404)
    assert closed == unknown
    assert "does not share" in closed
    for name in ("credential.json", "credential.jwt", "credential.png"):
        assert client.get(f"/b/{token}/{name}").status_code == 404


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("text/html", "text/html"),
        ("*/*", "text/html"),
        ("application/json", "application/vc+ld+json"),
        ("application/ld+json", "application/vc+ld+json"),
        ("application/vc+ld+json", "application/vc+ld+json"),
        ("text/plain", "text/plain"),
        ("application/vc+jwt", "text/plain"),
        ("text/html,application/xhtml+xml,application/json;q=0.1", "text/html"),
    ],
)
def test_negotiation(client, token, accept, media_type):
    answer = client.get(f"/b/{token}", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.mimetype == media_type
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_files_are_the_signed_bytes(client, lived, token):
    kept = signed(lived)
    assert client.get(f"/b/{token}/credential.json").data == kept.document
    assert client.get(f"/b/{token}/credential.jwt").text == kept.jwt
    picture = client.get(f"/b/{token}/credential.png")
    assert picture.mimetype == "image/png"
    assert bake.unbake(picture.data) == kept.document
    negotiated = client.get(f"/b/{token}", headers={"Accept": "application/json"})
    assert negotiated.data == kept.document


def test_revoked_badge_says_so_with_the_day_and_without_the_reason(client, lived, token):
    revoke(lived.campus, lived.awards[0], "He copied from Ana.", "operator:test")
    text = page(client, f"/b/{token}")
    assert "The issuer has taken this badge back." in text
    assert "Revoked on" in text
    assert "Revoked by the issuer" in text
    assert "Ana" not in text
    assert "Verified just now" not in text


def test_tampered_bytes_are_found(client, lived, token):
    with lived.campus.db.transaction() as db:
        row = db.scalars(select(Credential).where(Credential.award_id == lived.awards[0])).one()
        row.document = row.document.replace(b"level 1", b"level 9")
    text = page(client, f"/b/{token}")
    assert "The signature does not hold" in text
    assert "Do not rely on this badge." in text
    assert "Verified just now" not in text


def test_tampered_bytes_with_a_fitting_hash_are_found(client, lived, token):
    import hashlib

    with lived.campus.db.transaction() as db:
        row = db.scalars(select(Credential).where(Credential.award_id == lived.awards[0])).one()
        row.document = row.document.replace(b"level 1", b"level 9")
        row.sha256 = hashlib.sha256(row.document).hexdigest()
    assert "The signature does not match the document." in page(client, f"/b/{token}")


def test_compromised_key_no_longer_vouches(client, lived, token):
    with lived.campus.db.transaction() as db:
        for key in db.scalars(select(IssuerKey).where(IssuerKey.kind == "ed25519")):
            key.state = "compromised"
    text = page(client, f"/b/{token}")
    assert "The key is not one that the issuer lists." in text
    assert "Do not rely on this badge." in text


def test_a_status_list_that_was_tampered_with_says_nothing(client, lived, token):
    with lived.campus.db.transaction() as db:
        row = db.scalars(select(StatusList)).one()
        row.signed = row.signed.replace(b'"revocation"', b'"suspension"')
    text = page(client, f"/b/{token}")
    assert "It cannot be said whether it was revoked" in text
    assert "Verified just now" not in text


def test_status_comes_from_the_signed_list_and_not_from_the_row(client, lived, token):
    """A list that says revoked wins, whatever the award row says."""
    revoke(lived.campus, lived.awards[0], "By mistake.", "operator:test")
    with lived.campus.db.transaction() as db:
        row = db.get_one(Award, lived.awards[0])
        row.state, row.revoked_at = "issued", None
    assert "Revoked by the issuer" in page(client, f"/b/{token}")


def test_badge_of_tomorrow_is_not_in_force(client, app, lived, token):
    campus = app.extensions["tassel"]
    before = campus.clock() - timedelta(days=30)
    object.__setattr__(campus, "clock", lambda: before)
    assert "Not in force yet" in page(client, f"/b/{token}")


# --- the names inside credentials ----------------------------------------------------------------


def test_every_local_address_in_a_credential_resolves(client, lived):
    """Whatever verifiers follow from a credential is answered here."""
    document = json.loads(signed(lived).document)
    achievement = document["credentialSubject"]["achievement"]
    addresses = {
        document["issuer"]["url"],
        document["image"]["id"],
        achievement["id"],
        achievement["criteria"]["id"],
        achievement["image"]["id"],
        document["credentialStatus"]["statusListCredential"],
        *(item["targetUrl"] for item in achievement["alignment"]),
    }
    for address in addresses:
        answer = client.get(urlsplit(address).path)
        assert answer.status_code == 200, address
        assert answer.headers["Access-Control-Allow-Origin"] == "*", address
    anchor = urlsplit(achievement["alignment"][0]["targetUrl"]).fragment
    assert f'id="{anchor}"' in page(client, urlsplit(achievement["id"]).path)


def test_did_document_lists_the_key_that_signed(client, lived):
    proof = json.loads(signed(lived).document)["proof"]
    answer = client.get("/issuers/campus/did.json")
    assert proof["verificationMethod"] in answer.json["assertionMethod"]
    keys = client.get("/issuers/campus/jwks.json").json["keys"]
    assert {key["kid"] for key in keys} == set(answer.json["assertionMethod"])


def test_issuer_by_media_type(client, lived):
    assert "Badges of this issuer" in page(client, "/issuers/campus")
    profile = client.get("/issuers/campus", headers={"Accept": "application/json"}).json
    assert profile == json.loads(signed(lived).document)["issuer"]
    assert client.get("/issuers/nobody").status_code == 404


def test_achievement_json_is_what_its_credentials_say(client, lived):
    path = f"/achievements/{lived.badge}"
    given = client.get(path, headers={"Accept": "application/ld+json"}).json
    inside = json.loads(signed(lived).document)["credentialSubject"]["achievement"]
    assert {name: given[name] for name in inside} == inside


def test_drafts_have_no_public_name(client, lived):
    draft = operator_seed.course_seed.make_badge(lived.course, "Not yet", publish=False)
    image = urlsplit(json.loads(signed(lived).document)["image"]["id"]).path
    assert client.get(f"/achievements/{draft}").status_code == 404
    assert client.get(image).status_code == 200
    assert client.get(image.replace(lived.badge, draft)).status_code == 404
    assert "Not yet" not in page(client, "/issuers/campus")


def test_catalogue_shows_what_can_be_earned(client, lived):
    """Drafts and withdrawn badges are not offered; every sign in the search stands for itself."""
    text = page(client, "/catalogue")
    assert f"/achievements/{lived.badge}" in text
    name = json.loads(signed(lived).document)["credentialSubject"]["achievement"]["name"]
    assert name in page(client, f"/catalogue?find={name[:4].lower()}")
    for nothing in ("%25%25", "___", "no such badge"):
        assert f"/achievements/{lived.badge}" not in page(client, f"/catalogue?find={nothing}")
    hostile = page(client, "/catalogue?find=%22%3E%3Cscript%3E")
    assert "<script>" not in hostile
    with lived.campus.db.transaction() as db:
        db.get_one(Achievement, lived.badge).state = "withdrawn"
    assert f"/achievements/{lived.badge}" not in page(client, "/catalogue")
    known = client.get("/catalogue.json").json["@graph"]
    assert [one["ceterms:credentialStatusType"]["ceterms:targetNode"] for one in known[1:]] == [
        "credentialStat:Deprecated"
    ]


def test_catalogue_for_machines_says_what_credentials_say(client, lived):
    answer = client.get("/catalogue.json")
    assert answer.mimetype == "application/ld+json"
    assert (
        client.get("/catalogue.json", headers={"If-None-Match": answer.headers["ETag"]}).status_code
        == 304
    )
    organization, badge = answer.json["@graph"]
    said = json.loads(signed(lived).document)["credentialSubject"]["achievement"]
    assert badge["@id"] == said["id"]
    assert badge["ceterms:ctid"] == f"ce-{lived.badge}"
    assert badge["ceterms:name"] == {"en": said["name"]}
    assert badge["ceterms:offeredBy"] == [organization["@id"]]
    condition = badge["ceterms:requires"][0]
    assert condition["ceterms:description"] == {"en": said["criteria"]["narrative"]}
    named = [one["ceterms:targetNode"] for one in condition.get("ceterms:targetCompetency", [])]
    assert named == [one["targetUrl"] for one in said.get("alignment", [])]


def test_status_list_is_cacheable_and_changes_with_a_revocation(client, lived):
    path = "/issuers/campus/status/1"
    first = client.get(path)
    assert "max-age=300" in first.headers["Cache-Control"]
    same = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert same.status_code == 304
    with lived.campus.db.reading() as db:
        index = db.get_one(Award, lived.awards[0]).status_index
    assert not status.get(status.decode(first.json["credentialSubject"]["encodedList"]), index)
    revoke(lived.campus, lived.awards[0], "By mistake.", "operator:test")
    second = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert second.status_code == 200
    assert status.get(status.decode(second.json["credentialSubject"]["encodedList"]), index)
    assert client.get("/issuers/campus/status/2").status_code == 404


def test_pictures(client, lived):
    svg = client.get(f"/achievements/{lived.badge}.svg")
    assert svg.mimetype == "image/svg+xml"
    assert b"<script" not in svg.data
    png = client.get(f"/achievements/{lived.badge}.png?v=1")
    assert png.data.startswith(b"\x89PNG")
    assert png.headers["ETag"]


@pytest.mark.parametrize("number", ["9" * 20, "9" * 5000])
def test_numbers_that_no_column_holds_are_no_errors(client, lived, number):
    for path in (f"/achievements/{lived.badge}?v=", f"/achievements/{lived.badge}.png?v="):
        assert client.get(path + number).data == client.get(path + "7").data, path
    page(client, f"/catalogue?page={number}")


def test_no_personal_data_at_any_public_address(client, app, lived, token):
    supersede(lived.campus, lived.awards[0], "recipient", "operator:test")
    endorsed = accepted(lived.campus, lived.badge)
    with lived.campus.db.reading() as db:
        people = list(db.scalars(select(Person)))
        issuer = db.scalars(select(Issuer)).one()
    values = {
        "token": token,
        "slug": issuer.slug,
        "number": 1,
        "achievement_id": lived.badge,
        "endorsement_id": endorsed,
        "language": "en",
    }
    seen = 0
    for rule in app.url_map.iter_rules():
        if not rule.endpoint.startswith("public."):
            continue
        with app.test_request_context():
            _, path = rule.build({name: values[name] for name in rule.arguments})
        answer = client.get(path)
        assert answer.status_code in (200, 503), path
        seen += 1
        for person in people:
            for private in (person.name, person.email, person.sis_id):
                assert not private or private.encode() not in answer.data, (path, private)
    assert seen >= 12


# --- probes --------------------------------------------------------------------------------------


def test_healthz_needs_nothing(client):
    assert client.get("/healthz").json == {"status": "ok"}


def upgrade(campus) -> None:
    """The tables as the migrations make them."""
    Base.metadata.drop_all(campus.db.engine)
    schema.upgrade(campus.db.url)


def test_readyz_says_what_is_missing(client, app, campus):
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json["schema"] == "run: tassel db upgrade"
    assert answer.json["worker"] == "starting"
    upgrade(campus)
    assert client.get("/readyz").status_code == 200
    app.extensions["tassel_started"] = campus.clock() - timedelta(hours=1)
    late = client.get("/readyz")
    assert late.status_code == 503
    assert late.json["worker"] == "no worker has been heard of"
    with campus.db.transaction() as db:
        db.add(Heartbeat(executor_id="w", started_at=campus.clock(), at=campus.clock()))
    assert client.get("/readyz").json == {
        "status": "ok",
        "database": "ok",
        "schema": "ok",
        "worker": "ok",
    }


def test_metrics_are_for_this_machine_or_a_token(client, campus, lived):
    text = client.get("/metrics").text
    assert 'tassel_deliveries{state="dead"} 1.0' in text
    assert "tassel_worker_heartbeat_age_seconds" in text
    far = {"REMOTE_ADDR": "203.0.113.9"}
    assert client.get("/metrics", environ_base=far).status_code == 401
    proxied = client.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"})
    assert proxied.status_code == 401
    with campus.db.transaction() as db:
        token = mint(db, "Grafana", ["metrics:read"], None, "operator:test", campus.clock())
    bearer = {"Authorization": f"Bearer {token}"}
    assert client.get("/metrics", environ_base=far, headers=bearer).status_code == 200


def test_a_flood_is_slowed_down(client, token):
    answers = [client.get(f"/b/{token}/credential.png").status_code for _ in range(62)]
    assert answers[0] == 200
    assert answers[-1] == 429
    assert int(client.get(f"/b/{token}/credential.png").headers["Retry-After"]) > 0
