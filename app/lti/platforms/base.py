"""The standard. A subclass holds only what one LMS does otherwise, and says where that was seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from app.lti.addresses import safe_origin

STEP = timedelta(milliseconds=1001)


@dataclass(frozen=True)
class ToolFacts:
    """What a manual tool description is made of; all addresses absolute."""

    title: str
    description: str
    domain: str
    target_url: str
    login_url: str
    keys_url: str
    icon_url: str
    scopes: tuple[str, ...]


class Lms:
    """How an LMS that follows the specifications behaves."""

    key = "generic"
    name = "LMS"
    families: tuple[str, ...] = ()
    """Values of ``product_family_code`` that mean this LMS."""
    page_limit: int | None = None
    """``limit`` sent when reading lists; None = the LMS chooses its page size."""

    # --- registration ------------------------------------------------------------------------

    def site(self, lms_origin: str) -> frozenset[str]:
        """Origins on which the endpoints of the LMS at ``lms_origin`` may stand."""
        return frozenset({lms_origin})

    def issuer_fits(self, issuer: str, lms_origin: str) -> bool:
        """Whether ``issuer`` may be claimed by the LMS at ``lms_origin``."""
        return safe_origin(issuer) in self.site(lms_origin)

    def custom_parameters(self) -> dict[str, str]:
        """Custom fields that we ask for, with the variables that fill them."""
        return {
            "person_sis_id": "$Person.sourcedId",
            "section_sis_id": "$CourseSection.sourcedId",
        }

    def tool_configuration(self, configuration: dict[str, Any]) -> dict[str, Any]:
        """The tool configuration of a registration request, with keys of this LMS added."""
        return configuration

    def manual_configuration(self, facts: ToolFacts) -> dict[str, Any] | None:
        """The tool description that this LMS takes by address or paste; None where it has no such form."""
        return None

    @property
    def has_manual_configuration(self) -> bool:
        """Whether ``manual_configuration`` gives one."""
        return type(self).manual_configuration is not Lms.manual_configuration

    # --- launch ------------------------------------------------------------------------------

    def person_sis_id(self, lis: Mapping[str, Any], custom: Mapping[str, str]) -> str | None:
        """The person's id in the student information system."""
        return _text(lis.get("person_sourcedid")) or custom.get("person_sis_id")

    def section_sis_id(self, lis: Mapping[str, Any], custom: Mapping[str, str]) -> str | None:
        """The SIS id of the class that the person attends."""
        return _text(lis.get("course_section_sourcedid")) or custom.get("section_sis_id")

    def term_name(self, custom: Mapping[str, str]) -> str | None:
        """The name of the course's term."""
        return custom.get("term_name")

    # --- services ----------------------------------------------------------------------------

    def token_audience(self, token_url: str, configured: str | None) -> str:
        """``aud`` of our client assertion (security framework 4.1.1: the token endpoint)."""
        return configured or token_url

    def score_timestamp(self, now: datetime, last: datetime | None) -> datetime:
        """The time for a score message that must come after the one stamped ``last``."""
        return now if last is None else max(now, last + STEP)

    def score_message(self, given: Decimal | None) -> dict[str, Any]:
        """Progress words and extensions of a score; ``given`` empty takes the score back."""
        if given is None:
            return {"activityProgress": "Initialized", "gradingProgress": "NotReady"}
        return {"activityProgress": "Completed", "gradingProgress": "FullyGraded"}

    def is_stale(self, status: int, body: str) -> bool:
        """Whether a refused score was refused for its timestamp."""
        return status == 409 or (status == 400 and "timestamp" in body.lower())

    def is_throttled(self, status: int, headers: Mapping[str, str], body: str) -> bool:
        """Whether the LMS asks to slow down (the standard way is 429)."""
        return status == 429


def _text(value: Any) -> str | None:
    """A non-empty string, or None."""
    return value if isinstance(value, str) and value else None
