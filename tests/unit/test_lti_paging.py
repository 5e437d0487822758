"""The next page out of every ``Link`` header seen in the wild."""

from __future__ import annotations

import pytest

from app.lti.paging import next_url
from app.lti.wire import sub_path, with_query

BASE = "https://lms.example/lineitems?type_id=1"
NEXT = "https://lms.example/lineitems?type_id=1&limit=2&from=2"


@pytest.mark.parametrize(
    "header",
    [
        f'<{NEXT}>; rel="next"',
        f"<{NEXT}>; rel=next",
        f"<{NEXT}>;rel='next'",
        f'<{NEXT}>; REL="Next"',
        f'<{NEXT}>; title="a, b"; rel="last next"',
        f'<https://lms.example/x>; rel="first", <{NEXT}>; rel="next"',
        f'<https://lms.example/x>; rel="current",<{NEXT}>; rel="next",<https://a/b>; rel="last"',
        f"<{NEXT.replace('&', '&amp;')}>; rel=“next”, <https://lms.example/z>; rel=“last”",
        f"<{NEXT.replace('&', '&amp;')}>; rel=“next”".encode().decode("latin-1"),
        '</lineitems?type_id=1&limit=2&from=2>; rel="next"',
        '<?type_id=1&limit=2&from=2>; rel="next"',
    ],
)
def test_next_page_is_found(header: str) -> None:
    assert next_url(header, BASE) == NEXT


def test_letter_case_of_the_address_stays() -> None:
    header = '<https://LMS.example/A?page=bookmark:WzE1LCJhQiJd>; rel="next"'
    assert next_url(header, BASE) == "https://LMS.example/A?page=bookmark:WzE1LCJhQiJd"


@pytest.mark.parametrize(
    "header",
    [None, "", "rubbish", f"<{NEXT}>", f'<{NEXT}>; rel="prev"', f'<{NEXT}>; rel="nextish"'],
)
def test_no_next_page(header: str | None) -> None:
    assert next_url(header, BASE) is None


def test_broken_address_is_not_an_error_here() -> None:
    assert next_url('<http://[half>; rel="next"', BASE) == "http://[half"


def test_results_go_before_the_query() -> None:
    item = "https://lms.example/3/lineitems/9/lineitem?type_id=1"
    assert sub_path(item, "results") == (
        "https://lms.example/3/lineitems/9/lineitem/results?type_id=1"
    )
    assert sub_path("https://lms.example/9", "scores") == "https://lms.example/9/scores"


def test_parameters_join_those_that_are_there() -> None:
    assert with_query(BASE, {"limit": "5"}) == BASE + "&limit=5"
    assert with_query(BASE + "&limit=2", {"limit": "5"}) == BASE + "&limit=5"
    assert with_query(BASE, {}) == BASE
