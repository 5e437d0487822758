"""Every error that Tassel raises on purpose. No HTTP objects here: ``web.errors`` maps kinds to status codes.

A message is written for the person who can act: what happened, how to fix it, who can.
"""

from __future__ import annotations


class AppError(Exception):
    """Base of all expected failures.

    ``code`` is stable and machine-readable (kebab-case); ``message`` is plain English for logs and
    pages; ``fix`` says what to do and who can do it (may be empty).
    """

    def __init__(self, code: str, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fix = fix


class NotFound(AppError):
    """The thing does not exist, or the caller may not know that it does."""


class Forbidden(AppError):
    """The caller is known and may not do this."""


class Unauthenticated(AppError):
    """Nobody, or no longer anybody, is signed in."""


class Invalid(AppError):
    """The input cannot be accepted. ``fields`` maps a field name to its message."""

    def __init__(
        self, code: str, message: str, *, fix: str = "", fields: dict[str, str] | None = None
    ) -> None:
        super().__init__(code, message, fix=fix)
        self.fields = fields or {}


class Conflict(AppError):
    """The request is fine but the present state refuses it."""


class LaunchRefused(AppError):
    """An LTI login or launch failed a check (LTI 1.3 core, security section)."""


class UpstreamError(AppError):
    """Another system failed us.

    ``system`` names it for people ("Moodle", "Campus SIS"); ``permanent`` says that the same
    request will fail again; ``status`` is the HTTP status if one came; ``retry_after`` in seconds
    if the peer asked for it; ``body`` is at most 2,000 characters of what it said.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        system: str,
        permanent: bool,
        fix: str = "",
        status: int | None = None,
        retry_after: float | None = None,
        body: str = "",
    ) -> None:
        super().__init__(code, message, fix=fix)
        self.system = system
        self.permanent = permanent
        self.status = status
        self.retry_after = retry_after
        self.body = body[:2000]


class ConfigurationError(AppError):
    """Tassel cannot start or run as configured; ``problems`` lists every reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("configuration", "Tassel cannot start:\n- " + "\n- ".join(problems))
        self.problems = problems
