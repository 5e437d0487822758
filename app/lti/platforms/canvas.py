"""Canvas, after its source and its vendor's documents (hosted and self-hosted)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from app.lti.platforms.base import Lms, ToolFacts
from app.lti.vocabulary import RESOURCE_LINK

_KEY = "https://canvas.instructure.com/lti/"
_ISSUERS = frozenset(f"https://canvas.{part}instructure.com" for part in ("", "beta.", "test."))
_GATEWAYS = frozenset(f"https://sso.{part}canvaslms.com" for part in ("", "beta.", "test."))
_STALE = ("timestamp", "newer result")


class Canvas(Lms):
    """One issuer for every hosted school; self-hosted ones often keep it."""

    key = "canvas"
    name = "Canvas"
    families = ("canvas",)
    page_limit = 100

    def site(self, lms_origin: str) -> frozenset[str]:
        """Endpoints stand at the school's address or on the vendor's gateways."""
        return frozenset({lms_origin}) | _ISSUERS | _GATEWAYS

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
        }

    def tool_configuration(self, configuration: dict[str, Any]) -> dict[str, Any]:
        """Names and SIS ids come only with privacy level "public" (the default is anonymous)."""
        messages = [
            message
            | {
                "placements": ["course_navigation"],
                "custom_parameters": configuration["custom_parameters"],
                _KEY + "course_navigation/default_enabled": True,
            }
            if message["type"] == RESOURCE_LINK
            else message
            for message in configuration["messages"]
        ]
        return configuration | {"messages": messages, _KEY + "privacy_level": "public"}

    def manual_configuration(self, facts: ToolFacts) -> dict[str, Any]:
        """The JSON for a developer key ("Enter URL" or "Paste JSON")."""
        placement = {
            "placement": "course_navigation",
            "message_type": RESOURCE_LINK,
            "target_link_uri": facts.target_url,
            "text": facts.title,
        }
        return {
            "title": facts.title,
            "description": facts.description,
            "oidc_initiation_url": facts.login_url,
            "target_link_uri": facts.target_url,
            "public_jwk_url": facts.keys_url,
            "scopes": list(facts.scopes),
            "custom_fields": self.custom_parameters(),
            "extensions": [
                {
                    "platform": "canvas.instructure.com",
                    "domain": facts.domain,
                    "privacy_level": "public",
                    "settings": {
                        "text": facts.title,
                        "icon_url": facts.icon_url,
                        "placements": [placement],
                    },
                }
            ],
        }

    def section_sis_id(self, lis: Mapping[str, Any], custom: Mapping[str, str]) -> str | None:
        """The first of the person's sections; the ``lis`` claim names the course only."""
        first = custom.get("section_sis_ids", "").split(",")[0].strip()
        return first or None

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
