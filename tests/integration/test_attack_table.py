"""Which test refuses which attack on an LTI tool, in one table, and the ways out that it lacked.

A row names tests as ``file::function``; a row whose test was renamed or removed fails here.
"""

from __future__ import annotations

import ast
import gzip
import importlib
import socket
from pathlib import Path

import pytest
import requests

from app import http as outbound
from app.http import HttpClient
from app.lti import library
from tests.integration.test_outbound import answering, code, reply

ROOT = Path(__file__).parents[2]

TABLE = {
    "1 launch replay": (
        "launch_attacks::test_attack_is_refused",
        "launch_attacks::test_of_equal_launches_at_once_one_gets_in",
        "cookieless::test_replayed_and_late_proofs_are_refused",
        "cookieless::test_code_serves_once",
        "badge_app::test_a_code_serves_once_and_its_second_use_ends_everything",
        "badge_app::test_of_equal_codes_at_once_one_serves",
        "badge_app::test_refresh_tokens_turn_and_a_stolen_one_ends_everything",
    ),
    "2 login CSRF and state fixation": (
        "launch_attacks::test_made_up_state_is_refused",
        "cookieless::test_strangers_launch_lets_nobody_in",
        "cookieless::test_wrong_proof_is_refused_and_uses_nothing_up",
        "grade_source_pages::test_another_tab_cannot_finish_what_one_began",
    ),
    "3 mix-up of issuers and clients": (
        "launch_attacks::test_attack_is_refused",
        "cookieless::test_token_of_another_login_is_refused",
        "registration::test_another_lms_cannot_take_a_registration_over",
        "sign_in::test_a_provider_that_says_it_is_another",
        "two_campuses::test_a_token_of_one_school_answers_no_login_of_the_other",
        "two_campuses::test_where_one_gateway_signs_for_all_the_audience_decides",
        "two_campuses::test_a_login_must_say_which_school",
        "two_campuses::test_notices_of_one_school_say_nothing_about_the_other",
        "two_campuses::test_a_consumer_key_of_one_school_proves_nothing_at_the_other",
        "two_campuses_pages::test_schools_do_not_become_one_for_want_of_an_address",
    ),
    "4 no signature check": (
        "launch_attacks::test_attack_is_refused",
        "launch_attacks::test_rubbish_instead_of_a_token_is_refused",
    ),
    "5 confusion of algorithms": (
        "launch_attacks::test_attack_is_refused",
        "sign_in::test_a_foreign_key_and_a_weak_algorithm",
    ),
    "6 weak or unchecked nonce": ("launch_attacks::test_attack_is_refused",),
    "7 growth by unsigned requests": (
        "launch_attacks::test_unsigned_requests_store_nothing",
        "launch_attacks::test_state_dies_after_ten_minutes",
    ),
    "8 tokens across tenants": (
        "services::test_token_is_kept_sealed_and_used_again",
        "badge_app::test_a_code_with_anything_wrong_is_worth_nothing",
        "badge_app::test_each_learner_and_each_app_is_apart",
        "launch_enter::test_ids_of_another_lms_are_other_people",
        "copies::test_never_from_another_lms_nor_from_a_course_that_is_no_ancestor",
        "two_campuses::test_no_lms_ever_sees_a_token_of_the_other",
        "two_campuses::test_no_row_belongs_to_both",
        "two_campuses::test_roster_grades_and_awards_are_those_of_ones_own_school",
        "two_campuses::test_scores_reach_the_own_gradebook_only",
        "two_campuses::test_an_authorisation_serves_one_school",
        "two_campuses::test_a_code_of_one_school_connects_no_course_of_the_other",
        "two_campuses_pages::test_nobody_opens_a_page_of_the_other_school",
        "two_campuses_pages::test_no_page_of_ones_own_course_opens_things_of_the_other",
        "two_campuses_pages::test_one_browser_keeps_two_schools_apart",
        "two_campuses_pages::test_privacy_requests_reach_people_of_the_own_school_only",
        "two_campuses_pages::test_chosen_content_goes_to_the_course_that_asked",
        "two_campuses_pages::test_a_copy_gets_badges_of_its_own_school_only",
        "two_campuses_pages::test_the_test_of_one_registration_asks_and_shows_nothing_of_the_other",
    ),
    "9 deployment unchecked": (
        "launch_attacks::test_unknown_deployment_waits_for_the_operator_and_then_launches",
    ),
    "10 open redirect": (
        "launch_attacks::test_attack_is_refused",
        "cookieless::test_only_a_path_of_ours_opens_in_a_tab",
        "content_selection::test_way_back_to_another_site_is_refused",
        "badge_app::test_nobody_is_sent_to_an_address_that_was_not_registered",
        "badge_app::test_a_wrong_request_goes_nowhere_by_itself",
    ),
    "11 requests to the inside": (
        "outbound::test_inside_addresses_are_never_contacted",
        "outbound::test_a_name_that_leads_inside_is_refused_at_connect_time",
        "outbound::test_redirects_stay_on_the_origin",
        "outbound::test_two_readings_of_an_address_are_none",
        "outbound::test_no_part_of_an_answer_holds_the_line",
        "outbound_doors::test_no_door_leads_inside",
        "outbound_doors::test_no_answer_holds_or_breaks_a_door",
        "outbound_doors::test_every_way_out_is_a_door",
        "outbound_doors::test_every_service_of_an_lms_is_a_door",
        "registration::test_endpoint_on_another_site_is_refused",
        "moodle_trip::test_the_address_of_a_site_stays_at_its_origin",
    ),
    "12 bearer leak by link or redirect": (
        "services::test_foreign_next_page_gets_no_token",
        "services::test_column_on_a_foreign_site_is_refused",
        "outbound::test_a_post_is_never_redirected",
        "outbound::test_no_cookie_is_kept_for_anybody",
        "outbound_doors::test_no_door_follows_a_redirect_to_another_site",
        "grade_source_pages::test_a_secret_never_goes_to_another_address",
        "connection_wizard::test_a_stored_secret_never_goes_to_another_system",
    ),
    "13 forged ids": (
        "walk_ids::test_every_parameter_has_a_sample",
        "walk_ids::test_another_course_is_closed",
        "walk_ids::test_things_of_another_course_are_not_in_mine",
        "walk_ids::test_a_classmate_is_a_stranger_too",
        "walk_forms::test_no_form_takes_an_id_of_another_course",
        "pages_instructor::test_ids_of_another_course_are_not_taken",
        "pages_instructor::test_the_pages_of_one_course_open_nothing_of_another",
        "trip::test_a_form_that_names_another_course_is_refused",
        "copies::test_forged_notices_change_nothing",
    ),
    "14 escalation of roles": (
        "walk_ids::test_nobody_sends_forms_above_their_role",
        "walk_ids::test_nobody_reads_above_their_role",
        "walk_ids::test_the_operators_area_is_closed",
        "walk_ids::test_a_token_opens_its_scopes_only",
        "walk_ids::test_a_session_is_no_token",
        "pages_instructor::test_learners_and_observers_do_not_see_staff_pages",
        "upload::test_assistants_look_at_the_list_and_learners_at_nothing",
        "messages::test_staff_see_the_learner_in_question_and_learners_only_themselves",
        "launch_enter::test_site_administrator_outside_the_list_stays",
    ),
    "15 CSRF in frames": (
        "walk_csrf::test_every_door_is_marked_and_has_its_reason",
        "walk_csrf::test_a_request_from_elsewhere_changes_nothing",
        "walk_csrf::test_a_made_up_bearer_does_not_let_the_cookie_through",
        "walk_csrf::test_reading_is_not_changing",
        "pages_operator::test_a_foreign_page_cannot_use_the_link_or_any_form",
        "cookieless::test_other_sites_exchange_no_code",
        "lms_administrators::test_another_site_cannot_press_the_button",
        "sign_in::test_another_site_cannot_start_it",
    ),
    "16 clickjacking": (
        "routes::test_every_page_says_who_may_frame_it",
        "registration::test_our_pages_are_framed_by_active_lmss_only",
        "two_campuses_pages::test_a_course_is_framed_by_its_own_lms_only",
    ),
    "17 markup and formulas from outside": (
        "pages_instructor::test_names_are_escaped",
        "content_selection::test_names_are_not_used_as_markup",
        "pages_operator::test_csv_holds_the_filtered_rows_and_runs_no_formula",
        "launch_web::test_bad_login_is_refused_without_repeating_it",
    ),
    "18 secrets": (
        "secrets_at_rest::test_no_table_and_no_file_holds_a_secret",
        "secrets_at_rest::test_no_log_tells_a_secret",
        "secrets_at_rest::test_our_log_names_nobody",
        "secrets_at_rest::test_the_master_key_leaves_nothing_behind",
        "sign_in::test_what_proves_the_sign_in_is_not_readable_where_it_waits",
        "services::test_token_is_kept_sealed_and_used_again",
        "pages_operator::test_new_connection_begins_paused_and_hides_its_secret",
        "start::test_an_error_of_the_database_tells_the_log_nobody_s_name",
    ),
    "19 privacy": (
        "messages::test_administrators_see_and_export_what_is_held",
        "messages::test_export_follows_every_table_and_leaves_secrets_out",
    ),
}


