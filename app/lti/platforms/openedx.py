"""Open edX, as its LTI consumer 11.4.4 answered when run."""

from __future__ import annotations

import json
from collections.abc import Mapping

from app.lti.platforms.base import Lms, ToolFacts
from app.lti.platforms.guide import Guide, Shown, Step, Value


class OpenEdx(Lms):
    """A registration by hand for each block or shared configuration; it tells no product family.

    No ``limit`` is ever sent: results honour it and give no next page, so the rest would be lost.
    A block shows only its own line items, and only items that name the block's location reach the
    gradebook, where they all set the grade of that one block: so ours go to a block that has no
    item of its own.
    """

    key = "openedx"
    name = "Open edX"
    families = ("openedx",)
    link_steps = ""
    link_next = ""
    advice: Mapping[str, str] = {
        "keys": "In Studio, edit the LTI block: Tool Public Key Mode must be Keyset URL, and Tool Keyset URL the address that ends in /lti/jwks.",
        "inactive": "Publish the LTI block in Studio, and compare the client id that the block shows.",
        "scopes": "In the LTI block, set LTI Assignment and Grades Service; names and roles are switched on for the whole site.",
        "roster": "The site must allow names and roles (LTI 1.3 NRPS) for the course.",
        "columns": "In the LTI block, set LTI Assignment and Grades Service to Declarative or Programmatic.",
        "launch": "Open the unit with the LTI block in the course.",
    }
    collection_per_link = True

    def custom_parameters(self) -> dict[str, str]:
        """Templates that processors of the site fill (``LTI_CUSTOM_PARAM_TEMPLATES``).

        The launch has no ``lis`` claim and the standard's variables stay as they are.
        """
        return {"person_sis_id": "${person_sis_id}", "section_sis_id": "${section_sis_id}"}

    def known_addresses(self, lms_origin: str, client_id: str) -> dict[str, str]:
        """Key set and token address differ from block to block; the deployment is always "1"."""
        return {"issuer": lms_origin, "deployment_id": "1"}

    def custom_text(self) -> str:
        """A JSON list of name=value."""
        return json.dumps([f"{name}={value}" for name, value in self.custom_parameters().items()])

    def guide(self, facts: ToolFacts) -> Guide:
        """In Studio's words. Each block has a client id, key set and token address of its own."""
        return Guide(
            (
                Step(
                    "Studio > Settings > Advanced Settings > Advanced Module List: add lti_consumer, and save.",
                    (Value("Advanced Module List", '["lti_consumer"]'),),
                ),
                Step(
                    "In a unit choose Advanced > LTI Consumer, then Edit:",
                    (
                        Value("Display Name", facts.title),
                        Value("Tool Launch URL", facts.target_url),
                        Value("Registered Redirect URIs", json.dumps([facts.launch_url])),
                        Value("Tool Initiate Login URL", facts.login_url),
                        Value("Tool Keyset URL", facts.keys_url),
                        Value("Custom Parameters", self.custom_text()),
                    ),
                    (
                        Value("LTI Version", "LTI 1.3"),
                        Value("Tool Public Key Mode", "Keyset URL"),
                        Value("LTI Assignment and Grades Service", "Declarative"),
                        Value("Scored", "True"),
                        Value("Request user's username, e-mail", "True"),
                    ),
                ),
                Step(
                    "Save and publish. The block in Studio now shows its own client id and addresses: copy all of it into the form. Repeat this for every block that does not share a configuration."
                ),
            ),
            (
                Shown("client_id", "Client ID"),
                Shown("deployment_id", "Deployment ID"),
                Shown("jwks_url", "Keyset URL"),
                Shown("token_url", "Access Token URL"),
                Shown("auth_url", "Login URL"),
                Shown("issuer", "Address of the LMS (issuer)", "Of the LMS, not of Studio."),
            ),
        )
