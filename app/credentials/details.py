"""What a badge says about itself beyond name, words and picture: kind, credit, level, tags, evidence.

Only properties that every copy of the contexts maps carry these facts into a credential. What has no
such property (the unit of the credit, the level in words, the workload) stands as plain lines under
the criteria, which are signed as well. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from app.credentials.document import AlignmentFacts, ResultDescriptionFacts
from app.credentials.phrases import DEFAULT, LANGUAGES, phrase
from app.errors import Invalid

KINDS: Final = (
    "MicroCredential",
    "Achievement",
    "ApprenticeshipCertificate",
    "Assessment",
    "Assignment",
    "AssociateDegree",
    "Award",
    "BachelorDegree",
    "Badge",
    "Certificate",
    "CertificateOfCompletion",
    "Certification",
    "CoCurricular",
    "CommunityService",
    "Competency",
    "Course",
    "Degree",
    "Diploma",
    "DoctoralDegree",
    "Fieldwork",
    "GeneralEducationDevelopment",
    "JourneymanCertificate",
    "LearningProgram",
    "License",
    "MasterCertificate",
    "MasterDegree",
    "Membership",
    "ProfessionalDoctorate",
    "QualityAssuranceCredential",
    "ResearchDoctorate",
    "SecondarySchoolDiploma",
)
"""AchievementType of Open Badges 3.0; what a course gives most often stands first."""
EVIDENCE: Final = ("none", "assessments")
"""What a credential names as evidence: nothing, or each assessment with the day of its grading."""
EQF: Final = range(1, 9)
ISCED: Final = range(9)
MOST_TAGS: Final = 20
LONGEST: Final[Mapping[str, int]] = {"credit_unit": 40, "level": 80, "tag": 60}
"""Characters."""

_EQF_URL: Final = "http://data.europa.eu/snb/eqf/{}"
"""The levels as the European Learning Model names them."""
_ISCED_URL: Final = (
    "https://uis.unesco.org/en/topic/international-standard-classification-education-isced"
)


@dataclass(frozen=True, slots=True)
class AskedResult:
    """A mark that the rule asks for, as of publication."""

    assessment: str
    """Id of the assessment; never signed."""
    name: str
    required: Decimal
    """Percent."""


@dataclass(frozen=True, slots=True)
class Details:
    """The facts, all of them optional."""

    language: str = DEFAULT
    """Of the badge's own words."""
    kind: str = KINDS[0]
    tags: tuple[str, ...] = ()
    credits: Decimal | None = None
    credit_unit: str = ""
    hours: Decimal | None = None
    """Workload."""
    level: str = ""
    eqf: int | None = None
    isced: int | None = None
    evidence: str = EVIDENCE[0]
    marks: bool = False
    """Whether the badge describes the marks that were asked for. Never what somebody reached."""
    results: tuple[AskedResult, ...] = field(default=())
    """The marks themselves: put in at publication while ``marks`` is on."""

    def check(self) -> None:
        """Raises Invalid with a message per field that no form of ours sends."""
        wrong = {
            "language": self.language not in LANGUAGES,
            "kind": self.kind not in KINDS,
            "tags": len(self.tags) > MOST_TAGS
            or any(not 0 < len(tag) <= LONGEST["tag"] for tag in self.tags),
            "credits": not _fits(self.credits),
            "credit_unit": len(self.credit_unit) > LONGEST["credit_unit"],
            "hours": not _fits(self.hours),
            "level": len(self.level) > LONGEST["level"],
            "eqf": self.eqf is not None and self.eqf not in EQF,
            "isced": self.isced is not None and self.isced not in ISCED,
            "evidence": self.evidence not in EVIDENCE,
        }
        fields = {name: "not one of the values" for name, bad in wrong.items() if bad}
        if fields:
            raise Invalid("badge-details", "Some details need a look.", fields=fields)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Details:
        """What :meth:`to_json` wrote; everything that is missing has its default."""
        plain = {name: stored[name] for name in _PLAIN if name in stored}
        return cls(
            **plain,
            tags=tuple(stored.get("tags", ())),
            credits=_decimal(stored.get("credits")),
            hours=_decimal(stored.get("hours")),
            results=tuple(
                AskedResult(item["assessment"], item["name"], Decimal(item["required"]))
                for item in stored.get("results", ())
            ),
        )

    def to_json(self) -> dict[str, Any]:
        """Only what differs from the defaults, so that "nothing said" is an empty object."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        usual = {name: getattr(_USUAL, name) for name in _PLAIN}
        found = {name: value for name, value in plain.items() if value != usual[name]}
        if self.tags:
            found["tags"] = list(self.tags)
        for name in ("credits", "hours"):
            value = getattr(self, name)
            if value is not None:
                found[name] = format(value, "f")
        if self.results:
            found["results"] = [
                {"assessment": r.assessment, "name": r.name, "required": format(r.required, "f")}
                for r in self.results
            ]
        return found

    @property
    def unit(self) -> str:
        """What the credit is counted in."""
        return self.credit_unit or phrase(self.language, "unit")

    def levels(self) -> list[tuple[str, str, str]]:
        """Each level of a public framework as (framework's key, words, address)."""
        found = []
        if self.eqf is not None:
            words = phrase(self.language, "eqf", number=self.eqf)
            found.append(("EQF", words, _EQF_URL.format(self.eqf)))
        if self.isced is not None:
            words = phrase(self.language, "isced", number=self.isced)
            found.append(("ISCED", words, _ISCED_URL))
        return found


_PLAIN: Final = (
    "language",
    "kind",
    "credit_unit",
    "level",
    "eqf",
    "isced",
    "evidence",
    "marks",
)
_USUAL: Final = Details()


def narrative(criteria: str, details: Details) -> str:
    """The criteria with a line for each fact that has no property of its own."""
    say = details.language
    lines = []
    if details.credits is not None:
        number = format(details.credits, "f")
        lines.append(phrase(say, "credits", number=number, unit=details.unit))
    if details.level:
        lines.append(phrase(say, "level", level=details.level))
    if details.hours is not None:
        lines.append(phrase(say, "hours", number=format(details.hours, "f")))
    if not lines:
        return criteria
    return criteria.rstrip() + "\n\n" + "\n".join(f"- {line}" for line in lines)


def level_alignments(details: Details) -> list[AlignmentFacts]:
    """EQF and ISCED levels: an alignment is the only mapped place for them."""
    codes = {"EQF": details.eqf, "ISCED": details.isced}
    return [
        AlignmentFacts(
            target_name=words,
            target_url=address,
            target_framework=key,
            target_code=f"{key} {codes[key]}",
        )
        for key, words, address in details.levels()
    ]


def asked(details: Details, address: str) -> tuple[ResultDescriptionFacts, ...]:
    """The marks as ResultDescriptions of the achievement at ``address``."""
    return tuple(
        ResultDescriptionFacts(f"{address}#result-{place}", result.name, result.required)
        for place, result in enumerate(details.results, 1)
    )


def read_number(text: str) -> Decimal | None:
    """A credit or a workload as people write it: ``2``, ``2.5``, ``2,5``; None when it is none."""
    try:
        value = Decimal(text.strip().replace(",", "."))
    except InvalidOperation:
        return None
    return value if _fits(value) else None


def _fits(value: Decimal | None) -> bool:
    """Above zero, below 10,000, at most two decimals: JSON numbers that everybody writes alike."""
    if value is None:
        return True
    if not value.is_finite() or not 0 < value < 10_000:
        return False
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -2


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))
