"""The operator's pages over HTTP: who gets in, what is shown, what each button does."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta

import html5lib
import pytest
from sqlalchemy import func, select

from app import jobs
from app.models import (
    AdminLink,
    ApiToken,
    AuditEntry,
    Award,
    Connection,
    Deployment,
    Invitation,
    IssuerKey,
    Learner,
    Person,
    Platform,
)
from app.models import Delivery as Row
from app.pipeline import connections
from app.web.access import TABLE
from app.web.operator import make_admin_link
from app.web.permissions import PERMISSIONS
from tests import operator_seed
from tests.operator_seed import SIS, Lived


@pytest.fixture
def lived(campus) -> Lived:
    return operator_seed.seed(campus, learners=24)


@pytest.fixture
def operator(client, campus):
    operator_seed.enter(client, campus)
    return client


def page(client, path: str, status: int = 200) -> str:
    """The text of a page that parses as HTML without one error."""
    answer = client.get(path)
    assert answer.status_code == status, answer.text[:2000]
    html5lib.HTMLParser(strict=True).parse(answer.text)
    return answer.text


def words(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


# --- the way in ----------------------------------------------------------------------------------


def test_link_lets_one_browser_in_once(client, app, campus):
    path = make_admin_link(campus, "Ada", "operator").removeprefix(campus.settings.public_url)
    for _ in range(3):  # Looking uses nothing up: scanners and previews follow links.
        assert client.get(path).status_code == 200
    assert client.get("/operator/").status_code == 401
    assert client.post(path).status_code == 303
    assert client.get("/operator/").status_code == 200
    assert client.post(path).status_code == 404
    stranger = app.test_client()
    assert stranger.get("/operator/").status_code == 401
    with campus.db.reading() as db:
        actions = list(db.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))
        assert actions == ["admin-link.made", "operator.entered"]
        assert db.scalar(select(AuditEntry.actor).where(AuditEntry.id == 2)) == "operator:Ada"


def test_link_ends_after_fifteen_minutes(client, campus):
    path = make_admin_link(campus, "Ada", "operator").removeprefix(campus.settings.public_url)
    with campus.db.transaction() as db:
        link = db.scalars(select(AdminLink)).one()
        assert link.expires_at - link.created_at == timedelta(minutes=15)
        link.expires_at = campus.clock() - timedelta(seconds=1)
    assert client.get(path).status_code == 404
    assert client.post(path).status_code == 404


def test_a_foreign_page_cannot_use_the_link_or_any_form(operator, campus, lived):
    path = make_admin_link(campus, "Ada", "operator").removeprefix(campus.settings.public_url)
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert operator.post(path, headers=foreign).status_code == 403
    retry = f"/operator/deliveries/{lived.deliveries['dead']}/retry"
    assert operator.post(retry, headers=foreign).status_code == 403


def test_leaving_closes_the_area(operator):
    assert operator.post("/operator/leave").status_code == 303
    assert operator.get("/operator/left").status_code == 200
    assert operator.get("/operator/").status_code == 401


OF_A_GRADE_SOURCE = ("operator.grade_key", "operator.grade_token")
"""Each LMS has one of them at most; they are tried where the grade sources are."""


def addresses(app, lived: Lived, permission: str) -> list[str]:
    """A real address of every GET page that needs ``permission``."""
    with lived.campus.db.reading() as db:
        issuer = db.scalar(select(IssuerKey.issuer_id).limit(1))
        platform = db.scalar(select(Platform.id))
        learner = db.scalar(select(Award.learner_id).limit(1))
    values = {
        "delivery_id": lived.deliveries["dead"],
        "connection_id": lived.connection,
        "award_id": lived.awards[0],
        "bulk_id": lived.bulk,
        "issuer_id": issuer,
        "kind": "ed25519",
        "token_id": lived.token,
        "platform_id": platform,
        "learner_id": learner,
        "key": "moodle",
    }
    found = []
    for rule in app.url_map.iter_rules():
        if not rule.endpoint.startswith("operator.") or "GET" not in rule.methods:
            continue
        if TABLE[rule.endpoint].who != permission or rule.endpoint in OF_A_GRADE_SOURCE:
            continue
        known = values | ({"kind": "oneroster_csv"} if "connections" in rule.rule else {})
        with app.test_request_context():
            _, path = rule.build({name: known[name] for name in rule.arguments})
        found.append(path)
    return found


def test_sis_administrator_opens_deliveries_and_connections_only(client, app, campus, lived):
    operator_seed.enter(client, campus, "sis_administrator")
    for path in addresses(app, lived, "deliveries"):
        assert client.get(path).status_code == 200, path
    closed = addresses(app, lived, "operator")
    assert len(closed) > 10
    for path in closed:
        assert client.get(path).status_code == 403, path
    text = page(client, "/operator/")
    assert "/operator/connections" in text
    assert "/operator/tokens" not in text
    assert client.post("/operator/tokens", data={"name": "x"}).status_code == 403


def test_every_page_is_whole_html_and_names_no_learner(operator, app, lived):
    with lived.campus.db.reading() as db:
        names = [name for name in db.scalars(select(Person.name)) if name]
        mails = [mail for mail in db.scalars(select(Person.email)) if mail]
    paths = addresses(app, lived, "deliveries") + addresses(app, lived, "operator")
    assert len(paths) >= 20
    for path in paths:
        if path.endswith(".csv"):
            continue
        text = page(operator, path)
        assert 'style="' not in text, path
        if path.startswith("/operator/learners/"):
            continue  # Whoever erases somebody has to see whom.
        assert not [name for name in (*names, *mails) if name in text], path


def test_a_get_never_writes(operator, app, lived):
    with lived.campus.db.reading() as db:
        before = db.scalar(select(func.count()).select_from(AuditEntry))
        states = sorted(db.execute(select(Row.id, Row.state)))
    for path in addresses(app, lived, "deliveries") + addresses(app, lived, "operator"):
        operator.get(path)
    with lived.campus.db.reading() as db:
        assert db.scalar(select(func.count()).select_from(AuditEntry)) == before
        assert sorted(db.execute(select(Row.id, Row.state))) == states


def test_permission_table_knows_every_word_of_the_access_table():
    used = {line.who for line in TABLE.values()} - {"public"}
    assert {who for who in used if not who.startswith("api:")} <= set(PERMISSIONS)


# --- what needs you ------------------------------------------------------------------------------


def test_home_says_what_needs_somebody(operator, lived):
    with lived.campus.db.transaction() as db:
        row = db.get_one(Connection, lived.connection)
        row.state = "attention"
        row.problem = {"code": "x", "message": "The secret was refused.", "fix": "Enter a new one."}
    text = words(page(operator, "/operator/"))
    assert "2 deliveries need you" in text
    assert "Campus SIS needs attention" in text
    assert "The secret was refused. Enter a new one." in text


def test_home_of_an_empty_campus_teaches_the_first_step(operator):
    text = words(page(operator, "/operator/"))
    assert "No worker is running" in text
    assert "Connect your LMS" in text
    assert "to do" in text


# --- deliveries ----------------------------------------------------------------------------------


def test_ledger_shows_what_happened_and_what_to_do_first(operator, lived):
    text = words(page(operator, "/operator/deliveries"))
    stuck = text.index("Ask the registrar to reopen it, then retry. Who can: SIS administrator.")
    assert stuck < text.index("It arrived.")
    assert "Next try in" in text
    assert "Retry what failed (2)" in text


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("state=dead", 1),
        ("state=needs_you", 2),
        ("state=later", 1),
        ("state=nonsense", None),
        ("find=data+LITERACY", None),
        ("find=%25", 0),
        ("find=nobody", 0),
        ("connection=nowhere", 0),
    ],
)
def test_ledger_filters(operator, lived, query, count):
    with lived.campus.db.reading() as db:
        everything = db.scalar(select(func.count()).select_from(Row))
    text = words(page(operator, f"/operator/deliveries?{query}"))
    expected = everything if count is None else count
    if expected:
        assert f"of {expected}" in text
    else:
        assert "Nothing fits these filters." in text


def test_ledger_is_paged(operator, campus):
    operator_seed.seed(campus, learners=240)
    with campus.db.reading() as db:
        total = db.scalar(select(func.count()).select_from(Row))
    assert total > 60
    first = page(operator, "/operator/deliveries")
    second = page(operator, "/operator/deliveries?page=2")
    ids = [
        set(re.findall(r"/operator/deliveries/([0-9a-f-]{36})", text)) for text in (first, second)
    ]
    assert len(ids[0]) == 50
    assert not ids[0] & ids[1]


def test_retry_one(operator, lived):
    dead = lived.deliveries["dead"]
    answer = operator.post(f"/operator/deliveries/{dead}/retry")
    assert answer.status_code == 303
    assert "in the queue again" in words(page(operator, answer.location))
    with lived.campus.db.reading() as db:
        assert db.get_one(Row, dead).state == "waiting"
    again = operator.post(f"/operator/deliveries/{lived.deliveries['sent']}/retry")
    assert again.status_code == 409


def test_retry_what_failed(operator, lived):
    assert operator.post("/operator/deliveries/retry").status_code == 303
    with lived.campus.db.reading() as db:
        stuck = db.scalars(select(Row.id).where(Row.state.in_(("held", "dead")))).all()
        assert not stuck


def test_drop_asks_first(operator, lived):
    dead = lived.deliveries["dead"]
    assert "cannot be taken up again" in words(page(operator, f"/operator/deliveries/{dead}/drop"))
    with lived.campus.db.reading() as db:
        assert db.get_one(Row, dead).state == "dead"
    assert operator.post(f"/operator/deliveries/{dead}/drop").status_code == 303
    with lived.campus.db.reading() as db:
        assert db.get_one(Row, dead).state == "dropped"


def test_csv_holds_the_filtered_rows_and_runs_no_formula(operator, lived):
    with lived.campus.db.transaction() as db:
        row = db.get_one(Row, lived.deliveries["dead"])
        row.message = '=HYPERLINK("http://evil.example")'
        award = db.get_one(Award, row.award_id)
        db.get_one(Person, award.person_id).sis_id = "+1+cmd|' /C calc'!A0"
    answer = operator.get("/operator/deliveries.csv?state=dead")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.mimetype == "text/csv"
    assert len(rows) == 1
    assert rows[0]["message"].startswith("'=")
    assert rows[0]["student_number"].startswith("'+")


# --- connections ---------------------------------------------------------------------------------


def test_new_connection_begins_paused_and_hides_its_secret(operator, campus):
    assert "OneRoster 1.2 (REST)" in page(operator, "/operator/connections")
    answer = operator.post("/operator/connections/new/oneroster_rest", data=SIS)
    assert answer.status_code == 303, answer.text
    text = page(operator, answer.location)
    assert "stored, never shown" in text
    assert "Paused: nothing is sent." in text
    assert SIS["client_secret"] not in text
    with campus.db.reading() as db:
        row = db.scalars(select(Connection)).one()
        assert row.state == "paused"
        assert SIS["client_secret"] not in str(row.config)
        assert SIS["client_secret"] not in (row.sealed or "")
    edit = f"/operator/connections/{row.id}/edit"
    assert SIS["client_secret"] not in page(operator, edit)


def test_empty_secret_keeps_the_stored_one(operator, campus):
    made = connections.create(campus, "oneroster_rest", SIS, "operator:test")
    changed = {**SIS, "client_secret": "", "name": "Registry"}
    assert operator.post(f"/operator/connections/{made}/edit", data=changed).status_code == 303
    with campus.db.reading() as db:
        row = db.get_one(Connection, made)
        assert row.name == "Registry"
        assert b"very-secret-value" in campus.box.open(row.sealed)


def test_refused_connection_comes_back_with_every_problem_at_its_field(operator, campus):
    answer = operator.post(
        "/operator/connections/new/oneroster_rest",
        data={**SIS, "gradebook_url": "not an address", "client_id": ""},
    )
    assert answer.status_code == 422
    assert 'href="#gradebook_url"' in answer.text
    assert 'href="#client_id"' in answer.text
    assert 'value="not an address"' in answer.text
    assert SIS["client_secret"] not in answer.text
    with campus.db.reading() as db:
        assert db.scalar(select(Connection)) is None


def test_unticked_box_is_no_and_not_the_default(operator, campus):
    fields = {name: value for name, value in SIS.items() if name != "score"}
    assert operator.post("/operator/connections/new/oneroster_rest", data=fields).status_code == 303
    with campus.db.reading() as db:
        assert db.scalars(select(Connection)).one().config["score"] == "false"


def test_preview_is_the_payload_that_would_be_sent(operator, lived):
    text = page(operator, f"/operator/connections/{lived.connection}?award={lived.awards[0]}")
    assert "assessmentResults/" in text
    assert "&#34;assessmentResult&#34;: {" in text
    assert "Nothing was sent." in text
    with lived.campus.db.transaction() as db:
        award = db.get_one(Award, lived.awards[0])
        db.get_one(Person, award.person_id).sis_id = None
        db.get_one(Learner, award.learner_id).sis_id = None
    held = words(page(operator, f"/operator/connections/{lived.connection}?award={award.id}"))
    assert "held" in held
    assert "LMS administrator" in held


def test_failing_connection_test_names_the_address_and_the_fix(operator, campus):
    made = connections.create(
        campus,
        "oneroster_rest",
        {**SIS, "token_url": "http://127.0.0.1:9/token", "gradebook_url": "http://127.0.0.1:9/g"},
        "operator:test",
    )
    answer = operator.post(f"/operator/connections/{made}/test")
    assert answer.status_code == 200
    text = words(answer.text)
    assert "fails" in text
    assert "http://127.0.0.1:9/token" in text


def test_pause_and_resume(operator, lived):
    base = f"/operator/connections/{lived.connection}"
    assert operator.post(f"{base}/pause").status_code == 303
    with lived.campus.db.reading() as db:
        assert db.get_one(Connection, lived.connection).state == "paused"
    assert operator.post(f"{base}/pause").status_code == 409
    assert operator.post(f"{base}/resume").status_code == 303
    with lived.campus.db.reading() as db:
        assert db.get_one(Connection, lived.connection).state == "active"


def test_what_is_awarded_while_paused_waits(operator, campus):
    made = connections.create(campus, "oneroster_rest", SIS, "operator:test")
    course = operator_seed.course_seed.seed(campus, learners=10)
    operator_seed.course_seed.make_badge(course, clauses=1)
    jobs.run_until_idle(campus, ["sign", "send"])
    with campus.db.reading() as db:
        states = set(db.scalars(select(Row.state).where(Row.connection_id == made)))
    assert states == {"waiting"}


# --- awards --------------------------------------------------------------------------------------


def test_award_is_found_by_number_credential_and_course(operator, lived):
    with lived.campus.db.reading() as db:
        award = db.get_one(Award, lived.awards[0])
        number = db.get_one(Person, award.person_id).sis_id
    text = page(operator, f"/operator/awards/{award.id}")
    credential = re.search(r"urn:uuid:[0-9a-f-]{36}", text).group()
    for find in (credential, award.id, "statistics", number):
        assert award.id in page(operator, f"/operator/awards?find={find}"), find
    assert "Nothing fits" in page(operator, "/operator/awards?find=nothing-like-this")


def test_revoking_needs_a_reason_and_says_so_everywhere(operator, lived):
    award = lived.awards[0]
    form = f"/operator/awards/{award}/revoke"
    assert "cannot be undone" in words(page(operator, form))
    refused = operator.post(form, data={"reason": " "})
    assert refused.status_code == 422
    assert 'href="#reason"' in refused.text
    with lived.campus.db.reading() as db:
        assert db.get_one(Award, award).revoked_at is None
    assert operator.post(form, data={"reason": "Given by mistake."}).status_code == 303
    text = words(page(operator, f"/operator/awards/{award}"))
    assert "revoked" in text
    assert "Given by mistake." in text
    assert operator.post(form, data={"reason": "Again."}).status_code == 409


# --- platforms -----------------------------------------------------------------------------------


def test_invitation_is_shown_once(operator, campus):
    answer = operator.post("/operator/platforms/invite", data={"lms_origin": "https://lms.test"})
    assert answer.status_code == 201
    link = re.search(r"http://127\.0\.0\.1:8080/lti/register/([\w-]+)", answer.text)
    assert link
    text = page(operator, "/operator/platforms")
    assert link.group(1) not in text
    assert "https://lms.test" in text
    with campus.db.reading() as db:
        assert link.group(1) not in db.scalars(select(Invitation)).one().token_hash


def test_bad_invitation_comes_back(operator):
    answer = operator.post("/operator/platforms/invite", data={"lms_origin": "lms"})
    assert answer.status_code == 422
    assert 'href="#lms_origin"' in answer.text


def test_manual_registration_is_pending_until_approved(operator, campus):
    form = {
        "name": "Campus LMS",
        "origin": "https://lms.test",
        "issuer": "https://lms.test",
        "client_id": "c1",
        "auth_url": "https://lms.test/auth",
        "token_url": "https://lms.test/token",
        "jwks_url": "https://lms.test/jwks",
    }
    assert "/lti/login" in page(operator, "/operator/platforms/register/generic")
    bad = operator.post("/operator/platforms/register/generic", data={**form, "jwks_url": ""})
    assert bad.status_code == 422
    assert 'href="#jwks_url"' in bad.text
    assert operator.post("/operator/platforms/register/generic", data=form).status_code == 303
    with campus.db.reading() as db:
        row = db.scalars(select(Platform)).one()
        assert row.state == "pending"
    assert "One registration waits for approval" in words(page(operator, "/operator/"))
    assert operator.post(f"/operator/platforms/{row.id}/approve").status_code == 303
    with campus.db.reading() as db:
        assert db.get_one(Platform, row.id).state == "active"
    assert operator.post(f"/operator/platforms/{row.id}/disable").status_code == 303
    with campus.db.reading() as db:
        assert db.get_one(Platform, row.id).state == "disabled"


def test_unknown_deployment_waits_for_approval(operator, lived):
    with lived.campus.db.transaction() as db:
        platform = db.scalars(select(Platform)).one()
        row = Deployment(
            platform=platform, deployment_id="second-one", created_at=lived.campus.clock()
        )
        db.add(row)
    assert "second-one" in page(operator, "/operator/platforms")
    assert operator.post(f"/operator/deployments/{row.id}/approve").status_code == 303
    with lived.campus.db.reading() as db:
        assert db.get_one(Deployment, row.id).state == "active"


# --- issuers, tokens, audit, health --------------------------------------------------------------


def test_rotation_asks_then_keeps_the_old_key_listed(operator, lived):
    with lived.campus.db.reading() as db:
        old = db.scalars(select(IssuerKey).where(IssuerKey.kind == "ed25519")).one()
    form = f"/operator/issuers/{old.issuer_id}/rotate/ed25519"
    assert "stay valid" in page(operator, form)
    assert operator.post(form).status_code == 303
    text = page(operator, f"/operator/issuers/{old.issuer_id}")
    assert "signs until its successor does" in text
    assert "listed, signs later" in text
    again = operator.post(form)
    assert again.status_code == 409, "one successor at a time"
    assert old.fragment in operator.get("/issuers/campus/did.json").text
    missing = operator.get(f"/operator/issuers/{old.issuer_id}/rotate/nonsense")
    assert missing.status_code == 404


def test_a_key_that_its_keeper_does_not_use_says_what_to_do(operator, lived):
    with lived.campus.db.transaction() as db:
        old = db.scalars(select(IssuerKey).where(IssuerKey.kind == "ed25519")).one()
        old.problem = {"code": "upstream-503", "message": "It is sealed.", "fix": "Unseal it."}
    text = page(operator, f"/operator/issuers/{old.issuer_id}")
    assert "A key does not sign" in text
    assert "Unseal it." in text


def test_issuer_profile_form(operator, campus):
    assert "No issuer yet" in page(operator, "/operator/issuers")
    made = operator.post("/operator/issuers")
    assert made.status_code == 303
    path = made.location.partition("?")[0]
    good = {"name": "Faculty", "url": "https://faculty.example", "email": "", "description": "d"}
    bad = operator.post(path, data={**good, "url": "faculty", "email": "nobody"})
    assert bad.status_code == 422
    assert 'href="#url"' in bad.text
    assert 'href="#email"' in bad.text
    assert operator.post(path, data=good).status_code == 303
    assert "Faculty" in page(operator, "/issuers/campus")


def test_token_is_shown_once_and_works_until_it_is_ended(operator, app, campus):
    refused = operator.post("/operator/tokens", data={"name": ""})
    assert refused.status_code == 422
    assert 'href="#scopes"' in refused.text
    form = {"name": "Nightly report", "scopes": ["courses:read"], "days": "90"}
    answer = operator.post("/operator/tokens", data=form)
    assert answer.status_code == 201
    token = re.search(r"tsl_[\w-]+", answer.text).group()
    assert token not in page(operator, "/operator/tokens")
    program = app.test_client()
    bearer = {"Authorization": f"Bearer {token}"}
    assert program.get("/api/v1/courses", headers=bearer).status_code == 200
    with campus.db.reading() as db:
        row = db.scalars(select(ApiToken)).one()
        assert row.expires_at == row.created_at + timedelta(days=90)
    assert "cannot be given back" in page(operator, f"/operator/tokens/{row.id}/revoke")
    assert program.get("/api/v1/courses", headers=bearer).status_code == 200
    assert operator.post(f"/operator/tokens/{row.id}/revoke").status_code == 303
    assert program.get("/api/v1/courses", headers=bearer).status_code == 401


def test_audit_log_names_the_actor_and_finds_a_change_from_outside(operator, lived):
    operator.post(f"/operator/deliveries/{lived.deliveries['dead']}/retry")
    text = words(page(operator, "/operator/audit?action=delivery.retried"))
    assert "operator:Test Operator" in text
    assert "Every entry follows" in words(page(operator, "/operator/audit?check=1"))
    with lived.campus.db.transaction() as db:
        entry = db.scalars(select(AuditEntry).where(AuditEntry.action == "delivery.retried")).one()
        entry.actor = "operator:Somebody Else"
    broken = words(page(operator, "/operator/audit?check=1"))
    assert f"Entry {entry.id} does not follow" in broken


def test_health_says_plainly_that_mail_is_off(operator, lived):
    text = words(page(operator, "/operator/health"))
    assert "No mail is sent, because no mail server is configured." in text
    assert "one is running" in text
