"""Sign-in of operators at the campus's identity provider: OpenID Connect, code flow with PKCE.

Discovery, token and keys go through the guarded client; the id_token is judged by ``authlib`` and
``joserfc``. A sign-in is bound to the browser that began it and works once.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy import delete, update

from app.errors import Forbidden, UpstreamError
from app.models import OperatorLogin
from app.pipeline.campus import Campus
from app.secrets import new_token, token_hash
from app.settings import Settings

LIFE = timedelta(minutes=10)
LEEWAY_SECONDS = 60
ALGORITHMS = ("RS256", "PS256", "ES256")
SYSTEM = "The campus sign-in"


@dataclass(frozen=True)
class Begun:
    """Where the browser goes, and the secret that it has to show again."""

    url: str
    binding: str


@dataclass(frozen=True)
class Admitted:
    """A listed person. ``name`` stands in the audit log: the provider's id, never an address."""

    name: str
    role: str


def begin(campus: Campus) -> Begun:
    """Start a sign-in. UpstreamError when the provider cannot be asked."""
    about = _discover(campus)
    state, nonce, verifier, binding = (new_token() for _ in range(4))
    now = campus.clock()
    with campus.db.transaction() as session:
        session.execute(delete(OperatorLogin).where(OperatorLogin.expires_at <= now))
        session.add(
            OperatorLogin(
                state_hash=token_hash(state),
                nonce=nonce,
                verifier=campus.box.seal(verifier.encode("ascii")),
                binding_hash=token_hash(binding),
                created_at=now,
                expires_at=now + LIFE,
            )
        )
    query = {
        "response_type": "code",
        "client_id": campus.settings.oidc_client_id,
        "redirect_uri": callback_url(campus.settings),
        "scope": "openid email profile",
        "state": state,
        "nonce": nonce,
        "code_challenge": _challenge(verifier),
        "code_challenge_method": "S256",
    }
    address = about["authorization_endpoint"]
    joint = "&" if urlsplit(address).query else "?"
    return Begun(address + joint + urlencode(query), binding)


def finish(campus: Campus, answer: Mapping[str, str], binding: str) -> Admitted:
    """Who comes back from the provider, if listed. Forbidden for everybody and everything else."""
    login = _take(campus, answer.get("state", ""), binding)
    issuer = campus.settings.oidc_issuer
    if answer.get("iss", issuer) != issuer:
        raise _refused("sign-in-mixed-up", "The answer came from another identity provider.")
    if answer.get("error") or not answer.get("code"):
        raise _refused("sign-in-declined", "The campus sign-in did not let you through.")
    about = _discover(campus)
    given = _exchange(campus, about, answer["code"], _verifier(campus, login))
    claims = _verified(campus, about, given, login.nonce)
    role = role_of(campus.settings, claims)
    if role is None:
        raise Forbidden(
            "not-an-operator",
            "Your account is not among the operators of this server.",
            fix="Whoever runs this server can add it: TASSEL_OIDC_OPERATORS. An address counts only when the campus sign-in says that it is verified.",
        )
    return Admitted(_name(claims), role)


def _verifier(campus: Campus, login: OperatorLogin) -> str:
    return campus.box.open(login.verifier).decode("ascii")


def _challenge(verifier: str) -> str:
    """S256 (RFC 7636 4.2)."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def callback_url(settings: Settings) -> str:
    """The one redirection address, to be registered with the provider."""
    return f"{settings.public_url}/operator/sign-in/callback"


def role_of(settings: Settings, claims: Mapping[str, Any]) -> str | None:
    """The role that the lists of the settings give to a verified token's person."""
    held = _identities(claims)
    if held & set(settings.oidc_operators):
        return "operator"
    if held & set(settings.oidc_approvers):
        return "approver"
    if held & set(settings.oidc_sis_administrators):
        return "sis_administrator"
    return None


def _identities(claims: Mapping[str, Any]) -> set[str]:
    """What may stand in a list for this person: subject, verified address, groups.

    A subject never counts as an address or a group: whoever chooses account names could take one.
    """
    subject = str(claims["sub"])
    held = set() if "@" in subject or subject.startswith("group:") else {subject}
    email = claims.get("email")
    if isinstance(email, str) and claims.get("email_verified") in (True, "true"):
        held.add(email.strip().lower())
    groups = claims.get("groups")
    for group in groups if isinstance(groups, list) else [groups]:
        if isinstance(group, str) and group:
            held.add(f"group:{group}")
    return held


