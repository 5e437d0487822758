"""The way by hand for every LMS: complete, in one place, and read back from what it shows."""

from __future__ import annotations

import json

import pytest

from app.lti.metadata import manual_facts
from app.lti.pasted import MOST, read_pasted
from app.lti.platforms import LMS, Lms
from app.lti.platforms.guide import Guide
from app.settings import load

SETTINGS = load({"TASSEL_PUBLIC_URL": "https://badges.example.edu"})
ORIGIN = "https://lms.example.edu"
ALL = pytest.mark.parametrize("lms", LMS.values(), ids=LMS)


def guide(lms: Lms) -> Guide:
    return lms.guide(manual_facts(SETTINGS, lms))


@ALL
def test_every_guide_hands_over_all_our_addresses(lms: Lms) -> None:
    facts = manual_facts(SETTINGS, lms)
    given = json.dumps([value.value for step in guide(lms).steps for value in step.values])
    given += json.dumps(lms.manual_configuration(facts))
    for address in (facts.target_url, facts.login_url, facts.launch_url, facts.keys_url):
        assert address in given
    for name in lms.custom_parameters():
        assert name in given


@ALL
def test_every_form_asks_for_what_a_registration_needs(lms: Lms) -> None:
    fields = [shown.field for shown in guide(lms).shown]
    assert len(fields) == len(set(fields))
    assert {"issuer", "client_id", "auth_url", "token_url", "jwks_url"} <= set(fields)
    assert {"issuer", "client_id", "deployment_id"} <= set(fields)


@ALL
@pytest.mark.parametrize("origin", [ORIGIN, "https://school.beta.instructure.com"])
def test_known_addresses_are_the_lms_s_own(lms: Lms, origin: str) -> None:
    """What we fill in is what a registration by link would be accepted with."""
    known = lms.known_addresses(origin, "client/1")
    for field in ("auth_url", "token_url", "jwks_url"):
        if field in known:
            assert any(known[field].startswith(site + "/") for site in lms.site(origin)), field
    if "issuer" in known:
        assert lms.issuer_fits(known["issuer"], origin)
    assert "client/1" not in known.get("jwks_url", "")


def test_beta_schools_have_a_gateway_of_their_own() -> None:
    canvas = LMS["canvas"]
    assert canvas.known_addresses("https://a.instructure.com", "")["auth_url"].startswith(
        "https://sso.canvaslms.com/"
    )
    beta = canvas.known_addresses("https://a.beta.instructure.com", "")
    assert beta["issuer"] == "https://canvas.beta.instructure.com"
    assert beta["auth_url"].startswith("https://sso.beta.canvaslms.com/")
    own = canvas.known_addresses("https://canvas.example.edu", "")
    assert own["token_url"] == "https://canvas.example.edu/login/oauth2/token"


@ALL
def test_custom_parameters_survive_every_lms(lms: Lms) -> None:
    """One LMS strips tags and cuts a value at its second equals sign; names must be plain words."""
    for name, value in lms.custom_parameters().items():
        assert name.replace("_", "").isalnum()
        assert name == name.lower()
        assert not set("=<>&;\n") & set(value)


@ALL
def test_both_ways_in_are_said_together(lms: Lms) -> None:
    assert bool(lms.link_steps) == bool(lms.link_next)


# --- reading back ------------------------------------------------------------------------------

DETAILS = {
    "issuer": ORIGIN,
    "client_id": "x1Y2",
    "deployment_id": "3",
    "jwks_url": f"{ORIGIN}/keys",
    "token_url": f"{ORIGIN}/token?x=1&y=2",
    "auth_url": f"{ORIGIN}/auth",
}


@ALL
@pytest.mark.parametrize("between", [": ", "\t", "\n", "\r\n  ", " = "])
def test_details_are_read_as_the_lms_shows_them(lms: Lms, between: str) -> None:
    shown = guide(lms).shown
    text = "\n\n".join(
        f"{one.label}{between}{DETAILS[one.field]}" for one in shown if one.field in DETAILS
    )
    assert read_pasted(text, guide(lms)) == DETAILS


@ALL
def test_details_are_read_from_json(lms: Lms) -> None:
    body = {
        "issuer": ORIGIN,
        "client_id": 10000000000001,
        "authorization_endpoint": f"{ORIGIN}/auth",
        "token_endpoint": f"{ORIGIN}/token",
        "jwks_uri": f"{ORIGIN}/keys",
        "scopes_supported": [],
    }
    assert read_pasted(json.dumps(body), guide(lms)) == {
        "issuer": ORIGIN,
        "client_id": "10000000000001",
        "auth_url": f"{ORIGIN}/auth",
        "token_url": f"{ORIGIN}/token",
        "jwks_url": f"{ORIGIN}/keys",
    }


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", '{"issuer": {"a": 1}}', "hello\nworld", "Client ID", "\0" * 50, "{" * 9000],
)
def test_rubbish_gives_nothing(text: str) -> None:
    assert read_pasted(text, guide(LMS["moodle"])) == {}


def test_long_rubbish_is_cut() -> None:
    assert read_pasted("Client ID: " + "x" * 600, guide(LMS["moodle"])) == {}
    assert read_pasted("a\n" * MOST + "Client ID: c", guide(LMS["moodle"])) == {}
