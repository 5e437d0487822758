"""Authorisations to read grades that end while somebody reads with them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography.fernet import Fernet

from app.db import Database
from app.errors import UpstreamError
from app.gradebook.grants import Grants, lost
from app.secrets import SecretBox


def test_one_that_was_disconnected_during_a_reading_is_lost_like_any_other(db: Database) -> None:
    grants = Grants(db, SecretBox([Fernet.generate_key().decode()]), lambda: datetime.now(UTC))
    for use in (lambda: grants.token("gone", None), lambda: grants.lose("gone")):  # type: ignore[arg-type]
        with pytest.raises(UpstreamError) as refused:
            use()
        assert refused.value.code == lost("").code
