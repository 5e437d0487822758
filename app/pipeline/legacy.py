"""What is carried over from LTI 1.1 (LTI 1.3 migration guide): the person's old id, once proven.

An LMS may say in a launch who somebody was in LTI 1.1, signed with the old shared secret. Without
that secret or with a wrong signature the launch goes on and the claim counts for nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import replace
from datetime import datetime

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import audit
from app.errors import Invalid, NotFound
from app.lti.launch import LaunchContext
from app.models import Installation, Person, Platform
from app.pipeline import learners
from app.pipeline.campus import Campus

log = structlog.get_logger()


def set_key(campus: Campus, origin: str, key: str, secret: str, actor: str) -> None:
    """Keep the LTI 1.1 key and secret of the LMS at ``origin``; both empty forgets them."""
    if bool(key) != bool(secret) or len(key) > 300:
        raise Invalid("bad-lti11-key", "Give both the consumer key and its secret, or none.")
    sealed = campus.box.seal(secret.encode()) if secret else None
    with campus.db.transaction() as session:
        row = session.scalar(select(Installation).where(Installation.origin == origin))
        if row is None:
            raise NotFound("no-platform", "No LMS is registered there.", fix="tassel platform list")
        row.lti11_key, row.lti11_secret = key or None, sealed
        action = "installation.lti11-key" if key else "installation.lti11-forgotten"
        audit.record(session, actor, action, f"installation:{row.id}", {}, campus.clock())


def proven(campus: Campus, launch: LaunchContext) -> LaunchContext:
    """The launch with the old id if its claim is signed as it must be, without the claim if not."""
    claim = launch.legacy
    if claim is None:
        return launch
    with campus.db.reading() as session:
        row = session.get_one(Installation, launch.installation_id)
        key, sealed = row.lti11_key, row.lti11_secret
    if not key or not sealed:
        wrong = "no-key"
    elif key != claim.key:
        wrong = "other-key"
    elif not hmac.compare_digest(signature(claim.signed, campus.box.open(sealed)), claim.sign):
        wrong = "wrong-signature"
    else:
        return replace(launch, legacy=None, lti11_user_id=(claim.user_id or launch.sub)[:300])
    log.info("lti11-claim-ignored", reason=wrong, installation=launch.installation_id)
    return replace(launch, legacy=None)


def signature(text: str, secret: bytes) -> bytes:
    """``oauth_consumer_key_sign``: base64 of HMAC-SHA-256 (migration guide, 3.1.2)."""
    return base64.b64encode(hmac.new(secret, text.encode(), hashlib.sha256).digest())


def keep(session: Session, person: Person, launch: LaunchContext, now: datetime) -> None:
    """Remember a proven old id. In a registration that continues another one, whoever had the
    same old id there is the same human: the two accounts get one learner, audited.
    """
    old = launch.lti11_user_id
    if old is None:
        return
    if person.lti11_user_id != old:
        person.lti11_user_id = old
        audit.record(session, "system", "person.lti11-id", f"person:{person.id}", {}, now)
    platform = session.get_one(Platform, launch.platform_id)
    if platform.continues_id is None or person.is_test:
        return
    others = select(Person).where(
        Person.installation_id == person.installation_id,
        Person.lti11_user_id == old,
        Person.id != person.id,
        Person.is_test.is_(False),
    )
    found = session.scalars(others.limit(2)).all()
    if len(found) == 1:
        learners.join(session, person, found[0].learner_id, "lti11", now)
