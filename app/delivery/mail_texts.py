"""What mails to learners say: subject and paragraphs by occasion, in the reader's language.

Blanks: ``badge``, ``course``, ``page``, ``reason``, ``day``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.delivery.port import AwardFacts

Translate = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Text:
    """One mail. The paragraphs stand in the order in which they are read."""

    subject: str
    paragraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Why:
    """What an occasion depends on: the reason key of a replacement, whether the badge ends, and
    whether it renews an earlier one."""

    replaced: str = ""
    ends: bool = False
    renews: bool = False

    @classmethod
    def of(cls, facts: AwardFacts) -> Why:
        """As the facts of the award say."""
        return cls(facts.replaced_for, facts.expires_at is not None, facts.renews)


def known(operation: str) -> bool:
    """Whether there is a mail for it: ``create``, ``revoke``, ``replace-N`` of a credential, or
    ``remind-N`` days before its end."""
    return _kind(operation) in _MAILS


def text(operation: str, why: Why, gettext: Translate) -> Text:
    """The mail of an operation."""
    return _MAILS[_kind(operation)](why, gettext)


def _kind(operation: str) -> str:
    return operation.partition("-")[0]


def _earned(why: Why, gettext: Translate) -> Text:
    subject = gettext("You earned the badge “%(badge)s”")
    news = gettext("Congratulations! You earned the badge “%(badge)s” in %(course)s.")
    if why.renews:
        subject = gettext("You renewed the badge “%(badge)s”")
        news = gettext(
            "Congratulations! You renewed the badge “%(badge)s” in %(course)s. It is a new badge with a"
            " new file; the earlier one ends as it was going to."
        )
    ends = (gettext("It is valid until the end of %(day)s."),) if why.ends else ()
    return Text(
        subject,
        (
            news,
            *ends,
            gettext(
                "Open the course in your learning platform and choose Tassel to see it, share it or"
                " download it. The page is: %(page)s"
            ),
            gettext(
                "You can turn these messages off on the same page, under Settings. This message was"
                " sent automatically; answers are not read."
            ),
        ),
    )


def _reminder(_why: Why, gettext: Translate) -> Text:
    return Text(
        gettext("Your badge “%(badge)s” ends on %(day)s"),
        (
            gettext(
                "Your badge “%(badge)s” in %(course)s is valid until the end of %(day)s. You can renew"
                " it: reach its marks again with new results."
            ),
            gettext("Your page says which results are needed and from when they count."),
            _way(gettext),
            gettext(
                "You can turn these messages off on the same page, under Settings. This message was"
                " sent automatically; answers are not read."
            ),
        ),
    )


def _replaced(why: Why, gettext: Translate) -> Text:
    return Text(
        gettext("Your badge “%(badge)s” was signed again"),
        (
            _cause(why.replaced, gettext),
            gettext(
                "You keep the badge and its date, and links to it work as before. Files and wallet"
                " entries that you saved are not accepted any more: please save the new one."
            ),
            _way(gettext),
            _automatic(gettext),
        ),
    )


def _cause(why: str, gettext: Translate) -> str:
    """Why a badge was signed again."""
    if why == "key-compromised":
        return gettext(
            "A key that had signed your badge “%(badge)s” in %(course)s may be in wrong hands. It was"
            " taken out of use, and your badge was signed again with a new key."
        )
    return gettext(
        "Something that your badge “%(badge)s” in %(course)s says has changed, so it was signed"
        " again."
    )


def _revoked(_why: Why, gettext: Translate) -> Text:
    return Text(
        gettext("Your badge “%(badge)s” was revoked"),
        (
            gettext(
                "Your badge “%(badge)s” in %(course)s was revoked. It does not count any more."
            ),
            gettext("Reason: %(reason)s"),
            gettext("If you think this is wrong, talk to your teacher."),
            _way(gettext),
            _automatic(gettext),
        ),
    )


def _way(gettext: Translate) -> str:
    return gettext(
        "Open the course in your learning platform and choose Tassel. The page is: %(page)s"
    )


def _automatic(gettext: Translate) -> str:
    return gettext("This message was sent automatically; answers are not read.")


_MAILS: dict[str, Callable[[Why, Translate], Text]] = {
    "create": _earned,
    "remind": _reminder,
    "replace": _replaced,
    "revoke": _revoked,
}
