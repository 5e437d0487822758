"""The certificate of one award, drawn for its holder."""

from __future__ import annotations

from flask import render_template, url_for

from app.credentials import certificate, files
from app.models import Credential, Issuer
from app.web import validity_words, wording
from app.web.learner_data import Mine
from app.web.session import campus


def draw(mine: Mine, credential: Credential, issuer: Issuer, holder: str | None) -> bytes:
    """The PDF. ``holder`` is printed on it only when the learner wants that.

    Its QR code names the open share if there is one, else the page where this file can be checked,
    which knows nobody.
    Raises Conflict without Pango.
    """
    if mine.share:
        place = url_for("public.badge", token=mine.share.token)
    else:
        place = url_for("public.verify_form")
    settings = campus().settings
    address = settings.public_url + place
    page = render_template(
        "learner/certificate.html",
        version=mine.version,
        issuer=issuer,
        holder=holder,
        day=wording.day_in(mine.award.awarded_at, settings.zone),
        last_day=mine.award.expires_at and validity_words.last_day(mine.award.expires_at),
        picture=certificate.data_address(files.image_png(mine.version), "image/png"),
        qr=certificate.qr(address),
        address=address,
        shared=mine.share is not None,
        attached=certificate.ATTACHED_AS,
    )
    return certificate.to_pdf(page, credential.document, credential.issued_at)
