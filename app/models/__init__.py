"""Every table. One module per aggregate; a docstring under each column that needs one; no logic.

Importing this package registers all tables on ``app.db.Base.metadata``.
"""

from __future__ import annotations

from app.models.access import (
    AdminLink,
    ApiToken,
    BrowserSession,
    Grant,
    IdempotencyKey,
    OperatorLogin,
    Permission,
    SessionCode,
)
from app.models.apps import AppClient, AppConsent, AppToken
from app.models.audit import AuditEntry
from app.models.courses import (
    CopyNotice,
    Course,
    CourseColumn,
    CourseCopy,
    CourseScore,
    LinkHistory,
    Section,
    Term,
)
from app.models.credentials import (
    Achievement,
    AchievementVersion,
    Award,
    BulkRevocation,
    BulkRevocationAward,
    Credential,
    Disclosure,
    Issuer,
    IssuerKey,
    PublicationRequest,
    Share,
    SpentEntry,
    StatusList,
)
from app.models.delivery import Attempt, Connection, Delivery, OptOut
from app.models.endorsement import Endorsement
from app.models.erasure import ErasedEntry, Erasure, Tombstone, TombstoneKey
from app.models.gradebook import Assessment, CollectRun, Result, ResultVersion
from app.models.lti import (
    AccessToken,
    AnsweredLogin,
    ContentSelection,
    Deployment,
    Installation,
    Invitation,
    Platform,
    ToolKey,
)
from app.models.mastery import (
    Attainment,
    AttainmentEvidence,
    Competency,
    Decision,
    Framework,
    Rule,
    RuleVersion,
)
from app.models.people import Enrolment, EnrolmentChange, Learner, Person
from app.models.sources import (
    ColumnSource,
    CourseSource,
    GradeAccess,
    GradeConsent,
    GradeGrant,
    UnjoinedResult,
)
from app.models.system import Heartbeat, Lease, SystemFact
from app.models.uploads import GradeUpload, GradeUploadChange
from app.models.wallet import SpentNonce, WalletOffer

__all__ = [
    "AccessToken",
    "Achievement",
    "AchievementVersion",
    "AdminLink",
    "AnsweredLogin",
    "ApiToken",
    "AppClient",
    "AppConsent",
    "AppToken",
    "Assessment",
    "Attainment",
    "AttainmentEvidence",
    "Attempt",
    "AuditEntry",
    "Award",
    "BrowserSession",
    "BulkRevocation",
    "BulkRevocationAward",
    "CollectRun",
    "ColumnSource",
    "Competency",
    "Connection",
    "ContentSelection",
    "CopyNotice",
    "Course",
    "CourseColumn",
    "CourseCopy",
    "CourseScore",
    "CourseSource",
    "Credential",
    "Decision",
    "Delivery",
    "Deployment",
    "Disclosure",
    "Endorsement",
    "Enrolment",
    "EnrolmentChange",
    "ErasedEntry",
    "Erasure",
    "Framework",
    "GradeAccess",
    "GradeConsent",
    "GradeGrant",
    "GradeUpload",
    "GradeUploadChange",
    "Grant",
    "Heartbeat",
    "IdempotencyKey",
    "Installation",
    "Invitation",
    "Issuer",
    "IssuerKey",
    "Learner",
    "Lease",
    "LinkHistory",
    "OperatorLogin",
    "OptOut",
    "Permission",
    "Person",
    "Platform",
    "PublicationRequest",
    "Result",
    "ResultVersion",
    "Rule",
    "RuleVersion",
    "Section",
    "SessionCode",
    "Share",
    "SpentEntry",
    "SpentNonce",
    "StatusList",
    "SystemFact",
    "Term",
    "Tombstone",
    "TombstoneKey",
    "ToolKey",
    "UnjoinedResult",
    "WalletOffer",
]
