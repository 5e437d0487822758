"""Wallet libraries that nobody here wrote prove their key, and the application believes them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.wallet.did_auth import Asked, prove
from app.wallet.errors import WalletRefused
from tests.interop import story_check

pytestmark = pytest.mark.interop

SCRIPT = Path(__file__).parent / "verifiers" / "did-auth.mjs"
SUITES = (
    "dcc-Ed25519Signature2020",
    "dcc-Ed25519Signature2020-vc1",
    "dcc-eddsa-rdfc-2022",
    "digitalbazaar-eddsa-rdfc-2022",
)
ASKED = Asked("0f5e", "https://badges.example", domain_said=True)


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    reason = story_check.missing_tools()
    if reason:
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


def signed(suite: str, *asked: str) -> dict[str, Any]:
    done = subprocess.run(
        ["node", str(SCRIPT), suite, *asked], capture_output=True, check=True, timeout=120
    )
    return json.loads(done.stdout)


CHANGES: dict[str, Callable[[dict[str, Any]], None]] = {
    "purpose": lambda made: made["proof"].update(proofPurpose="assertionMethod"),
    "domain": lambda made: made["proof"].update(domain="https://evil.example"),
    "id": lambda made: made.update(id="urn:uuid:00000000-0000-4000-8000-000000000000"),
}


@pytest.mark.parametrize("suite", SUITES)
def test_a_foreign_proof_is_believed_until_it_is_touched(suite: str) -> None:
    now = datetime.now(UTC)
    made = signed(suite, ASKED.challenge, ASKED.domain)
    assert prove(made, ASKED, now) == made["holder"]
    for change in CHANGES.values():
        touched = json.loads(json.dumps(made))
        change(touched)
        with pytest.raises(WalletRefused):
            prove(touched, ASKED, now)
    with pytest.raises(WalletRefused, match="another challenge"):
        prove(made, Asked("beef", ASKED.domain, domain_said=True), now)


def test_the_wallet_that_was_opened_by_its_link_names_no_domain() -> None:
    made = signed(SUITES[0], ASKED.challenge)
    assert "domain" not in made["proof"]
    asked = Asked(ASKED.challenge, ASKED.domain, domain_said=False)
    assert prove(made, asked, datetime.now(UTC)) == made["holder"]
