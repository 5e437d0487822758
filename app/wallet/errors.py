"""A refusal in the words of OpenID4VCI and OAuth 2."""

from __future__ import annotations

from app.errors import AppError


class WalletRefused(AppError):
    """``code`` is the ``error`` of the specification; ``status`` the HTTP status it asks for."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(code, message)
        self.status = status


def invalid_token() -> WalletRefused:
    """An access token that is unknown, used up or over (RFC 6750, section 3.1)."""
    return WalletRefused("invalid_token", "This access token is not, or no longer, valid.", 401)
