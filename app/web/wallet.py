"""The doors that wallets knock at: OpenID4VCI 1.0 and VC-API exchanges of each issuer.

No page, no visitor, no cookie.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import RequestEntityTooLarge

from app.credentials import issuers
from app.credentials.verify import strict_json
from app.credentials.verify.limits import OverLimitError
from app.errors import AppError, Invalid, NotFound
from app.pipeline import exchange as exchanging
from app.pipeline import hand_over
from app.wallet import metadata, nonces, offers
from app.wallet.errors import WalletRefused, invalid_token
from app.web import errors
from app.web.session import campus

bp = Blueprint("wallet", __name__)
MAX_BODY = 20_000


@bp.errorhandler(AppError)
def refused(error: AppError) -> ResponseReturnValue:
    """The error in the words of OAuth 2: ``error`` and ``error_description``."""
    status = error.status if isinstance(error, WalletRefused) else errors.status_of(error)
    code = error.code if isinstance(error, WalletRefused) else "invalid_request"
    answer = jsonify(error=code, error_description=error.message)
    answer.status_code = status
    if status == 401:
        answer.headers["WWW-Authenticate"] = f'Bearer error="{code}"'
    return answer


@bp.after_request
def _open_to_wallets(answer: Response) -> Response:
    """Some wallets are web pages of other origins; what guards here is the token, not a cookie."""
    answer.headers["Access-Control-Allow-Origin"] = "*"
    answer.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
    answer.headers.setdefault("Cache-Control", "no-store")
    return answer


@bp.get("/.well-known/openid-credential-issuer/<path:place>")
def issuer_metadata(place: str) -> Response:
    """Credential issuer metadata, where 1.0 wants it: before the path of the identifier."""
    slug, name = _issuer_at(place)
    return jsonify(metadata.credential_issuer(campus().settings.public_url, slug, name))


@bp.get("/.well-known/oauth-authorization-server/<path:place>")
def server_metadata(place: str) -> Response:
    """Authorization server metadata (RFC 8414, the same rule for the address)."""
    slug, _ = _issuer_at(place)
    return jsonify(metadata.authorization_server(campus().settings.public_url, slug))


def _issuer_at(place: str) -> tuple[str, str]:
    """Slug and name of the issuer whose identifier has this path. Raises NotFound."""
    before = urlsplit(metadata.issuer_address(campus().settings.public_url, "")).path.lstrip("/")
    slug = place.removeprefix(before)
    if not place.startswith(before):
        raise NotFound("issuer-unknown", "There is no such issuer here.")
    with campus().db.reading() as session:
        issuer = issuers.by_slug(session, slug)
        return issuer.slug, issuer.name


@bp.get("/issuers/<slug>/wallet/offers/<reference>")
def offer(slug: str, reference: str) -> Response:
    """The offer behind a ``credential_offer_uri``; holds nothing about the learner."""
    with campus().db.reading() as session:
        issuer = issuers.by_slug(session, slug)
        code = offers.code_behind(session, issuer, reference, campus().clock())
    return jsonify(metadata.offer(campus().settings.public_url, slug, code))


@bp.post("/issuers/<slug>/wallet/token")
def token(slug: str) -> Response:
    """The token endpoint: a pre-authorized code and its ``tx_code`` against an access token."""
    form = request.form
    if form.get("grant_type") != metadata.GRANT:
        raise WalletRefused("unsupported_grant_type", "Only the pre-authorized code is taken here.")
    code, tx_code = form.get("pre-authorized_code", ""), form.get("tx_code", "")
    if not code or not tx_code:
        raise WalletRefused("invalid_request", "pre-authorized_code and tx_code are needed.")
    access = hand_over.redeem(campus(), slug, code, tx_code)
    return jsonify(
        access_token=access,
        token_type="Bearer",  # noqa: S106 - the type of the token
        expires_in=int(offers.TOKEN_LIFE.total_seconds()),
    )


@bp.post("/issuers/<slug>/wallet/nonce")
def nonce(slug: str) -> Response:
    """The nonce endpoint; nothing is written before the nonce is used."""
    with campus().db.reading() as session:
        issuers.by_slug(session, slug)
    return jsonify(c_nonce=nonces.fresh(campus().box, slug, campus().clock()))


@bp.post("/issuers/<slug>/wallet/credential")
def credential(slug: str) -> Response:
    """The credential endpoint."""
    access = _access()
    asked = _body("invalid_credential_request")
    form = _form_asked(asked)
    handed = hand_over.hand_over(campus(), slug, access, _proof(asked))
    # The signed bytes go out as they were kept.
    signed = handed.credential.document
    if form == metadata.TOKEN:
        signed = json.dumps(handed.credential.jwt).encode()
    notification = json.dumps(handed.notification_id).encode()
    content = b'{"credentials":[{"credential":%b}],"notification_id":%b}' % (signed, notification)
    return Response(content, mimetype="application/json")


@bp.post("/issuers/<slug>/wallet/notification")
def notification(slug: str) -> ResponseReturnValue:
    """What became of the credential in the wallet."""
    access = _access()
    said = _body("invalid_notification_request")
    hand_over.notified(
        campus(), slug, access, str(said.get("notification_id")), str(said.get("event"))
    )
    return "", 204


@bp.post("/issuers/<slug>/wallet/exchanges/<reference>")
def exchange(slug: str, reference: str) -> Response:
    """One step of a VC-API exchange: an empty message asks what is wanted, a presentation gets the badge.

    The Learner Credential Wallet that was opened by its link sends the presentation as it is and
    wants the same; the protocol itself names its members.
    """
    said = _message()
    if not said:
        return jsonify(verifiablePresentationRequest=exchanging.ask(campus(), slug, reference))
    named = "verifiablePresentation" in said
    proof = said["verifiablePresentation"] if named else said
    if not isinstance(proof, dict):
        raise WalletRefused("invalid_request", "verifiablePresentation is not a JSON object.")
    made = exchanging.hand_over_to(campus(), slug, reference, proof, domain_said=named)
    content = b'{"verifiablePresentation":%b}' % made if named else made
    return Response(content, mimetype="application/json")


def _message() -> dict[str, Any]:
    """The JSON object of the request, empty when there is none. Raises WalletRefused."""
    request.max_content_length = MAX_BODY
    try:
        raw = request.get_data()
        return strict_json.loads(raw) if raw.strip() else {}
    except RequestEntityTooLarge:
        raise WalletRefused("invalid_request", "The request is too long.", 413) from None
    except OverLimitError as over:
        raise WalletRefused("invalid_request", over.why) from None
    except Invalid as problem:
        raise WalletRefused("invalid_request", problem.message) from None


def _access() -> str:
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not value:
        raise invalid_token()
    return value.strip()


def _body(code: str) -> dict[str, Any]:
    """The JSON object of the request; raises WalletRefused with ``code``."""
    if (request.content_length or 0) > MAX_BODY:
        raise WalletRefused(code, "The request is too long.")
    found = request.get_json(silent=True)
    if not isinstance(found, dict):
        raise WalletRefused(code, "The request is not a JSON object.")
    return found


def _form_asked(asked: dict[str, Any]) -> str:
    if "credential_identifier" in asked:
        raise WalletRefused("unknown_credential_identifier", "No identifiers are given out here.")
    form = asked.get("credential_configuration_id")
    if form not in metadata.CONFIGURATIONS:
        raise WalletRefused("unknown_credential_configuration", "There is no such configuration.")
    if "credential_response_encryption" in asked:
        raise WalletRefused("invalid_encryption_parameters", "Answers are not encrypted here.")
    return str(form)


def _proof(asked: dict[str, Any]) -> str:
    """The one key proof of the request."""
    proofs = asked.get("proofs")
    kept = proofs.get("jwt") if isinstance(proofs, dict) and set(proofs) == {"jwt"} else None
    if not isinstance(kept, list) or len(kept) != 1 or not isinstance(kept[0], str):
        raise WalletRefused("invalid_proof", "proofs must hold one key proof of the type jwt.")
    return kept[0]
