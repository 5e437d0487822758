"""Mail to learners against a real SMTP server."""

from __future__ import annotations

import email
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.delivery import notifications
from app.delivery.notifications import Mailer, MailTarget
from app.delivery.port import AwardFacts, Outcome

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


class Mailbox:
    """Keeps what arrives; answers as a test says."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.refuse: dict[str, str] = {}
        self.data_answer = "250 OK"

    async def handle_RCPT(  # noqa: N802 - the name is the server library's
        self, server: SMTP, session: Any, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Envelope) -> str:  # noqa: N802
        if self.data_answer.startswith("250"):
            content = envelope.content
            assert isinstance(content, bytes)
            message = email.message_from_bytes(content, policy=email.policy.default)
            assert isinstance(message, EmailMessage)
            self.messages.append(message)
            self.recipients += envelope.rcpt_tos
        return self.data_answer


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def server(mailbox: Mailbox) -> Iterator[Callable[..., str]]:
    """Start a server with these options; gives its address without scheme."""
    running: list[Controller] = []

    def start(**options: Any) -> str:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        controller = Controller(mailbox, hostname="127.0.0.1", port=port, **options)
        controller.start()
        running.append(controller)
        return f"127.0.0.1:{port}"

    yield start
    for controller in running:
        controller.stop()


def facts(address: str | None = "ada@example.edu", **changes: Any) -> AwardFacts:
    values = {
        "award_id": "a1",
        "achievement_id": "b1",
        "achievement_name": "Data literacy",
        "achievement_description": "",
        "awarded_at": NOW,
        "course_title": "Introduction to Statistics",
        "course_label": "STAT 101",
        "email": address,
        "learner_sis_id": "S-20841",
        "lms_user_id": "lti-sub-1",
        "page_url": "https://badges.example.edu/courses/c1",
        "credential_url": "https://badges.example.edu/share/secret-token",
    }
    return AwardFacts(**values | changes)


def target(address: str, scheme: str = "smtp", **changes: Any) -> MailTarget:
    mailer = Mailer(f"{scheme}://{address}", changes.get("sender", "Badges <no-reply@example.edu>"))
    return MailTarget(mailer, "en", lambda: NOW, ZoneInfo("Europe/Berlin"))


def send(to: MailTarget, *rows: AwardFacts) -> list[Outcome]:
    batch = [(f"d{number}", row, "create") for number, row in enumerate(rows)]
    found = to.send_many(batch)
    return [found[name] for name, _, _ in batch]


def test_a_message_in_words_and_as_page(server: Callable[..., str], mailbox: Mailbox) -> None:
    (outcome,) = send(target(server()), facts())
    assert (outcome.kind, outcome.remote_ref) == ("sent", "<d0@example.edu>")
    (message,) = mailbox.messages
    assert message["Subject"] == "You earned the badge “Data literacy”"
    assert message["To"] == "ada@example.edu"
    assert message["Message-ID"] == "<d0@example.edu>"
    assert message["Auto-Submitted"] == "auto-generated"
    text = message.get_body(("plain",))
    page = message.get_body(("html",))
    assert text is not None
    assert page is not None
    for part in (text.get_content(), page.get_content()):
        assert "Data literacy" in part
        assert "https://badges.example.edu/courses/c1" in part
        assert "turn these messages off" in part
        for secret in ("secret-token", "S-20841", "lti-sub-1", "score", "%("):
            assert secret not in part
    assert '<html lang="en" dir="ltr">' in page.get_content()


ENDS = datetime(2027, 5, 3, 21, 59, 59, tzinfo=UTC)


def one(to: MailTarget, mailbox: Mailbox, row: AwardFacts, operation: str) -> EmailMessage:
    to.send_many([("d1", row, operation)])
    return mailbox.messages[-1]


def body(message: EmailMessage) -> str:
    text = message.get_body(("plain",))
    assert text is not None
    return str(text.get_content())


def test_a_reminder_names_the_last_day_of_the_campus(
    server: Callable[..., str], mailbox: Mailbox
) -> None:
    to = target(server())
    english = one(to, mailbox, facts(expires_at=ENDS), "remind-14")
    assert english["Subject"] == "Your badge “Data literacy” ends on May 3, 2027"
    assert "valid until the end of May 3, 2027" in body(english)
    assert "turn these messages off" in body(english)
    assert "%(" not in body(english)
    german = one(to, mailbox, facts(expires_at=ENDS, locale="de-AT"), "remind-60")
    assert german["Subject"] == "Ihr Badge „Data literacy“ endet am 3. Mai 2027"
    strange = one(to, mailbox, facts(expires_at=ENDS, locale="xx-unknown"), "remind-60")
    assert "2027-05-03" in body(strange)


def test_who_earns_a_badge_that_ends_reads_when(
    server: Callable[..., str], mailbox: Mailbox
) -> None:
    to = target(server())
    assert "valid until" not in body(one(to, mailbox, facts(), "create"))
    assert "valid until the end of May 3" in body(
        one(to, mailbox, facts(expires_at=ENDS), "create")
    )
    again = one(to, mailbox, facts(expires_at=ENDS, renews=True), "create")
    assert again["Subject"] == "You renewed the badge “Data literacy”"


def test_the_same_delivery_has_the_same_message_id(
    server: Callable[..., str], mailbox: Mailbox
) -> None:
    to = target(server())
    send(to, facts())
    send(to, facts())
    assert len({message["Message-ID"] for message in mailbox.messages}) == 1


def test_the_recipients_language(
    server: Callable[..., str],
    mailbox: Mailbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "ar" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    source = 'msgid "You earned the badge “%(badge)s”"\nmsgstr "حصلت على الشارة “%(badge)s”"\n'
    po = tmp_path / "messages.po"
    head = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'
    po.write_text(head + source, encoding="utf-8")
    with po.open("rb") as read, (folder / "messages.mo").open("wb") as write:
        write_mo(write, read_po(read, locale="ar"))
    monkeypatch.setattr(notifications, "TRANSLATIONS", tmp_path)
    send(target(server()), facts(locale="ar-EG"), facts(locale="xx-unknown"))
    arabic, unknown = mailbox.messages
    assert arabic["Subject"] == "حصلت على الشارة “Data literacy”"
    page = arabic.get_body(("html",))
    assert page is not None
    assert '<html lang="ar-EG" dir="rtl">' in page.get_content()
    assert unknown["Subject"].startswith("You earned")


@pytest.mark.parametrize(
    "address",
    [
        "ada@example.edu\r\nBcc: all@example.edu",
        "ada@example.edu, eve@example.edu",
        "Ada <ada@example.edu>",
        "ada@",
        "ada example@example.edu",
    ],
)
def test_an_address_that_is_more_than_an_address_is_refused(
    server: Callable[..., str], mailbox: Mailbox, address: str
) -> None:
    (outcome,) = send(target(server()), facts(address))
    assert (outcome.kind, outcome.code) == ("never", "bad-address")
    assert mailbox.messages == []


def test_a_badge_name_cannot_add_a_header_or_markup(
    server: Callable[..., str], mailbox: Mailbox
) -> None:
    name = "X\r\nBcc: all@example.edu\r\n\r\n<script>alert(1)</script>"
    send(target(server()), facts(achievement_name=name))
    (message,) = mailbox.messages
    assert message["Bcc"] is None
    assert mailbox.recipients == ["ada@example.edu"]
    page = message.get_body(("html",))
    assert page is not None
    assert "<script>" not in page.get_content()


def test_one_refused_recipient_stops_nobody_else(
    server: Callable[..., str], mailbox: Mailbox
) -> None:
    mailbox.refuse = {"gone@example.edu": "550 no such user", "full@example.edu": "452 full"}
    rows = [facts(one) for one in ("gone@example.edu", "full@example.edu", "ada@example.edu")]
    outcomes = send(target(server()), *rows, facts(None))
    assert [o.kind for o in outcomes] == ["never", "later", "sent", "held"]
    assert [o.status for o in outcomes] == [550, 452, None, None]
    assert mailbox.recipients == ["ada@example.edu"]


@pytest.mark.parametrize(("answer", "kind"), [("451 later", "later"), ("554 spam", "never")])
def test_a_message_refused_as_a_whole(
    server: Callable[..., str], mailbox: Mailbox, answer: str, kind: str
) -> None:
    mailbox.data_answer = answer
    (outcome,) = send(target(server()), facts())
    assert outcome.kind == kind


def test_a_server_that_is_away_is_tried_later() -> None:
    outcomes = send(target("127.0.0.1:1"), facts(), facts())
    assert {(o.kind, o.code) for o in outcomes} == {("later", "mail-unreachable")}
    assert not outcomes[0].attention


def test_a_wrong_password_needs_the_operator(server: Callable[..., str]) -> None:
    address = server(
        authenticator=lambda *_: AuthResult(success=False, handled=False),
        auth_require_tls=False,
    )
    (outcome,) = send(target("user:wrong%2Fpass@" + address), facts())
    assert outcome.attention
    assert outcome.code == "mail-login-refused"
    assert "wrong" not in outcome.message + outcome.raw


def test_a_password_travels_as_it_was_set(server: Callable[..., str]) -> None:
    seen: list[bytes] = []

    def check(_server: Any, _session: Any, _envelope: Any, _kind: str, data: Any) -> AuthResult:
        seen.append(data.password)
        return AuthResult(success=True)

    address = server(authenticator=check, auth_require_tls=False)
    (outcome,) = send(target("user:p%40ss%2F1@" + address), facts())
    assert outcome.kind == "sent"
    assert seen == [b"p@ss/1"]


def certificate(folder: Path) -> Path:
    """A certificate of nobody for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = folder / "mail.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


def test_an_offered_encryption_with_a_bad_certificate_is_no_reason_to_go_without(
    server: Callable[..., str], mailbox: Mailbox, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path))
    (outcome,) = send(target(server(tls_context=context)), facts())
    assert outcome.attention
    assert outcome.code == "mail-bad-certificate"
    assert mailbox.messages == []


def test_the_test_says_whether_it_is_encrypted(server: Callable[..., str]) -> None:
    (line,) = target("u:p@127.0.0.1:1").test()
    assert line.state == "red"
    assert line.url == "127.0.0.1:1"
    (line,) = target(server()).test()
    assert line.state == "amber"


def test_the_preview_is_the_message(server: Callable[..., str]) -> None:
    planned = target("127.0.0.1:1").preview(facts(), "create")
    assert not isinstance(planned, Outcome)
    assert isinstance(planned.payload, bytes)
    assert re.search(rb"^Subject: ", planned.payload, re.MULTILINE)
    held = target("127.0.0.1:1").preview(facts(None), "create")
    assert isinstance(held, Outcome)
    assert held.code == "no-address"
