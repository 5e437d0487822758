"""The demo LMS's storage for tools in a real browser: each switch changes what a tool sees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Frame, Page

from app.demo.lms.framing import MISSING_FRAME, OTHER_FRAME, SWITCHES
from tests.e2e import newcomer
from tests.integration.demo_lms_stage import Stage

pytestmark = pytest.mark.browser

OWN_FRAME = "post_message_forwarding"
PARENT = "_parent"

# What a tool does: ask for capabilities, keep a value where they (or the login) say, get it back.
PROBE = """
async ({ prefix, target, patience }) => {
  const seen = { origins: [] };
  function ask(place, subject, rest) {
    return new Promise((done) => {
      const id = "probe-" + Math.random();
      function hear(event) {
        if (!event.data || event.data.message_id !== id) return;
        seen.origins.push(event.origin);
        finish(event.data);
      }
      function finish(answer) {
        window.removeEventListener("message", hear);
        clearTimeout(timer);
        done(answer);
      }
      const timer = setTimeout(() => finish(null), patience);
      window.addEventListener("message", hear);
      place.postMessage({ subject: prefix + subject, message_id: id, ...rest }, "*");
    });
  }
  const told = await ask(window.parent, "capabilities", {});
  const entry = told && told.supported_messages.find((one) => one.subject === prefix + "put_data");
  seen.told = told ? (entry.frame || "") : null;
  const name = seen.told || target;
  let place = window.parent;
  // A missing frame of another origin's page is a SecurityError, not undefined.
  try { if (name !== "_parent") place = window.parent.frames[name]; } catch { place = null; }
  seen.found = Boolean(place);
  place = place || window.parent;
  const put = await ask(place, "put_data", { key: "k", value: "v" });
  seen.put = put && (put.error ? put.error.code : put.value);
  const got = await ask(place, "get_data", { key: "k" });
  seen.got = got && (got.error ? got.error.code : got.value);
  return seen;
}
"""


@pytest.fixture(scope="module", params=["canvas", "standard"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A storage with a frame of its own, and one that is the page itself."""
    stage = Stage(request.param, host="localhost")
    stage.register()
    yield stage
    stage.close()


@pytest.fixture(scope="module")
def page(browser: Browser, stage: Stage) -> Iterator[Page]:
    """The teacher's window at the LMS."""
    page = newcomer.fresh(browser)
    newcomer.become_teacher(page, stage.url)
    yield page
    page.context.close()


def open_tool(page: Page, stage: Stage) -> Frame:
    """The launched tool in the course's frame."""
    page.goto(f"{stage.url}/courses/3/open/1")
    page.frame_locator("#tool").get_by_text("Launched").wait_for()
    frame = page.frame("tool")
    assert frame is not None
    return frame


def probe(page: Page, stage: Stage, old: bool = False, **positions: Any) -> dict[str, Any]:
    """What the tool sees with the switches so; ``target`` is what the login named."""
    usual = {"storage": "works", "sandbox": "none", "delay": 5}
    stage.control("framing", **usual | positions)
    frame = open_tool(page, stage)
    target = stage.tool.logins[-1].get("lti_storage_target")
    prefix = "org.imsglobal.lti." if old else "lti."
    asked = {"prefix": prefix, "target": target or PARENT, "patience": 400}
    seen: dict[str, Any] = frame.evaluate(PROBE, asked)
    origins = {"LMS" if one == stage.url else "another" for one in seen.pop("origins")}
    return {"target": target, **seen, "origins": origins}


@pytest.fixture(scope="module")
def seen(page: Page, stage: Stage) -> dict[str, dict[str, Any]]:
    return {position: probe(page, stage, storage=position) for position in SWITCHES["storage"]}


def expected(frame: str) -> dict[str, dict[str, Any]]:
    """What each position of the switch does at an LMS whose storage is in ``frame``."""
    good = {
        "target": frame,
        "told": frame,
        "found": True,
        "put": "v",
        "got": "v",
        "origins": {"LMS"},
    }
    nothing = good | {"told": None, "put": None, "got": None, "origins": set()}
    missing = frame if frame != PARENT else MISSING_FRAME
    return {
        "works": good,
        "off": nothing | {"target": None},
        "no-frame": good | {"told": missing, "found": False},
        "silent": nothing,
        "late": nothing,
        "wrong-origin": good | {"origins": {"another"}},
        "error": good | {"put": "storage_exhaustion", "got": "storage_exhaustion"},
        "forgets": good | {"got": None},
        "other-frame": good | {"told": OTHER_FRAME},
        "old-subjects": nothing,
    }


