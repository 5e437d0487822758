"""What can be downloaded of a credential: the exact JSON, the JWT, the pictures with it inside."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.credentials import bake, designs
from app.credentials.drawing import Drawing
from app.errors import Conflict, NotFound
from app.models import AchievementVersion, Award, Credential

UPLOAD = "upload"
FORMATS = {
    "json": ("application/vc+ld+json", "json"),
    "jwt": ("application/vc+jwt", "jwt"),
    "png": ("image/png", "png"),
    "svg": ("image/svg+xml", "svg"),
    "pdf": ("application/pdf", "pdf"),
}
"""Key of a file that is handed out to its media type (VC data model 2.0, PNG) and name ending."""


def current(session: Session, award_id: str) -> Credential:
    """The newest credential of an award; raises NotFound while it is not signed."""
    query = select(Credential).where(Credential.award_id == award_id)
    found = session.scalar(query.order_by(Credential.number.desc()).limit(1))
    if found is None:
        raise NotFound("not-signed", "This badge is not signed yet.", fix="Come back in a minute.")
    return found


def to_hand_out(session: Session, award: Award) -> Credential:
    """The same for whoever wants to have it; raises Conflict too while the award is on hold."""
    if award.held_at is not None and award.revoked_at is None:
        raise Conflict(
            "award-on-hold",
            "This badge is on hold, so no file of it is handed out.",
            fix="The issuer is looking into it. Come back later, or ask there.",
        )
    return current(session, award.id)


def version_of(session: Session, award: Award) -> AchievementVersion:
    """The wording and look that the award was made with."""
    return session.scalars(
        select(AchievementVersion).where(
            AchievementVersion.achievement_id == award.achievement_id,
            AchievementVersion.number == award.achievement_version,
        )
    ).one()


def image_png(version: AchievementVersion) -> bytes:
    """The picture as PNG: the author's upload, or the chosen design."""
    if version.design == UPLOAD and version.image is not None:
        return version.image
    return _drawn(version.design, version.palette, Drawing.from_json(version.drawing))


@lru_cache(maxsize=64)
def _drawn(design: str, palette: str, drawing: Drawing) -> bytes:
    return designs.png(design, palette, drawing=drawing)


def image_svg(version: AchievementVersion) -> str | None:
    """The chosen design as SVG; None for an uploaded picture."""
    if version.design == UPLOAD:
        return None
    title = version.image_alt or version.name
    drawing = Drawing.from_json(version.drawing)
    return designs.svg(version.design, version.palette, title, drawing=drawing)


def baked_svg(session: Session, award: Award) -> bytes:
    """The design as SVG with the signed JSON inside; raises NotFound for an uploaded picture."""
    drawn = image_svg(version_of(session, award))
    if drawn is None:
        raise NotFound("no-svg", "This picture was uploaded and exists as PNG only.")
    return bake.bake_svg(drawn, to_hand_out(session, award).document)


def baked_png(session: Session, award: Award) -> bytes:
    """The picture with the signed JSON inside (Open Badges 3.0, 5.3.1)."""
    return bake.bake(image_png(version_of(session, award)), to_hand_out(session, award).document)
