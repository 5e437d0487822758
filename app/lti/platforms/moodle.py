"""Moodle 4.5 as measured, 5.x as read.

No ``limit`` is ever sent: without it every list comes whole, with it ``results`` crashes (404 and
an HTML page) and the ``Link`` header is malformed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from app.lti.platforms.base import Lms, ToolFacts
from app.lti.platforms.guide import Guide, Shown, Step, Value


class Moodle(Lms):
    """Whole-second score times; everything else is the standard."""

    key = "moodle"
    name = "Moodle"
    families = ("moodle",)
    advice: Mapping[str, str] = {
        "keys": "Moodle fetches Tassel's keys itself and refuses private addresses and ports other than 80 and 443, unless Site administration > General > Security > HTTP security allows them (cURL blocked hosts, cURL allowed ports).",
        "inactive": "In Site administration > Plugins > Activity modules > External tool > Manage tools, choose Activate on the tool.",
        "scopes": 'In Manage tools > Tassel > Services, set IMS LTI Assignment and Grade Services to "Use this service for grade sync and column management" and Names and Role Provisioning to "Use this service to retrieve members\' information".',
        "roster": 'In Manage tools > Tassel > Services, set IMS LTI Names and Role Provisioning to "Use this service to retrieve members\' information".',
        "columns": 'In Manage tools > Tassel > Services, set IMS LTI Assignment and Grade Services to "Use this service for grade sync and column management".',
        "launch": "In a course, switch Tassel on under More > LTI External tools, add it as an activity and open it.",
    }

    link_steps = "Site administration > Plugins > Activity modules > External tool > Manage tools: paste the link into Tool URL and choose Add LTI Advantage."
    link_next = "Choose Activate on the new tool in Manage tools; then teachers switch it on under More > LTI External tools."

    def known_addresses(self, lms_origin: str, client_id: str) -> dict[str, str]:
        """Everything stands below the site's address, as measured in 4.5."""
        return {
            "issuer": lms_origin,
            "auth_url": f"{lms_origin}/mod/lti/auth.php",
            "token_url": f"{lms_origin}/mod/lti/token.php",
            "jwks_url": f"{lms_origin}/mod/lti/certs.php",
        }

    def guide(self, facts: ToolFacts) -> Guide:
        """In Moodle's words (4.5)."""
        sharing = ("Share launcher's name with tool", "Share launcher's email with tool")
        content = (Value("Supports Deep Linking (Content-Item Message)", "ticked"),)
        selection = (Value("Content Selection URL", facts.target_url),)
        return Guide(
            (
                Step(
                    "Site administration > Plugins > Activity modules > External tool > Manage tools: choose configure a tool manually. Under Tool settings:",
                    (
                        Value("Tool name", facts.title),
                        Value("Tool URL", facts.target_url),
                        Value("Public keyset", facts.keys_url),
                        Value("Initiate login URL", facts.login_url),
                        Value("Redirection URI(s)", facts.launch_url),
                        Value("Custom parameters", self.custom_text()),
                        *(selection if facts.selects_content else ()),
                    ),
                    (
                        Value("LTI version", "LTI 1.3"),
                        Value("Public key type", "Keyset URL"),
                        *(content if facts.selects_content else ()),
                    ),
                ),
                Step(
                    "Under Services and Privacy:",
                    choices=(
                        Value(
                            "IMS LTI Assignment and Grade Services",
                            "Use this service for grade sync and column management",
                        ),
                        Value(
                            "IMS LTI Names and Role Provisioning",
                            "Use this service to retrieve members' information as per privacy settings",
                        ),
                        Value("Tool Settings", "Do not use this service"),
                        *(Value(label, "Always") for label in sharing),
                    ),
                ),
                Step(
                    "Save changes. On the tool's card choose View configuration details and copy all of it into the form."
                ),
            ),
            (
                Shown("issuer", "Platform ID"),
                Shown("client_id", "Client ID"),
                Shown("deployment_id", "Deployment ID"),
                Shown("jwks_url", "Public keyset URL"),
                Shown("token_url", "Access token URL"),
                Shown("auth_url", "Authentication request URL"),
            ),
        )

    def score_timestamp(self, now: datetime, last: datetime | None) -> datetime:
        """Strictly later by whole seconds than the stored grade, else 409."""
        now = now.replace(microsecond=0)
        if last is None:
            return now
        return max(now, last.replace(microsecond=0) + timedelta(seconds=1))

    def is_stale(self, status: int, body: str) -> bool:
        """409 only; its 400 means that the person cannot be graded."""
        return status == 409

    def column_id(self, line_item_url: str) -> str | None:
        """The grade item's id, as its web service names it too (``.../lineitems/7/lineitem``)."""
        found = re.search(r"/lineitems/(\d+)/lineitem(?:\?|$)", line_item_url)
        return found[1] if found else None
