"""Names of claims, scopes, media types and messages (LTI 1.3 core, AGS 2.0, NRPS 2.0, DL 2.0)."""

from __future__ import annotations

CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"
AGS_CLAIM = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"
FOR_USER_CLAIM = CLAIM + "for_user"
NRPS_CLAIM = "https://purl.imsglobal.org/spec/lti-nrps/claim/namesroleservice"
NOTICES_CLAIM = CLAIM + "platformnotificationservice"
DEEP_LINKING = "https://purl.imsglobal.org/spec/lti-dl/claim/"
DEEP_LINKING_CLAIM = DEEP_LINKING + "deep_linking_settings"

_AGS = "https://purl.imsglobal.org/spec/lti-ags/scope/"
LINE_ITEM_SCOPE = _AGS + "lineitem"
LINE_ITEM_READ_SCOPE = _AGS + "lineitem.readonly"
RESULT_SCOPE = _AGS + "result.readonly"
SCORE_SCOPE = _AGS + "score"
MEMBERS_SCOPE = "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly"
NOTICES_SCOPE = "https://purl.imsglobal.org/spec/lti/scope/noticehandlers"
SCOPES = (LINE_ITEM_SCOPE, LINE_ITEM_READ_SCOPE, RESULT_SCOPE, SCORE_SCOPE, MEMBERS_SCOPE)
EXTRA_SCOPES = (NOTICES_SCOPE,)
"""Asked for only where the LMS says that it knows them: nothing is missing without them."""

LINE_ITEM_TYPE = "application/vnd.ims.lis.v2.lineitem+json"
LINE_ITEMS_TYPE = "application/vnd.ims.lis.v2.lineitemcontainer+json"
RESULTS_TYPE = "application/vnd.ims.lis.v2.resultcontainer+json"
SCORE_TYPE = "application/vnd.ims.lis.v1.score+json"
MEMBERS_TYPE = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"

COPY_NOTICE = "LtiContextCopyNotice"
RESOURCE_LINK = "LtiResourceLinkRequest"
DEEP_LINK = "LtiDeepLinkingRequest"
SUBMISSION_REVIEW = "LtiSubmissionReviewRequest"
DATA_PRIVACY = "LtiDataPrivacyLaunchRequest"
DATA_PRIVACY_DRAFT = "DataPrivacyLaunchRequest"
"""The name of earlier drafts, which some LMSs send."""
MESSAGES = (RESOURCE_LINK, DEEP_LINK, SUBMISSION_REVIEW, DATA_PRIVACY, DATA_PRIVACY_DRAFT)

PLATFORM_CONFIGURATION = "https://purl.imsglobal.org/spec/lti-platform-configuration"
TOOL_CONFIGURATION = "https://purl.imsglobal.org/spec/lti-tool-configuration"
