"""The facts of a badge in words: its kind, credit, level, and what a credential tells of it."""

from __future__ import annotations

from flask_babel import format_decimal
from flask_babel import gettext as _

from app.credentials.details import KINDS, Details
from app.credentials.phrases import LANGUAGES


def kinds() -> list[tuple[str, str]]:
    """Every kind with its name, the usual one first and the others by name."""
    first, *others = [(key, kind(key)) for key in KINDS]
    return [first, *sorted(others, key=lambda pair: pair[1].casefold())]


def kind(key: str) -> str:
    """An AchievementType of Open Badges 3.0."""
    names = {
        "Achievement": _("Achievement"),
        "ApprenticeshipCertificate": _("Apprenticeship certificate"),
        "Assessment": _("Assessment passed"),
        "Assignment": _("Assignment done"),
        "AssociateDegree": _("Associate degree"),
        "Award": _("Award"),
        "Badge": _("Badge"),
        "BachelorDegree": _("Bachelor's degree"),
        "Certificate": _("Certificate"),
        "CertificateOfCompletion": _("Certificate of completion"),
        "Certification": _("Professional certification"),
        "CoCurricular": _("Activity beside the studies"),
        "CommunityService": _("Community service"),
        "Competency": _("Competency"),
        "Course": _("Course"),
        "Degree": _("Degree"),
        "Diploma": _("Diploma"),
        "DoctoralDegree": _("Doctoral degree"),
        "Fieldwork": _("Fieldwork or placement"),
        "GeneralEducationDevelopment": _("General education development (GED)"),
        "JourneymanCertificate": _("Journeyman's certificate"),
        "LearningProgram": _("Programme of study"),
        "License": _("Licence"),
        "MasterCertificate": _("Master craftsman's certificate"),
        "MasterDegree": _("Master's degree"),
        "Membership": _("Membership"),
        "MicroCredential": _("Micro-credential"),
        "ProfessionalDoctorate": _("Professional doctorate"),
        "QualityAssuranceCredential": _("Quality assurance credential"),
        "ResearchDoctorate": _("Research doctorate"),
        "SecondarySchoolDiploma": _("Secondary school diploma"),
    }
    return names.get(key, key)


def evidence_rules() -> list[tuple[str, str]]:
    """What a credential may name as evidence."""
    return [
        ("none", _("nothing")),
        ("assessments", _("the assessments and the days they were graded, never a grade")),
    ]


def facts(details: Details) -> list[tuple[str, str]]:
    """What a badge says of itself, as label and value; only what its author filled in."""
    rows = [(_("Kind"), kind(details.kind))]
    if details.credits is not None:
        rows.append((_("Credit"), f"{format_decimal(details.credits)} {details.unit}"))
    if details.hours is not None:
        hours = format_decimal(details.hours)
        rows.append((_("Workload"), _("about %(number)s hours", number=hours)))
    if details.level:
        rows.append((_("Level"), details.level))
    rows += [(key, words) for key, words, _address in details.levels()]
    if details.results:
        asked = "; ".join(f"{r.name}: {format_decimal(r.required)} %" for r in details.results)
        rows.append((_("Marks asked for"), asked))
    if details.tags:
        rows.append((_("Tags"), ", ".join(details.tags)))
    return rows


def language(tag: str) -> str:
    """A language as its speakers call it."""
    return LANGUAGES.get(tag, tag)
