"""What an issuer tells wallets about itself (OpenID4VCI 1.0, section 12; RFC 8414). Pure."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote, urlencode

from app.credentials import contexts

EMBEDDED: Final = "OpenBadgeCredential_ldp_vc"
TOKEN: Final = "OpenBadgeCredential_jwt_vc_json"  # noqa: S105 - the id of a configuration
CONFIGURATIONS: Final = (EMBEDDED, TOKEN)
GRANT: Final = "urn:ietf:params:oauth:grant-type:pre-authorized_code"
TX_CODE_DIGITS: Final = 6
TYPES: Final = ("VerifiableCredential", "OpenBadgeCredential")


def issuer_address(public_url: str, slug: str) -> str:
    """The Credential Issuer Identifier, which is the authorization server's as well."""
    return f"{public_url}/issuers/{slug}"


def credential_issuer(public_url: str, slug: str, name: str) -> dict[str, Any]:
    """The Credential Issuer Metadata."""
    address = issuer_address(public_url, slug)
    return {
        "credential_issuer": address,
        "credential_endpoint": f"{address}/wallet/credential",
        "nonce_endpoint": f"{address}/wallet/nonce",
        "notification_endpoint": f"{address}/wallet/notification",
        "display": [{"name": name, "locale": "en"}],
        "credential_configurations_supported": {
            EMBEDDED: _configuration(
                "ldp_vc",
                "eddsa-rdfc-2022",
                {"@context": [contexts.CREDENTIALS, contexts.OPEN_BADGES], "type": list(TYPES)},
            ),
            TOKEN: _configuration("jwt_vc_json", "ES256", {"type": list(TYPES)}),
        },
    }


def _configuration(form: str, algorithm: str, definition: dict[str, Any]) -> dict[str, Any]:
    return {
        "format": form,
        "credential_definition": definition,
        "credential_signing_alg_values_supported": [algorithm],
        "cryptographic_binding_methods_supported": ["did:key", "did:jwk"],
        "proof_types_supported": {
            "jwt": {"proof_signing_alg_values_supported": ["EdDSA", "ES256"]}
        },
        "credential_metadata": {"display": [{"name": "Open Badge", "locale": "en"}]},
    }


def authorization_server(public_url: str, slug: str) -> dict[str, Any]:
    """The authorization server's metadata: one grant, for wallets that nobody registered."""
    address = issuer_address(public_url, slug)
    return {
        "issuer": address,
        "token_endpoint": f"{address}/wallet/token",
        "token_endpoint_auth_methods_supported": ["none"],
        "response_types_supported": [],
        "grant_types_supported": [GRANT],
        "pre-authorized_grant_anonymous_access_supported": True,
    }


def offer(public_url: str, slug: str, code: str) -> dict[str, Any]:
    """The Credential Offer that stands behind ``credential_offer_uri``."""
    return {
        "credential_issuer": issuer_address(public_url, slug),
        "credential_configuration_ids": list(CONFIGURATIONS),
        "grants": {
            GRANT: {
                "pre-authorized_code": code,
                "tx_code": {
                    "input_mode": "numeric",
                    "length": TX_CODE_DIGITS,
                    "description": "The code on your badge's page",
                },
            }
        },
    }


def offer_link(public_url: str, slug: str, reference: str) -> str:
    """What a wallet opens, from a link or a QR code; holds nothing but the reference."""
    address = f"{issuer_address(public_url, slug)}/wallet/offers/{quote(reference, safe='')}"
    return f"openid-credential-offer://?{urlencode({'credential_offer_uri': address})}"
