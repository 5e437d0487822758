"""Words of the standards and the addresses of a platform's endpoints."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

MEMBERSHIP = "http://purl.imsglobal.org/vocab/lis/v2/membership#"
INSTITUTION = "http://purl.imsglobal.org/vocab/lis/v2/institution/person#"
SYSTEM = "http://purl.imsglobal.org/vocab/lis/v2/system/person#"
TEST_USER = "http://purl.imsglobal.org/vocab/lti/system/person#TestUser"
LINE_ITEM = "application/vnd.ims.lis.v2.lineitem+json"
LINE_ITEMS = "application/vnd.ims.lis.v2.lineitemcontainer+json"
RESULTS = "application/vnd.ims.lis.v2.resultcontainer+json"
SCORE = "application/vnd.ims.lis.v1.score+json"
MEMBERS = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"


@dataclass(frozen=True, slots=True)
class Paths:
    """Where the endpoints are, as Flask rules; ``course`` and ``item`` are small integers."""

    configuration: str = "/lti/openid-configuration"
    registration: str = "/lti/registration"
    authorization: str = "/lti/authorize"
    access: str = "/lti/token"
    keys: str = "/lti/jwks"
    lineitems: str = "/lti/courses/<int:course>/lineitems"
    lineitem: str = "/lti/courses/<int:course>/lineitems/<int:item>"
    memberships: str = "/lti/courses/<int:course>/memberships"
    deep_link_return: str = "/lti/deep-link-return"

    @property
    def scores(self) -> str:
        """AGS: ``/scores`` is appended to the path of the line item."""
        return self.lineitem + "/scores"

    @property
    def results(self) -> str:
        """AGS: ``/results`` is appended to the path of the line item."""
        return self.lineitem + "/results"


def fill(rule: str, **values: int) -> str:
    """A Flask rule with its integers put in."""
    for name, value in values.items():
        rule = rule.replace(f"<int:{name}>", str(value))
    return rule


def number(value: float) -> int | float:
    """75.0 as 75: JSON numbers without a needless fraction."""
    return int(value) if value == int(value) else round(value, 5)


def instant(moment: datetime) -> str:
    """ISO 8601 with offset, whole seconds (as the recorded results have it)."""
    return moment.replace(microsecond=0).isoformat()
