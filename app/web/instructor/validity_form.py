"""The form for how long a badge is valid and how it is renewed: what was typed, and what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from flask_babel import gettext as _

from app.errors import Invalid
from app.mastery.renewal import MOST_DAYS, POLICIES, Renewal, Terms
from app.mastery.validity import FURTHEST, KINDS, LONGEST, Validity
from app.web.instructor.forms import Errors

DEFAULT_DAYS = 60
"""Proposed length of the window in which a badge can be renewed."""


@dataclass(frozen=True)
class ValidityForm:
    """The form as typed. ``terms`` is what could be read of it; good when ``errors`` is empty."""

    terms: Terms
    count: str
    until: str
    days: str
    errors: Errors


def stored(terms: Terms) -> ValidityForm:
    """The form as a draft fills it."""
    validity, renewal = terms.validity, terms.renewal
    return ValidityForm(
        terms,
        str(validity.count or ""),
        validity.until.isoformat() if validity.until else "",
        str(renewal.days or DEFAULT_DAYS),
        {},
    )


def parse(form: Mapping[str, str], today: date) -> ValidityForm:
    """Read the form; numbers and the day have to make sense for the choices that need them."""
    kind, policy = form.get("valid_kind", ""), form.get("renewal", "")
    count, until, days = (
        form.get(name, "").strip()[:20] for name in ("valid_count", "valid_until", "renewal_days")
    )
    terms = Terms(
        Validity(kind if kind in KINDS else "never", _number(count), _date(until)),
        Renewal(policy if policy in POLICIES else "none", _number(days)),
    )
    return ValidityForm(terms, count, until, days, _errors(terms, today))


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 6 else None


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _errors(terms: Terms, today: date) -> Errors:
    """A message for each field that does not do, in the reader's language."""
    kind = terms.validity.kind
    messages = {
        "valid_count": _("A whole number from 1 to %(most)s.", most=LONGEST.get(kind, 0)),
        "valid_until": _("A day after today, within %(most)s years.", most=FURTHEST),
        "renewal_days": _("A whole number of days from 1 to %(most)s.", most=MOST_DAYS),
    }
    wrong = _refused(lambda: terms.validity.check(today))
    if kind != "never":
        wrong += _refused(terms.renewal.check)
    return {name: messages[name] for name in wrong}


def _refused(check: Callable[[], None]) -> list[str]:
    """The fields that a check complains of."""
    try:
        check()
    except Invalid as error:
        return list(error.fields)
    return []
