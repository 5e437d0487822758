"""The pages of a badge's template: what is typed is kept and shown, and the learner decides what is told."""

from __future__ import annotations

import io
import json
import re

import html5lib
import pytest
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import select

from app.credentials import designs
from app.credentials.designs import Drawing
from app.credentials.details import Details
from app.models import AchievementVersion, Award, Credential, Share
from app.pipeline import award as awarding
from app.pipeline import badges
from app.pipeline.decide import decide_course
from app.web.instructor.badges import edit_of
from tests.course_seed import Seeded, enter, make_badge, seed
from tests.integration.test_pages_instructor import get, post, words

LOOK = {
    "name": "Charts",
    "description": "Reads charts.",
    "criteria": "",
    "design": "gem",
    "palette": "ocean",
    "image_alt": "",
}
MORE = {
    "kind": "Certificate",
    "language": "de",
    "tags": "Daten,  Statistik ,",
    "credits": "2,5",
    "credit_unit": "ECTS",
    "hours": "60",
    "level": "Grundstufe",
    "eqf": "6",
    "isced": "",
    "evidence": "assessments",
    "marks": "yes",
}


@pytest.fixture
def made(campus) -> Seeded:
    return seed(campus)


@pytest.fixture
def teacher(client: FlaskClient, made: Seeded) -> FlaskClient:
    return enter(client, made, made.teacher, "instructor")


def details(made: Seeded, achievement: str) -> Details:
    with made.campus.db.reading() as session:
        return Details.from_json(badges.draft(session, made.course_id, achievement).version.details)


def test_facts_are_kept_as_typed_and_shown(teacher: FlaskClient, made: Seeded) -> None:
    achievement = make_badge(made, publish=False)
    post(teacher, made, f"/badges/{achievement}/look", **LOOK, **MORE)
    kept = details(made, achievement)
    assert kept.tags == ("Daten", "Statistik")
    assert (str(kept.credits), kept.eqf, kept.isced) == ("2.5", 6, None)
    page = get(teacher, made, f"/badges/{achievement}/look")
    assert "2.5 ECTS" in words(page)
    assert '<option value="Certificate" selected>' in page


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("credits", "many"),
        ("hours", "0"),
        ("tags", ",".join("abcdefghijklmnopqrstu")),
        ("level", "x" * 81),
    ],
)
def test_a_wrong_fact_is_told_at_its_field_and_nothing_is_lost(
    teacher: FlaskClient, made: Seeded, field: str, text: str
) -> None:
    achievement = make_badge(made, publish=False)
    form = LOOK | MORE | {field: text}
    page = post(teacher, made, f"/badges/{achievement}/look", 422, **form).text
    assert f'href="#{field}"' in page
    assert f'value="{text}"' in page
    assert '<details class="more" open>' in page
    assert details(made, achievement) == Details()


def test_a_form_without_the_folded_part_leaves_it_as_it_is(
    teacher: FlaskClient, made: Seeded
) -> None:
    achievement = make_badge(made, publish=False)
    post(teacher, made, f"/badges/{achievement}/look", **LOOK, **MORE)
    before = details(made, achievement)
    post(teacher, made, f"/badges/{achievement}/look", **LOOK)
    assert details(made, achievement) == before


def told(made: Seeded, client: FlaskClient) -> tuple[Award, FlaskClient]:
    """A signed award of a badge that names evidence and marks, and its owner's browser."""
    achievement = make_badge(made, publish=False)
    with made.campus.db.reading() as session:
        present = badges.draft(session, made.course_id, achievement)
    edit = edit_of(present, details=Details(evidence="assessments", marks=True))
    badges.save(made.campus, made.course_id, achievement, edit, "test")
    badges.publish(made.campus, made.course_id, achievement, "test")
    decide_course(made.campus, made.course_id)
    for batch in awarding.claim(made.campus):
        awarding.run(made.campus, batch.ids)
    with made.campus.db.reading() as session:
        award = session.scalars(select(Award).where(Award.state == "issued")).first()
    assert award is not None
    return award, enter(client, made, award.person_id, "learner")


def newest(made: Seeded, award: Award) -> dict:
    with made.campus.db.reading() as session:
        query = select(Credential.document).where(Credential.award_id == award.id)
        return json.loads(session.scalars(query.order_by(Credential.number.desc())).first())