def _name(claims: Mapping[str, Any]) -> str:
    """The subject if it is an id; its hash if it is an address or long."""
    subject = str(claims["sub"])
    plain = "@" not in subject and subject.isprintable() and len(subject) <= 60
    return "oidc-" + (subject if plain else token_hash(subject)[:16])


def _take(campus: Campus, state: str, binding: str) -> OperatorLogin:
    """The sign-in that this browser began, used up by this. Forbidden for any other."""
    now = campus.clock()
    with campus.db.transaction() as session:
        taken: OperatorLogin | None = session.scalar(
            update(OperatorLogin)
            .where(
                OperatorLogin.state_hash == token_hash(state),
                OperatorLogin.binding_hash == token_hash(binding),
                OperatorLogin.used_at.is_(None),
                OperatorLogin.expires_at > now,
            )
            .values(used_at=now)
            .returning(OperatorLogin)
        )
    if taken is None:
        raise _refused("sign-in-over", "This sign-in was used, is too old, or began elsewhere.")
    return taken


def _refused(code: str, message: str) -> Forbidden:
    return Forbidden(code, message, fix="Begin again at /operator/sign-in.")


def _discover(campus: Campus) -> dict[str, str]:
    """The provider's addresses (OpenID Connect Discovery 1.0, 4), of exactly our issuer."""
    issuer = campus.settings.oidc_issuer
    url = issuer.rstrip("/") + "/.well-known/openid-configuration"
    found = campus.http.get(url, system=SYSTEM).json()
    needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    if not isinstance(found, dict) or found.get("issuer") != issuer:
        raise _broken("describes another issuer than TASSEL_OIDC_ISSUER")
    if not all(urlsplit(str(found.get(name, ""))).scheme in ("http", "https") for name in needed):
        raise _broken("does not name its addresses")
    return {name: str(found[name]) for name in needed} | {
        "post": "yes" if _wants_post(found) else ""
    }


def _wants_post(found: dict[str, Any]) -> bool:
    """Whether the client secret goes into the form: HTTP basic is the default (Discovery 3)."""
    methods = found.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    return "client_secret_basic" not in methods and "client_secret_post" in methods


def _broken(what: str) -> UpstreamError:
    return UpstreamError(
        "sign-in-broken",
        f"{SYSTEM} {what}.",
        system=SYSTEM,
        permanent=False,
        fix="Whoever runs this server can compare TASSEL_OIDC_ISSUER with the provider's settings; tassel admin link lets operators in meanwhile.",
    )


def _exchange(campus: Campus, about: dict[str, str], code: str, verifier: str) -> dict[str, Any]:
    """Tokens for the code (RFC 6749 4.1.3 with RFC 7636 4.5)."""
    settings = campus.settings
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": callback_url(settings),
        "code_verifier": verifier,
    }
    secret = {"client_id": settings.oidc_client_id, "client_secret": settings.oidc_client_secret}
    answer = campus.http.request(
        "POST",
        about["token_endpoint"],
        system=SYSTEM,
        data=form | secret if about["post"] else form,
        auth=None if about["post"] else tuple(secret.values()),
        headers={"Accept": "application/json"},
        ok=lambda status: status < 500,
    )
    body = answer.json() if answer.status < 400 else None
    if not isinstance(body, dict) or not isinstance(body.get("id_token"), str):
        raise _broken(f"gave no token for its own code ({answer.status})")
    return body


def _verified(
    campus: Campus, about: dict[str, str], given: dict[str, Any], nonce: str
) -> dict[str, Any]:
    """The claims of the id_token (OpenID Connect Core 3.1.3.7). Forbidden when any check fails."""
    settings = campus.settings
    keys = campus.http.get(about["jwks_uri"], system=SYSTEM).json()
    try:
        token = jwt.decode(
            given["id_token"], KeySet.import_key_set(keys), algorithms=list(ALGORITHMS)
        )
        claims: Any = CodeIDToken(
            token.claims,
            token.header,
            options={
                "iss": {"essential": True, "value": settings.oidc_issuer},
                "aud": {"essential": True, "value": settings.oidc_client_id},
                "sub": {"essential": True},
            },
            params={"nonce": nonce, "client_id": settings.oidc_client_id},
        )
        claims.validate(now=int(campus.clock().timestamp()), leeway=LEEWAY_SECONDS)
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise _refused(
            "sign-in-not-believed", "The answer of the campus sign-in is not valid."
        ) from error
    return dict(token.claims)
