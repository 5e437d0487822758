"""The artefact of a badge before anybody has it: composed, linted, sealed and checked like a real one.

It goes the way of every award (``compose_sample``, ``freeze.check``, ``check_trim``, ``issuing.seal``),
with three differences that make it worthless: its words say that it is an example, the keys that seal
it are listed nowhere, and its status entry stands on a list that does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from sqlalchemy.orm import Session

from app.credentials import bake, files, issuing, stamp
from app.credentials.details import Details
from app.credentials.keys import KeyKind, generate
from app.credentials.phrases import phrase
from app.credentials.proofs import data_integrity
from app.errors import NotFound
from app.models import AchievementVersion, Issuer
from app.pipeline import badges, freeze
from app.pipeline.campus import Campus

NO_LIST: Final = 0
"""Number of the status list that it names: lists count from 1."""


@dataclass(frozen=True)
class Example:
    """One example with what it was made from. ``version`` belongs to no session."""

    version: AchievementVersion
    issuer: Issuer
    sealed: issuing.Sealed
    fast: bool
    """Whether the fast canonicalizer gives the reference's bytes for it."""
    made_at: datetime
    expires_at: datetime | None

    @property
    def details(self) -> Details:
        """The facts beside its words."""
        return Details.from_json(self.version.details)

    def picture_png(self) -> bytes:
        """The picture with the band, its word in the badge's language."""
        return stamp.on_png(files.image_png(self.version), self._word())

    def picture_svg(self) -> str:
        """The same as SVG; raises NotFound for an uploaded picture."""
        drawn = files.image_svg(self.version)
        if drawn is None:
            raise NotFound("no-svg", "This picture was uploaded and exists as PNG only.")
        return stamp.on_svg(drawn, self._word())

    def _word(self) -> str:
        return phrase(self.details.language, "example")

    def file(self, kind: str) -> bytes:
        """``json``, ``jwt``, ``png`` or ``svg`` as a learner would get it; NotFound for others."""
        if kind == "json":
            return self.sealed.document
        if kind == "jwt":
            return self.sealed.jwt.encode("ascii")
        if kind == "png":
            return bake.bake(self.picture_png(), self.sealed.document)
        if kind == "svg":
            return bake.bake_svg(self.picture_svg(), self.sealed.document)
        raise NotFound("format-unknown", "There is no such file.")


@lru_cache(maxsize=1)
def _throwaway() -> issuing.Signers:
    """Keys that no DID document lists, made once per process (RSA takes a while), never kept."""
    return issuing.Signers(generate(KeyKind.ED25519), generate(KeyKind.RSA_2048))


def make(campus: Campus, course_id: str, achievement_id: str) -> Example:
    """The example of the newest wording with the newest rule; nothing is stored.

    Raises NotFound for a badge of another course, Invalid for what could not be published either.
    """
    with campus.db.reading() as session:
        present = badges.draft(session, course_id, achievement_id)
        present.definition.check()
        version = _copy(session, present)
        sample = freeze.compose_sample(
            campus, session, present.achievement, version, list_number=NO_LIST
        )
        issuer = session.get_one(Issuer, present.achievement.issuer_id)
    freeze.check(sample)
    now = campus.clock()
    fast = data_integrity.check_trim(sample)
    sealed = issuing.seal(sample, _throwaway(), now, fast=fast)
    return Example(version, issuer, sealed, fast, now, freeze.sample_end(campus, version))


def _copy(session: Session, present: badges.BadgeDraft) -> AchievementVersion:
    """The wording as publishing would complete it, saying in each of its texts what it is."""
    parts = {name: getattr(present.version, name) for name in freeze.AUTHORED}
    version = AchievementVersion(
        achievement_id=present.achievement.id, number=present.version.number, **parts
    )
    freeze.complete(session, version, present.definition)
    freeze.must_have_alt(version)
    freeze.must_be_whole(version)
    language = Details.from_json(version.details).language
    warning = phrase(language, "example_words")
    version.name = phrase(language, "example_name", name=version.name)
    version.description = f"{warning} {version.description}".strip()
    version.criteria = f"{warning}\n\n{version.criteria}"
    return version
