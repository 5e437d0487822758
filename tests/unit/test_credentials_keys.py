"""Keys and the names under which the world finds them."""

from __future__ import annotations

import hashlib
import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt import PyJWK

from app.credentials import did, keys
from app.errors import Invalid

KEYS = {kind: keys.generate(kind) for kind in keys.KeyKind}

every_kind = pytest.mark.parametrize("kind", list(keys.KeyKind))


@every_kind
def test_a_key_survives_its_storage(kind: keys.KeyKind) -> None:
    key = KEYS[kind]
    again = keys.SigningKey.from_pem(key.to_pem())
    assert (again.kind, again.fragment) == (kind, key.fragment)
    assert key.public.verifies(again.sign(b"data"), b"data")
    assert again.to_pem().startswith(b"-----BEGIN PRIVATE KEY-----")


@every_kind
def test_a_public_key_survives_as_a_jwk(kind: keys.KeyKind) -> None:
    public = KEYS[kind].public
    again = keys.PublicKey.from_jwk(json.loads(json.dumps(public.jwk)))
    assert (again.kind, again.fragment, again.jwk) == (kind, public.fragment, public.jwk)
    assert again.verifies(KEYS[kind].sign(b"data"), b"data")


@every_kind
def test_only_the_signed_data_verifies(kind: keys.KeyKind) -> None:
    key = KEYS[kind]
    signature = key.sign(b"data")
    assert key.public.verifies(signature, b"data")
    assert not key.public.verifies(signature, b"date")
    assert not key.public.verifies(signature[:-1], b"data")
    assert not key.public.verifies(b"", b"data")
    assert not keys.generate(kind).public.verifies(signature, b"data")


@every_kind
def test_a_foreign_library_reads_the_jwk(kind: keys.KeyKind) -> None:
    """And verifies with it: the JOSE form of a signature is the one that others expect."""
    key = KEYS[kind]
    loaded = PyJWK(key.public.jwk, algorithm=kind.algorithm)
    assert loaded.Algorithm.verify(b"data", loaded.key, key.sign(b"data"))


@every_kind
def test_nothing_private_is_shown(kind: keys.KeyKind) -> None:
    key = KEYS[kind]
    assert not {"d", "p", "q", "dp", "dq", "qi"} & key.public.jwk.keys()
    assert repr(key) == f"SigningKey({kind.value}, {key.fragment})"


def test_the_multikey_starts_as_its_kind_demands() -> None:
    assert KEYS[keys.KeyKind.ED25519].fragment.startswith("z6Mk")
    assert KEYS[keys.KeyKind.P256].fragment.startswith("zDn")
    assert KEYS[keys.KeyKind.RSA_2048].public.multikey is None


def test_the_thumbprint_is_the_one_of_the_rfc() -> None:
    """RFC 8037, appendix A.3: the thumbprint of the key of appendix A.2."""
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    public = keys.PublicKey.from_jwk(jwk)
    assert public.thumbprint == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@pytest.mark.parametrize("pem", [b"", b"junk", KEYS[keys.KeyKind.P256].to_pem()[:60]])
def test_a_damaged_private_key_is_refused(pem: bytes) -> None:
    with pytest.raises(Invalid, match="PEM"):
        keys.SigningKey.from_pem(pem)


def test_weak_and_foreign_keys_are_refused() -> None:
    weak = rsa.generate_private_key(65537, 1024)
    foreign = ec.generate_private_key(ec.SECP384R1())
    for private in (weak, foreign):
        pem = private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        with pytest.raises(Invalid, match="can sign"):
            keys.SigningKey.from_pem(pem)


