"""Whether the two sides know and believe each other: keys, tokens, permissions."""

from __future__ import annotations

from collections.abc import Iterator

from app.errors import UpstreamError
from app.http import HttpClient, Response
from app.lti import keys, keysets
from app.lti.selftest.finding import BOTH, OURS, THEIRS, Finding, Trial, failed
from app.lti.token_answers import Asked, Trouble, explain
from app.lti.vocabulary import LINE_ITEM_READ_SCOPE, LINE_ITEM_SCOPE, SCOPES, SCORE_SCOPE
from app.lti.wire import decoded
from app.settings import is_loopback_host


def approval(trial: Trial) -> Iterator[Finding]:
    """Whether people of this LMS are let in."""
    title = "Approved in Tassel"
    if trial.platform.state == "active":
        yield Finding("approval", "good", title, "People of this LMS can open Tassel.")
        return
    yield Finding(
        "approval",
        "warn",
        title,
        "Nobody can open Tassel from this LMS yet.",
        "Compare the addresses, then approve the registration on this page.",
        OURS,
    )


def our_keys(trial: Trial) -> Iterator[Finding]:
    """Whether the public address answers with our own keys, and who read them."""
    title, base = "Tassel's key set", trial.settings.public_url
    try:
        answer = HttpClient((base,)).get(f"{base}/lti/jwks", system="Tassel's public address")
        listed = {str(key.get("kid")) for key in answer.json().get("keys", [])}
    except (UpstreamError, AttributeError):
        yield Finding(
            "our_keys",
            "warn",
            title,
            f"{base}/lti/jwks does not answer when asked from this server itself.",
            "If it answers in a browser outside, only this server cannot see its own public name, and all is well. Else the name, the certificate or the proxy is at fault.",
            OURS,
        )
        return
    if listed != {str(key["kid"]) for key in keys.public_jwks(trial.db)["keys"]}:
        yield Finding(
            "our_keys",
            "bad",
            title,
            f"Another server or a cache answers at {base}/lti/jwks: its keys are not those of this Tassel.",
            "Point the name to this server, and keep caches in front of it to the Cache-Control that is sent.",
            OURS,
        )
        return
    if is_loopback_host(base.partition("://")[2].partition(":")[0]):
        yield Finding(
            "our_keys",
            "warn",
            title,
            f"It answers, but at {base}, which only this machine can reach.",
            "Set TASSEL_PUBLIC_URL to the https address that the LMS can reach, before the first badge is issued.",
            OURS,
        )
        return
    yield Finding("our_keys", "good", title, f"{base}/lti/jwks answers with Tassel's keys.")


def readers(trial: Trial) -> Iterator[Finding]:
    """Who read our key set last."""
    title, seen = "Key set fetched by an LMS", keys.last_fetch(trial.db)
    if seen is None:
        yield Finding(
            "readers",
            "warn",
            title,
            "Nobody but Tassel has fetched the key set so far.",
            trial.lms.advice_on("keys"),
            THEIRS,
        )
        return
    reader, at = seen
    message = f"Last fetched at {at:%Y-%m-%d %H:%M} UTC by: {reader or 'a program without a name'}."
    yield Finding("readers", "good", title, message)


def their_keys(trial: Trial) -> Iterator[Finding]:
    """Whether the LMS's key set can be used."""
    title, url = "Key set of the LMS", trial.platform.jwks_url
    try:
        answer = trial.http.get(url, system=trial.name)
        trial.note_time(answer)
        usable = keysets.usable_keys(answer)
    except UpstreamError as error:
        yield failed("their_keys", title, error, f"Check the key set address: {url}")
        return
    if not usable:
        yield Finding(
            "their_keys",
            "bad",
            title,
            "The key set holds no key that can be used (RSA, for signatures, with a key id).",
            f"Check the key set address: {url}",
            THEIRS,
        )
        return
    yield Finding(
        "their_keys",
        "good",
        title,
        f"It answers with {usable} usable key{'s' if usable > 1 else ''}.",
    )


