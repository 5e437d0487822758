"""The verified launch in our own words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from app.lti.platforms import Lms
from app.lti.roles import Role, administers, is_test_user, role_of
from app.lti.vocabulary import (
    AGS_CLAIM,
    CLAIM,
    COPY_NOTICE,
    DEEP_LINKING_CLAIM,
    FOR_USER_CLAIM,
    NOTICES_CLAIM,
    NOTICES_SCOPE,
    NRPS_CLAIM,
)
from app.lti.wire import custom_values, text_of


@dataclass(frozen=True)
class Legacy:
    """A claim about LTI 1.1: the old user id, the consumer key, and ``sign`` over ``signed``."""

    user_id: str | None
    key: str
    sign: bytes
    signed: str


@dataclass(frozen=True)
class LaunchContext:
    """Who came from where with which role, and which services the LMS offers for it.

    Everything comes from the verified token and the registration, nothing from a form.
    ``deployment_id`` is our row's id; texts that the LMS left out are "", ids that it left out None.
    """

    platform_id: str
    installation_id: str
    deployment_id: str
    issuer: str
    message_type: str
    target_path: str
    context_id: str | None
    context_title: str
    context_label: str
    sub: str
    name: str
    given_name: str
    family_name: str
    email: str | None
    locale: str | None
    role: Role
    is_test: bool
    person_sis_id: str | None
    section_sis_id: str | None
    term_name: str | None
    resource_link_id: str | None
    resource_link_title: str | None
    lineitems_url: str | None
    lineitem_url: str | None
    ags_scopes: tuple[str, ...]
    memberships_url: str | None
    notices_url: str | None
    """Where notices of copied courses are ordered; None where the LMS sends none."""
    previous_context_ids: tuple[str, ...]
    """The contexts that this one was copied from, newest first."""
    previous_link_ids: tuple[str, ...]
    custom: dict[str, str]
    return_url: str | None
    document_target: str | None
    family: str | None
    guid: str | None
    deep_linking: dict[str, Any] | None
    for_user: str | None
    """``sub`` of the person whom a review or a privacy request is about."""
    administers: bool
    """Whether the person looks after the whole LMS or its data protection."""
    issued_at: float
    """``iat`` of the token, in seconds of Unix time by the LMS's clock."""
    legacy: Legacy | None = None
    """What the LMS says about LTI 1.1, not proven yet."""
    lti11_user_id: str | None = None
    """The proven ``user_id`` of LTI 1.1."""
    collection_per_link: bool = False
    """Whether ``lineitems_url`` holds the columns of this link only."""


@dataclass(frozen=True)
class Origin:
    """The registration that a launch came through (our row ids)."""

    platform_id: str
    installation_id: str
    deployment_id: str
    lms: Lms


def context_from(claims: Mapping[str, Any], origin: Origin) -> LaunchContext:
    """Read the claims of a verified token; claims of a wrong shape count as left out."""
    custom = custom_values(claims.get(CLAIM + "custom"))
    lis = _object(claims, CLAIM + "lis")
    context = _object(claims, CLAIM + "context")
    link = _object(claims, CLAIM + "resource_link")
    platform = _object(claims, CLAIM + "tool_platform")
    presentation = _object(claims, CLAIM + "launch_presentation")
    ags = _object(claims, AGS_CLAIM)
    roles = _texts(claims.get(CLAIM + "roles"))
    return LaunchContext(
        platform_id=origin.platform_id,
        installation_id=origin.installation_id,
        deployment_id=origin.deployment_id,
        issuer=str(claims["iss"]),
        message_type=str(claims[CLAIM + "message_type"]),
        target_path=urlsplit(str(claims[CLAIM + "target_link_uri"])).path,
        context_id=text_of(context.get("id")),
        context_title=text_of(context.get("title")) or "",
        context_label=text_of(context.get("label")) or "",
        sub=str(claims["sub"]),
        name=text_of(claims.get("name")) or "",
        given_name=text_of(claims.get("given_name")) or "",
        family_name=text_of(claims.get("family_name")) or "",
        email=text_of(claims.get("email")),
        locale=text_of(presentation.get("locale")) or text_of(claims.get("locale")),
        role=role_of(roles),
        is_test=is_test_user(roles),
        person_sis_id=origin.lms.person_sis_id(lis, custom, claims),
        section_sis_id=origin.lms.section_sis_id(lis, custom),
        term_name=origin.lms.term_name(custom),
        resource_link_id=text_of(link.get("id")),
        resource_link_title=text_of(link.get("title")),
        lineitems_url=text_of(ags.get("lineitems")),
        lineitem_url=text_of(ags.get("lineitem")),
        ags_scopes=_texts(ags.get("scope")),
        memberships_url=text_of(_object(claims, NRPS_CLAIM).get("context_memberships_url")),
        notices_url=_notices_url(_object(claims, NOTICES_CLAIM)),
        previous_context_ids=origin.lms.previous_context_ids(custom),
        previous_link_ids=origin.lms.previous_link_ids(custom),
        custom=custom,
        return_url=text_of(presentation.get("return_url")),
        document_target=text_of(presentation.get("document_target")),
        family=text_of(platform.get("product_family_code")),
        guid=text_of(platform.get("guid")),
        deep_linking=_object(claims, DEEP_LINKING_CLAIM) or None,
        for_user=text_of(_object(claims, FOR_USER_CLAIM).get("user_id")),
        administers=administers(roles),
        legacy=_legacy(claims),
        issued_at=float(claims.get("iat", 0)),
        collection_per_link=origin.lms.collection_per_link,
    )


def _notices_url(claim: Mapping[str, Any]) -> str | None:
    """The notification service, where it tells of copied contexts and we may order that."""
    offered = COPY_NOTICE in _texts(claim.get("notice_types_supported"))
    granted = NOTICES_SCOPE in _texts(claim.get("scope"))
    return text_of(claim.get("platform_notification_service_url")) if offered and granted else None


def _legacy(claims: Mapping[str, Any]) -> Legacy | None:
    """The migration claim with the text that its signature is over (migration guide, 3.1.2)."""
    found = _object(claims, CLAIM + "lti1p1")
    key, sign = text_of(found.get("oauth_consumer_key")), found.get("oauth_consumer_key_sign")
    if not key or not isinstance(sign, str):
        return None
    audience = claims["aud"]
    client = audience[0] if isinstance(audience, list) and len(audience) == 1 else audience
    signed = (
        key,
        claims.get(CLAIM + "deployment_id"),
        claims["iss"],
        claims.get("azp") or client,
        claims.get("exp"),
        claims.get("nonce"),
    )
    return Legacy(text_of(found.get("user_id")), key, sign.encode(), "&".join(map(str, signed)))


def _object(claims: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = claims.get(name)
    return found if isinstance(found, dict) else {}


def _texts(found: Any) -> tuple[str, ...]:
    return tuple(one for one in found if isinstance(one, str)) if isinstance(found, list) else ()
