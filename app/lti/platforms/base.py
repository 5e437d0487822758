"""The standard. A subclass holds only what one LMS does otherwise, and says where that was seen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

from app.lti.addresses import safe_origin
from app.lti.platforms.guide import STANDARD_SHOWN, Guide, Step, Value

_ABOUT_PEOPLE = re.compile("user|learner|student|person|enrol", re.IGNORECASE)
STEP = timedelta(milliseconds=1001)
HISTORY = {
    "context_id_history": "$Context.id.history",
    "resource_link_id_history": "$ResourceLink.id.history",
}
"""What course and link were copied from (LTI 1.3 core, appendix of substitution variables)."""
MOST_COPIES = 50
"""Older copies of a course or link that are remembered."""
LONGEST_ID = 300
LONGEST_HISTORY = 20_000


@dataclass(frozen=True)
class ToolFacts:
    """What a manual tool description is made of; all addresses absolute."""

    title: str
    description: str
    domain: str
    target_url: str
    login_url: str
    launch_url: str
    """The one redirection address."""
    keys_url: str
    icon_url: str
    scopes: tuple[str, ...]
    selects_content: bool
    """Whether Tassel answers deep linking."""
    configuration_url: str
    """Where ``manual_configuration`` of this LMS is served."""


_ADVICE = {
    "keys": "The LMS fetches Tassel's keys from the address that ends in /lti/jwks: its server must reach that address, and must have it as the tool's key set address.",
    "inactive": "Switch the tool on in the LMS's list of external tools.",
    "scopes": "Allow grades (line items, results, scores) and names and roles in the settings of the tool.",
    "roster": "Allow names and roles in the settings of the tool; a concluded course is closed to all tools.",
    "columns": "Allow grades in the settings of the tool; a concluded course is closed to all tools.",
    "launch": "Add Tassel to a course and open it there as a teacher.",
}
"""Topics, and the words for an LMS that we know nothing about."""


class Lms:
    """How an LMS that follows the specifications behaves."""

    key = "generic"
    name = "LMS"
    families: tuple[str, ...] = ()
    """Values of ``product_family_code`` that mean this LMS."""
    advice: Mapping[str, str] = {}
    """What to do about a trouble in this LMS's own words, by topic (see ``_ADVICE``)."""
    shared: frozenset[str] = frozenset()
    """Addresses that the vendor gives to every school: none of them tells one LMS from another."""
    collection_per_link = False
    """Whether each link has a line item collection of its own, so that one launch shows only some."""
    link_steps: str = "Look for dynamic registration where the LMS manages external tools, and paste the link there."
    """Where the LMS takes a registration link; "" = it takes none."""
    link_next: str = "Switch the tool on in your LMS."
    """What is left to do in the LMS after a registration by link."""
    page_limit: int | None = None
    """``limit`` sent when reading lists; None = the LMS chooses its page size."""

    def advice_on(self, topic: str) -> str:
        """What an administrator can do about ``topic``; in general words where this LMS has none."""
        return self.advice.get(topic, _ADVICE[topic])

    keeps_total: str = "weight"
    """How a teacher keeps one column out of the course total: ``weight`` 0, a mark ``omit`` (does not
    count towards the final grade), ``exclude`` from the calculation, or ``include`` taken away."""

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
            **HISTORY,
        }

    def tool_configuration(self, configuration: dict[str, Any]) -> dict[str, Any]:
        """The tool configuration of a registration request, with keys of this LMS added."""
        return configuration

    def known_addresses(self, lms_origin: str, client_id: str) -> dict[str, str]:
        """What a registration at ``lms_origin`` is known to have, by our field names."""
        return {}

    def custom_text(self) -> str:
        """The custom fields as this LMS takes them in its form."""
        return "\n".join(f"{name}={value}" for name, value in self.custom_parameters().items())

    def guide(self, facts: ToolFacts) -> Guide:
        """The way by hand. In the words of the standard where the LMS is not known."""
        permissions = ", ".join(scope.rpartition("/")[2] for scope in facts.scopes)
        return Guide(
            (
                Step(
                    "Make an LTI 1.3 tool where the LMS manages external tools, with these values:",
                    (
                        Value("Name", facts.title),
                        Value("Target link URI (tool address)", facts.target_url),
                        Value("Login initiation address", facts.login_url),
                        Value("Redirection address", facts.launch_url),
                        Value("Public keyset address", facts.keys_url),
                        Value("Custom parameters", self.custom_text()),
                    ),
                ),
                Step(
                    f"Allow Assignment and Grade Services and Names and Role Provisioning ({permissions}), and send name and e-mail address.",
                ),
                Step("Save, and copy what the LMS shows about itself into the form."),
            ),
            STANDARD_SHOWN,
        )

    def manual_configuration(self, facts: ToolFacts) -> dict[str, Any] | None:
        """The tool description that this LMS takes by address or paste; None where it has no such form."""
        return None

    # --- launch ------------------------------------------------------------------------------

    def person_sis_id(
        self, lis: Mapping[str, Any], custom: Mapping[str, str], claims: Mapping[str, Any]
    ) -> str | None:
        """The person's id in the student information system; ``claims`` is the whole token."""
        return _text(lis.get("person_sourcedid")) or custom.get("person_sis_id")

    def section_sis_id(self, lis: Mapping[str, Any], custom: Mapping[str, str]) -> str | None:
        """The SIS id of the class that the person attends."""
        return _text(lis.get("course_section_sourcedid")) or custom.get("section_sis_id")

    def own_user_id(self, custom: Mapping[str, str]) -> str | None:
        """The LMS's own id of the person, where a custom field tells it (never the ``sub``)."""
        return None

    def own_course_id(self, custom: Mapping[str, str]) -> str | None:
        """The LMS's own id of the course, where a custom field tells it (else the context id)."""
        return None

    def term_name(self, custom: Mapping[str, str]) -> str | None:
        """The name of the course's term."""
        return custom.get("term_name")

    def previous_context_ids(self, custom: Mapping[str, str]) -> tuple[str, ...]:
        """The contexts that this one was copied from, newest first."""
        return listed(custom.get("context_id_history", ""))

    def previous_link_ids(self, custom: Mapping[str, str]) -> tuple[str, ...]:
        """The resource links that this one was copied from, newest first."""
        return listed(custom.get("resource_link_id_history", ""))

    # --- services ----------------------------------------------------------------------------

    def roster_link(self, context_id: str) -> str | None:
        """The ``rlid`` to read a whole roster with, where members then come with custom fields.

        None where nothing is gained. Never a link that only some of the members can open: the rest
        would be missing, and whoever is missing counts as having left (NRPS 2.0, 2.4.2).
        """
        return None

    def token_audience(self, token_url: str, configured: str | None) -> str:
        """``aud`` of our client assertion (security framework 4.1.1: the token endpoint)."""
        return configured or token_url

    def score_timestamp(self, now: datetime, last: datetime | None) -> datetime:
        """The time for a score message that must come after the one stamped ``last``."""
        return now if last is None else max(now, last + STEP)

    def own_column(self) -> dict[str, Any]:
        """Extensions of a line item that we make."""
        return {}

    def score_message(self, given: Decimal | None) -> dict[str, Any]:
        """Progress words and extensions of a score; ``given`` empty takes the score back."""
        if given is None:
            return {"activityProgress": "Initialized", "gradingProgress": "NotReady"}
        return {"activityProgress": "Completed", "gradingProgress": "FullyGraded"}

    def is_stale(self, status: int, body: str) -> bool:
        """Whether a refused score was refused for its timestamp."""
        return status == 409 or (status == 400 and "timestamp" in body.lower())

    def refuses_person(self, status: int, body: str) -> bool:
        """Whether a refused score was refused for the person: unknown, not enrolled or not graded.

        A 404 means that the column is gone, unless it speaks of the person.
        """
        return status in (400, 409, 422) or (status == 404 and bool(_ABOUT_PEOPLE.search(body)))

    def column_id(self, line_item_url: str) -> str | None:
        """The LMS's own id of the gradebook column behind a line item, where its address tells it."""
        return None

    def is_throttled(self, status: int, headers: Mapping[str, str], body: str) -> bool:
        """Whether the LMS asks to slow down (the standard way is 429)."""
        return status == 429


def _text(value: Any) -> str | None:
    """A non-empty string, or None."""
    return value if isinstance(value, str) and value else None


def listed(text: str) -> tuple[str, ...]:
    """Ids of a history variable: URL-encoded, separated by commas, newest first; each id once."""
    found = (unquote(part.strip()) for part in text[:LONGEST_HISTORY].split(","))
    ids = dict.fromkeys(one for one in found if one and not one.startswith("$"))
    return tuple(one for one in ids if len(one) <= LONGEST_ID)[:MOST_COPIES]
