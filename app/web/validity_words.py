"""How long a badge is valid, in words. Days are days of the campus, as in the credential itself."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from flask import Flask
from flask_babel import gettext as _
from flask_babel import ngettext

from app.mastery.renewal import Prospect, Terms, TermsRow
from app.mastery.validity import days_left
from app.models import Award
from app.web import wording
from app.web.session import campus
from app.web.wording import Words

SOON = 90
"""Days before its end from which a badge is said to end soon."""


def install(app: Flask) -> None:
    """Make the sentences known to every template as filters."""
    for fmt in (last_day, ends_tag, lasting, renewing, has_ended):
        app.add_template_filter(fmt)


def last_day(ends: datetime) -> str:
    """The last day of a badge, written out."""
    return wording.day_in(ends, campus().settings.zone)


def has_ended(award: Award) -> bool:
    """Whether it has run out."""
    return award.expires_at is not None and award.expires_at <= campus().clock()


def ends_tag(award: Award) -> Words | None:
    """How an award stands to its end; None for one that never ends or does not count anyway."""
    if award.expires_at is None or award.revoked_at is not None or award.state == "superseded":
        return None
    now = campus().clock()
    if award.expires_at <= now:
        return Words(_("expired %(day)s", day=last_day(award.expires_at)), "bad")
    left = days_left(award.expires_at, now, campus().settings.zone)
    if left == 0:
        return Words(_("expires today"), "wait")
    if left <= SOON:
        return Words(ngettext("expires in %(num)s day", "expires in %(num)s days", left), "wait")
    return Words(_("valid until %(day)s", day=last_day(award.expires_at)))


def lasting(row: TermsRow) -> str:
    """How long an award of this wording is valid, as a sentence without its full stop."""
    validity = Terms.of(row).validity
    if validity.kind == "months":
        return ngettext(
            "Valid for %(num)s month after it was earned",
            "Valid for %(num)s months after it was earned",
            validity.count or 0,
        )
    if validity.kind == "years":
        return ngettext(
            "Valid for %(num)s year after it was earned",
            "Valid for %(num)s years after it was earned",
            validity.count or 0,
        )
    if validity.kind == "date" and validity.until is not None:
        return _("Valid until %(day)s", day=_day(validity.until))
    return _("Valid without an end")


def _day(day: date) -> str:
    return wording.day_in(datetime.combine(day, time(12), UTC), campus().settings.zone)


def renewing(row: TermsRow) -> str:
    """How an award of this wording is renewed; empty when it never ends."""
    terms = Terms.of(row)
    if terms.validity.kind == "never":
        return ""
    if terms.renewal.policy == "window":
        return ngettext(
            "It is renewed by reaching the marks again with new results, from %(num)s day before it"
            " ends or later.",
            "It is renewed by reaching the marks again with new results, from %(num)s days before it"
            " ends or later.",
            terms.renewal.days or 0,
        )
    if terms.renewal.policy == "result":
        return _("It is renewed by reaching the marks again with any later results.")
    return _("It cannot be renewed.")


def example(terms: Terms, now: datetime) -> str:
    """What would come of an award of today; empty when it never ends."""
    zone = campus().settings.zone
    ends = terms.validity.ends(now, zone)
    if ends is None:
        return ""
    if terms.renewal.policy != "window" or terms.validity.kind == "date":
        said = _("Earned today, it is valid until the end of %(day)s.", day=last_day(ends))
        if terms.renews and terms.validity.kind == "date":
            said += " " + _("A renewed badge needs a later last day, published before.")
        return said
    opens = max(now, ends - timedelta(days=terms.renewal.days or 0))
    return _(
        "Earned today, it is valid until the end of %(day)s, and results from %(opens)s on renew it.",
        day=last_day(ends),
        opens=wording.day_in(opens, zone),
    )


def following(next_: Prospect) -> str:
    """What the holder of an award can do about its end; empty when there is nothing to say."""
    if next_.since is None:
        return _("This badge cannot be renewed.") if next_.state == "closed" else ""
    day = wording.day_in(next_.since, campus().settings.zone)
    sentences = {
        "open": _("To renew it, reach the marks again. Results after %(day)s count.", day=day),
        "not_yet": _("To renew it, reach the marks again after %(day)s.", day=day),
        "met": _("You have reached the marks again. The new badge comes with the next reading."),
        "no_later": _(
            "There is no need to renew it yet: a new one would end at the same time. As soon as a"
            " later end is set, you can renew it."
        ),
    }
    return sentences.get(next_.state, "")
