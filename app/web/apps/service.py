"""The service description document: an OpenAPI 3.0 description with what 1EdTech asks for. Pure.

Only what is there is described: there is nothing to write.
"""

from __future__ import annotations

from typing import Any, Final

from app.wallet.app_clients import OFFLINE, PROFILE, READ

SCOPES: Final = {
    READ: "Permission to read the badges that the learner holds.",
    PROFILE: "Permission to read the learner's name and e-mail address.",
    OFFLINE: "Permission to do so until the learner or the app ends it.",
}
_SCHEMAS: Final = "https://purl.imsglobal.org/spec/ob/v3p0/schema/json/"
_RESPONSE: Final = f"{_SCHEMAS}ob_v3p0_getopenbadgecredentialsresponse_schema.json"
_PROFILE: Final = f"{_SCHEMAS}ob_v3p0_profile_schema.json"
_STATUS: Final = f"{_SCHEMAS}ob_v3p0_imsx_statusinfo_schema.json"


def description(base: str, image: str) -> dict[str, Any]:
    """The document for the service at ``base``; ``image`` is the address of its picture."""
    about = f"{base}/about"
    return {
        "openapi": "3.0.1",
        "info": {
            "title": "Tassel",
            "description": "The Open Badges API of this campus: learners let apps read their badges.",
            "version": "1.0",
            "termsOfService": f"{about}#terms",
            "x-imssf-privacyPolicyUrl": f"{about}#privacy",
            "x-imssf-image": image,
        },
        "servers": [{"url": base}],
        "paths": {
            "/credentials": {"get": _credentials()},
            "/profile": {"get": _operation("getProfile", PROFILE, _PROFILE)},
            "/discovery": {"get": _operation("getServiceDescription", "", "")},
        },
        "components": {
            "securitySchemes": {"OAuth2ACG": _security(base, about)},
            "schemas": {"Imsx_StatusInfo": {"externalDocs": {"url": _STATUS}}},
        },
    }


def _security(base: str, about: str) -> dict[str, Any]:
    return {
        "type": "oauth2",
        "description": "OAuth 2.0 Authorization Code Grant authorization",
        "x-imssf-name": "Tassel",
        "x-imssf-privacyPolicyUrl": f"{about}#privacy",
        "x-imssf-termsOfServiceUrl": f"{about}#terms",
        "x-imssf-registrationUrl": f"{base}/oauth/register",
        "flows": {
            "authorizationCode": {
                "authorizationUrl": f"{base}/oauth/authorize",
                "tokenUrl": f"{base}/oauth/token",
                "refreshUrl": f"{base}/oauth/token",
                "scopes": SCOPES,
            }
        },
    }


def _credentials() -> dict[str, Any]:
    number = {"type": "integer", "format": "int32"}
    kinds = {
        "limit": {**number, "minimum": 1},
        "offset": {**number, "minimum": 0},
        "since": {"type": "string", "format": "date-time"},
    }
    parameters = [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in kinds.items()
    ]
    return {"parameters": parameters, **_operation("getCredentials", READ, _RESPONSE)}


def _operation(name: str, scope: str, schema: str) -> dict[str, Any]:
    """One operation; ``scope`` and ``schema`` are empty where there is none."""
    done: dict[str, Any] = {"description": "As asked for."}
    done["content"] = {"application/json": {"schema": {"type": "object"}}}
    if schema:
        done["content"]["application/json"]["schema"]["externalDocs"] = {"url": schema}
    refused = {
        "description": "Why it is not answered.",
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/Imsx_StatusInfo"}}
        },
    }
    made: dict[str, Any] = {"operationId": name, "responses": {"200": done, "default": refused}}
    if scope:
        made["security"] = [{"OAuth2ACG": [scope]}]
    return made