@pytest.mark.parametrize("row", TABLE)
def test_every_attack_has_its_test(row: str) -> None:
    for name in TABLE[row]:
        module, function = name.split("::")
        tests = importlib.import_module(f"tests.integration.test_{module}")
        assert callable(getattr(tests, function, None)), name


NETWORK = frozenset(
    {"aiohttp", "asyncio", "dns", "ftplib", "httpx", "imaplib", "nntplib", "paramiko", "poplib"}
    | {"pycurl", "requests", "smtplib", "socket", "socketserver", "ssl", "telnetlib", "urllib3"}
    | {"websocket", "websockets", "xmlrpc", "http.client", "urllib.request"}
    | {"authlib.integrations", "authlib.oauth2.client", "pylti1p3.service_connector"}
)
"""Modules, each with all below it, through which a program reaches another one."""

ALLOWED = {
    "app/http.py": {"requests", "urllib3.exceptions"},
    "app/dialling.py": {
        "http.client",
        "requests.adapters",
        "socket",
        "urllib3.connection",
        "urllib3.connectionpool",
        "urllib3.exceptions",
    },
    "app/delivery/notifications.py": {"smtplib", "ssl"},
    "app/gradebook/canvas_client.py": {"requests.utils"},
    "app/lti/library.py": {"requests"},
    "app/pipeline/holders.py": {"socket"},
}
"""Who may import which: the guarded client; mail, by the address in the settings; a parser of
headers; a session that the launch library wants and nobody uses; the name of this host."""


