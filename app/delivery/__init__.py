"""WHERE an award goes: the contract of a target and the one table of targets.

- ``port``           what a target is given, must answer and may raise
- ``course``         full marks in a gradebook column of our own (``columns`` keeps its rows)
- ``sis``            student information systems, one file per adapter
- ``notifications``  mail to the learner

A new kind of target is one file and one line in ``TARGETS``; the pipeline knows no target by name
except the two that are configured by launches and settings instead of a form (course, mail).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from app.db import Database
from app.delivery.columns import ColumnBook
from app.delivery.course import CourseTarget, Gradebook
from app.delivery.notifications import Mailer, MailTarget
from app.delivery.port import Target
from app.delivery.sis import ADAPTERS
from app.delivery.sis.connection import CONNECTION_ID, DATA_DIR, Adapter
from app.http import HttpClient
from app.lti.services import LtiServices
from app.models import Connection
from app.secrets import SecretBox
from app.settings import Settings

COURSE = "course"
MAIL = "mail"


@dataclass(frozen=True)
class Room:
    """What targets are made from; the pipeline hands it in."""

    settings: Settings
    db: Database
    box: SecretBox
    http: HttpClient
    lti: LtiServices
    clock: Callable[[], datetime]


@dataclass(frozen=True)
class TargetKind:
    """One line of the table.

    ``build`` raises AppError when the connection's configuration does not do. ``batch`` deliveries
    are claimed at a time and handed over in parts of ``chunk``; after each part the outcomes are on
    disk, so ``chunk`` is how much a killed worker repeats at most.
    """

    label: str
    build: Callable[[Room, Connection], Target]
    batch: int
    chunk: int


def _course(room: Room, _connection: Connection) -> Target:
    return CourseTarget(Gradebook(room.lti, room.http, ColumnBook(room.db), room.clock))


def _mail(room: Room, _connection: Connection) -> Target:
    host = urlsplit(room.settings.public_url).hostname
    mailer = Mailer(room.settings.smtp_url, room.settings.mail_from or f"no-reply@{host}")
    return MailTarget(mailer, room.settings.locale, room.clock, room.settings.zone)


def _sis(adapter: Adapter) -> Callable[[Room, Connection], Target]:
    def build(room: Room, connection: Connection) -> Target:
        config: dict[str, str] = {key: str(value) for key, value in connection.config.items()}
        config |= {CONNECTION_ID: connection.id, DATA_DIR: str(room.settings.data_dir)}
        return adapter.build(config, _secrets(room.box, connection), room.http)

    return build


def _secrets(box: SecretBox, connection: Connection) -> Mapping[str, str]:
    """The secret fields of a connection in clear; ConfigurationError under a wrong master key."""
    if connection.sealed is None:
        return {}
    return {str(k): str(v) for k, v in json.loads(box.open(connection.sealed)).items()}


TARGETS: dict[str, TargetKind] = {
    COURSE: TargetKind("Course column", _course, batch=200, chunk=50),
    MAIL: TargetKind("Mail", _mail, batch=100, chunk=20),
    **{
        kind: TargetKind(
            adapter.label, _sis(adapter), batch=500, chunk=500 if kind.endswith("csv") else 50
        )
        for kind, adapter in ADAPTERS.items()
    },
}
