"""Configuration: typed, from the environment only, each default fit for one machine on loopback.

Every setting ``X`` can also be given as a file name in ``X_FILE`` (container secrets). Reading
collects every problem and refuses to start with the whole list.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from app.errors import ConfigurationError

PREFIX = "TASSEL_"


def _split(value: object) -> object:
    """Turn a comma separated environment value into a tuple."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Words = Annotated[tuple[str, ...], BeforeValidator(_split)]


class Settings(BaseModel):
    """All settings of one Tassel process. The description of each field is its documentation."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    public_url: str = Field(
        "http://127.0.0.1:8080",
        description="Address under which people and verifiers reach Tassel. Fixed at the first issue: credentials name it for ever.",
    )
    bind: str = Field("127.0.0.1:8080", description="Host and port that the web server listens on.")
    data_dir: Path = Field(
        Path("data"), description="Folder for the SQLite database, generated key and file drops."
    )
    database_url: str = Field(
        "",
        description="SQLAlchemy address. Empty: SQLite in the data folder. PostgreSQL: postgresql+psycopg://user:password@host/name.",
    )
    master_key: str = Field(
        "",
        description="Encrypts stored secrets: 32 bytes as URL-safe base64; several comma separated keys rotate (first one encrypts). Empty: made beside the data with a warning.",
    )
    trusted_proxies: Words = Field(
        (), description="Comma separated networks whose X-Forwarded-* headers count."
    )
    allowed_origins: Words = Field(
        (),
        description="Comma separated exact origins that may be contacted although they are not public https addresses (an LMS in the campus network).",
    )
    time_zone: str = Field("UTC", description="Zone of the campus, for dates and windows.")
    locale: str = Field("en", description="Language of pages when neither LMS nor browser says.")
    campus_name: str = Field("Our campus", description="Name shown as issuer until one is set up.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe log line written."
    )
    smtp_url: str = Field(
        "",
        description="Mail server, smtp://user:password@host:port or smtps://. Empty: no mail is sent and the pages say so.",
    )
    mail_from: str = Field("", description="Sender address of notifications.")
    reminder_days: Annotated[tuple[int, ...], BeforeValidator(_split)] = Field(
        (60, 14),
        description="Comma separated: so many days before its end a learner is reminded by mail of a badge that can be renewed. Empty: no reminders.",
    )
    web_workers: int = Field(1, ge=1, le=64, description="Processes of the web server.")
    web_threads: int = Field(8, ge=1, le=128, description="Threads of each web process.")
    signing_processes: int = Field(
        2,
        ge=1,
        le=64,
        description="Processes that sign while more than a thousand badges wait, the worker being one.",
    )
    collect_minutes: int = Field(
        60, ge=1, le=10080, description="Minutes between two scheduled readings of a course."
    )
    lti_key_days: int = Field(
        365,
        ge=0,
        le=3650,
        description="Days after which the key that LMSs know Tassel by is followed by a new one. 0: only by hand.",
    )
    oidc_issuer: str = Field(
        "",
        description="Issuer of the campus's OpenID Connect provider: operators sign in there. Empty: only by tassel admin link.",
    )
    oidc_client_id: str = Field("", description="Tassel's client id at that provider.")
    oidc_client_secret: str = Field("", description="Tassel's client secret at that provider.")
    oidc_operators: Words = Field(
        (),
        description="Comma separated: who comes in as operator. Subjects, verified e-mail addresses, or group:NAME.",
    )
    oidc_approvers: Words = Field(
        (), description="Likewise, who comes in to approve badges for issuers, and nothing else."
    )
    oidc_sis_administrators: Words = Field(
        (), validate_default=True, description="Likewise, who comes in as SIS administrator."
    )
    vault_url: str = Field(
        "",
        description="Address of a HashiCorp Vault whose transit engine makes and keeps the issuers' new signing keys. Empty: they live in the database under the master key.",
    )
    vault_token: str = Field(
        "", validate_default=True, description="Token that may create, read and sign with keys."
    )
    vault_mount: str = Field("transit", description="Where the transit engine is mounted.")
    vault_namespace: str = Field("", description="Namespace (Vault Enterprise). Empty: none.")
    drain_seconds: int = Field(
        20, ge=1, le=600, description="Seconds given to running work when the service stops."
    )

    @field_validator("public_url")
    @classmethod
    def _public_url(cls, value: str) -> str:
        """An origin without path; https unless it is this machine."""
        parts = urlsplit(value)
        if not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError("must be an origin such as https://badges.example.edu, without a path")
        if parts.scheme != "https" and not is_loopback_host(parts.hostname):
            raise ValueError("must begin with https:// (plain http works on this machine only)")
        return value.rstrip("/")

    @field_validator("bind")
    @classmethod
    def _bind(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit() or not 0 <= int(port) <= 65535:
            raise ValueError("must be host:port, for example 0.0.0.0:8080")
        return value

    @field_validator("database_url")
    @classmethod
    def _database_url(cls, value: str) -> str:
        if value and not value.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError("must begin with sqlite:/// or postgresql+psycopg://")
        return value

    @field_validator("time_zone")
    @classmethod
    def _time_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("must be a zone name such as Europe/Berlin")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _trusted_proxies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for part in value:
            try:
                ip_network(part)
            except ValueError as error:
                raise ValueError(f"{part!r} is not a network such as 10.0.0.0/8") from error
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _allowed_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for part in value:
            parts = urlsplit(part)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.path:
                raise ValueError(f"{part!r} is not an exact origin such as http://lms.campus:8081")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _smtp_url(cls, value: str) -> str:
        if value and urlsplit(value).scheme not in ("smtp", "smtps"):
            raise ValueError("must begin with smtp:// or smtps://")
        return value

    @field_validator("reminder_days")
    @classmethod
    def _reminder_days(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(not 1 <= days <= 365 for days in value):
            raise ValueError("must be days from 1 to 365, for example 60,14")
        return tuple(sorted(set(value), reverse=True))

    @field_validator("vault_url")
    @classmethod
    def _vault_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query):
            raise ValueError("must be an address such as https://vault.example.edu:8200")
        if parts.scheme == "http" and not is_loopback_host(parts.hostname or ""):
            raise ValueError("must begin with https:// (plain http works on this machine only)")
        return value.rstrip("/")

    @field_validator("vault_token")
    @classmethod
    def _vault_is_whole(cls, value: str, info: ValidationInfo) -> str:
        """The vault needs its token."""
        if info.data.get("vault_url") and not value:
            raise ValueError("the vault needs TASSEL_VAULT_TOKEN (or TASSEL_VAULT_TOKEN_FILE)")
        return value

    @field_validator("oidc_operators", "oidc_approvers", "oidc_sis_administrators")
    @classmethod
    def _listed(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Addresses are compared in lower case; a group needs a name."""
        if "group:" in value:
            raise ValueError("group: needs the name of a group after it")
        return tuple(
            one if one.startswith("group:") or "@" not in one else one.lower() for one in value
        )

    @field_validator("oidc_sis_administrators")
    @classmethod
    def _oidc_is_whole(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        """The settings of the sign-in are given together or not at all."""
        given = info.data
        issuer = str(given.get("oidc_issuer", ""))
        parts = (given.get("oidc_client_id"), given.get("oidc_client_secret"))
        listed = value or given.get("oidc_operators") or given.get("oidc_approvers")
        if not issuer:
            if any(parts) or listed:
                raise ValueError("the campus sign-in needs TASSEL_OIDC_ISSUER")
            return value
        where = urlsplit(issuer)
        if not where.hostname or where.query or where.fragment:
            raise ValueError(
                "TASSEL_OIDC_ISSUER must be an address such as https://login.example.edu"
            )
        if where.scheme != "https" and not is_loopback_host(where.hostname):
            raise ValueError("TASSEL_OIDC_ISSUER must begin with https://")
        if not all(parts):
            raise ValueError("the campus sign-in needs TASSEL_OIDC_CLIENT_ID and _CLIENT_SECRET")
        if not listed:
            raise ValueError("the campus sign-in needs somebody in TASSEL_OIDC_OPERATORS")
        return value

    @property
    def database(self) -> str:
        """SQLAlchemy address in force."""
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / 'tassel.db'}"

    @property
    def zone(self) -> ZoneInfo:
        """The campus time zone."""
        return ZoneInfo(self.time_zone)

    @property
    def proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Networks whose forwarded headers are believed."""
        return tuple(ip_network(part) for part in self.trusted_proxies)


def is_loopback_host(host: str) -> bool:
    """True for the names of this machine (browsers treat these as secure contexts)."""
    return host in ("localhost", "127.0.0.1", "::1") or host.endswith(".localhost")


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from ``environ`` (default: the process environment).

    Raises ConfigurationError that lists every unreadable file, unknown name and bad value.
    """
    source = os.environ if environ is None else environ  # noqa: TID251 - the one place
    values: dict[str, object] = {}
    problems: list[str] = []
    for name, value in source.items():
        if name.startswith(PREFIX) and not name.startswith((PREFIX + "TEST_", PREFIX + "DEMO_")):
            _collect(name, value, values, problems)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        problems += [_sentence(detail["loc"], detail["msg"]) for detail in error.errors()]
    if problems:
        raise ConfigurationError(problems)
    return settings


def _collect(name: str, value: str, values: dict[str, object], problems: list[str]) -> None:
    """Put one variable (or the file it names) into ``values``; say what is wrong in ``problems``."""
    field = name.removeprefix(PREFIX).lower()
    if field not in Settings.model_fields and field.endswith("_file"):
        field = field.removesuffix("_file")
        try:
            value = Path(value).read_text(encoding="utf-8").strip()
        except OSError as error:
            problems.append(f"{name}: cannot read the file {value!r} ({error.strerror})")
            return
    if field not in Settings.model_fields:
        problems.append(f"{name}: no such setting (see the list in README.md)")
        return
    values[field] = value


def _sentence(loc: tuple[int | str, ...], message: str) -> str:
    """One problem as 'TASSEL_X: what is wrong'."""
    return f"{PREFIX}{str(loc[0]).upper()}: {message.removeprefix('Value error, ')}"
