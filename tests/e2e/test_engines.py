"""The controls: what Firefox and WebKit do to cookies and storage of a foreign frame here.

Were one of these to change, the tests of launches in that engine would prove something else.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.driving import Engine
from tests.e2e.two_sites import STORES, cookies_at_the_top, cookies_in_the_frame, two_sites

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with two_sites() as port:
        yield port


def test_firefox_has_a_jar_of_cookies_for_each_site_around(firefox: Engine, port: int) -> None:
    assert "plain" in cookies_in_the_frame(firefox, "localhost", port)
    firefox.open(f"http://127.0.0.1:{port}/seen")
    assert firefox.place().text() == "Cookies: .", "what the frame got is not for the window"


def test_strict_firefox_keeps_no_cookie_but_stores(strict_firefox: Engine, port: int) -> None:
    assert cookies_at_the_top(strict_firefox, port) == "Cookies: bare partitioned plain."
    assert cookies_in_the_frame(strict_firefox, "localhost", port) == "Cookies: ."
    assert strict_firefox.call("tool", STORES) is True


def test_webkit_keeps_no_cookie_but_stores(webkit: Engine, port: int) -> None:
    """On loopback without TLS it keeps no ``Secure`` cookie either, in windows of their own too."""
    assert cookies_at_the_top(webkit, port) == "Cookies: bare."
    assert cookies_in_the_frame(webkit, "localhost", port) == "Cookies: ."
    assert webkit.call("tool", STORES) is True
