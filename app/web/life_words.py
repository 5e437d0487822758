"""The life of a credential in words: why it was replaced, held, when it ends."""

from __future__ import annotations

from flask_babel import gettext as _


def replaced_for(reason: str) -> str:
    """Why another file stands in for one; ``reason`` is one of ``models.SpentEntry.reason``."""
    sentences = {
        "recipient": _("The name or the address of its owner changed."),
        "regrade": _("A result that it rests on changed; the badge stands."),
        "endorsement": _("Somebody endorsed the badge, and the new file says so."),
        "wallet": _("The new file belongs to a wallet of its owner."),
        "disclosure": _("Its owner chose what it tells of how it was earned."),
        "key-compromised": _("A key that had signed the old file was taken out of use."),
    }
    return sentences.get(reason, _("The issuer signed it again."))
