"""The words of a badge in further languages. Pure, but for reading the columns of a version.

One language is signed; the others stand at addresses of their own, which the signed achievement names
as ``related``. In which language each is, only the unsigned documents say: ``inLanguage`` is missing
in a copy of the context that is in use, so it would break signatures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from app.credentials import described
from app.credentials.details import Details
from app.credentials.drawing import Drawing
from app.credentials.phrases import LANGUAGES, direction, speaks
from app.errors import Invalid
from app.models import AchievementVersion

LIMITS: Final[Mapping[str, int]] = {
    "name": 200,
    "description": 2000,
    "criteria": 4000,
    "image_alt": 300,
}
"""Characters of a text, in any language."""


@dataclass(frozen=True, slots=True)
class Edition:
    """The author's words in one further language."""

    name: str
    description: str = ""
    criteria: str = ""
    image_alt: str = ""
    criteria_made: bool = False
    """Whether ``criteria`` was made from the rule, so that another rule makes it anew."""


@dataclass(frozen=True, slots=True)
class Worded:
    """A badge in the words of one language, for a page."""

    language: str
    name: str
    description: str
    criteria: str
    image_alt: str
    signed: bool
    """Whether this is the language that credentials are signed in."""

    @property
    def direction(self) -> str:
        """``ltr`` or ``rtl``."""
        return direction(self.language)


def of(version: AchievementVersion) -> dict[str, Edition]:
    """Language to edition, by language."""
    stored = version.editions or {}
    return {language: Edition(**stored[language]) for language in sorted(stored)}


def to_json(editions: Mapping[str, Edition]) -> dict[str, Any]:
    """What :func:`of` reads: only what is said, so that equal editions are equal here."""
    return {
        language: {name: value for name, value in asdict(edition).items() if value}
        for language, edition in sorted(editions.items())
    }


def main_language(version: AchievementVersion) -> str:
    """The language that is signed."""
    return Details.from_json(version.details or {}).language


def languages(version: AchievementVersion) -> tuple[str, ...]:
    """Every language of a badge, the signed one first."""
    return (main_language(version), *of(version))


def address(achievement: str, language: str) -> str:
    """Where the edition of the achievement at ``achievement`` stands: beside it, not under it."""
    return f"{achievement}.{language}"


def check(editions: Mapping[str, Edition], main: str) -> None:
    """Raises Invalid for what no form of ours sends: another language, or texts too long or absent."""
    wrong = [
        language
        for language, edition in editions.items()
        if language not in LANGUAGES
        or language == main
        or len(edition.name) < 3
        or any(len(getattr(edition, name)) > most for name, most in LIMITS.items())
    ]
    if wrong:
        said = "an edition in another language needs a name and texts that are not too long"
        raise Invalid(
            "badge-editions",
            "Some editions need a look.",
            fields=dict.fromkeys(wrong, said),
        )


def lacking(version: AchievementVersion) -> str | None:
    """The first language in which something is left unsaid that the signed words say."""
    for language, edition in of(version).items():
        if (version.description and not edition.description) or not edition.criteria:
            return language
    return None


def worded(version: AchievementVersion, language: str) -> Worded:
    """The badge in ``language`` if there is such an edition, else in the signed one.

    What a draft's edition leaves unsaid is said in the signed language.
    """
    edition = of(version).get(language)
    if edition is None:
        return Worded(
            main_language(version),
            version.name,
            version.description,
            version.criteria,
            version.image_alt,
            signed=True,
        )
    drawing = Drawing.from_json(version.drawing)
    made = described.suggestion(version.design, drawing, language) if speaks(language) else ""
    return Worded(
        language,
        edition.name,
        edition.description or version.description,
        edition.criteria or version.criteria,
        edition.image_alt or made,
        signed=False,
    )


def best(version: AchievementVersion, wanted: Iterable[str]) -> str:
    """The first of ``wanted`` (BCP 47 tags) that the badge speaks, else the signed language."""
    spoken = languages(version)
    for tag in wanted:
        short = tag.replace("_", "-").partition("-")[0].lower()
        if short in spoken:
            return short
    return spoken[0]
