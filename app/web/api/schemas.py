"""What the API takes and gives. These models are the description: field docs go into OpenAPI."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

AwardState = Literal["waiting", "needs_recipient", "issued", "revoked", "superseded"]
DeliveryState = Literal["waiting", "sending", "sent", "held", "dead", "dropped"]


class Strict(BaseModel):
    """Unknown members are refused, so that a misspelt filter is not silently ignored."""

    model_config = ConfigDict(extra="forbid")


class Paged(Strict):
    """How every list is read."""

    limit: int = Field(50, ge=1, le=200, description="Rows in one answer.")
    cursor: str | None = Field(None, max_length=300, description="`next` of the previous answer.")


class CourseQuery(Paged):
    """Filters of the course list."""

    state: Literal["active", "concluded"] | None = None


class AwardQuery(Paged):
    """Filters of the award list."""

    state: AwardState | None = None
    course_id: str | None = Field(None, max_length=36)
    badge_id: str | None = Field(None, max_length=36)
    since: AwareDatetime | None = Field(None, description="Awarded at this time or later.")


class DeliveryQuery(Paged):
    """Filters of the delivery list."""

    state: DeliveryState | None = None
    connection_id: str | None = Field(None, max_length=36)
    award_id: str | None = Field(None, max_length=36)


class CourseOut(Strict):
    """One course of one LMS."""

    id: str
    title: str
    label: str = Field(description="Short name, for example STAT 101.")
    state: str
    platform: str = Field(description="Name of the LMS.")
    created_at: AwareDatetime
    collected_at: AwareDatetime | None = Field(description="When its grades were last read.")


class CourseDetail(CourseOut):
    """One course with its numbers."""

    learners: int = Field(description="Active learners, test users left out.")
    badges: int = Field(description="Published badges.")
    awards: int = Field(description="Awards in force.")
    signed: int = Field(description="Those of them whose badge is signed.")
    waiting: int = Field(description="Those of them that wait for their signature.")


class CourseList(Strict):
    """One page of courses."""

    data: list[CourseOut]
    next: str | None = Field(description="Cursor of the next page; null on the last one.")


class BadgeRef(Strict):
    """The badge of an award, in the wording that was awarded."""

    id: str
    name: str
    version: int


class Holder(Strict):
    """Personal data; present only with the scope people:read."""

    name: str
    email: str | None
    student_number: str | None


class AwardOut(Strict):
    """One award."""

    id: str
    badge: BadgeRef
    course_id: str
    learner_id: str = Field(description="Stable within this Tassel; not the LMS's or SIS's id.")
    state: AwardState
    awarded_at: AwareDatetime
    expires_at: AwareDatetime | None = Field(
        description="Its last second; null when it never ends. The state does not change with it."
    )
    occurrence: str = Field(
        description="Empty for the first award of a badge; another one of the same learner says what"
        " it is for, for example which end it renewed."
    )
    revoked_at: AwareDatetime | None
    held_at: AwareDatetime | None = Field(
        description="On hold since; no file is handed out meanwhile (409)."
    )
    holder: Holder | None = Field(description="Only with the scope people:read, else null.")


class Replaced(Strict):
    """A credential of the award that another one stands in for; verifiers refuse it."""

    credential_id: str
    issued_at: AwareDatetime
    replaced_at: AwareDatetime
    reason: str = Field(
        description="recipient | regrade | endorsement | wallet | key-compromised | restored"
    )


class AwardDetail(AwardOut):
    """One award with its signed file."""

    credential_id: str | None = Field(description="urn:uuid of the newest signed credential.")
    credential_sha256: str | None = Field(description="Of the exact bytes handed out.")
    issued_at: AwareDatetime | None
    replaced: list[Replaced] = Field(description="Earlier credentials, latest first.")


class AwardList(Strict):
    """One page of awards."""

    data: list[AwardOut]
    next: str | None = Field(description="Cursor of the next page; null on the last one.")


class ConnectionRef(Strict):
    """Where a delivery goes."""

    id: str
    name: str
    kind: str


class DeliveryOut(Strict):
    """One award on its way to one target."""

    id: str
    award_id: str
    connection: ConnectionRef
    operation: str = Field(
        description="create or revoke; for mails also replace-N (its credential number N)."
    )
    state: DeliveryState
    code: str | None = Field(description="Stable reason of the state, for example no-sis-id.")
    message: str | None = Field(description="What happened.")
    fix: str | None = Field(description="What to do.")
    who: str | None = Field(description="Who can do it.")
    attempts: int
    next_at: AwareDatetime | None = Field(description="When it is tried next by itself.")
    created_at: AwareDatetime
    sent_at: AwareDatetime | None


class AttemptOut(Strict):
    """One try."""

    number: int
    started_at: AwareDatetime
    finished_at: AwareDatetime | None
    outcome: Literal["sent", "later", "never", "held"] | None = Field(
        description="null while it runs, or when the process died in between."
    )
    code: str | None
    status: int | None = Field(description="HTTP status of the target, if one came.")


class DeliveryDetail(DeliveryOut):
    """One delivery with every try, newest first."""

    tries: list[AttemptOut]


class DeliveryList(Strict):
    """One page of deliveries."""

    data: list[DeliveryOut]
    next: str | None = Field(description="Cursor of the next page; null on the last one.")


class IdempotencyHeaders(BaseModel):
    """Headers of a write."""

    model_config = ConfigDict(populate_by_name=True)

    idempotency_key: str | None = Field(
        None,
        alias="Idempotency-Key",
        min_length=8,
        max_length=200,
        description="A repeat with the same key gets the first answer and does nothing.",
    )


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str
    title: str = Field(description="What happened.")
    status: int
    code: str = Field(description="Stable and machine-readable.")
    detail: str | None = Field(None, description="How to mend it, and who can.")
    errors: dict[str, str] | None = Field(None, description="By field, for refused input.")
