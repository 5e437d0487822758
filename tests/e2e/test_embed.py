"""A shared badge in the page of another site, in a real Chromium: its frame opens, the page itself does not."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, expect
from sqlalchemy import select
from werkzeug.serving import make_server

from app.credentials import shares
from app.models import Award
from app.pipeline import award as awarding
from app.web import learner_data
from tests.course_seed import make_badge, seed

pytestmark = pytest.mark.browser


@pytest.fixture
def blog() -> Iterator[tuple[str, dict[str, str]]]:
    """Another site with one page, whose text the test writes."""
    site, text = Flask("blog"), {"page": ""}
    site.add_url_rule("/", view_func=lambda: text["page"])
    running = make_server("localhost", 0, site, threaded=True)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield f"http://localhost:{running.server_port}/", text
    running.shutdown()
    thread.join()
    running.server_close()


def test_the_lines_for_a_page_of_ones_own_work_there(
    browser: Browser, campus, server: str, blog
) -> None:
    made = seed(campus, learners=12)
    make_badge(made)
    for batch in awarding.claim(campus):
        awarding.run(campus, batch.ids)
    with campus.db.transaction() as session:
        award = session.scalars(select(Award).where(Award.state == "issued")).all()[0]
        token = shares.share(session, award.id, False, campus.clock())
        mine = learner_data.Mine(award, learner_data.files.version_of(session, award), None, "")
        lines = learner_data.embed(mine, f"{server}/b/{token}/embed")
    address, text = blog
    text["page"] = f"<title>Blog</title>{lines}<iframe src='{server}/b/{token}'></iframe>"
    page = browser.new_page()
    page.goto(address)
    frame = page.frame_locator("iframe").first
    expect(frame.get_by_text("Verified just now")).to_be_visible()
    with page.expect_popup() as opened:
        frame.get_by_role("link").click()
    expect(opened.value.get_by_text("What was checked")).to_be_visible()
    assert page.frames[2].url.startswith("chrome-error:"), "the page itself is framed by nobody"
    page.context.close()
