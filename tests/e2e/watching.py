"""What must not be seen while somebody works: tokens in addresses or stores, complaints, refusals."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, unquote

from playwright.sync_api import BrowserContext, Request

from tests.e2e.driving import Place

STORED = """() => {
  const found = [];
  for (const name of ["sessionStorage", "localStorage"]) {
    try { found.push(...Object.entries(window[name]).flat()); } catch { /* nothing is stored */ }
  }
  return found;
}"""
FIELDS = {"code", "binding", "id_token"}
"""Fields of forms whose values let somebody in."""


class Watch:
    """Hears every request and every complaint of a browser context."""

    def __init__(self, context: BrowserContext) -> None:
        self.addresses: list[str] = []
        self.secrets: set[str] = set()
        self.complaints: list[str] = []
        context.on("request", self._request)
        context.on("console", self._console)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))

    def _console(self, said: Any) -> None:
        if said.type in ("error", "warning"):
            self.complaints.append(said.text)

    def _request(self, request: Request) -> None:
        self.addresses.append(unquote(request.url))
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            self.secrets.add(token)
        body = request.post_data_buffer or b""
        fields = dict(parse_qsl(body.decode("utf-8", "replace")))
        self.secrets |= {value for name, value in fields.items() if name in FIELDS}

    def check(self, place: Place) -> None:
        """Nothing that lets somebody in stands in an address or in a store of this document."""
        assert all(len(one) > 20 for one in self.secrets), "these are no secrets"
        for address in self.addresses:
            assert not [one for one in self.secrets if one in address], address
        stored = json.dumps(place.run(STORED))
        assert not [one for one in self.secrets if one in stored], stored
        assert stored == "[]", "a launch leaves nothing behind"
