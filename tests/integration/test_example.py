"""The artefact before publishing: made like every badge, and refused by whoever checks it."""

from __future__ import annotations

import io
import json

import pikepdf
import pytest
from flask.testing import FlaskClient
from PIL import Image, ImageChops
from sqlalchemy import func, select

from app.credentials import bake, designs, stamp
from app.models import AchievementVersion, Award, Credential, Issuer
from app.pipeline import award as awarding
from app.pipeline import badges
from tests.course_seed import Seeded, enter, make_badge, seed
from tests.integration.test_pages_instructor import get, words


@pytest.fixture
def made(campus) -> Seeded:
    return seed(campus, learners=6)


@pytest.fixture
def teacher(client: FlaskClient, made: Seeded) -> FlaskClient:
    return enter(client, made, made.teacher, "instructor")


def shape(node: object) -> object:
    """Names without values, and how many there are of each."""
    if isinstance(node, dict):
        return {name: shape(value) for name, value in node.items()}
    return [shape(item) for item in node] if isinstance(node, list) else type(node).__name__


def test_every_file_holds_one_signed_example_that_reads_like_a_badge_and_proves_nothing(
    client: FlaskClient, teacher: FlaskClient, made: Seeded
) -> None:
    badge = make_badge(made, clauses=1)
    path = f"/badges/{badge}/example"
    page = words(get(teacher, made, path))
    assert "EXAMPLE, not an award: Data literacy, level 1" in page
    assert "every verifier refuses it" in page

    files = {
        kind: teacher.get(f"/courses/{made.course_id}{path}/file/{kind}").data
        for kind in ("json", "jwt", "png", "svg", "pdf")
    }
    document = json.loads(files["json"])
    assert document["name"] == "EXAMPLE, not an award: Data literacy, level 1"
    svg = files["svg"].decode().partition("<![CDATA[")[2].partition("]]>")[0]
    found = [bake.unbake(files["png"]), svg]
    with pikepdf.open(io.BytesIO(files["pdf"])) as pdf:
        found += [one.get_file().read_bytes() for one in pdf.attachments.values()]
    for inside in found:
        there = json.loads(inside or "")
        assert there.keys() == document.keys()
        assert there["credentialSubject"] == document["credentialSubject"]

    for batch in awarding.claim(made.campus):
        awarding.run(made.campus, batch.ids)
    with made.campus.db.reading() as session:
        real = json.loads(session.scalars(select(Credential.document)).first())
    assert shape(document) == shape(real), "made the same way"
    assert document["issuer"] == real["issuer"]

    for text in (files["json"], files["jwt"]):
        told = client.post("/api/v1/verify", data=text, content_type="text/plain").json
        failed = {one["name"] for one in told["checks"] if one["result"] == "fail"}
        assert told["verdict"] != "valid", told
        assert failed or told["verdict"] == "unknown", told


def test_it_is_made_of_the_draft_and_leaves_nothing_behind(
    teacher: FlaskClient, made: Seeded
) -> None:
    badge = make_badge(made, publish=False, clauses=1)
    get(teacher, made, f"/badges/{badge}/example")
    with made.campus.db.reading() as session:
        version = session.scalars(select(AchievementVersion)).one()
        counts = [
            session.scalar(select(func.count()).select_from(table)) for table in (Award, Credential)
        ]
    assert (version.criteria, version.alignments, version.published_at) == ("", [], None)
    assert counts == [0, 0]
    empty = badges.create(made.campus, made.course_id, "Nothing mapped", "person:t")
    page = get(teacher, made, f"/badges/{empty}/example")
    assert "There is no example yet" in page
    assert (
        teacher.get(f"/courses/{made.course_id}/badges/{badge}/example/file/exe").status_code == 404
    )


def test_the_key_of_an_example_is_listed_nowhere(teacher: FlaskClient, made: Seeded) -> None:
    badge = make_badge(made, publish=False, clauses=1)
    document = json.loads(
        teacher.get(f"/courses/{made.course_id}/badges/{badge}/example/file/json").data
    )
    with made.campus.db.reading() as session:
        slug = session.scalars(select(Issuer.slug)).one()
    listed = teacher.get(f"/issuers/{slug}/did.json").json["verificationMethod"]
    assert document["proof"]["verificationMethod"] not in {one["id"] for one in listed}
    assert document["issuer"]["id"] == listed[0]["controller"]
    status = document["credentialStatus"]["statusListCredential"]
    assert teacher.get(status.removeprefix("http://127.0.0.1:8080")).status_code == 404


def test_the_band_stands_across_the_picture() -> None:
    plain = designs.png("shield", "indigo", size=300)
    before, after = (
        Image.open(io.BytesIO(one)).convert("RGB")
        for one in (plain, stamp.on_png(plain, "EXAMPLE"))
    )
    box = ImageChops.difference(before, after).getbbox()
    assert box
    assert (box[2] - box[0]) > 250
    assert after.size == before.size
    drawn = designs.svg("shield", "indigo", "Title")
    assert stamp.on_svg(drawn, "BEISPIEL").startswith(drawn.removesuffix("</svg>"))


def test_what_is_missing_is_said_in_the_language_of_the_teacher(
    teacher: FlaskClient, made: Seeded
) -> None:
    """Of a draft without a rule, and of one with an edition that says nothing."""
    actor = f"person:{made.teacher}"
    empty = badges.create(made.campus, made.course_id, "Data literacy", actor, made.teacher)
    teacher.environ_base["HTTP_ACCEPT_LANGUAGE"] = "de"
    page = words(get(teacher, made, f"/badges/{empty}/example"))
    assert "Der Badge hat noch keine Leistung." in page
    badge = make_badge(made, "Reads charts", publish=False, clauses=1)
    with made.campus.db.transaction() as session:
        version = session.scalars(
            select(AchievementVersion).where(AchievementVersion.achievement_id == badge)
        ).one()
        version.editions = {"ar": {"name": "Reads"}}
    page = words(get(teacher, made, f"/badges/{badge}/example"))
    assert "sagt noch nicht, wofür der Badge steht" in page