def test_there_is_one_way_out() -> None:
    """Only the guarded client opens connections; the demo stands outside and is no tool."""
    found = {
        str(path.relative_to(ROOT)): reached
        for path in (ROOT / "app").rglob("*.py")
        if not path.is_relative_to(ROOT / "app" / "demo")
        and (reached := _reached(ast.parse(path.read_text())))
    }
    assert found == ALLOWED


def _reached(tree: ast.Module) -> set[str]:
    """What of NETWORK a module imports, by whichever form of import."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= (whole & NETWORK) or {node.module}
    return {name for name in names if _is_network(name)}


def _is_network(name: str) -> bool:
    parts = name.split(".")
    return any(".".join(parts[:end]) in NETWORK for end in range(1, len(parts) + 1))


@pytest.mark.parametrize(
    "line",
    [
        "import urllib.request",
        "from urllib import request",
        "from urllib.request import urlopen",
        "from http import client",
        "from socket import create_connection as dial",
        "import requests as web",
        "def f():\n    import httpx",
    ],
)
def test_every_form_of_import_is_seen(line: str) -> None:
    assert _reached(ast.parse(line))


def test_the_session_of_the_launch_library_sends_nothing() -> None:
    """Whatever the library tries with it ends before any connection."""
    with answering(reply(b"{}")) as origin, pytest.raises(requests.exceptions.InvalidSchema):
        library._UNUSED.get(origin)


@pytest.mark.parametrize(
    "url",
    [
        "https://0177.0.0.1/",
        "https://0x7f000001/",
        "https://127.1/",
        "https://[::ffff:a9fe:a9fe]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://[2002:7f00:1::]/",
        "https://[fd00::1]/",
        "https://[fe80::1]/",
        "https://lms.example.edu@127.0.0.1/",
        "https://localhost./",
    ],
)
def test_other_spellings_of_the_inside_are_refused(url: str) -> None:
    client = HttpClient()
    assert code(client, url) == "upstream-forbidden-address"
    client.close()


def test_a_packed_bomb_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "MAX_BYTES", 300_000)
    bomb = reply(gzip.compress(bytes(20_000_000)), "Content-Encoding: gzip")
    with answering(bomb) as origin:
        client = HttpClient((origin,))
        assert code(client, origin) == "upstream-too-much"
        client.close()


def test_a_redirect_to_the_metadata_address_is_refused() -> None:
    there = "Location: http://169.254.169.254/latest/meta-data"
    with answering(reply(b"", there, status="302 Found")) as origin:
        client = HttpClient((origin,))
        assert code(client, origin) == "upstream-forbidden-address"
        client.close()


def test_a_name_for_the_metadata_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: found)
    client = HttpClient()
    assert code(client, "https://lms.example.edu/jwks") == "upstream-forbidden-address"
    client.close()
