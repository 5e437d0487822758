"""What stands at the top of a page after something was done, or when a launch led elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flask_babel import lazy_gettext as _
from flask_babel.speaklater import LazyString

from app.web.wording import Words

NOTICES: Final[Mapping[str, tuple[LazyString, str]]] = {
    "no-such-learner": (
        _(
            "Tassel does not know this learner in this course yet. The list is read together with the grades: press Refresh now on the page of the badges."
        ),
        "",
    ),
    "no-such-badge": (
        _("The badge that this link stands for is not in this course (any more)."),
        "",
    ),
    "saved": (_("Saved."), "good"),
    "told": (
        _("Saved. A new file of the badge is signed; the one before is not accepted any more."),
        "good",
    ),
    "created": (_("The draft is there. Now choose what shows the competency."), "good"),
    "drafted": (_("The draft is there and chosen."), "good"),
    "published": (
        _("Published. Tassel reads the grades again and awards the badge to all who reach it."),
        "good",
    ),
    "asked": (
        _("Sent to the issuer for approval. The badge stays as it is until there is an answer."),
        "good",
    ),
    "taken-back": (_("Taken back. You can change the badge again."), "good"),
    "edition-removed": (_("The badge does not speak that language any more."), "good"),
    "issuer-chosen": (_("Saved. This issuer stands behind the badge from now on."), "good"),
    "stopped": (
        _("Stopped. Nobody earns this badge from now on; those who have it keep it."),
        "good",
    ),
    "resumed": (_("The badge can be earned again."), "good"),
    "removed": (_("The draft is removed."), "good"),
    "source-disconnected": (_("Disconnected. What was read stays."), "good"),
    "reading": (_("Tassel is reading the grades."), "good"),
    "brought-drafts": (
        _("The badges are here as drafts. Publish them when they are right."),
        "good",
    ),
    "brought-published": (
        _("The badges are here and published. Tassel reads the grades now."),
        "good",
    ),
    "brought-incomplete": (
        _("The badges are here. Those that lost a column are drafts: complete them first."),
        "good",
    ),
    "copy-dismissed": (_("Not offered any more. You find it again under Settings."), "good"),
    "copy-undone": (_("The brought badges are removed."), "good"),
    "copy-kept": (_("Removed what nobody has. The badges that somebody earned stay."), "good"),
    "competency": (_("The competency is added. Choose it in the table."), "good"),
    "token-connected": (_("Connected. Tassel is reading the grades of the whole course."), "good"),
    "token-connected-partly": (
        _(
            "Connected, but this account sees fewer learners than the roster has: with separate groups only those of its own group. Grades of the others stay as they are known."
        ),
        "",
    ),
    "token-disconnected": (_("Disconnected. What was read stays."), "good"),
    "upload-look": (_("You changed a choice. Look at what it does, then take the grades."), ""),
    "upload-taken": (_("The grades are taken. Tassel decides about the badges now."), "good"),
    "upload-dropped": (_("The file is deleted. Nothing was taken from it."), "good"),
    "upload-undone": (
        _("The upload is taken back. Grades that changed again since then stay."),
        "good",
    ),
    "endorsement-close": (_("The link is taken back. It opens nothing any more."), "good"),
    "endorsement-accept": (
        _(
            "Accepted. Badges that are signed from now on carry the endorsement, unless the list says otherwise."
        ),
        "good",
    ),
    "endorsement-decline": (_("Declined. Nobody gets to see it."), "good"),
    "endorsement-withdraw": (
        _("Withdrawn. Badges that are signed from now on do not carry it."),
        "good",
    ),
    "revoked": (_("The award is revoked. Verifiers see it from now on."), "good"),
    "shared": (_("Shared. Anybody with the link can see this badge."), "good"),
    "unshared": (_("The link is closed. It shows nothing any more."), "good"),
    "offer-ended": (_("The offer is over. No wallet can take it any more."), "good"),
    "app-ended": (_("Ended. The app can read nothing any more; what it has read, it has."), "good"),
    "mail-off": (_("You get no more e-mails about badges."), "good"),
    "mail-on": (_("You get an e-mail when you earn a badge."), "good"),
}
"""Code in the address to text and kind; the text takes the reader's language when it is shown."""


def notice(code: str) -> Words | None:
    """What the page says for a code; None for one that nobody knows."""
    if code not in NOTICES:
        return None
    text, kind = NOTICES[code]
    return Words(str(text), kind)
