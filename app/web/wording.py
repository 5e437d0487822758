"""What the pages say about states, reasons and rules, in the reader's language.

The layers below give codes and numbers; here they become words. A ``Words`` has a label and a kind
(good | wait | bad | "") that chooses the colour and the mark beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_time, format_timedelta
from babel.lists import format_list
from babel.numbers import format_decimal
from flask import Flask
from flask_babel import get_locale, gettext, ngettext
from markupsafe import Markup, escape

_ = gettext
NO_BREAK = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Words:
    """A state for people."""

    label: str
    kind: str = ""


class Clause(Protocol):
    """As ``mastery.rules.Clause``: an assessment's id and the percent to reach."""

    @property
    def assessment(self) -> str:
        """Id of the assessment."""

    @property
    def pass_mark(self) -> Decimal:
        """Percent of the maximum."""


class Reason(Protocol):
    """As ``mastery.rules.Reason``: how one clause stands for one learner."""

    @property
    def state(self) -> str:
        """met | below | no_grade | not_posted | excused | no_maximum | not_new."""

    @property
    def percent(self) -> Decimal | None:
        """What was reached, in percent."""

    @property
    def pass_mark(self) -> Decimal:
        """Percent of the maximum."""


def install(app: Flask) -> None:
    """Make the formats known to every template as filters."""
    for fmt in (number, percent, day_in, written, moment_in, ago):
        app.add_template_filter(fmt)


def _locale() -> Locale:
    """The reader's language; plain English is written as most of the world writes it."""
    found = get_locale() or Locale("en")
    return Locale("en", "GB") if found == Locale("en") else found


def number(value: Decimal | int | float) -> str:
    """A number as the reader writes it, at most two decimals."""
    return str(format_decimal(value, format="#,##0.##", locale=_locale()))


def percent(value: Decimal) -> str:
    """``69.5 %``: cut, never rounded up, so that 69.996 does not look like a reached 70."""
    return number(value.quantize(Decimal("0.01"), "ROUND_DOWN")) + NO_BREAK + "%"


def day_in(value: datetime, zone: ZoneInfo) -> str:
    """A date written out, in ``zone``."""
    return str(format_date(value.astimezone(zone).date(), format="long", locale=_locale()))


def written(day: str) -> str:
    """A date of a document (YYYY-MM-DD) written out; whatever is not one as it is."""
    if len(day) != len("YYYY-MM-DD"):
        return day
    try:
        return str(format_date(date.fromisoformat(day), format="long", locale=_locale()))
    except ValueError:
        return day


def moment_in(value: datetime, zone: ZoneInfo) -> str:
    """Date and time of day, in ``zone``."""
    clock = format_time(value, format="short", tzinfo=zone, locale=_locale())
    return _("%(day)s at %(time)s", day=day_in(value, zone), time=clock)


def ago(value: datetime, now: datetime) -> str:
    """How long ago, roughly: ``4 minutes ago``."""
    gone = value - now
    if abs(gone.total_seconds()) < 60:
        return _("just now")
    return str(format_timedelta(gone, add_direction=True, locale=_locale()))


def listed(parts: Sequence[str | Markup], style: Literal["standard", "or"] = "standard") -> Markup:
    """``a, b and c`` in the reader's language; what is not Markup is escaped."""
    pattern = format_list(["%s"] * len(parts), style=style, locale=_locale())
    return escape(pattern) % tuple(parts)


def _filled(sentence: str, **values: str | Markup) -> Markup:
    """A translated sentence around values; values that are not Markup are escaped."""
    return escape(sentence) % values


# Rules


def rule(needs: str | int, clauses: Sequence[Clause], titles: Mapping[str, str]) -> Markup:
    """What earns the badge, as one sentence; ``titles`` by assessment id."""
    steps = [
        _filled(
            _("%(mark)s in %(title)s"),
            mark=Markup("<strong>{}</strong>").format(percent(clause.pass_mark)),
            title=titles.get(clause.assessment, _("an assessment that is gone")),
        )
        for clause in clauses
    ]
    if not steps:
        return escape(_("Choose at least one assessment and its pass mark below."))
    if needs == "any" and len(steps) > 1:
        sentence = _("A learner earns this badge by reaching any one of: %(steps)s.")
        return _filled(sentence, steps=listed(steps, "or"))
    if isinstance(needs, int) and needs < len(steps):
        sentence = ngettext(
            "A learner earns this badge by reaching at least %(num)d of: %(steps)s.",
            "A learner earns this badge by reaching at least %(num)d of: %(steps)s.",
            needs,
            steps="%(steps)s",
        )
        return _filled(sentence, steps=listed(steps))
    return _filled(_("A learner earns this badge by reaching %(steps)s."), steps=listed(steps))


def reason(state: str, reached: Decimal | None, pass_mark: Decimal) -> str:
    """How one assessment stands, without its title: ``72 %, needs 75 %``."""
    values = {
        "reached": percent(reached) if reached is not None else "",
        "mark": percent(pass_mark),
    }
    sentences = {
        "met": _("%(reached)s, needed %(mark)s", **values),
        "below": _("%(reached)s, needs %(mark)s", **values),
        "no_grade": _("not graded yet, needs %(mark)s", **values),
        "not_posted": _("graded, but not released to learners yet"),
        "excused": _("excused, so it does not count"),
        "no_maximum": _("the course gives no maximum, so it has no percentage"),
        "not_new": _("%(reached)s, counted already; needs a new result of %(mark)s", **values),
    }
    return sentences[state]


