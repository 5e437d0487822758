"""Target "mail": plain messages to learners about their badges; ``mail_texts`` has the words.

No grade, no token and no link that opens anything by itself: the addresses in it lead to the
course's page, which only somebody who comes from the LMS can see. A mail is
at-least-once; the ``Message-ID`` follows from the delivery, so a double is recognised by mailboxes.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.support import Translations

from app.delivery import mail_texts
from app.delivery.mail_texts import Translate
from app.delivery.port import RAW_LIMIT, AwardFacts, Outcome, Planned, TestLine
from app.settings import is_loopback_host

TIMEOUT = 20.0
TRANSLATIONS = Path(__file__).parents[1] / "translations"
OPERATOR = "the operator of this server"
_ADDRESS = re.compile(r"[^\s<>,;:\"()\[\]\\@\x00-\x20\x7f]+@[^\s<>,;:\"()\[\]\\@\x00-\x20\x7f]+")


@dataclass(frozen=True)
class Mailer:
    """Where mail is handed in. ``url`` is ``smtp[s]://[user:password@]host[:port]``."""

    url: str
    sender: str

    @contextmanager
    def connected(self) -> Iterator[smtplib.SMTP]:
        """A session ready for messages, encrypted whenever the server offers it.

        Raises smtplib.SMTPException and OSError; MissingTls rather than send a password in clear.
        """
        parts = urlsplit(self.url)
        host = parts.hostname or "localhost"
        smtp = self._dial(parts.scheme, host, parts.port)
        try:
            smtp.ehlo()
            if parts.scheme == "smtp" and smtp.has_extn("starttls"):
                smtp.starttls(context=ssl.create_default_context())
                smtp.ehlo()
            if parts.username:
                if not isinstance(smtp.sock, ssl.SSLSocket) and not is_loopback_host(host):
                    raise MissingTls(f"{host} offers no encryption")
                smtp.login(unquote(parts.username), unquote(parts.password or ""))
            yield smtp
        finally:
            with suppress(smtplib.SMTPException, OSError):
                smtp.quit()
            smtp.close()

    def _dial(self, scheme: str, host: str, port: int | None) -> smtplib.SMTP:
        if scheme == "smtps":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(host, port or 465, timeout=TIMEOUT, context=context)
        return smtplib.SMTP(host, port or 25, timeout=TIMEOUT)


class MissingTls(smtplib.SMTPException):
    """The server wants a password and offers no encryption."""


class MailTarget:
    """The mailboxes of learners, through one mail server."""

    kind = "mail"

    def __init__(
        self, mailer: Mailer, locale: str, clock: Callable[[], datetime], zone: ZoneInfo
    ) -> None:
        """``locale`` is used for people whose language is not known; ``clock`` gives aware UTC;
        days are written in ``zone``."""
        self._mailer, self._locale, self._clock, self._zone = mailer, locale, clock, zone

    def test(self) -> list[TestLine]:
        """Connect, encrypt and sign in; no message is sent."""
        name, where = "Mail server", self._mailer.url.rpartition("@")[2]
        try:
            with self._mailer.connected() as smtp:
                smtp.noop()
                secure = isinstance(smtp.sock, ssl.SSLSocket)
        except (OSError, smtplib.SMTPException) as error:
            why = trouble(error)
            return [TestLine(name, "red", why.message, why.fix, where)]
        if secure:
            return [TestLine(name, "green", "Connected, encrypted.", url=where)]
        fix = "Let the mail server offer STARTTLS, or use smtps://."
        return [TestLine(name, "amber", "Connected, but not encrypted.", fix, where)]

    def preview(self, facts: AwardFacts, operation: str) -> Planned | Outcome:
        """The message as it would be handed in."""
        problem = _refusal(facts, operation)
        if problem is not None:
            return problem
        message = self._message("preview", facts, operation)
        return Planned("create", "SMTP", self._mailer.sender, message.as_bytes(), "One mail")

    def fetch(self, remote_ref: str) -> dict[str, Any] | None:
        """Nothing can be read back from a mailbox."""
        del remote_ref
        return None

    def send_many(self, batch: Sequence[tuple[str, AwardFacts, str]]) -> Mapping[str, Outcome]:
        """One message each over one session; the server's trouble puts the rest off."""
        outcomes: dict[str, Outcome] = {}
        ready: list[tuple[str, AwardFacts, str]] = []
        for delivery_id, facts, operation in batch:
            problem = _refusal(facts, operation)
            if problem is None:
                ready.append((delivery_id, facts, operation))
            else:
                outcomes[delivery_id] = problem
        try:
            if ready:
                with self._mailer.connected() as smtp:
                    for delivery_id, facts, operation in ready:
                        outcomes[delivery_id] = self._one(smtp, delivery_id, facts, operation)
        except (OSError, smtplib.SMTPException) as error:
            why = trouble(error)
            for delivery_id, _, _ in ready:
                if delivery_id not in outcomes:
                    outcomes[delivery_id] = why
                    why = replace(why, tried=False)
        return outcomes

    def _one(
        self, smtp: smtplib.SMTP, delivery_id: str, facts: AwardFacts, operation: str
    ) -> Outcome:
        """Hand in one message. Raises what concerns the server rather than this recipient."""
        message = self._message(delivery_id, facts, operation)
        try:
            smtp.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            return _refused_recipient(code, text)
        except smtplib.SMTPDataError as error:
            return _refused_recipient(error.smtp_code, error.smtp_error)
        except smtplib.SMTPNotSupportedError:
            return _refused_recipient(553, b"the mail server cannot take this address")
        return Outcome(
            "sent",
            "mail-accepted",
            "The mail server took the message.",
            remote_ref=str(message["Message-ID"]),
        )

    def _message(self, delivery_id: str, facts: AwardFacts, operation: str) -> EmailMessage:
        locale = facts.locale or self._locale
        gettext = translator(locale)
        values = {
            "badge": _line(facts.achievement_name),
            "course": _line(facts.course_title or facts.course_label),
            "page": facts.page_url or "",
            "reason": facts.revoke_reason or "",
            "day": self._last_day(facts, locale),
        }
        message = EmailMessage()
        words = mail_texts.text(operation, mail_texts.Why.of(facts), gettext)
        message["Subject"] = words.subject % values
        message["From"] = self._mailer.sender
        message["To"] = facts.email
        message["Date"] = format_datetime(self._clock())
        domain = parseaddr(self._mailer.sender)[1].rpartition("@")[2] or "localhost"
        message["Message-ID"] = f"<{delivery_id}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message["Content-Language"] = locale.replace("_", "-")
        paragraphs = [text % values for text in words.paragraphs]
        message.set_content("\n\n".join(paragraphs) + "\n")
        message.add_alternative(_html(paragraphs, locale, str(values["page"])), subtype="html")
        return message

    def _last_day(self, facts: AwardFacts, locale: str) -> str:
        """The last day of the badge as the reader writes it; empty when it never ends."""
        if facts.expires_at is None:
            return ""
        day = facts.expires_at.astimezone(self._zone).date()
        try:
            return str(format_date(day, format="long", locale=locale.replace("-", "_")))
        except (ValueError, UnknownLocaleError):
            return day.isoformat()


