"""A badge goes into a wallet out of an LMS's frame, in a browser that blocks the cookies of other sites."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import urllib3
from playwright.sync_api import Browser, Route

from app.demo.stage import Stage
from tests.e2e import newcomer, rungs
from tests.e2e.driving import Place
from tests.e2e.engines import Chromium
from tests.e2e.watching import Watch
from tests.integration.vcapi_wallet import OLD, ExchangeWallet

pytestmark = pytest.mark.browser

BADGE = "For the wallet"
DRAWN = (
    "() => { const it = document.querySelector('img.qr'); return it.complete && it.naturalWidth; }"
)
LINK = "(start) => document.querySelector(`a.button[href^='${start}']`)"


@pytest.fixture
def window(strict_browser: Browser) -> Iterator[Chromium]:
    page = newcomer.fresh(strict_browser, ignore_https_errors=True)
    engine = Chromium(page.context)
    yield engine
    engine.quit()


def take(link: str) -> dict:
    """What a wallet of the VC-API kind gets for the link; the wall's certificate is its own."""
    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    wallet = ExchangeWallet(link, datetime.now(UTC))
    wallet.http.verify, wallet.http.trust_env = False, False
    taken = wallet.take(OLD)
    assert taken["credentialSubject"]["id"] == wallet.key.did
    return taken


def offered(tool: Place, button: str, heading: str, start: str) -> str:
    """Press the button on the badge's page; the link on the page that comes."""
    tool.click("button", button, exact=True)
    tool.wait("heading", heading)
    rungs.eventually("the QR code", lambda: tool.run(DRAWN))
    return str(tool.run(f"(start) => ({LINK})(start).href", start))


def test_both_wallets_without_cookies(window: Chromium, walled: Stage) -> None:
    watch = Watch(window.context)
    rungs.play(walled, cookies="blocked")
    tool = rungs.enter(window, walled, rungs.TEACHER, rungs.AT_HOME)
    name = rungs.teach(tool, BADGE)
    tool = rungs.enter(window, walled, name, ("link", BADGE))
    assert rungs.launched_by(walled) == "platform"
    rungs.open_badge(tool, BADGE)
    offer = offered(tool, "Add to a wallet", "Type this code", "openid-credential-offer:")
    assert "/wallet/offers/" in offer or "%2Fwallet%2Foffers%2F" in offer
    tool.click("link", BADGE)
    tool.wait("text", "An offer is open until")
    link = offered(tool, "Learner Credential Wallet", "Scan this", "https://lcw.app/")
    opened_apart(window, tool, link)
    tool.wait("heading", "Add to the Learner Credential Wallet")
    assert take(link)["credentialSubject"]["achievement"]["name"] == BADGE
    tool.click("link", BADGE)
    tool.wait("text", "Taken into a wallet (VC-API)")
    watch.check(tool)
    assert watch.complaints == []


def opened_apart(window: Chromium, tool: Place, link: str) -> None:
    """The wallet's address opens in a tab of its own, and learns nothing of where it was opened."""
    seen: list[dict[str, str]] = []

    def answer(route: Route) -> None:
        seen.append({"url": route.request.url, **route.request.headers})
        route.fulfill(body="<title>The wallet</title>", content_type="text/html")

    window.context.route("https://lcw.app/**", answer)
    with window.context.expect_page() as tab:
        tool.click("link", "Open the wallet on this device")
    tab.value.wait_for_load_state()
    assert [one["url"] for one in seen][:1] == [link]
    assert "referer" not in seen[0]
    assert tab.value.evaluate("window.opener") is None
    tab.value.close()
