"""How an administrator adds Tassel by hand, as data in the words of one LMS.

The operator's form, the page for the LMS's administrator and the reading of pasted details are all
driven by it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Value:
    """Something to enter in the LMS. ``label``: the LMS's own name of the field."""

    label: str
    value: str

    @property
    def is_long(self) -> bool:
        """Whether it has several lines."""
        return "\n" in self.value


@dataclass(frozen=True)
class Step:
    """One thing to do, and what to enter there."""

    text: str
    values: tuple[Value, ...] = ()
    choices: tuple[Value, ...] = ()
    """Settings to choose from a list: nothing to copy."""


@dataclass(frozen=True)
class Shown:
    """What the LMS shows back. ``field``: our name of it; ``label``: the LMS's own."""

    field: str
    label: str
    hint: str = ""


@dataclass(frozen=True)
class Guide:
    """The whole way by hand."""

    steps: tuple[Step, ...]
    shown: tuple[Shown, ...]
    """In the order in which the LMS shows it."""
    note: str = ""


STANDARD_SHOWN = (
    Shown("issuer", "Issuer (platform id)"),
    Shown("client_id", "Client id"),
    Shown("deployment_id", "Deployment id", "Optional: others are listed when they first launch."),
    Shown("auth_url", "Authentication request address"),
    Shown("token_url", "Access token address"),
    Shown("jwks_url", "Public keyset address"),
    Shown("token_audience", "Token audience", "Only where the LMS names one."),
)
"""The words of the standard."""
