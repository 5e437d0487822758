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
    Permission,
)
from app.models.audit import AuditEntry
from app.models.courses import Course, CourseColumn, CourseScore, Section, Term
from app.models.credentials import (
    Achievement,
    AchievementVersion,
    Award,
    Credential,
    Disclosure,
    Issuer,
    IssuerKey,
    Share,
    StatusList,
)
from app.models.delivery import Attempt, Connection, Delivery, OptOut
from app.models.gradebook import Assessment, CollectRun, Result, ResultVersion
from app.models.lti import (
    AccessToken,
    Deployment,
    Installation,
    Invitation,
    LaunchState,
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
from app.models.system import Heartbeat, Lease, SystemFact

__all__ = [
    "AccessToken",
    "Achievement",
    "AchievementVersion",
    "AdminLink",
    "ApiToken",
    "Assessment",
    "Attainment",
    "AttainmentEvidence",
    "Attempt",
    "AuditEntry",
    "Award",
    "BrowserSession",
    "CollectRun",
    "Competency",
    "Connection",
    "Course",
    "CourseColumn",
    "CourseScore",
    "Credential",
    "Decision",
    "Delivery",
    "Deployment",
    "Disclosure",
    "Enrolment",
    "EnrolmentChange",
    "Framework",
    "Grant",
    "Heartbeat",
    "IdempotencyKey",
    "Installation",
    "Invitation",
    "Issuer",
    "IssuerKey",
    "LaunchState",
    "Learner",
    "Lease",
    "OptOut",
    "Permission",
    "Person",
    "Platform",
    "Result",
    "ResultVersion",
    "Rule",
    "RuleVersion",
    "Section",
    "Share",
    "StatusList",
    "SystemFact",
    "Term",
    "ToolKey",
]
