"""Blackboard Learn, after its vendor's documents and what tool makers reported."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from app.lti.platforms.base import Lms, ToolFacts
from app.lti.platforms.guide import Guide, Shown, Step, Value

_ISSUER = "https://blackboard.com"
_PORTAL = "https://developer.blackboard.com"


class Blackboard(Lms):
    """One issuer for every school: registered once in the vendor's portal, deployed in each Learn."""

    key = "blackboard"
    name = "Blackboard"
    families = ("blackboardlearn", "blackboard")
    shared = frozenset({_ISSUER, _PORTAL})
    keeps_total = "include"
    advice: Mapping[str, str] = {
        "keys": "In the vendor's developer portal, the application's Tool JWKS URL must be the address that ends in /lti/jwks.",
        "inactive": "In Administrator Panel > Integrations > LTI Tool Providers, the tool's status must be Approved.",
        "scopes": "In LTI Tool Providers > Tassel > Edit, set Allow grade service access and Allow Membership Service Access to Yes.",
        "roster": "In LTI Tool Providers > Tassel > Edit, set Allow Membership Service Access to Yes.",
        "columns": "In LTI Tool Providers > Tassel > Edit, set Allow grade service access to Yes.",
        "launch": "Make a placement in LTI Tool Providers > Tassel > Manage Placements, add it to a course and open it.",
    }
    link_steps = ""
    link_next = ""
    page_limit = 1000

    def known_addresses(self, lms_origin: str, client_id: str) -> dict[str, str]:
        """All on the vendor's portal; the key set is the application's own."""
        found = {
            "issuer": _ISSUER,
            "auth_url": f"{_PORTAL}/api/v1/gateway/oidcauth",
            "token_url": f"{_PORTAL}/api/v1/gateway/oauth2/jwttoken",
        }
        if client_id:
            keys = f"{_PORTAL}/api/v1/management/applications/{quote(client_id, safe='')}/jwks.json"
            found["jwks_url"] = keys
        return found

    def guide(self, facts: ToolFacts) -> Guide:
        """The vendor's portal first, then Learn. Its registration by link gives wrong metadata."""
        return Guide(
            (
                Step(
                    "developer.blackboard.com > My Apps > +: register an application that supports LTI 1.3. Each campus registers its own, because the domain belongs to it.",
                    (
                        Value("Application Name", facts.title),
                        Value("Description", facts.description),
                        Value("Domain(s)", facts.domain),
                        Value("Login Initiation URL", facts.login_url),
                        Value("Tool Redirect URL(s)", facts.launch_url),
                        Value("Tool JWKS URL", facts.keys_url),
                        Value("Custom Parameters", self.custom_text()),
                    ),
                    (Value("Signing Algorithm", "RS256"),),
                ),
                Step("Register, and copy the Application ID: it is the client id."),
                Step(
                    "In Blackboard Learn: Administrator Panel > Integrations > LTI Tool Providers > Register LTI 1.3/Advantage Tool. Enter the Application ID as Client ID.",
                    choices=(
                        Value("Tool Status", "Approved"),
                        Value("User Fields to Send", "Role in Course, Name, Email Address"),
                        Value("Allow grade service access", "Yes"),
                        Value("Allow Membership Service Access", "Yes"),
                    ),
                ),
                Step(
                    "Submit, then Manage Placements > Create Placement:",
                    (Value("Label", facts.title), Value("Target Link URI", facts.target_url)),
                    (Value("Type", "Course content tool"),),
                ),
            ),
            (
                Shown("client_id", "Client ID", "The Application ID of the portal."),
                Shown("deployment_id", "Deployment ID", "In LTI Tool Providers > Tassel > Edit."),
                Shown("issuer", "Issuer"),
                Shown("auth_url", "OIDC auth request endpoint"),
                Shown("token_url", "Auth token endpoint"),
                Shown("jwks_url", "Public keyset URL"),
            ),
        )

    def site(self, lms_origin: str) -> frozenset[str]:
        """Login, token and keys stand on the vendor's portal, the services at the school's Learn."""
        return frozenset({lms_origin, _PORTAL})

    def issuer_fits(self, issuer: str, lms_origin: str) -> bool:
        """The one issuer is for everyone: client id and deployment tell schools apart."""
        return issuer == _ISSUER or super().issuer_fits(issuer, lms_origin)