def test_the_learner_adds_results_and_takes_the_evidence_out(
    client: FlaskClient, made: Seeded
) -> None:
    award, holder = told(made, client)
    first = newest(made, award)
    assert [piece["name"] for piece in first["evidence"]]
    page = get(holder, made, f"/me/badges/{award.id}")
    assert "They are not in the badge." in page
    post(holder, made, f"/me/badges/{award.id}/tells", results="yes")
    second = newest(made, award)
    assert "evidence" not in second
    assert len(second["credentialSubject"]["result"]) == 3
    page = get(holder, made, f"/me/badges/{award.id}")
    assert "stand in your badge because you chose so" in page
    post(holder, made, f"/me/badges/{award.id}/share")
    shared = client.get(f"/b/{token(made, award)}").text
    assert "Results" in shared
    assert "Evidence" not in shared


def token(made: Seeded, award: Award) -> str:
    with made.campus.db.reading() as session:
        return session.scalars(select(Share.token).where(Share.award_id == award.id)).one()


def test_nobody_chooses_for_another_learner(client: FlaskClient, made: Seeded) -> None:
    award, _ = told(made, client)
    other = next(one for one in made.learners if one != award.person_id)
    enter(client, made, other, "learner")
    before = newest(made, award)
    post(client, made, f"/me/badges/{award.id}/tells", 404, results="yes")
    assert newest(made, award) == before


def test_the_catalogue_tells_credit_and_tags_to_machines(
    teacher: FlaskClient, made: Seeded
) -> None:
    achievement = make_badge(made, publish=False)
    post(teacher, made, f"/badges/{achievement}/look", **LOOK, **MORE)
    badges.publish(made.campus, made.course_id, achievement, "test")
    graph = teacher.get("/catalogue.json").get_json(force=True)["@graph"]
    (entry,) = [one for one in graph if one["@type"] == "ceterms:OpenBadge"]
    assert entry["ceterms:keyword"] == {"de": ["Daten", "Statistik"]}
    assert entry["ceterms:requires"][0]["ceterms:creditValue"][0]["schema:value"] == 2.5
    page = teacher.get(f"/achievements/{achievement}", headers={"Accept": "text/html"}).text
    assert "Grundstufe" in page


# Designer

DRAWING = {
    "symbol": "cap",
    "lettering": "Stufe 2",
    "border": "plain",
    "field": "#0b6e4f",
    "ink": "#ffffff",
    "metal": "#e4b363",
}
OWN = LOOK | DRAWING | {"palette": "own"}


def drawn(made: Seeded, achievement: str) -> tuple[AchievementVersion, Drawing]:
    with made.campus.db.reading() as session:
        version = badges.draft(session, made.course_id, achievement).version
        return version, Drawing.from_json(version.drawing)


def test_what_is_previewed_is_kept_signed_and_served(teacher: FlaskClient, made: Seeded) -> None:
    """The preview's SVG, the public SVG, the PNG of the page and the one that is baked are one."""
    achievement = make_badge(made, publish=False)
    preview = post(teacher, made, f"/badges/{achievement}/look/try", 200, **OWN).text
    post(teacher, made, f"/badges/{achievement}/look", **OWN)
    version, drawing = drawn(made, achievement)
    assert drawing == Drawing("cap", "STUFE 2", "plain", "#0b6e4f", "#ffffff", "#e4b363")
    badges.publish(made.campus, made.course_id, achievement, "test")
    shown = teacher.get(f"/achievements/{achievement}.svg").text
    paths = re.findall("<path[^>]*>", shown)
    assert len(paths) > 8
    assert re.findall("<path[^>]*>", preview)[: len(paths)] == paths
    public = teacher.get(f"/achievements/{achievement}.png").data
    inside = teacher.get(
        f"/courses/{made.course_id}/badges/{achievement}/uploads/{version.number}.png"
    ).data
    assert public == inside == designs.png("gem", "indigo", drawing=drawing)
    page = get(teacher, made, f"/badges/{achievement}/look")
    assert f"/badges/{achievement}/uploads/{version.number}.png" in get(teacher, made)
    assert '<option value="cap" selected>' in page


def test_a_preview_keeps_nothing_and_works_without_javascript(
    teacher: FlaskClient, made: Seeded
) -> None:
    achievement = make_badge(made, publish=False)
    page = post(teacher, made, f"/badges/{achievement}/look", 200, **OWN, action="preview").text
    html5lib.HTMLParser(strict=True).parse(page)
    assert 'value="STUFE 2"' in page or 'value="Stufe 2"' in page
    assert 'fill="#0b6e4f"' in page
    assert drawn(made, achievement)[1] == Drawing()


