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

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

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
    web_workers: int = Field(1, ge=1, le=64, description="Processes of the web server.")
    web_threads: int = Field(8, ge=1, le=128, description="Threads of each web process.")
    collect_minutes: int = Field(
        60, ge=1, le=10080, description="Minutes between two scheduled readings of a course."
    )
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