@pytest.mark.parametrize(
    "jwk",
    [
        {},
        {"kty": "oct", "k": "AAAA"},
        {"kty": "OKP", "crv": "X25519", "x": "AAAA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
        {"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"},
        {"kty": "EC", "crv": "P-384", "x": "AAAA", "y": "AAAA"},
        {"kty": "RSA", "n": "AAAA"},
    ],
)
def test_what_is_no_public_key_is_refused(jwk: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        keys.PublicKey.from_jwk(jwk)


@pytest.mark.parametrize(
    ("public_url", "expected", "path"),
    [
        ("https://b.example", "did:web:b.example:issuers:cs", "/issuers/cs/did.json"),
        ("https://B.Example/", "did:web:b.example:issuers:cs", "/issuers/cs/did.json"),
        ("https://b.example:8443", "did:web:b.example%3A8443:issuers:cs", "/issuers/cs/did.json"),
        ("http://127.0.0.1:8080", "did:web:127.0.0.1%3A8080:issuers:cs", "/issuers/cs/did.json"),
        (
            "https://b.example/tassel/x",
            "did:web:b.example:tassel:x:issuers:cs",
            "/tassel/x/issuers/cs/did.json",
        ),
    ],
)
def test_the_did_is_in_path_form(public_url: str, expected: str, path: str) -> None:
    assert did.did_for(public_url, "cs") == expected
    assert did.did_url_path(expected) == path


def test_a_did_without_path_stands_in_the_well_known_place() -> None:
    assert did.did_url_path("did:web:b.example#key") == "/.well-known/did.json"


@pytest.mark.parametrize("url", ["", "b.example", "ftp://b.example", "https://", "https://b?x=1"])
def test_an_address_that_is_none_has_no_did(url: str) -> None:
    with pytest.raises(Invalid):
        did.did_for(url, "cs")


@pytest.mark.parametrize("slug", ["", "CS", "a b", "-a", "a-", "a:b", "../x", "ä", "a" * 65])
def test_a_slug_that_would_break_the_did_is_refused(slug: str) -> None:
    with pytest.raises(Invalid):
        did.did_for("https://b.example", slug)


@pytest.mark.parametrize("name", ["did:key:z6Mk", "did:web", "https://b.example", ""])
def test_other_methods_have_no_path(name: str) -> None:
    with pytest.raises(Invalid):
        did.did_url_path(name)


def test_every_key_may_assert_under_its_exact_id() -> None:
    name = did.did_for("https://b.example", "cs")
    document = did.did_document(name, [key.public for key in KEYS.values()])
    ids = [method["id"] for method in document["verificationMethod"]]
    assert document["id"] == name
    assert document["assertionMethod"] == ids
    assert ids == [f"{name}#{key.fragment}" for key in KEYS.values()]
    assert {method["controller"] for method in document["verificationMethod"]} == {name}


def test_each_kind_is_published_in_the_form_that_its_verifiers_read() -> None:
    name = did.did_for("https://b.example", "cs")
    document = did.did_document(name, [key.public for key in KEYS.values()])
    forms = dict(zip(KEYS, document["verificationMethod"], strict=True))
    assert forms[keys.KeyKind.ED25519]["publicKeyMultibase"].startswith("z6Mk")
    for kind in (keys.KeyKind.RSA_2048, keys.KeyKind.P256):
        assert forms[kind]["type"] == "JsonWebKey"
        assert forms[kind]["publicKeyJwk"] == KEYS[kind].public.jwk


def test_the_key_set_names_issuer_and_use() -> None:
    name = did.did_for("https://b.example", "cs")
    [jwk] = did.jwks(name, [KEYS[keys.KeyKind.P256].public])["keys"]
    assert (jwk["iss"], jwk["alg"], jwk["use"]) == (name, "ES256", "sig")
    assert jwk["kid"] == f"{name}#{KEYS[keys.KeyKind.P256].fragment}"


def test_a_thumbprint_is_the_hash_of_the_sorted_members() -> None:
    public = KEYS[keys.KeyKind.RSA_2048].public
    text = f'{{"e":"{public.jwk["e"]}","kty":"RSA","n":"{public.jwk["n"]}"}}'
    assert public.thumbprint == keys.base64url(hashlib.sha256(text.encode()).digest())
