"""The state of a login (OAuth 2.0 ``state``): sealed, so that nothing is kept until it is answered.

It carries what the launch has to match under the campus's own key. A login therefore costs no row,
and strangers cannot fill memory with logins; only a launch that proved everything leaves one, by
which the state serves once, across all processes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from sqlalchemy import delete, insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.db import Database, table_of
from app.errors import ConfigurationError, LaunchRefused
from app.models import AnsweredLogin
from app.secrets import SecretBox, token_hash

STATE_LIFE: Final = timedelta(minutes=10)
REOPEN: Final = "Open Tassel again from your course."
PREFIX: Final = "state-"
"""What the library writes before every state."""
LONGEST: Final = 8000
SWEEP_EVERY: Final = 50
"""About every how many launches the answered logins that are over are thrown away."""

Storage = Literal["cookie", "platform", "session"]
"""Where a browser kept the login's secret."""


@dataclass(frozen=True)
class BegunLogin:
    """One login initiation that waits for its launch, as its state carries it.

    ``binding_hash`` is of the secret that the browser has to show again; ``expires`` is in seconds
    since 1970; ``storage_target`` is the LMS's frame that keeps values for us, if any; ``params``
    are the parameters of the login, to begin it again in a new tab (none when they are too long).
    """

    platform_id: str
    nonce: str
    binding_hash: str
    expires: float
    storage_target: str | None
    params: dict[str, str]


def seal(box: SecretBox, begun: BegunLogin) -> str:
    """The state, without the library's prefix; different each time."""
    return box.seal(json.dumps({"login": vars(begun)}, separators=(",", ":")).encode())


def opened(box: SecretBox, state: str, now: datetime) -> BegunLogin:
    """The login behind ``state``. LaunchRefused when it is not ours or took too long."""
    try:
        begun = BegunLogin(**json.loads(box.open(state[:LONGEST].removeprefix(PREFIX)))["login"])
    except (ConfigurationError, ValueError, KeyError, TypeError) as error:
        raise _unknown() from error
    if begun.expires <= now.timestamp():
        raise _unknown()
    return begun


def _unknown() -> LaunchRefused:
    return LaunchRefused(
        "state-unknown", "This launch took too long or was not begun here.", fix=REOPEN
    )


def used() -> LaunchRefused:
    """What somebody reads who sends a launch for the second time."""
    return LaunchRefused("state-used", "This launch was used before.", fix=REOPEN)


def refuse_used(db: Database, state: str) -> None:
    """LaunchRefused when the login of this state was answered."""
    with db.reading() as session:
        if session.get(AnsweredLogin, token_hash(state)) is not None:
            raise used()


_ANSWERED = table_of(AnsweredLogin)
_USE_UP = insert(_ANSWERED)


def use_up(
    session: Session, state: str, begun: BegunLogin, storage: Storage, now: datetime
) -> None:
    """One statement decides which of two equal launches was first, across all processes.

    LaunchRefused for the other one; the transaction is over with that.
    """
    connection = session.connection()
    if now.microsecond % SWEEP_EVERY == 0:
        connection.execute(delete(_ANSWERED).where(_ANSWERED.c.expires_at < now))
    row = {
        "state_hash": token_hash(state),
        "platform_id": begun.platform_id,
        "storage": storage,
        "answered_at": now,
        "expires_at": now + STATE_LIFE,
    }
    try:
        connection.execute(_USE_UP, row)
    except IntegrityError as error:
        raise used() from error
