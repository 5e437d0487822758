"""Canvas, after its source and its vendor's documents (hosted and self-hosted)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from app.lti.platforms.base import HISTORY, Lms, ToolFacts, listed
from app.lti.platforms.guide import Guide, Shown, Step, Value
from app.lti.vocabulary import DEEP_LINK, NOTICES_SCOPE, RESOURCE_LINK

_KEY = "https://canvas.instructure.com/lti/"
_ISSUERS = frozenset(f"https://canvas.{part}instructure.com" for part in ("", "beta.", "test."))
_GATEWAYS = frozenset(f"https://sso.{part}canvaslms.com" for part in ("", "beta.", "test."))
_SELECTIONS = ("link_selection", "assignment_selection")
"""Where teachers choose an activity: modules, and assignments of the kind "external tool"."""
_STALE = ("timestamp", "newer result")


class Canvas(Lms):
    """One issuer for every hosted school; self-hosted ones often keep it."""

    key = "canvas"
    name = "Canvas"
    families = ("canvas",)
    shared = _ISSUERS | _GATEWAYS
    keeps_total = "omit"
    advice: Mapping[str, str] = {
        "keys": "In Admin > Developer Keys, edit the LTI key: JWK Method must be Public JWK URL, and the address the one that ends in /lti/jwks.",
        "inactive": "In Admin > Developer Keys, switch the key to ON; an app of the Apps page must be enabled there.",
        "scopes": "In Admin > Apps > Manage > Tassel > Permissions (or Developer Keys > the key > LTI Advantage Services), allow the grading and roster services.",
        "roster": "In the permissions of the app, allow to retrieve user data of the context; a concluded course is closed to all tools.",
        "columns": "In the permissions of the app, allow to create, view and update assignment data of the tool; a concluded course is closed to all tools.",
        "launch": "Open a course as a teacher and choose Tassel in its navigation.",
    }
    page_limit = 100

    def site(self, lms_origin: str) -> frozenset[str]:
        """Endpoints stand at the school's address or on the vendor's gateways."""
        return frozenset({lms_origin}) | self.shared

    def issuer_fits(self, issuer: str, lms_origin: str) -> bool:
        """The shared issuers are for everyone: client id and invited origin tell them apart."""
        return issuer in _ISSUERS or super().issuer_fits(issuer, lms_origin)

    def custom_parameters(self) -> dict[str, str]:
        """``$CourseSection.sourcedId`` is the course's SIS id here, so sections are asked by name."""
        return {
            "person_sis_id": "$Canvas.user.sisSourceId",
            "section_sis_ids": "$Canvas.course.sectionSisSourceIds",
            "course_sis_id": "$Canvas.course.sisSourceId",
            "term_name": "$Canvas.term.name",
            "canvas_user_id": "$Canvas.user.id",
            "canvas_course_id": "$Canvas.course.id",
            "canvas_api": "$Canvas.api.baseUrl",
            "previous_context_ids": "$Canvas.course.previousContextIds",
            **HISTORY,
        }

    def tool_configuration(self, configuration: dict[str, Any]) -> dict[str, Any]:
        """Names and SIS ids come only with privacy level "public" (the default is anonymous)."""
        extras: dict[str, dict[str, Any]] = {
            RESOURCE_LINK: {
                "placements": ["course_navigation"],
                "custom_parameters": configuration["custom_parameters"],
                _KEY + "course_navigation/default_enabled": True,
                _KEY + "visibility": "members",
            },
            DEEP_LINK: {"placements": list(_SELECTIONS)},
        }
        messages = [one | extras.get(one["type"], {}) for one in configuration["messages"]]
        return configuration | {"messages": messages, _KEY + "privacy_level": "public"}

    link_steps = "Admin > Apps > Manage > Install a New App > Dynamic Registration: paste the link."
    link_next = "Review the permissions in Canvas and enable the app. Canvas names the deployment at the first launch: approve it in Tassel then."

    def known_addresses(self, lms_origin: str, client_id: str) -> dict[str, str]:
        """Hosted schools share the vendor's gateway; others have all of it at their own address."""
        host = lms_origin.partition("://")[2]
        if not host.endswith(".instructure.com"):
            return {
                "issuer": "https://canvas.instructure.com",
                "auth_url": f"{lms_origin}/api/lti/authorize_redirect",
                "token_url": f"{lms_origin}/login/oauth2/token",
                "jwks_url": f"{lms_origin}/api/lti/security/jwks",
            }
        part = next((part for part in ("beta.", "test.") if f".{part}" in host), "")
        gateway = f"https://sso.{part}canvaslms.com"
        return {
            "issuer": f"https://canvas.{part}instructure.com",
            "auth_url": f"{gateway}/api/lti/authorize_redirect",
            "token_url": f"{gateway}/login/oauth2/token",
            "jwks_url": f"{gateway}/api/lti/security/jwks",
        }

    def guide(self, facts: ToolFacts) -> Guide:
        """In Canvas's words."""
        return Guide(
            (
                Step(
                    "Admin > Developer Keys > + Developer Key > + LTI Key:",
                    (
                        Value("Key Name", facts.title),
                        Value("Redirect URIs", facts.launch_url),
                        Value("JSON URL", facts.configuration_url),
                    ),
                    (Value("Method", "Enter URL"),),
                ),
                Step("Save. Switch the State of the new key to ON."),
                Step(
                    "Admin > Settings > Apps > View App Configurations > + App: Configuration Type By Client ID, with the number of the key. Install it."
                ),
                Step("In the gear menu of the app choose Deployment Id, and copy it."),
            ),
            (
                Shown(
                    "client_id", "Client ID", "The long number in the Details column of the key."
                ),
                Shown("deployment_id", "Deployment Id", "Like 106:8865aa…"),
                Shown("issuer", "Issuer", "The same for every hosted school."),
                Shown("auth_url", "Authorization address"),
                Shown("token_url", "Token address"),
                Shown("jwks_url", "Key set address"),
            ),
            "Keep the privacy level Public: without it neither names nor student numbers are sent, and awards cannot reach the student record.",
        )

    def manual_configuration(self, facts: ToolFacts) -> dict[str, Any]:
        """The JSON for a developer key ("Enter URL" or "Paste JSON")."""
        types = {"course_navigation": RESOURCE_LINK} | dict.fromkeys(_SELECTIONS, DEEP_LINK)
        placements = [
            {
                "placement": name,
                "message_type": message,
                "target_link_uri": facts.target_url,
                "text": facts.title,
            }
            for name, message in types.items()
        ]
        return {
            "title": facts.title,
            "description": facts.description,
            "oidc_initiation_url": facts.login_url,
            "target_link_uri": facts.target_url,
            "public_jwk_url": facts.keys_url,
            "scopes": [*facts.scopes, NOTICES_SCOPE],
            "custom_fields": self.custom_parameters(),
            "extensions": [
                {
                    "platform": "canvas.instructure.com",
                    "domain": facts.domain,
                    "privacy_level": "public",
                    "settings": {
                        "text": facts.title,
                        "icon_url": facts.icon_url,
                        "placements": placements,
                    },
                }
            ],
        }

    def section_sis_id(self, lis: Mapping[str, Any], custom: Mapping[str, str]) -> str | None:
        """The first of the person's sections; the ``lis`` claim names the course only."""
        first = custom.get("section_sis_ids", "").split(",")[0].strip()
        return first or None

    def own_user_id(self, custom: Mapping[str, str]) -> str | None:
        """The number that its REST interface uses (``$Canvas.user.id``)."""
        return custom.get("canvas_user_id")

    def own_course_id(self, custom: Mapping[str, str]) -> str | None:
        """The number that its REST interface uses (``$Canvas.course.id``)."""
        return custom.get("canvas_course_id")

    def roster_link(self, context_id: str) -> str | None:
        """The course navigation's link, which has the context's id and which everybody can open."""
        return context_id

    def previous_context_ids(self, custom: Mapping[str, str]) -> tuple[str, ...]:
        """The standard's history, then the vendor's own list, which older versions alone have."""
        own = listed(custom.get("previous_context_ids", ""))
        return tuple(dict.fromkeys((*super().previous_context_ids(custom), *own)))

    def own_column(self) -> dict[str, Any]:
        """Nothing to hand in: else learners are sent into the tool to submit something."""
        return {_KEY + "submission_type": {"type": "none"}}

    def score_message(self, given: Decimal | None) -> dict[str, Any]:
        """No new attempt with each score, and a teacher's grade stays."""
        extension = {"new_submission": False, "prioritize_non_tool_grade": True}
        return super().score_message(given) | {_KEY + "submission": extension}

    def is_stale(self, status: int, body: str) -> bool:
        """400 with a text about the newer result."""
        return status == 409 or (status == 400 and any(word in body.lower() for word in _STALE))

    def is_throttled(self, status: int, headers: Mapping[str, str], body: str) -> bool:
        """403 "Rate Limit Exceeded" with nothing remaining, or 429."""
        if status == 403 and "rate limit exceeded" in body.lower():
            return True
        return super().is_throttled(status, headers, body)
