"""Sakai, after its source."""

from __future__ import annotations

from collections.abc import Mapping

from app.lti.platforms.base import Lms, ToolFacts
from app.lti.platforms.guide import Guide, Shown, Step, Value


class Sakai(Lms):
    """The standard, as far as it was read."""

    key = "sakai"
    name = "Sakai"
    families = ("sakai",)
    keeps_total = "include"
    advice: Mapping[str, str] = {
        "inactive": "In Administration Workspace > External Tools, edit the tool: it must be visible and allowed to launch.",
        "scopes": "In External Tools > Tassel, allow the tool to return grades, to provide roster and to send names and e-mail addresses.",
        "roster": "In External Tools > Tassel, tick Provide Roster to External Tool.",
        "columns": "In External Tools > Tassel, tick Allow External Tool to return grades and create grade columns.",
    }

    link_steps = (
        "Administration Workspace > External Tools > LTI Advantage Auto Provision: paste the link."
    )
    link_next = (
        "Make the tool visible in External Tools, and check its privacy and services settings."
    )

    def guide(self, facts: ToolFacts) -> Guide:
        """In Sakai's words."""
        return Guide(
            (
                Step(
                    "Administration Workspace > External Tools > Install LTI 1.x Tool:",
                    (
                        Value("Tool Title", facts.title),
                        Value("Launch URL", facts.target_url),
                        Value("LTI 1.3 Tool Keyset URL", facts.keys_url),
                        Value(
                            "LTI 1.3 Tool OpenID Connect/Initialization Endpoint", facts.login_url
                        ),
                        Value("LTI 1.3 Tool Redirect Endpoint(s)", facts.launch_url),
                        Value("Custom parameters", self.custom_text()),
                    ),
                    (
                        Value("Tool Supports LTI 1.3", "yes"),
                        Value("Send Names to External Tool", "yes"),
                        Value("Send Email Addresses to External Tool", "yes"),
                        Value("Allow External Tool to return grades", "yes"),
                        Value("Provide Roster to External Tool", "yes"),
                    ),
                ),
                Step("Save, open the tool again, and copy its LTI 1.3 details into the form."),
            ),
            (
                Shown("issuer", "LTI 1.3 Platform Issuer"),
                Shown("client_id", "LTI 1.3 Client ID"),
                Shown("deployment_id", "LTI 1.3 Deployment ID", "Usually 1."),
                Shown("jwks_url", "LTI 1.3 Platform OAuth2 Well-Known/KeySet URL"),
                Shown("token_url", "LTI 1.3 Platform OAuth2 Bearer Token Retrieval URL"),
                Shown("auth_url", "LTI 1.3 Platform OIDC Authentication URL"),
            ),
        )
