"""Contexts are pinned, complete and never fetched; the drift lint names what is not portable."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.credentials import contexts, drift
from app.credentials.proofs import canonical
from app.errors import ConfigurationError, Invalid
from tests.interop.samples import Campus

Change = Callable[[dict[str, Any]], object]


def test_a_context_with_other_bytes_is_refused() -> None:
    name, sha = contexts.PINNED[contexts.OPEN_BADGES]
    assert contexts.read_pinned(name, sha)
    with pytest.raises(ConfigurationError, match="not the pinned one"):
        contexts.read_pinned(name, sha.replace("3", "4"))


def test_a_context_that_is_not_installed_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="not installed"):
        contexts.read_pinned("no-such-context.json", "0" * 64)


def test_the_newest_known_copy_of_the_context_is_pinned(material: Path) -> None:
    import hashlib

    copy = material / "standards/openbadges/context-3.0.3.validator-copy.json"
    digest = hashlib.sha256(copy.read_bytes()).hexdigest()
    assert contexts.PINNED[contexts.OPEN_BADGES][1] == digest


def test_the_loader_opens_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    loaded = canonical.document_loader(contexts.CREDENTIALS, {})
    assert loaded["document"]["@context"]["VerifiableCredential"]
    with pytest.raises(Invalid, match="none is ever fetched"):
        canonical.document_loader("https://www.w3.org/2018/credentials/v1", {})


def test_hashes_used_name_every_context_of_a_badge() -> None:
    used = contexts.hashes_used(Campus().badge())
    assert list(used) == [contexts.CREDENTIALS, contexts.OPEN_BADGES]
    assert all(len(sha) == 64 for sha in used.values())


@pytest.mark.parametrize(
    "declared",
    [None, "https://elsewhere.example/v1", [contexts.CREDENTIALS, {"name": "urn:x"}], [["x"]], 3],
)
def test_inline_and_unknown_contexts_are_refused(declared: object) -> None:
    with pytest.raises(Invalid, match="not one that Tassel knows"):
        contexts.context_urls({"@context": declared})


def test_trimmed_contexts_hold_what_is_used_and_little_else() -> None:
    badge = Campus().badge()
    [flat] = contexts.trim(contexts.context_urls(badge), badge)
    assert {"targetName", "identityHash", "statusListIndex", "evidence"} <= flat.keys()
    assert not {"Address", "proofValue", "endorsementJwt", "BitstringStatusList"} & flat.keys()


def test_scopes_stay_where_a_term_has_two_meanings() -> None:
    badge = Campus().badge()
    badge["credentialSubject"]["result"] = [{"type": ["Result"], "resultDescription": "urn:x:1"}]
    trimmed = contexts.trim(contexts.context_urls(badge), badge)
    assert len(trimmed) == 2
    assert "resultDescription" in trimmed[1]["Result"]["@context"]


def test_what_a_kept_definition_refers_to_is_kept() -> None:
    badge = {"type": ["VerifiableCredential", "AchievementCredential"]}
    [flat] = contexts.trim([contexts.CREDENTIALS, contexts.OPEN_BADGES], badge)
    assert {"AchievementCredential", "OpenBadgeCredential"} <= flat.keys()


def test_a_scope_that_is_cleared_stays_cleared() -> None:
    """In a presentation, `verifiableCredential` forgets the contexts around it."""
    shape = {"type": "VerifiablePresentation", "verifiableCredential": []}
    [flat] = contexts.trim([contexts.CREDENTIALS], shape)
    assert flat["verifiableCredential"]["@context"] is None


def test_what_we_build_is_portable() -> None:
    assert drift.lint(Campus().badge()) == ()


@pytest.mark.parametrize(
    ("change", "code", "where"),
    [
        (lambda d: d.update(awardedDate="2026-09-01T00:00:00Z"), "drifting-term", "awardedDate"),
        (
            lambda d: d["credentialSubject"]["achievement"].update(inLanguage="de"),
            "drifting-term",
            "credentialSubject.achievement.inLanguage",
        ),
        (
            lambda d: d["issuer"].update(endorsementJwt=["a.b.c"]),
            "drifting-term",
            "issuer.endorsementJwt",
        ),
        (lambda d: d.update(jti="urn:x:1"), "drifting-term", "jti"),
        (lambda d: d.update(issuanceDate="2026-09-01T00:00:00Z"), "outdated-term", "issuanceDate"),
        (
            lambda d: d["credentialSubject"]["achievement"]["alignment"][0].update(colour="red"),
            "unmapped-term",
            "colour",
        ),
        (lambda d: d["image"].update(targetName="x"), "unmapped-term", "targetName"),
        (lambda d: d["image"].update(type=["Image", "Picture"]), "unmapped-term", "Picture"),
        (lambda d: d["@context"].append("https://x.example"), "unknown-context", "@context"),
    ],
)
def test_what_verifiers_read_differently_is_named(change: Change, code: str, where: str) -> None:
    badge = Campus().badge()
    change(badge)
    [finding] = drift.lint(badge)
    assert (finding.code, finding.where) == (code, where)
    assert finding.message
