"""Deep Linking 2.0: what an LMS asks for when somebody chooses content, and our signed answer.

The settings come from the verified launch only. The answer is an RS256 JWT under our LTI key; the
browser carries it to the LMS in a form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import jwt
from pylti1p3.deep_link import DeepLink
from pylti1p3.deep_link_resource import DeepLinkResource
from pylti1p3.registration import Registration

from app.errors import LaunchRefused
from app.lti.addresses import safe_origin
from app.lti.keys import ALGORITHM, SigningKey
from app.lti.platforms import lms_for
from app.lti.vocabulary import DEEP_LINKING
from app.models import Platform

ANSWER_LIFE = timedelta(minutes=5)
LINK = "ltiResourceLink"
MAX_URL = 4000
MAX_DATA = 20_000


@dataclass(frozen=True)
class Asked:
    """The settings of one request, those that we act on (Deep Linking 2.0, 3.2)."""

    return_url: str
    accepts: tuple[str, ...]
    targets: tuple[str, ...]
    multiple: bool
    data: str | None

    @property
    def takes_links(self) -> bool:
        """Whether an activity that launches Tassel may be put there."""
        return LINK in self.accepts


@dataclass(frozen=True)
class Item:
    """One activity to be made in the LMS. ``custom`` comes back with each of its launches."""

    title: str
    text: str
    custom: Mapping[str, str]
    icon_url: str


@dataclass(frozen=True)
class Outcome:
    """What we answer: items, or none with a message for the person (``error``: something failed)."""

    items: Sequence[Item] = field(default=())
    message: str = ""
    error: str = ""


def asked_from(settings: Mapping[str, Any] | None, platform: Platform) -> Asked:
    """Read the settings of a verified request.

    LaunchRefused when there is no way back, or one that leads to another site than the LMS's own:
    the answer names what is in the course and must not go to strangers.
    """
    settings = settings or {}
    url = settings.get("deep_link_return_url")
    if not isinstance(url, str) or len(url) > MAX_URL or not _is_of(url, platform):
        raise LaunchRefused(
            "foreign-return",
            "The LMS asks for the choice to be sent to an address that is not its own.",
            fix="The operator of Tassel and the administrator of the LMS should compare the address of the LMS as it is registered in Tassel.",
        )
    data = settings.get("data")
    if data is not None and (not isinstance(data, str) or len(data) > MAX_DATA):
        raise LaunchRefused(
            "bad-message",
            "The LMS sent more along with its request than Tassel can send back.",
            fix="Open it again; if this stays, the administrator of the LMS should know.",
        )
    return Asked(
        url,
        _texts(settings.get("accept_types")),
        _texts(settings.get("accept_presentation_document_targets")),
        str(settings.get("accept_multiple", False)).lower() == "true",
        data,
    )


def _is_of(url: str, platform: Platform) -> bool:
    """Whether an address stands on the LMS's site: its pages, its issuer or its endpoints."""
    installation = platform.installation
    named = (installation.origin, platform.issuer, platform.auth_url, platform.token_url)
    own = {safe_origin(one) for one in named} | lms_for(installation.lms).site(installation.origin)
    origin = safe_origin(url)
    return bool(origin) and origin in own


def _texts(found: Any) -> tuple[str, ...]:
    """A list of texts; some send one text with commas."""
    listed = found.split(",") if isinstance(found, str) else found
    if not isinstance(listed, list):
        return ()
    return tuple(one.strip() for one in listed if isinstance(one, str))


class _Link(DeepLinkResource):
    """The library's item with the members that it does not write (Deep Linking 2.0, 3.1.5)."""

    def __init__(self, item: Item, url: str, *, window: bool) -> None:
        self._item, self._window = item, window
        self.set_title(item.title).set_url(url).set_custom_params(item.custom)
        self.set_icon_url(item.icon_url)

    def to_dict(self) -> dict[str, object]:
        """The item as the LMS reads it. No line item: a badge is no assessment."""
        found: dict[str, object] = {**super().to_dict(), "text": self._item.text}
        if self._window:
            found["window"] = {"targetName": "_blank"}
        return found


def signed_answer(
    platform: Platform,
    deployment_id: str,
    asked: Asked,
    outcome: Outcome,
    url: str,
    key: SigningKey,
    now: datetime,
) -> str:
    """The ``LtiDeepLinkingResponse`` (Deep Linking 2.0, 3.3). ``url``: where its items launch."""
    registration = Registration().set_issuer(platform.issuer).set_client_id(platform.client_id)
    window = "window" in asked.targets and "iframe" not in asked.targets
    links = [_Link(item, url, window=window) for item in outcome.items]
    message = DeepLink(registration, deployment_id, {}).get_message_jwt(links)
    message |= {"iat": int(now.timestamp()), "exp": int((now + ANSWER_LIFE).timestamp())}
    told = {"data": asked.data, "msg": outcome.message, "errormsg": outcome.error}
    del message[DEEP_LINKING + "data"]
    message |= {DEEP_LINKING + name: value for name, value in told.items() if value}
    return jwt.encode(message, key.private, algorithm=ALGORITHM, headers={"kid": key.kid})
