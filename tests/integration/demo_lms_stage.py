"""One LMS, one registered tool and one browser on a stage, for the tests of the demo LMS."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import requests

from app.demo.lms import LmsConfig, LmsServer, create_lms, serve
from app.demo.visitor import Visitor
from tests.integration.demo_lms_tool import CUSTOM, ENDPOINT, LINE_ITEMS, RESULTS, SCORE, Tool

MODES = ("standard", "moodle", "canvas")


class Stage:
    """One LMS, one registered tool, and somebody at a browser."""

    def __init__(self, mode: str, host: str = "127.0.0.1", **config: Any) -> None:
        self.lms: LmsServer = serve(create_lms(LmsConfig(mode, **config)), host=host)
        self.url = self.lms.url
        self.tool = Tool()
        self.visitor = Visitor()
        self.mode = mode

    def close(self) -> None:
        self.visitor.close()
        self.tool.stop()
        self.lms.stop()

    def control(self, name: str, /, **body: Any) -> Any:
        answer = self.tool.session.post(f"{self.url}/_control/{name}", json=body, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def state(self, parts: str = "") -> Any:
        url = f"{self.url}/_control/state?parts={parts}"
        return self.tool.session.get(url, timeout=10).json()

    def people(self, role: str, course: int = 3) -> list[dict[str, Any]]:
        state = self.state("people,courses")
        entries = next(one for one in state["courses"] if one["id"] == course)["enrolments"]
        wanted = [one["person"] for one in entries if one["role"] == role]
        return [one for one in state["people"] if one["id"] in wanted]

    def register(self) -> None:
        admin = next(one for one in self.state("people")["people"] if one["admin"])
        self.visitor.become(self.url, admin["id"])
        self.visitor.register(self.url, self.tool.url + "/register")

    def set_up(self, *scopes: str) -> None:
        """Register by hand on both sides, active at once."""
        told = self.tool.metadata()
        answer = self.control(
            "registration",
            name="Minimal tool",
            login_url=told["initiate_login_uri"],
            redirect_uris=told["redirect_uris"],
            keyset_url=told["jwks_uri"],
            target_url=self.tool.url + "/launch",
            custom=CUSTOM,
            **({"scopes": list(scopes)} if scopes else {}),
        )
        self.tool.registered = answer
        self.tool.configuration = answer

    def launch(self, person: int, link: str | None = None, course: int | str = 3) -> dict[str, Any]:
        self.visitor.become(self.url, person)
        page = self.visitor.launch(self.url, course, link)
        assert "Launched" in page.text, page.text
        return self.tool.launches[-1]

    def teacher_launch(self, link: str | None = None) -> dict[str, Any]:
        return self.launch(self.people("teacher")[0]["id"], link)

    def item(self) -> str:
        """The address of the first line item."""
        claims = self.teacher_launch()
        url = claims[ENDPOINT]["lineitems"]
        return str(self.tool.call("GET", url, LINE_ITEMS).json()[0]["id"])

    def score(self, item: str, person: dict[str, Any], **changes: Any) -> requests.Response:
        body = {
            "userId": person["subject"],
            "timestamp": datetime.now(UTC).isoformat(),
            "activityProgress": "Completed",
            "gradingProgress": "FullyGraded",
            "scoreGiven": 3,
            "scoreMaximum": 4,
        } | changes
        body = {name: value for name, value in body.items() if value is not None}
        return self.tool.call("POST", under(item, "scores"), "", SCORE, json=body)

    def result(self, item: str, person: dict[str, Any]) -> dict[str, Any] | None:
        url = under(item, "results")
        url += ("&" if "?" in url else "?") + "user_id=" + person["subject"]
        found = self.tool.call("GET", url, RESULTS).json()
        return found[0] if found else None


def under(item: str, part: str) -> str:
    """The address of a line item's scores or results: before the query."""
    path, mark, query = item.partition("?")
    return f"{path}/{part}{mark}{query}"
