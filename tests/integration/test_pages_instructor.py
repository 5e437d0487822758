"""The instructor's pages over HTTP: what they show, what each form does, who is kept out."""

from __future__ import annotations

import io
import re
from decimal import Decimal

import html5lib
import pytest
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import event, select, update

from app.models import (
    Achievement,
    AchievementVersion,
    Assessment,
    Award,
    CollectRun,
    Competency,
    Person,
    Result,
    Rule,
    RuleVersion,
)
from app.pipeline import award as awarding
from app.pipeline.decide import decide_course, mark_stale
from app.pipeline.preview import preview
from tests.course_seed import Seeded, enter, make_badge, seed


@pytest.fixture
def made(campus) -> Seeded:
    return seed(campus)


@pytest.fixture
def teacher(client: FlaskClient, made: Seeded) -> FlaskClient:
    return enter(client, made, made.teacher, "instructor")


def get(client: FlaskClient, made: Seeded, path: str = "", status: int = 200) -> str:
    """The page's text; every page parses without an error of its markup."""
    answer = client.get(f"/courses/{made.course_id}{path}")
    assert answer.status_code == status, answer.text
    html5lib.HTMLParser(strict=True).parse(answer.text)
    assert "style=" not in answer.text
    return answer.text


def post(client: FlaskClient, made: Seeded, path: str, status: int = 303, **form: object):
    answer = client.post(f"/courses/{made.course_id}{path}", data=form)
    assert answer.status_code == status, answer.text
    return answer