def test_an_unreadable_colour_is_refused_and_the_offer_can_be_taken(
    teacher: FlaskClient, made: Seeded
) -> None:
    achievement = make_badge(made, publish=False)
    bad = OWN | {"ink": "#0b7055"}
    page = post(teacher, made, f"/badges/{achievement}/look", 422, **bad).text
    assert 'href="#ink"' in page
    assert drawn(made, achievement)[1] == Drawing()
    offer = re.search(r'name="use" value="(ink #[0-9a-f]{6})"', page)
    assert offer
    page = post(teacher, made, f"/badges/{achievement}/look", 200, **bad, use=offer[1]).text
    assert "cannot be told" not in page
    taken = OWN | {"ink": offer[1].removeprefix("ink ")}
    post(teacher, made, f"/badges/{achievement}/look", **taken)
    assert drawn(made, achievement)[1].ink == taken["ink"]


@pytest.mark.parametrize("text", ["漢字", "x" * 15, "WWWWWWWWWWWWWW", "<b>"])
def test_a_lettering_that_cannot_be_drawn_is_told_at_its_field(
    teacher: FlaskClient, made: Seeded, text: str
) -> None:
    achievement = make_badge(made, publish=False)
    page = post(teacher, made, f"/badges/{achievement}/look", 422, **OWN | {"lettering": text}).text
    assert 'href="#lettering"' in page


def test_a_new_picture_of_a_published_badge_is_a_new_version_and_the_old_one_stays(
    teacher: FlaskClient, made: Seeded
) -> None:
    achievement = make_badge(made)
    before = teacher.get(f"/achievements/{achievement}.png").data
    post(teacher, made, f"/badges/{achievement}/look", **OWN | {"name": "Data literacy, level 1"})
    assert drawn(made, achievement)[0].number == 2
    assert teacher.get(f"/achievements/{achievement}.png").data == before
    badges.publish(made.campus, made.course_id, achievement, "test")
    assert teacher.get(f"/achievements/{achievement}.png").data != before
    assert teacher.get(f"/achievements/{achievement}.png?v=1").data == before


def test_the_picture_is_told_in_words_and_follows_the_picture(
    teacher: FlaskClient, made: Seeded
) -> None:
    achievement = make_badge(made)
    with made.campus.db.reading() as session:
        present = badges.draft(session, made.course_id, achievement)
    assert present.version.image_alt == "Round badge with a scalloped edge, showing a star."
    badges.save(made.campus, made.course_id, achievement, edit_of(present), "test")
    assert drawn(made, achievement)[0].number == 1
    post(teacher, made, f"/badges/{achievement}/look", **OWN)
    badges.publish(made.campus, made.course_id, achievement, "test")
    assert drawn(made, achievement)[0].image_alt == (
        "Badge in the shape of a cut gem, showing a graduation cap. It reads “STUFE 2”."
    )
    post(teacher, made, f"/badges/{achievement}/look", **OWN | {"image_alt": "My own words"})
    assert drawn(made, achievement)[0].image_alt == "My own words"


def test_a_picture_of_ones_own_needs_words_before_it_is_published(
    teacher: FlaskClient, made: Seeded
) -> None:
    achievement = make_badge(made, publish=False)
    picture = io.BytesIO()
    Image.new("RGB", (300, 300), "#123456").save(picture, "PNG")
    upload = {"picture": (io.BytesIO(picture.getvalue()), "a.png")}
    post(teacher, made, f"/badges/{achievement}/look", **LOOK, **upload)
    page = post(teacher, made, f"/badges/{achievement}/publish", 422, regrade="keep").text
    assert f"/badges/{achievement}/look#image_alt" in page
    post(
        teacher,
        made,
        f"/badges/{achievement}/look",
        **LOOK | {"design": "upload", "image_alt": "Blue"},
    )
    post(teacher, made, f"/badges/{achievement}/publish", regrade="keep")


def test_a_photo_that_is_heavy_as_pixels_is_taken(teacher: FlaskClient, made: Seeded) -> None:
    """Noise stays large however it is packed; what is kept travels in every baked badge."""
    achievement = make_badge(made, publish=False)
    photo = io.BytesIO()
    bands = [Image.effect_noise((1000, 750), 80) for _ in range(3)]
    Image.merge("RGB", bands).save(photo, "JPEG", quality=30)
    photo.seek(0)
    form = LOOK | {"image_alt": "Sand", "picture": (photo, "sand.jpg")}
    answer = teacher.post(
        f"/courses/{made.course_id}/badges/{achievement}/look",
        data=form,
        content_type="multipart/form-data",
    )
    assert answer.status_code == 303, answer.text
    kept = drawn(made, achievement)[0].image
    assert kept is not None
    assert len(kept) < 600_000
    assert min(Image.open(io.BytesIO(kept)).size) >= 90
