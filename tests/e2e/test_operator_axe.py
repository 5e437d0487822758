"""Every operator and public page in a real Chromium: axe, width, content policy, without a script."""

from __future__ import annotations

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Award, Installation, Issuer, Platform, PublicationRequest
from app.pipeline import approvals, issuer_keys
from app.pipeline.campus import Campus
from app.web.operator import make_admin_link
from tests import course_seed, operator_seed
from tests.e2e.test_pages_axe import check, size
from tests.endorsing import accepted
from tests.operator_seed import Lived

pytestmark = pytest.mark.browser


@pytest.fixture
def lived(campus: Campus) -> Lived:
    """An endorsed badge, one that waits for a department's consent, an award for its signature."""
    lived = operator_seed.seed(campus, learners=24)
    accepted(campus, lived.badge, name="Nordlicht Analytics, Gesellschaft für Auswertung mbH")
    made = lived.course
    badge = course_seed.make_badge(made, "Data literacy, level 2", publish=False)
    registry = issuer_keys.found_department(campus, "registry", "Registry", "operator:test")
    approvals.choose_issuer(campus, made.course_id, badge, registry, f"person:{made.teacher}")
    approvals.ask(campus, made.course_id, badge, f"person:{made.teacher}")
    with campus.db.transaction() as session:
        session.get_one(Award, lived.awards[-1]).state = "waiting"
    return lived


def operator_pages(lived: Lived) -> dict[str, str]:
    """Endpoint to path under /operator."""
    with lived.campus.db.transaction() as session:
        issuer = session.scalars(select(Issuer.id).order_by(Issuer.created_at)).first()
        request = session.scalars(select(PublicationRequest.id)).one()
        row = session.scalars(select(Platform)).all()[0]
        # One that has a grade source which a token opens.
        row.installation.lms, platform = "moodle", row.id
        keyed = _keyed(session, row)
        learner = session.get_one(Award, lived.awards[0]).learner_id
    delivery = f"/deliveries/{lived.deliveries['dead']}"
    connection = f"/connections/{lived.connection}"
    award = f"/awards/{lived.awards[0]}"
    return {
        "home": "/",
        "deliveries": "/deliveries",
        "delivery": delivery,
        "delivery_drop": f"{delivery}/drop",
        "connections": "/connections",
        "connection": connection,
        "connection_edit": f"{connection}/edit",
        "connection_new": "/connections/new/oneroster_csv",
        "awards": "/awards",
        "award": award,
        "award_revoke": f"{award}/revoke",
        "award_hold": f"{award}/hold",
        "bulk": f"/revoke-many?badge={lived.badge}",
        "bulk_run": f"/revoke-many/{lived.bulk}",
        "learners": "/learners",
        "learner_erase": f"/learners/{learner}/erase",
        "platforms": "/platforms",
        "platform": f"/platforms/{platform}",
        "grade_token": f"/platforms/{platform}/grades",
        "grade_key": f"/platforms/{keyed}/key",
        "tool_keys": "/platforms/keys",
        "tool_keys_replace": "/platforms/keys/replace",
        "platform_register": "/platforms/register",
        "platform_register_lms": "/platforms/register/moodle?origin=https://lms.example.edu",
        "approvals": "/approvals",
        "approval": f"/approvals/{request}",
        "issuers": "/issuers",
        "issuer": f"/issuers/{issuer}",
        "issuer_rotate": f"/issuers/{issuer}/rotate/ed25519",
        "tokens": "/tokens",
        "token_revoke": f"/tokens/{lived.token}/revoke",
        "audit_log": "/audit?check=1",
        "health": "/health",
        "left": "/left",
        "sign_in": "/sign-in",
    }


def _keyed(session: Session, like: Platform) -> str:
    """A registration of an LMS whose grade source a developer key opens."""
    found = session.scalar(select(Platform.id).where(Platform.client_id == "keyed"))
    if found is None:
        now, url = like.created_at, "https://keyed.example.edu"
        installation = Installation(name="Keyed", lms="canvas", origin=url, created_at=now)
        row = Platform(
            installation=installation, issuer=url, client_id="keyed", auth_url=url,
            token_url=url, jwks_url=url, state="active", created_at=now,
        )  # fmt: skip
        session.add_all([installation, row])
        session.flush()
        found = row.id
    return found


def opened(browser: Browser, **options: object) -> Page:
    page = browser.new_context(**options).new_page()
    page.complaints = []  # type: ignore[attr-defined]
    page.on(
        "console",
        lambda said: page.complaints.append(said.text) if said.type == "error" else None,  # type: ignore[attr-defined]
    )
    return page


def enter(page: Page, campus: Campus, server: str) -> None:
    """By the link and its button, as people do."""
    link = make_admin_link(campus, "Ada")
    check(page, link.replace(campus.settings.public_url, server), "enter")
    page.get_by_role("button", name="Open it in this browser").click()
    page.get_by_role("heading", name="What needs you").wait_for()


@pytest.mark.parametrize(
    ("width", "scheme"), [(1180, "light"), (320, "dark")], ids=["wide-light", "narrow-dark"]
)
def test_operator_pages(
    browser: Browser, lived: Lived, server: str, width: int, scheme: str
) -> None:
    page = opened(browser, viewport=size(width), color_scheme=scheme)
    enter(page, lived.campus, server)
    for name, path in operator_pages(lived).items():
        check(page, f"{server}/operator{path}", f"{name} {width} {scheme}")
    page.context.close()


@pytest.mark.parametrize(
    ("width", "scheme"), [(1180, "dark"), (320, "light")], ids=["wide-dark", "narrow-light"]
)
def test_public_pages(browser: Browser, lived: Lived, server: str, width: int, scheme: str) -> None:
    page = opened(browser, viewport=size(width), color_scheme=scheme)
    token = operator_seed.share_one(lived, show_name=True)
    for path in (
        f"/b/{token}",
        f"/b/{token}/embed",
        "/issuers/campus",
        "/catalogue",
        "/verify",
        f"/achievements/{lived.badge}",
    ):
        check(page, server + path, f"{path} {width} {scheme}")
    page.context.close()


def test_every_operator_page_is_among_those_checked(app: Flask, lived: Lived) -> None:
    """A new page has to be added above."""
    getters = {
        rule.endpoint.removeprefix("operator.")
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("operator.") and "GET" in (rule.methods or ())
    }
    parts = {"enter", "deliveries_csv", "sign_in_callback", "approval_picture"}
    assert getters - parts == set(operator_pages(lived))


def test_repairing_a_delivery_without_a_script(browser: Browser, lived: Lived, server: str) -> None:
    page = opened(browser, viewport=size(700), java_script_enabled=False)
    link = make_admin_link(lived.campus, "Ada").replace(lived.campus.settings.public_url, server)
    page.goto(link)
    page.get_by_role("button", name="Open it in this browser").click()
    page.get_by_role("link", name="See them").first.click()
    page.get_by_role("link", name="Open the delivery").last.click()
    page.get_by_role("button", name="Retry now").click()
    page.get_by_text("It is in the queue again.").wait_for()
    page.context.close()