def words(page: str) -> str:
    """The page without markup, in one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split()).replace("\N{NO-BREAK SPACE}", " ")


def mapping(made: Seeded, **marks: str) -> dict[str, str]:
    """The mapping form: assessment number to mark; the n-th competency goes with it."""
    form = {"needs": "all"}
    for n, assessment in enumerate(made.assessments):
        form[f"assessment-{n}"] = assessment
        mark = marks.get(f"a{n}", "")
        form[f"competency-{n}"] = made.competencies[n] if mark else ""
        form[f"mark-{n}"] = mark
    return form


# Course home


def test_an_empty_course_teaches_the_first_step(client: FlaskClient, campus) -> None:
    made = seed(campus, learners=0)
    page = get(enter(client, made, made.teacher, "instructor"), made)
    assert "No badge yet" in page
    assert f"/courses/{made.course_id}/badges/new" in page


def test_home_counts_who_has_it_and_who_is_close(teacher: FlaskClient, made: Seeded) -> None:
    achievement = make_badge(made)
    with made.campus.db.reading() as session:
        definition = badge_definition(session, achievement)
        expected = preview(session, made.course_id, definition)
    assert expected.earn > 0
    page = words(get(teacher, made))
    assert f"{expected.earn} of 30 have it" in page
    assert f"{expected.close} are one step away" in page
    assert "grades read 4 minutes ago" in page


def badge_definition(session, achievement: str):
    from app.mastery.rules import RuleDefinition

    rule = session.scalars(select(Rule).where(Rule.achievement_id == achievement)).one()
    version = session.scalars(
        select(RuleVersion)
        .where(RuleVersion.rule_id == rule.id)
        .order_by(RuleVersion.number.desc())
    ).first()
    return RuleDefinition.from_json(version.definition)


def test_home_says_what_tassel_cannot_see(teacher: FlaskClient, made: Seeded) -> None:
    assert "stay invisible until another grade source is connected" in get(teacher, made)


def test_refresh_now_asks_for_a_reading_and_shows_it(teacher: FlaskClient, made: Seeded) -> None:
    post(teacher, made, "/refresh")
    page = get(teacher, made)
    assert "Reading the grades" in page
    assert 'http-equiv="refresh"' in page
    with made.campus.db.transaction() as session:
        run = session.scalars(select(CollectRun)).one()
        assert run.trigger == "button"
        run.state, run.done, run.total = "running", 3, 12
    fragment = teacher.get(f"/courses/{made.course_id}/run").text
    assert "3 of 12 columns read" in fragment
    assert "<html" not in fragment
    with made.campus.db.transaction() as session:
        session.scalars(select(CollectRun)).one().state = "done"
    assert "Show the new numbers" in teacher.get(f"/courses/{made.course_id}/run").text
    assert "Reading the grades" not in get(teacher, made)


def test_a_failed_reading_says_what_to_do(teacher: FlaskClient, made: Seeded) -> None:
    post(teacher, made, "/refresh")
    with made.campus.db.transaction() as session:
        run = session.scalars(select(CollectRun)).one()
        run.state = "failed"
        run.problem = {"code": "x", "message": "The LMS did not answer.", "fix": "Try later."}
    page = words(get(teacher, made))
    assert "The LMS did not answer. Try later." in page
    assert "What was read before stays as it is." in page


# Mapping


def test_a_new_badge_goes_on_to_its_mapping(teacher: FlaskClient, made: Seeded) -> None:
    answer = post(teacher, made, "/badges/new", name="  Data   literacy ")
    page = teacher.get(answer.location).text
    assert "<h1>Data literacy</h1>" in page
    assert "Quiz 3: Reading charts" in page
    assert "not mapped" in page


def test_a_badge_without_a_name_is_refused_with_a_link_to_the_field(
    teacher: FlaskClient, made: Seeded
) -> None:
    page = post(teacher, made, "/badges/new", 422, name="x").text
    assert 'href="#name"' in page
    assert 'aria-invalid="true"' in page


def test_saving_the_table_keeps_the_rule_and_says_it_in_words(
    teacher: FlaskClient, made: Seeded
) -> None:
    achievement = make_badge(made, publish=False, clauses=0)
    post(teacher, made, f"/badges/{achievement}", **mapping(made, a0="70", a1="62,5 %"))
    page = words(get(teacher, made, f"/badges/{achievement}"))
    assert "reaching 70 % in Quiz 3: Reading charts and 62.5 % in Assignment 2" in page
    with made.campus.db.reading() as session:
        definition = badge_definition(session, achievement)
        expected = preview(session, made.course_id, definition)
    assert [str(clause.pass_mark) for clause in definition.clauses] == ["70", "62.5"]
    number = "1 learner" if expected.earn == 1 else f"{expected.earn} learners"
    assert f"With today's grades {number} of 30 would earn it now" in page
    for assessment, reached in expected.reached.items():
        place = made.assessments.index(assessment)
        assert re.search(
            rf'id="reach-{place}">{reached} of 30<', get_raw(teacher, made, achievement)
        )


def get_raw(client: FlaskClient, made: Seeded, achievement: str) -> str:
    return client.get(f"/courses/{made.course_id}/badges/{achievement}").text


@pytest.mark.parametrize("mark", ["", "101", "-1", "seventy", "NaN", "1e400", "70.123456"])
def test_a_mark_that_is_no_percentage_is_refused_and_kept_on_the_page(
    teacher: FlaskClient, made: Seeded, mark: str
) -> None:
    achievement = make_badge(made, publish=False, clauses=0)
    form = mapping(made, a0="70") | {"mark-0": mark}
    page = post(teacher, made, f"/badges/{achievement}", 422, **form).text
    assert 'href="#mark-0"' in page
    assert f'name="mark-0" value="{mark}"' in page
    with made.campus.db.reading() as session:
        assert badge_definition(session, achievement).clauses == ()


def test_at_least_n_must_not_ask_for_more_than_is_mapped(
    teacher: FlaskClient, made: Seeded
) -> None:
    achievement = make_badge(made, publish=False, clauses=0)
    form = mapping(made, a0="70", a1="60")
    page = post(teacher, made, f"/badges/{achievement}", 422, **(form | {"needs": "3"})).text
    assert 'href="#needs"' in page
    post(teacher, made, f"/badges/{achievement}", **(form | {"needs": "any"}))
    said = words(get(teacher, made, f"/badges/{achievement}"))
    assert "by reaching any one of: 70 % in Quiz 3: Reading charts or 60 %" in said


def test_ids_of_another_course_are_not_taken(teacher: FlaskClient, made: Seeded, campus) -> None:
    other = seed(campus, learners=1, label="HIST 9")
    achievement = make_badge(made, publish=False, clauses=0)
    form = {
        "needs": "all",
        "assessment-0": other.assessments[0],
        "competency-0": other.competencies[0],
        "mark-0": "50",
        "assessment-1": made.assessments[1],
        "competency-1": other.competencies[0],
        "mark-1": "50",
    }
    post(teacher, made, f"/badges/{achievement}", **form)
    with made.campus.db.reading() as session:
        assert badge_definition(session, achievement).clauses == ()


def test_trying_changes_the_words_and_keeps_nothing(teacher: FlaskClient, made: Seeded) -> None:
    achievement = make_badge(made, publish=False, clauses=1)
    fragment = post(teacher, made, f"/badges/{achievement}/try", 200, **mapping(made, a1="40")).text
    assert "<html" not in fragment
    assert "40 % in Assignment 2" in words(fragment)
    with made.campus.db.reading() as session:
        marks = [str(c.pass_mark) for c in badge_definition(session, achievement).clauses]
    assert marks == ["70"]


def test_a_competency_is_added_beside_the_table(teacher: FlaskClient, made: Seeded) -> None:
    achievement = make_badge(made, publish=False, clauses=0)
    form = mapping(made, a0="55") | {"action": "competency", "statement": "Ask good questions"}
    answer = post(teacher, made, f"/badges/{achievement}", **form)
    page = teacher.get(answer.location).text
    assert "Ask good questions</option>" in page
    assert 'name="mark-0" value="55"' in page
    form["statement"] = ""
    assert 'href="#statement"' in post(teacher, made, f"/badges/{achievement}", 422, **form).text


def test_the_picture_has_its_numbers_as_a_table(teacher: FlaskClient, made: Seeded) -> None:
    achievement = make_badge(made, publish=False)
    page = get(teacher, made, f"/badges/{achievement}?show={made.assessments[1]}")
    assert "Assignment 2: Clean a dataset: where the mark falls" in page
    with made.campus.db.reading() as session:
        expected = preview(session, made.course_id, badge_definition(session, achievement))
    cells = re.findall(r'<th scope="row">[^<]*below[^<]*</th><td class="n">(\d+)</td>', page)
    cells += re.findall(r'<th scope="row">[^<]*and more</th><td class="n">(\d+)</td>', page)
    assert [int(cell) for cell in cells] == expected.histogram[made.assessments[1]]


def test_one_step_away_names_people_and_what_is_missing(teacher: FlaskClient, made: Seeded) -> None:
    achievement = make_badge(made, publish=False)
    with made.campus.db.reading() as session:
        found = preview(session, made.course_id, badge_definition(session, achievement), limit=1000)
    first = next(line for line in found.lines if line.decision.missing == 1)
    page = words(get(teacher, made, f"/badges/{achievement}"))
    missing = next(r for r in first.decision.reasons if r.state != "met")
    titles = ("Quiz 3: Reading charts", "Assignment 2: Clean a dataset", "Lab report")
    title = titles[made.assessments.index(missing.assessment)]
    assert f"{first.name} {title}:" in page


# Publishing


def test_publishing_says_first_what_it_does_and_then_does_it(
    teacher: FlaskClient, made: Seeded
) -> None:
    achievement = make_badge(made, publish=False)
    form = mapping(made, a0="70", a1="60") | {"action": "publish"}
    answer = post(teacher, made, f"/badges/{achievement}", **form)
    page = words(teacher.get(answer.location).text)
    with made.campus.db.reading() as session:
        expected = preview(session, made.course_id, badge_definition(session, achievement))
        assert session.scalars(select(Achievement)).one().state == "draft"
    assert f"{expected.earn} learners reach it now" in page
    assert "a new column counts in the course total" in page
    post(teacher, made, f"/badges/{achievement}/publish", regrade="review")
    with made.campus.db.reading() as session:
        row = session.scalars(select(Achievement)).one()
        assert (row.state, row.regrade, row.course_column) == ("published", "review", False)
        assert session.scalars(select(CollectRun)).one().trigger == "publish"
    decide_course(made.campus, made.course_id)
    with made.campus.db.reading() as session:
        assert len(session.scalars(select(Award)).all()) == expected.earn


@pytest.mark.parametrize(("policy", "shown"), [("review", True), ("keep", False)])
def test_a_regrade_is_shown_to_the_teacher_who_wants_to_review_it(
    teacher: FlaskClient, made: Seeded, policy: str, shown: bool
) -> None:
    achievement = make_badge(made)
    with made.campus.db.transaction() as session:
        session.get_one(Achievement, achievement).regrade = policy
        award = session.scalars(select(Award)).first()
        assert award is not None
        session.execute(
            update(Result).where(Result.person_id == award.person_id).values(raw=Decimal(0))
        )
        mark_stale(session, made.course_id, [award.person_id])
    note = "no longer supported by today"
    assert note not in get(teacher, made)
    decide_course(made.campus, made.course_id)
    page = get(teacher, made)
    assert (note in page) is shown
    assert (f"/awards/{award.id}" in page) is shown


def test_an_empty_rule_is_not_published(teacher: FlaskClient, made: Seeded) -> None:
    achievement = make_badge(made, publish=False, clauses=0)
    page = post(teacher, made, f"/badges/{achievement}/publish", 422).text
    assert "The badge has no assessment yet." in page
    with made.campus.db.reading() as session:
        assert session.scalars(select(Achievement)).one().state == "draft"


def test_stopping_can_be_undone(teacher: FlaskClient, made: Seeded) -> None:
    achievement = make_badge(made)
    post(teacher, made, f"/badges/{achievement}/stop")
    assert "This badge is stopped" in get(teacher, made, f"/badges/{achievement}")
    post(teacher, made, f"/badges/{achievement}/resume")
    assert "Stop this badge" in get(teacher, made, f"/badges/{achievement}")


def test_a_draft_beside_a_published_badge_is_named(teacher: FlaskClient, made: Seeded) -> None:
    achievement = make_badge(made)
    post(teacher, made, f"/badges/{achievement}", **mapping(made, a0="10"))
    assert "published, with changes not published yet" in get(teacher, made)


def test_removing_a_draft_asks_first(teacher: FlaskClient, made: Seeded) -> None:
    achievement = make_badge(made, publish=False)
    assert "Remove the draft" in get(teacher, made, f"/badges/{achievement}/remove")
    post(teacher, made, f"/badges/{achievement}/remove")
    get(teacher, made, f"/badges/{achievement}", 404)


# Look


def test_the_look_is_saved_and_an_uploaded_picture_is_drawn_anew(
    teacher: FlaskClient, made: Seeded
) -> None:
    achievement = make_badge(made, publish=False)
    picture = io.BytesIO()
    Image.new("RGB", (300, 300), "#123456").save(picture, "PNG")
    sent = picture.getvalue() + b"hidden"
    form = {
        "name": "Charts",
        "description": "Reads charts.",
        "criteria": "",
        "design": "gem",
        "palette": "ocean",
        "image_alt": "A blue square",
        "picture": (io.BytesIO(sent), "square.png"),
    }
    post(teacher, made, f"/badges/{achievement}/look", **form)
    page = get(teacher, made, f"/badges/{achievement}/look")
    assert 'alt="A blue square"' in page
    with made.campus.db.reading() as session:
        version = session.scalars(select(AchievementVersion)).one()
    assert (version.name, version.design, version.palette) == ("Charts", "upload", "ocean")
    address = f"/courses/{made.course_id}/badges/{achievement}/uploads/{version.number}.png"
    shown = teacher.get(address)
    assert shown.mimetype == "image/png"
    assert b"hidden" not in shown.data


def test_what_is_no_picture_is_refused_and_the_typed_words_stay(
    teacher: FlaskClient, made: Seeded
) -> None:
    achievement = make_badge(made, publish=False)
    form = {"name": "Kept words", "palette": "ocean", "picture": (io.BytesIO(b"MZ"), "a.png")}
    page = post(teacher, made, f"/badges/{achievement}/look", 422, **form).text
    assert 'href="#picture"' in page
    assert 'value="Kept words"' in page


def test_designs_are_drawn_for_anybody_but_only_known_ones(
    client: FlaskClient, made: Seeded
) -> None:
    base = f"/courses/{made.course_id}/pictures"
    answer = client.get(f"{base}/gem/ocean/112.png")
    assert answer.data.startswith(b"\x89PNG")
    assert "immutable" in answer.headers["Cache-Control"]
    assert client.get(f"{base}/gem/ocean/113.png").status_code == 404
    assert client.get(f"{base}/../ocean/112.png").status_code in (308, 404)


# People and awards


def test_everybody_is_listed_with_reasons_in_their_group(
    teacher: FlaskClient, made: Seeded
) -> None:
    for publish in (True, False):
        achievement = make_badge(made, f"Badge {publish}", publish=publish)
        with made.campus.db.reading() as session:
            definition = badge_definition(session, achievement)
            found = preview(session, made.course_id, definition, limit=1000)
        for group, keep in (
            ("earned", lambda missing: missing == 0),
            ("close", lambda missing: missing == 1),
            ("others", lambda missing: missing > 1),
        ):
            page = get(teacher, made, f"/badges/{achievement}/learners?group={group}")
            for line in found.lines:
                here = f'<th scope="row">{line.name}</th>' in page
                assert here == keep(line.decision.missing), (publish, group, line.name)


def test_learners_are_found_by_name_and_paged(client: FlaskClient, campus) -> None:
    made = seed(campus, learners=60)
    teacher = enter(client, made, made.teacher, "instructor")
    first = words(get(teacher, made, "/learners"))
    assert "1 to 50 of 60" in first
    last = get(teacher, made, "/learners?page=2")
    assert "51 to 60 of 60" in words(last)
    assert last.count('<th scope="row">') == 10
    assert "Page 2 of 2" in words(get(teacher, made, "/learners?page=999"))
    found = get(teacher, made, "/learners?find=chidi")
    assert found.count('<th scope="row">') == 3
    assert len(re.findall(r'<th scope="row"><a [^>]*>Chidi', found)) == 3
    assert "Nobody found" in get(teacher, made, "/learners?find=%25")


def test_names_are_escaped(teacher: FlaskClient, made: Seeded) -> None:
    with made.campus.db.transaction() as session:
        session.get_one(Person, made.learners[0]).name = "<script>alert(1)</script>"
        session.get_one(Assessment, made.assessments[0]).title = "<b>Quiz</b> & %(x)s"
    achievement = make_badge(made, "<i>Badge</i> 100 %")
    for path in ("", f"/badges/{achievement}", f"/badges/{achievement}/learners", "/learners"):
        page = get(teacher, made, path)
        assert "<script>alert" not in page
        assert "<b>Quiz" not in page
        assert "<i>Badge" not in page


def sign(made: Seeded) -> None:
    for batch in awarding.claim(made.campus):
        awarding.run(made.campus, batch.ids)


def test_awards_show_their_state_and_reasons(teacher: FlaskClient, made: Seeded) -> None:
    make_badge(made)
    with made.campus.db.transaction() as session:
        awards = session.scalars(select(Award)).all()
        for award in awards:
            session.get_one(Person, award.person_id).email = f"{award.id}@example.edu"
        without = awards[0]
        session.get_one(Person, without.person_id).email = None
    sign(made)
    page = words(get(teacher, made, "/awards"))
    assert "1 award waits for an e-mail address." in page
    assert "issued" in page
    only = get(teacher, made, "/awards?state=needs_recipient")
    assert only.count('<th scope="row">') == 1
    detail = words(get(teacher, made, f"/awards/{without.id}"))
    assert "It is earned, but not signed yet." in detail
    assert "version 1 of this result" in detail
    assert "Decided by version 1 of the rule" in detail


def test_revoking_asks_for_a_reason_and_shows_it(teacher: FlaskClient, made: Seeded) -> None:
    make_badge(made)
    sign(made)
    with made.campus.db.reading() as session:
        award = session.scalars(select(Award).where(Award.state == "issued")).first()
    assert "This cannot be undone" in get(teacher, made, f"/awards/{award.id}/revoke")
    refused = post(teacher, made, f"/awards/{award.id}/revoke", 422, reason=" ").text
    assert 'href="#reason"' in refused
    post(teacher, made, f"/awards/{award.id}/revoke", reason="The test was not their own work.")
    page = words(get(teacher, made, f"/awards/{award.id}"))
    assert "Reason: The test was not their own work." in page
    post(teacher, made, f"/awards/{award.id}/revoke", 409, reason="Once more")


# Competencies


def test_competencies_are_added_and_imported_with_a_report(
    teacher: FlaskClient, made: Seeded
) -> None:
    post(teacher, made, "/competencies", statement="Explain a mean", code="M1")
    page = post(teacher, made, "/competencies", 422, statement="Another", code="M1").text
    assert "Another competency has this code." in page
    content = "code,statement,uri\nD1,Draw a chart,\nD2,,\nD1,Twice,\n"
    form = {"title": "Charts", "file": (io.BytesIO(content.encode()), "list.csv")}
    report = words(post(teacher, made, "/competencies/import", 200, **form).text)
    assert "1 added, 0 changed, 2 left out." in report
    assert "Line 3: the statement is empty" in report
    with made.campus.db.reading() as session:
        codes = set(session.scalars(select(Competency.code)))
    assert {"M1", "D1"} <= codes
    form = {"title": "Charts", "file": (io.BytesIO(b"\xff\xfe"), "list.csv")}
    refused = words(post(teacher, made, "/competencies/import", 422, **form).text)
    assert "Nothing was imported." in refused


# Doors


def test_the_pages_of_one_course_open_nothing_of_another(
    client: FlaskClient, made: Seeded, campus
) -> None:
    other = seed(campus, label="HIST 9")
    foreign = make_badge(other)
    with campus.db.reading() as session:
        award = session.scalars(select(Award)).first()
    teacher = enter(client, made, made.teacher, "instructor")
    for path in (
        f"/badges/{foreign}",
        f"/badges/{foreign}/look",
        f"/badges/{foreign}/publish",
        f"/badges/{foreign}/learners",
        f"/badges/{foreign}/uploads/1.png",
        f"/awards/{award.id}",
        f"/awards/{award.id}/revoke",
    ):
        get_status = teacher.get(f"/courses/{made.course_id}{path}").status_code
        assert get_status == 404, path
    for path in (f"/badges/{foreign}/stop", f"/badges/{foreign}", f"/awards/{award.id}/revoke"):
        post(teacher, made, path, 404, reason="No business of mine")
    assert teacher.get(f"/courses/{other.course_id}").status_code == 401


@pytest.mark.parametrize(("role", "status"), [("learner", 403), ("observer", 403)])
def test_learners_and_observers_do_not_see_staff_pages(
    client: FlaskClient, made: Seeded, role: str, status: int
) -> None:
    achievement = make_badge(made)
    enter(client, made, made.learners[0], role)
    for path in ("", "/learners", "/awards", f"/badges/{achievement}", "/settings"):
        get(client, made, path, status)


def test_assistants_look_and_change_nothing(client: FlaskClient, made: Seeded) -> None:
    achievement = make_badge(made)
    enter(client, made, made.teacher, "assistant")
    page = get(client, made, f"/badges/{achievement}")
    assert "<fieldset" in page
    assert re.search(r"<fieldset[^>]* disabled", page)
    assert "Publish changes" not in page
    for path in (f"/badges/{achievement}", f"/badges/{achievement}/stop", "/badges/new"):
        post(client, made, path, 403)


def test_pages_ask_a_fixed_number_of_questions(client: FlaskClient, campus) -> None:
    """Twice the learners, the same number of statements: nothing is read line by line."""
    counts = []
    for learners in (20, 55):
        made = seed(campus, learners=learners, label=f"C {learners}")
        achievement = make_badge(made)
        sign(made)
        enter(client, made, made.teacher, "instructor")
        paths = ("", f"/badges/{achievement}", f"/badges/{achievement}/learners", "/learners")
        counts.append([statements(client, made, path) for path in (*paths, "/awards")])
    assert counts[0] == counts[1]


def statements(client: FlaskClient, made: Seeded, path: str) -> int:
    seen: list[str] = []

    def note(*arguments: object) -> None:
        seen.append(str(arguments[2]))

    engine = made.campus.db.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        get(client, made, path)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return len(seen)


def test_german_pages_are_german(client: FlaskClient, made: Seeded) -> None:
    make_badge(made)
    enter(client, made, made.teacher, "instructor")
    answer = client.get(f"/courses/{made.course_id}", headers={"Accept-Language": "de"})
    assert '<html lang="de"' in answer.text
    page = words(answer.text)
    assert "Badges in STAT 101" in page
    assert "Noten gelesen vor 4 Minuten" in page
    assert "Neuer Badge" in page
