"""From whatever somebody brought to one credential: also a photo of a QR code, or a PDF."""

from __future__ import annotations

from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from app.credentials.verify import pictures, reading, scans
from app.credentials.verify.limits import MAX_FILE_BYTES, OverLimitError, Run
from app.credentials.verify.reading import Sealed
from app.errors import Invalid
from app.words import say

_LONGEST: Final = 200


def read(raw: bytes, run: Run) -> Sealed:
    """The credential in ``raw``, attached to it, or where its QR code leads.

    :raises Invalid: there is none, more than one, or a broken one.
    :raises UpstreamError: the address in the code could not be read.
    :raises OverLimitError: too much of it.
    """
    if len(raw) > MAX_FILE_BYTES:
        raise OverLimitError(
            say("The file is larger than %(most)s bytes.", most=f"{MAX_FILE_BYTES:,}")
        )
    if scans.is_one(raw):
        return _scanned(raw, run)
    try:
        return reading.read(raw)
    except Invalid as problem:
        if problem.code != pictures.EMPTY or not raw.startswith(pictures.PNG):
            raise
    return _scanned(raw, run)


def _scanned(raw: bytes, run: Run) -> Sealed:
    seen = scans.look(raw)
    attached = [sealed for sealed in map(_credential, seen.attached) if sealed]
    if len(attached) > 1:
        raise Invalid("many", say("More than one credential is attached to this file."))
    if attached:
        carrier = say("a credential attached to a PDF; what its pages show was not checked")
        return replace(attached[0], carrier=carrier)
    codes = [code for code in seen.codes if _is_address(code) or _credential(code.encode())]
    if not codes:
        raise Invalid(
            "nothing-seen",
            say("There is no badge in this file, and no QR code on it that leads to one."),
        )
    if len(codes) > 1:
        raise Invalid(
            "many", say("There is more than one QR code on it. Cut out the one you mean.")
        )
    return _behind(codes[0], run)


def _credential(content: bytes) -> Sealed | None:
    """What may be a credential; None for invoices and whatever else is attached to files."""
    try:
        sealed = reading.read(content)
    except Invalid:
        return None
    return sealed if "credentialSubject" in sealed.document else None


def _is_address(text: str) -> bool:
    return text.startswith(("https://", "http://")) and not any(sign.isspace() for sign in text)


def _behind(code: str, run: Run) -> Sealed:
    """The credential that a QR code holds or leads to."""
    if not _is_address(code):
        return replace(reading.read(code.encode()), carrier=say("a credential in a QR code"))
    where = code[:_LONGEST]
    if urlsplit(code).path.rstrip("/").endswith("/verify"):
        raise Invalid(
            "leads-to-verifier",
            say(
                "The QR code leads to a page where badges are checked (%(address)s). The holder"
                " does not share this badge; ask for the file of the certificate or of the badge.",
                address=where,
            ),
        )
    found = run.fetch(code)
    try:
        sealed = reading.read(found)
    except Invalid:
        raise Invalid(
            "leads-nowhere",
            say("The QR code leads to %(address)s, where no badge can be read.", address=where),
        ) from None
    return replace(sealed, carrier=say("what its QR code leads to (%(address)s)", address=where))
