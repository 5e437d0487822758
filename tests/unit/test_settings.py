"""Settings: every problem at once, secrets from files, defaults that fit one machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.settings import Settings, load


def test_defaults_start_on_one_machine() -> None:
    settings = load({})
    assert settings.public_url == "http://127.0.0.1:8080"
    assert settings.database.startswith("sqlite:///")
    assert settings.allowed_origins == ()


def test_every_problem_is_listed_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(
            {
                "TASSEL_PUBLIC_URL": "http://badges.example.edu",
                "TASSEL_DATABASE_URL": "mysql://x",
                "TASSEL_TIME_ZONE": "Middle/Earth",
                "TASSEL_WEB_THREADS": "many",
                "TASSEL_TYPO": "1",
                "TASSEL_MASTER_KEY_FILE": str(tmp_path / "missing"),
                "TASSEL_TRUSTED_PROXIES": "10.0.0.0/8, nonsense",
                "TASSEL_ALLOWED_ORIGINS": "http://lms.campus/path",
                "TASSEL_BIND": "8080",
            }
        )
    text = "\n".join(caught.value.problems)
    for name in (
        "PUBLIC_URL",
        "DATABASE_URL",
        "TIME_ZONE",
        "WEB_THREADS",
        "TYPO",
        "MASTER_KEY_FILE",
        "TRUSTED_PROXIES",
        "ALLOWED_ORIGINS",
        "BIND",
    ):
        assert f"TASSEL_{name}" in text


def test_a_secret_comes_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("A" * 43 + "=\n")
    assert load({"TASSEL_MASTER_KEY_FILE": str(path)}).master_key == "A" * 43 + "="


@pytest.mark.parametrize(
    "url",
    ["https://badges.example.edu/path", "ftp://x", "badges.example.edu", "https://x/?a=1", ""],
)
def test_a_public_address_is_an_https_origin(url: str) -> None:
    with pytest.raises(ConfigurationError):
        load({"TASSEL_PUBLIC_URL": url})


def test_every_setting_says_what_it_is() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name


OIDC = {
    "TASSEL_OIDC_ISSUER": "https://login.example.edu",
    "TASSEL_OIDC_CLIENT_ID": "tassel",
    "TASSEL_OIDC_CLIENT_SECRET": "secret",
    "TASSEL_OIDC_OPERATORS": "Ada@Example.edu, group:IT, u-1",
}


def test_campus_sign_in_is_whole_or_not_there() -> None:
    found = load(OIDC)
    assert found.oidc_operators == ("ada@example.edu", "group:IT", "u-1")
    assert load({}).oidc_issuer == ""


@pytest.mark.parametrize("missing", sorted(OIDC))
def test_campus_sign_in_says_what_is_missing(missing: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load({name: value for name, value in OIDC.items() if name != missing})
    assert "TASSEL_OIDC_" in str(refused.value)


@pytest.mark.parametrize(
    "issuer", ["login", "http://login.example.edu", "https://login.example.edu?x=1", "https://"]
)
def test_campus_sign_in_needs_a_secure_address(issuer: str) -> None:
    with pytest.raises(ConfigurationError):
        load(OIDC | {"TASSEL_OIDC_ISSUER": issuer})


def test_a_group_needs_a_name() -> None:
    with pytest.raises(ConfigurationError):
        load(OIDC | {"TASSEL_OIDC_OPERATORS": "group:"})
