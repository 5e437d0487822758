"""D2L Brightspace, after its vendor's documents and what tool makers reported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.lti.platforms.base import Lms, ToolFacts
from app.lti.platforms.guide import Guide, Shown, Step, Value
from app.lti.wire import text_of

_CLAIM = "http://www.brightspace.com"
_AUDIENCE = "https://api.brightspace.com/auth/token"
_TOKENS = "https://auth.brightspace.com"


class Brightspace(Lms):
    """Tokens come from the vendor's own host, for an audience that is neither it nor the school."""

    key = "brightspace"
    name = "Brightspace"
    families = ("desire2learn", "d2l", "brightspace")
    keeps_total = "exclude"
    advice: Mapping[str, str] = {
        "keys": "In Admin Tools > Manage Extensibility > LTI Advantage > Tassel, the keyset URL must be the address that ends in /lti/jwks, and Brightspace must be able to fetch it.",
        "inactive": "In Manage Extensibility > LTI Advantage > Tassel, switch the registration to Enabled and make a deployment.",
        "scopes": "In the registration and in the deployment, tick the extensions Assignment and Grade Services and Names and Role Provisioning Services.",
        "roster": "Tick Names and Role Provisioning Services in the registration and in the deployment.",
        "columns": "Tick Assignment and Grade Services in the registration and in the deployment.",
        "launch": "Make a link under View Links of the deployment, add it to a course and open it.",
    }

    link_steps = "Admin Tools > Manage Extensibility > LTI Advantage > Register Tool > Dynamic: paste the link into Tool initiation registration endpoint. It opens in a new tab and needs https."
    link_next = "The registration arrives disabled: switch it to Enabled in Manage Extensibility > LTI Advantage, then make a deployment and a link."

    def known_addresses(self, lms_origin: str, client_id: str) -> dict[str, str]:
        """Login and keys at the school's address, tokens at the vendor's."""
        return {
            "issuer": lms_origin,
            "auth_url": f"{lms_origin}/d2l/lti/authenticate",
            "token_url": f"{_TOKENS}/core/connect/token",
            "jwks_url": f"{lms_origin}/d2l/.well-known/jwks",
            "token_audience": _AUDIENCE,
        }

    def guide(self, facts: ToolFacts) -> Guide:
        """In Brightspace's words."""
        extensions = ["Assignment and Grade Services", "Names and Role Provisioning Services"]
        extensions += ["Deep Linking"] if facts.selects_content else []
        return Guide(
            (
                Step(
                    "Admin Tools > Manage Extensibility > LTI Advantage > Register Tool > Standard:",
                    (
                        Value("Name", facts.title),
                        Value("Domain", f"https://{facts.domain}"),
                        Value("Redirect URLs", facts.launch_url),
                        Value("OpenID Connect Login URL", facts.login_url),
                        Value("Target Link URI", facts.target_url),
                        Value("Keyset URL", facts.keys_url),
                        Value("Custom Parameters", self.custom_text()),
                    ),
                    (Value("Extensions", ", ".join(extensions)),),
                ),
                Step(
                    "Tick the box that you trust the tool, choose Register, and copy what Brightspace shows into the form."
                ),
                Step(
                    "View Deployments > New Deployment: choose the tool, tick the same extensions, and under Security Settings let it have Name, Email and Org Defined ID. Copy the Deployment ID.",
                    (Value("Name", facts.title),),
                ),
                Step(
                    "View Links > New Link:",
                    (Value("Name", facts.title), Value("URL", facts.target_url)),
                    (Value("Type", "Basic Launch"),),
                ),
            ),
            (
                Shown("client_id", "Client Id"),
                Shown("jwks_url", "Brightspace Keyset URL"),
                Shown("token_url", "Brightspace OAuth2 Access Token URL"),
                Shown("auth_url", "OpenID Connect Authentication Endpoint"),
                Shown("token_audience", "Brightspace OAuth2 Audience"),
                Shown("issuer", "Issuer"),
                Shown("deployment_id", "Deployment ID"),
            ),
            "A domain can be registered once: remove an older registration of the same domain first.",
        )

    def site(self, lms_origin: str) -> frozenset[str]:
        """The token endpoint is the vendor's, for every school."""
        return frozenset({lms_origin, _TOKENS})

    def person_sis_id(
        self, lis: Mapping[str, Any], custom: Mapping[str, str], claims: Mapping[str, Any]
    ) -> str | None:
        """``org_defined_id`` in a claim of the vendor's own; the ``lis`` claim has none."""
        own = claims.get(_CLAIM)
        found = own.get("org_defined_id") if isinstance(own, Mapping) else None
        return text_of(found) or super().person_sis_id(lis, custom, claims)

    def token_audience(self, token_url: str, configured: str | None) -> str:
        """Not the token address: a fixed name, unless the registration told another."""
        return configured or _AUDIENCE

    def refuses_person(self, status: int, body: str) -> bool:
        """403 as well, where it says "User in requested score is not enrolled in the org unit"."""
        if status == 403:
            return "requested score" in body.lower()
        return super().refuses_person(status, body)