def _html(paragraphs: Sequence[str], locale: str, page: str) -> str:
    """The same words as a page without pictures, styles or anything fetched."""
    body = "".join(f"<p>{escape(text)}</p>" for text in paragraphs)
    if page:
        body = body.replace(escape(page), f'<a href="{escape(page)}">{escape(page)}</a>')
    try:
        direction = Locale.parse(locale.replace("-", "_")).text_direction
    except (ValueError, UnknownLocaleError):
        direction = "ltr"
    language = escape(locale.replace("_", "-"))
    return f'<!doctype html><html lang="{language}" dir="{direction}"><body>{body}</body></html>'


def translator(locale: str) -> Translate:
    """The texts of one language; English where there is no translation."""
    name = locale.replace("-", "_")
    found = Translations.load(TRANSLATIONS, [name, name.partition("_")[0]])
    return found.gettext


def _line(text: str) -> str:
    """One line whatever the author typed: a header must not be continued by a name."""
    return " ".join(text.split())


def _refusal(facts: AwardFacts, operation: str) -> Outcome | None:
    """Why no mail can be written, or None."""
    if not mail_texts.known(operation):
        return Outcome("never", "mail-unknown", "There is no mail for this occasion.")
    if not facts.email:
        return Outcome(
            "held",
            "no-address",
            "No e-mail address is known for this learner.",
            fix="Let the LMS share addresses with the tool.",
            who="the administrator of the LMS",
        )
    if not _ADDRESS.fullmatch(facts.email):
        return Outcome(
            "never",
            "bad-address",
            "The e-mail address that the LMS gave is not one that mail can be sent to.",
            fix="Correct the address in the LMS, then press Retry.",
            who="the administrator of the LMS",
        )
    return None


def _refused_recipient(code: int, text: bytes | str) -> Outcome:
    """4xx is a wish to wait (greylisting, full mailbox); 5xx is final (RFC 5321 4.2.1)."""
    return Outcome(
        "later" if code < 500 else "never",
        "mail-put-off" if code < 500 else "mail-refused",
        f"The mail server does not take this message ({code}).",
        fix="" if code < 500 else "Check the address in the LMS, then press Retry.",
        who="the administrator of the LMS",
        status=code,
        raw=_text(text)[:RAW_LIMIT],
    )


def trouble(error: Exception) -> Outcome:
    """What a failure of the server itself means; sign-in and sender need the operator."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        why = ("mail-login-refused", "The mail server refuses our user name or password.")
        return _operator(*why, "Correct TASSEL_SMTP_URL.", error)
    if isinstance(error, MissingTls):
        why = ("mail-no-tls", "The mail server offers no encryption, so no password was sent.")
        return _operator(*why, "Use smtps://, or let the server offer STARTTLS.", error)
    if isinstance(error, ssl.SSLCertVerificationError):
        why = ("mail-bad-certificate", "The certificate of the mail server is not trusted.")
        return _operator(*why, "Give the mail server a certificate for its name.", error)
    if isinstance(error, smtplib.SMTPSenderRefused) and error.smtp_code >= 500:
        why = ("mail-sender-refused", "The mail server does not take mail from our address.")
        return _operator(*why, "Correct TASSEL_MAIL_FROM, or allow it there.", error)
    return Outcome(
        "later",
        "mail-unreachable",
        f"The mail server does not answer as it should ({type(error).__name__}).",
        fix="Nothing to do if it is down for a while: Tassel tries again by itself.",
        who=OPERATOR,
        status=getattr(error, "smtp_code", None),
    )


def _operator(code: str, message: str, fix: str, error: Exception) -> Outcome:
    raw = _text(getattr(error, "smtp_error", b""))[:RAW_LIMIT]
    status = getattr(error, "smtp_code", None)
    outcome = Outcome("later", code, message, fix, OPERATOR, status=status, raw=raw)
    return replace(outcome, attention=True)


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