def step(state: str) -> Words:
    """One assessment on the way to a badge."""
    words = {
        "met": Words(_("done"), "good"),
        "below": Words(_("below the mark"), "wait"),
        "no_grade": Words(_("to do"), "wait"),
        "not_posted": Words(_("not released"), "wait"),
        "excused": Words(_("excused")),
        "no_maximum": Words(_("cannot count"), "bad"),
        "not_new": Words(_("to do again"), "wait"),
    }
    return words[state]


# States


def badge_state(achievement: str, rule_state: str, has_changes: bool, asked: bool = False) -> Words:
    """A badge in its course.

    ``has_changes``: a later draft waits beside what is published; ``asked``: it lies with the issuer.
    """
    if asked:
        return Words(_("waits for approval"), "wait")
    if rule_state == "stopped" or achievement == "withdrawn":
        return Words(_("stopped"), "wait")
    if achievement != "published":
        return Words(_("draft"))
    if has_changes:
        return Words(_("published, with changes not published yet"), "good")
    return Words(_("published"), "good")


def award_state(state: str) -> Words:
    """An award for staff."""
    words = {
        "waiting": Words(_("being signed"), "wait"),
        "needs_recipient": Words(_("needs an e-mail address"), "wait"),
        "issued": Words(_("issued"), "good"),
        "revoked": Words(_("revoked"), "bad"),
        "superseded": Words(_("replaced")),
    }
    return words[state]


def delivery_state(state: str) -> Words:
    """One award on its way to one place."""
    words = {
        "waiting": Words(_("waiting"), "wait"),
        "sending": Words(_("being sent"), "wait"),
        "sent": Words(_("arrived"), "good"),
        "held": Words(_("held"), "wait"),
        "dead": Words(_("rejected"), "bad"),
        "dropped": Words(_("withdrawn")),
    }
    return words[state]


def target(kind: str, name: str) -> str:
    """Where an award goes, for people in a course."""
    own = {"course": _("Course gradebook"), "mail": _("E-mail")}
    return own.get(kind, name)


def disclosure(kind: str, to: str) -> str:
    """One place where an award was shown or sent, for the learner."""
    own = {
        "share": _("You made a public link"),
        "download": _("You downloaded it (%(target)s)", target=to),
        "record": _("You downloaded it in your record (%(target)s)", target=to),
        "wallet": _("Taken into a wallet (%(target)s)", target=to),
        "app": _("Read by the app %(target)s", target=to),
        "course": _("Written to the gradebook of the course"),
        "sis": _("Sent to the student records: %(target)s", target=to),
        "mail": _("You were told by e-mail"),
        "privacy": _("Given to the administrator of the LMS, who asked what is held about you"),
    }
    return own.get(kind, to)


def share_ends(keys: Iterable[str]) -> list[tuple[str, str]]:
    """How long a public link may stay open, for a list to choose from: "never" or days."""
    return [
        (key, _("until I close it") if key == "never" else _("%(days)s days", days=key))
        for key in keys
    ]


def role(key: str) -> str:
    """The visitor's role, as it stands in the header."""
    names = {
        "instructor": _("instructor"),
        "administrator": _("administrator"),
        "assistant": _("assistant"),
        "learner": _("learner"),
        "observer": _("observer"),
    }
    return names.get(key, key)


def regrade(policy: str) -> str:
    """What happens to an award when its grade falls below the mark later."""
    names = {
        "keep": _("Keep the badge"),
        "review": _("Keep it and show it to the teacher"),
        "revoke": _("Revoke the badge"),
    }
    return names[policy]


def untitled_course() -> str:
    """For a course that the LMS sent without a name."""
    return _("this course")


def needs(many: Literal["all", "any"] | int) -> str:
    """How many of the mapped assessments a learner needs."""
    if many == "all":
        return _("all of them")
    if many == "any":
        return _("any one of them")
    return _("at least %(number)s of them", number=many)


def statement_error() -> str:
    """A competency that is no sentence."""
    return _("Say in 3 to 1,000 characters what somebody can do.")


def code_taken() -> str:
    """A competency whose code another one has."""
    return _("Another competency has this code.")


def revoke_reason_error() -> str:
    """A revocation without a reason."""
    return _("Say why, in a few words. The learner reads it.")


def trigger(key: str) -> str:
    """Why a reading was made."""
    names = {
        "schedule": _("by the clock"),
        "button": _("asked for here"),
        "publish": _("after publishing"),
        "launch": _("when somebody came in"),
        "upload": _("after an uploaded file"),
        "connect": _("after a source was connected or disconnected"),
    }
    return names.get(key, key)


def design(key: str) -> str:
    """A badge design by its shape."""
    names = {
        "shield": _("Shield"),
        "medal": _("Medal"),
        "hexagon": _("Hexagon"),
        "starburst": _("Starburst"),
        "gem": _("Gem"),
        "ribbon": _("Ribbon"),
        "laurel": _("Laurel"),
    }
    return names.get(key, key)


def palette(key: str) -> str:
    """A palette by its colour."""
    names = {
        "indigo": _("Indigo"),
        "forest": _("Forest green"),
        "crimson": _("Crimson"),
        "ocean": _("Ocean blue"),
        "plum": _("Plum"),
        "graphite": _("Graphite"),
        "amber": _("Amber"),
    }
    return names.get(key, key)


def own_award_state(state: str) -> Words:
    """An award for the learner who earned it."""
    words = {
        "waiting": Words(_("being signed"), "wait"),
        "needs_recipient": Words(_("waiting for your e-mail address"), "wait"),
        "issued": Words(_("signed"), "good"),
        "revoked": Words(_("revoked"), "bad"),
        "superseded": Words(_("replaced")),
    }
    return words[state]