def token(trial: Trial) -> Iterator[Finding]:
    """Whether the LMS gives a token at all, and for which services."""
    title, asked = "Access to the services", list(trial.platform.scopes_asked or SCOPES)
    try:
        answer = trial.lti.ask_token(trial.platform.id, asked)
        trial.note_time(answer)
        trouble = _trouble(trial, answer)
        if trouble is not None and trouble.kind == "scope":
            trouble = _one_by_one(trial, asked)
        elif trouble is None:
            trial.given = _granted(answer, asked)
    except UpstreamError as error:
        url = trial.platform.token_url
        yield failed("token", title, error, f"Check the token address: {url}")
        return
    if trouble is not None and trial.given is None:
        yield Finding("token", "bad", title, trouble.message, trouble.fix, _who(trouble))
        return
    yield Finding("token", "good", title, "The LMS accepts Tassel's signature and gives a token.")


def _who(trouble: Trouble) -> str:
    return {"audience": OURS, "clock": BOTH}.get(trouble.kind, THEIRS)


def _one_by_one(trial: Trial, asked: list[str]) -> Trouble | None:
    """Some LMSs refuse the whole request for one scope that they do not allow."""
    given, trouble = [], None
    for scope in asked:
        answer = trial.lti.ask_token(trial.platform.id, [scope])
        trouble = _trouble(trial, answer)
        if trouble is None:
            given += _granted(answer, [scope])
    if given:
        trial.given = given
    return trouble


def _trouble(trial: Trial, answer: Response) -> Trouble | None:
    """None when the answer holds a token."""
    try:
        body = decoded(answer)
    except UpstreamError:
        body = None
    if answer.status < 400 and isinstance(body, dict) and body.get("access_token"):
        return None
    seen = keys.last_fetch(trial.db)
    platform = trial.platform
    return explain(
        answer,
        Asked(
            trial.lms,
            trial.name,
            platform.token_url,
            platform.client_id,
            platform.launched_at is not None,
            seen is not None and seen[1] >= trial.started,
        ),
    )


def _granted(answer: Response, asked: list[str]) -> list[str]:
    """The scopes that the answer names; all that were asked for where it names none (RFC 6749 5.1)."""
    said = decoded(answer).get("scope")
    return [one for one in asked if one in said.split()] if isinstance(said, str) else asked


def scopes(trial: Trial) -> Iterator[Finding]:
    """What the token gives of what we want."""
    title = "Permissions"
    if trial.given is None:
        yield Finding("scopes", "skip", title, "Not tried: there is no token.")
        return
    missing = [scope for scope in SCOPES if scope not in trial.given]
    if LINE_ITEM_SCOPE in trial.given or LINE_ITEM_READ_SCOPE in trial.given:
        missing = [scope for scope in missing if scope != LINE_ITEM_READ_SCOPE]
    if not missing:
        yield Finding("scopes", "good", title, "All that Tassel asks for are given.")
        return
    names = ", ".join(scope.rpartition("/")[2] for scope in missing)
    message = f"The token does not give: {names}."
    yield Finding("scopes", "warn", title, message, trial.lms.advice_on("scopes"), THEIRS)


def making(trial: Trial) -> Iterator[Finding]:
    """Told from the permissions only: nothing is made for a test."""
    title = "A column for each badge"
    if trial.given is None:
        yield Finding("making", "skip", title, "Not tried: there is no token.")
    elif {LINE_ITEM_SCOPE, SCORE_SCOPE} <= set(trial.given):
        yield Finding("making", "good", title, "Tassel may make columns and write into them.")
    else:
        message = (
            "Tassel may not make columns, so badges do not show in the gradebook. All else works."
        )
        yield Finding("making", "warn", title, message, trial.lms.advice_on("scopes"), THEIRS)