def test_each_position_of_the_switch_is_what_it_says(
    seen: dict[str, dict[str, Any]], stage: Stage
) -> None:
    frame = OWN_FRAME if stage.mode == "canvas" else PARENT
    assert seen == expected(frame)


def test_late_answers_come_and_old_subjects_are_understood(page: Page, stage: Stage) -> None:
    assert probe(page, stage, storage="late", delay=0.1)["got"] == "v"
    assert probe(page, stage, storage="old-subjects", old=True)["got"] == "v"
    assert probe(page, stage, storage="works", old=True)["got"] is None


def test_the_launch_names_the_frame_too(page: Page, stage: Stage) -> None:
    frame = OWN_FRAME if stage.mode == "canvas" else PARENT
    probe(page, stage)
    assert stage.tool.raw[-1]["lti_storage_target"] == frame
    probe(page, stage, storage="off")
    assert "lti_storage_target" not in stage.tool.raw[-1]


def test_origins_are_kept_apart_and_limits_hold(page: Page, stage: Stage) -> None:
    """Another frame of the page asks for what the tool kept; then the tool keeps too much."""
    frame = OWN_FRAME if stage.mode == "canvas" else PARENT
    probe(page, stage)
    ask = """([frame, entries]) => Promise.all(entries.map((entry, n) => new Promise((done) => {
      const place = frame === "_parent" ? window.top : window.top.frames[frame];
      window.addEventListener("message", (event) => {
        if (event.data && event.data.message_id === "m" + n)
          done(event.data.error ? event.data.error.code : event.data.value);
      });
      place.postMessage({ message_id: "m" + n, ...entry }, "*");
    })))"""
    page.evaluate(
        """url => new Promise((done) => {
          const other = document.createElement("iframe");
          other.name = "other"; other.src = url; other.onload = done;
          document.body.append(other);
        })""",
        stage.tool.url.replace("127.0.0.1", "localhost") + "/nothing",
    )
    other, tool = page.frame("other"), page.frame("tool")
    assert other is not None
    assert tool is not None
    get = {"subject": "lti.get_data", "key": "k"}
    assert tool.evaluate(ask, [frame, [get]]) == ["v"]
    assert other.evaluate(ask, [frame, [get]]) == [None]
    put = {"subject": "lti.put_data", "key": "k"}
    bad = [put | {"value": 7}, {"subject": "lti.get_data"}, put | {"value": "x" * 5000}]
    assert tool.evaluate(ask, [frame, bad]) == ["bad_request", "bad_request", "storage_exhaustion"]
    many = [put | {"key": f"k{n}", "value": "v"} for n in range(500)]
    assert tool.evaluate(ask, [frame, many])[-2:] == ["v", "storage_exhaustion"]
    assert tool.evaluate(ask, [frame, [put, get]]) == [None, None], "no value takes it away"


SANDBOX = """() => {
  const can = (what) => { try { return Boolean(what()); } catch { return false; } };
  return { origin: self.origin !== "null", storage: can(() => window.sessionStorage),
           window: can(() => window.open("about:blank")) };
}"""


def test_each_sandbox_forbids_what_it_says(page: Page, stage: Stage) -> None:
    seen = {}
    for position in SWITCHES["sandbox"]:
        stage.control("framing", storage="works", sandbox=position)
        seen[position] = open_tool(page, stage).evaluate(SANDBOX)
    assert seen == {
        "none": {"origin": True, "storage": True, "window": True},
        "no-popups": {"origin": True, "storage": True, "window": False},
        "no-same-origin": {"origin": False, "storage": False, "window": True},
    }


def test_the_controls_below_the_frame_move_the_switches(page: Page, stage: Stage) -> None:
    stage.control("framing", storage="works", sandbox="none", delay=5)
    open_tool(page, stage)
    page.get_by_text("Play with what browsers and LMSs forbid").click()
    page.get_by_label("The LMS's storage for tools").select_option("silent")
    page.get_by_role("button", name="Open the tool again like this").click()
    page.frame_locator("#tool").get_by_text("Launched").wait_for()
    assert page.get_by_label("The LMS's storage for tools").input_value() == "silent"
    assert stage.control("framing")["storage"] == "silent"
    assert page.get_by_label("Cookies of the tool").count() == 0, "there is no wall here"


def test_unknown_positions_are_refused(stage: Stage) -> None:
    answer = stage.tool.session.post(
        f"{stage.url}/_control/framing", json={"storage": "perhaps"}, timeout=10
    )
    assert answer.status_code == 400
    assert stage.control("framing")["storage"] != "perhaps"
