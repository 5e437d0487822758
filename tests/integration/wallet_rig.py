"""A running Tassel with one signed award, for wallets that come over real HTTP."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from html import unescape

import requests
from sqlalchemy import select
from werkzeug.serving import make_server

from app.credentials.verify import verify
from app.errors import UpstreamError
from app.main import create_app
from app.models import Award, WalletOffer
from app.pipeline import award as awarding
from app.pipeline.campus import Campus
from app.settings import Settings
from tests.course_seed import Seeded, enter, make_badge, seed
from tests.integration.oid4vci_wallet import Ed25519Key, Wallet
from tests.integration.trip import Clock


@dataclass
class Scene:
    """A running Tassel with one signed award and the learner's browser."""

    made: Seeded
    award: Award
    clock: Clock
    browser: object
    url: str

    def offer(self) -> tuple[str, str]:
        """Press the button; the link and the digits on the page."""
        path = f"/courses/{self.made.course_id}/me/badges/{self.award.id}/wallet"
        answer = self.browser.post(path)
        assert answer.status_code == 200, answer.text
        link = unescape(re.search(r'href="(openid-credential-offer:[^"]+)"', answer.text)[1])
        return link, re.search(r"<strong>(\d{6})</strong>", answer.text)[1]

    def exchange(self) -> str:
        """Press the other button; the link for the Learner Credential Wallet."""
        path = f"/courses/{self.made.course_id}/me/badges/{self.award.id}/wallet/exchange"
        answer = self.browser.post(path)
        assert answer.status_code == 200, answer.text
        return unescape(re.search(r'href="(https://lcw.app/[^"]+)"', answer.text)[1])

    def wallet(self, key: type = Ed25519Key) -> tuple[Wallet, str]:
        link, digits = self.offer()
        return Wallet(key(), int(self.clock().timestamp())).open(link), digits

    def holding(self, key: type = Ed25519Key) -> Wallet:
        """A wallet that has its access token."""
        wallet, digits = self.wallet(key)
        wallet.token(digits)
        return wallet

    def row(self) -> WalletOffer:
        with self.made.campus.db.reading() as session:
            query = select(WalletOffer).order_by(WalletOffer.created_at.desc())
            return session.scalars(query).first()

    def verdict(self, signed: bytes):
        """What our own verifier says, with the issuer's names answered by the running server."""

        def lookup(url: str) -> bytes:
            path = re.sub(r"^https?://[^/]+", "", url)
            answer = requests.get(self.url + path, timeout=10)
            if answer.status_code != 200:
                raise UpstreamError("not-there", url, system="test", permanent=True)
            return answer.content

        return verify(signed, lookup, self.clock())


@contextmanager
def playing(
    campus: Campus, settings: Settings, name: str = "Data literacy, level 1"
) -> Iterator[Scene]:
    """The scene, with a badge of this name."""
    clock = Clock(campus.clock())
    campus = replace(campus, clock=clock)
    made = seed(campus)
    make_badge(made, name)
    for batch in awarding.claim(campus):
        awarding.run(campus, batch.ids)
    with campus.db.reading() as session:
        award = session.scalars(select(Award).where(Award.state == "issued")).first()
    app = create_app(settings, campus)
    port = int(settings.public_url.rpartition(":")[2])
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    browser = app.test_client()
    browser.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
    yield Scene(
        made, award, clock, enter(browser, made, award.person_id, "learner"), settings.public_url
    )
    server.shutdown()
    thread.join()
    server.server_close()
