"""The certificate of one award, drawn for its holder; and that of an example, for its author."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import render_template, url_for

from app.credentials import certificate, files
from app.models import AchievementVersion, Credential, Issuer
from app.pipeline.example import Example
from app.web import validity_words, wording
from app.web.learner_data import Mine
from app.web.session import campus


def draw(mine: Mine, credential: Credential, issuer: Issuer, holder: str | None) -> bytes:
    """The PDF. ``holder`` is printed on it only when the learner wants that.

    Its QR code names the open share if there is one, else the page where this file can be checked,
    which knows nobody.
    Raises Conflict without Pango.
    """
    page = _page(
        mine.version,
        issuer,
        mine.award.awarded_at,
        mine.award.expires_at,
        files.image_png(mine.version),
        url_for("public.badge", token=mine.share.token) if mine.share else "",
        holder=holder,
    )
    return certificate.to_pdf(page, credential.document, credential.issued_at)


def draw_example(example: Example, holder: str) -> bytes:
    """The same for an example, which says so itself. ``holder`` is somebody invented."""
    page = _page(
        example.version,
        example.issuer,
        example.made_at,
        example.expires_at,
        example.picture_png(),
        "",
        holder=holder,
        example=True,
    )
    return certificate.to_pdf(page, example.sealed.document, example.made_at)


def _page(
    version: AchievementVersion,
    issuer: Issuer,
    awarded_at: datetime,
    expires_at: datetime | None,
    picture: bytes,
    share: str,
    **words: Any,
) -> str:
    settings = campus().settings
    address = settings.public_url + (share or url_for("public.verify_form"))
    return render_template(
        "learner/certificate.html",
        version=version,
        issuer=issuer,
        day=wording.day_in(awarded_at, settings.zone),
        last_day=expires_at and validity_words.last_day(expires_at),
        picture=certificate.data_address(picture, "image/png"),
        qr=certificate.qr(address),
        address=address,
        shared=bool(share),
        attached=certificate.ATTACHED_AS,
        **words,
    )
