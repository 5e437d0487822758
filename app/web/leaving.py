"""The way of one browser to somebody else's sign-in, from which only that browser may come back."""

from __future__ import annotations

from datetime import timedelta

from flask import Response, make_response


def leave(page: str, url: str, cookie: str, binding: str, life: timedelta) -> Response:
    """On to ``url``, with ``binding`` in a cookie of the name ``cookie`` for as long as ``life``.

    By a refreshing page instead of a redirect: our content policy lets forms go to ourselves only,
    also by redirects.

    :param page: HTML that says where it goes, for whoever has to click.
    """
    answer = make_response(page)
    answer.headers["Refresh"] = f"0; url={url}"
    answer.set_cookie(
        cookie,
        binding,
        max_age=int(life.total_seconds()),
        secure=True,
        httponly=True,
        samesite="Lax",
        path="/",
    )
    return answer
