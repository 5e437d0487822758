"""The browser without a screen obeys the rules that real browsers obey."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.demo.cookies import Context, CookieStore, site, trustworthy
from app.demo.form_data import encoded, filled
from app.demo.html_page import find_form, parse
from app.demo.visitor import relation
from app.errors import NotFound

NOW = datetime(2026, 11, 22, tzinfo=UTC)
TOOL = "http://127.0.0.1:8080/lti/login"
SAME = Context(site(TOOL), cross_site=False, top_level_get=True)
FRAMED = Context(site("http://localhost:8081/"), cross_site=True, top_level_get=False)
POSTED = Context(site(TOOL), cross_site=True, top_level_get=False)
FOLLOWED = Context(site(TOOL), cross_site=True, top_level_get=True)


def kept(set_cookie: str, context: Context, later: Context | None = None, url: str = TOOL) -> bool:
    """Whether a cookie set in a context comes back in the same or a later one."""
    store = CookieStore()
    store.store(url, set_cookie, context, NOW)
    return store.header(url, later or context) != ""


@pytest.mark.parametrize(
    ("cookie", "framed", "posted", "followed"),
    [
        ("a=1; Path=/", False, False, True),
        ("a=1; Path=/; SameSite=Strict", False, False, False),
        ("a=1; Path=/; SameSite=None; Secure", False, True, True),
        ("a=1; Path=/; SameSite=None", False, False, False),
    ],
)
def test_cookies_set_at_home(cookie: str, framed: bool, posted: bool, followed: bool) -> None:
    assert kept(cookie, SAME, FRAMED) is framed
    assert kept(cookie, SAME, POSTED) is posted
    assert kept(cookie, SAME, FOLLOWED) is followed


def test_in_a_foreign_frame_only_partitioned_cookies_live() -> None:
    assert not kept("a=1; Path=/", FRAMED)
    assert not kept("a=1; Path=/; SameSite=None; Secure", FRAMED)
    partitioned = "a=1; Path=/; SameSite=None; Secure; Partitioned"
    assert kept(partitioned, FRAMED)
    assert not kept(partitioned, FRAMED, SAME)
    assert not kept(partitioned, SAME, FRAMED)


def test_loopback_is_secure_and_other_plain_http_is_not() -> None:
    assert kept("a=1; Path=/; Secure", SAME)
    plain = "http://campus.example/"
    at_campus = Context(site(plain), cross_site=False, top_level_get=True)
    assert not kept("a=1; Path=/; Secure", at_campus, url=plain)
    assert trustworthy("http://[::1]:80/")
    assert not trustworthy(plain)


def test_cookies_end() -> None:
    store = CookieStore()
    store.store(TOOL, "a=1; Path=/", SAME, NOW)
    store.store(TOOL, "a=; Path=/; Max-Age=0", SAME, NOW)
    assert store.header(TOOL, SAME) == ""
    store.store(TOOL, "b=1; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT", SAME, NOW)
    assert store.header(TOOL, SAME) == ""


def test_paths_and_prefixes() -> None:
    assert not kept("a=1; Path=/other", SAME)
    assert not kept("__Host-a=1; Path=/lti; Secure", SAME)
    assert kept("__Host-a=1; Path=/; Secure", SAME)


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("http://127.0.0.1:1/", "http://127.0.0.1:1/x", "same-origin"),
        ("http://127.0.0.1:1/", "http://127.0.0.1:2/", "same-site"),
        ("http://localhost:1/", "http://127.0.0.1:1/", "cross-site"),
        ("https://a.example.edu/", "https://b.example.edu/", "same-site"),
        ("http://a.example.edu/", "https://a.example.edu/", "cross-site"),
    ],
)
def test_relation(source: str, target: str, expected: str) -> None:
    assert relation(source, target) == expected


FORM = """
<form id="one" action="/a" method="post">
<input type="hidden" name="h" value="1 &amp; 2"><label>Name <input name="n" value="x"></label>
<label for="c">Agree</label><input type="checkbox" id="c" name="c" value="yes">
<input type="checkbox" name="m" value="a" checked><input type="checkbox" name="m" value="b">
<select name="s"><option value="1">One<option value="2" selected>Two</select>
<textarea name="t">
text</textarea><input name="off" disabled value="1">
<button name="do" value="save">Save it</button><button name="do" value="drop">Drop it</button>
</form><input form="one" name="late" value="z"><form><button>Other</button></form>
"""


def test_a_form_sends_what_a_browser_sends() -> None:
    forms = parse(FORM).forms
    form, button = find_form(forms, "Drop it")
    pairs, _ = filled(form, button, {})
    assert pairs == [
        ("h", "1 & 2"),
        ("n", "x"),
        ("m", "a"),
        ("s", "2"),
        ("t", "text"),
        ("late", "z"),
        ("do", "drop"),
    ]
    pairs, _ = filled(form, button, {"c": True, "m": ["b"], "n": "y"})
    assert [one for one in pairs if one[0] in {"c", "m", "n"}] == [
        ("n", "y"),
        ("c", "yes"),
        ("m", "b"),
    ]
    assert next(one.label for one in form.fields if one.name == "c") == "Agree"


def test_what_is_not_there_is_named() -> None:
    forms = parse(FORM).forms
    with pytest.raises(NotFound, match="Save it"):
        find_form(forms, "Nothing")
    with pytest.raises(NotFound, match="nothing"):
        filled(forms[0], None, {"nothing": "1"})


def test_files_go_as_multipart() -> None:
    form = parse('<form enctype="multipart/form-data"><input type="file" name="f"></form>').forms[0]
    pairs, files = filled(form, None, {"f": ("a.csv", b"x,y", "text/csv")})
    body, content_type = encoded(form.enctype, pairs, files)
    assert content_type.startswith("multipart/form-data; boundary=")
    assert b'filename="a.csv"' in body
    assert b"x,y" in body
