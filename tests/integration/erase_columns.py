"""What every column of every table says about a learner, judged one by one.

A table whose rows go with the learner stands in ``app.pipeline.fates``; all others stand here. Who
adds a column says what it is: about no learner (``APART``), kept although it is (``KEPT``, with the
reason), or taken away by ids because no key leads to it (``BY_IDS``).
"""

from __future__ import annotations

APART: dict[str, str] = {
    "access_token": "id platform_id scopes sealed expires_at",
    "achievement": (
        "id issuer_id course_id continues_id state published_version occurrence_by "
        "regrade course_column created_at"
    ),
    "achievement_version": (
        "id achievement_id number name description criteria criteria_made alignments "
        "design palette image image_alt fast created_at published_at "
        "valid_kind valid_count valid_until renewal renewal_days drawing editions details"
    ),
    "admin_link": "id token_hash name role created_at expires_at used_at",
    "answered_login": "state_hash platform_id storage answered_at expires_at",
    "api_token": "id name token_hash scopes created_at expires_at revoked_at",
    "app_client": "id name uri redirect_uris scopes auth_method secret_hash created_at used_at ended_at",
    "assessment": (
        "id course_id source external_id title maximum position tag resource_id link_id "
        "state kind hidden scale seen_at read_at"
    ),
    "audit_entry": "id at action",
    "browser_session": "id token_hash created_at expires_at",
    "bulk_revocation": (
        "id badge_id course_id actor state starts_at lease_until created_at finished_at"
    ),
    "collect_run": (
        "id course_id trigger state whole next_at delays lease_until attempts done total "
        "unit source changed awarded problem created_at started_at finished_at"
    ),
    "column_source": ("id course_id source external_id assessment_id state identities seen_at"),
    "competency": "id framework_id code statement uri case_id position",
    "connection": "id kind name config sealed state tested_at created_at",
    "copy_notice": "id platform_id notice_id deployment_id context_id origins at",
    "course": (
        "id deployment_id context_id term_id title label state time_zone services history "
        "next_collect_at collected_at created_at"
    ),
    "course_column": "id course_id achievement_id tag label maximum url gone_at",
    "course_copy": "id course_id origin_id state brought at",
    "course_source": "id course_id source state course_key read_at whole_at created_at",
    "deployment": (
        "id platform_id deployment_id state notices_url notices_state notices_tried_at created_at"
    ),
    "endorsement": (
        "id achievement_id partner token_hash state created_at expires_at version document "
        "received_at decided_at withdrawn_at"
    ),
    "erased_entry": "id",
    "framework": "id title uri kind course_id created_at",
    "grade_access": (
        "id installation_id source base_url client_id sealed state problem tested_at created_at"
    ),
    "grade_upload": "id course_id state expires_at created_at applied_at undone_at",
    "heartbeat": "executor_id started_at at",
    "idempotency_key": "id token_id key request_hash status created_at",
    "installation": (
        "id name lms origin guid sis_authoritative admin_role lti11_key lti11_secret created_at"
    ),
    "invitation": "id token_hash lms_origin created_at expires_at used_at platform_id",
    "issuer": "id slug did name url email description created_at admits_instructors",
    "issuer_key": (
        "id issuer_id kind fragment keeper sealed remote public_jwk public_multibase "
        "state created_at signs_from retired_at problem"
    ),
    "lease": "name holder until",
    "link_history": "id course_id link_id previous",
    "operator_login": ("state_hash nonce verifier binding_hash created_at expires_at used_at"),
    "platform": (
        "id installation_id continues_id issuer client_id auth_url token_url "
        "token_audience jwks_url state scopes_asked scopes_granted jwks jwks_fetched_at "
        "jwks_expires_at launched_at launch_skew scopes_given findings checked_at "
        "created_at"
    ),
    "publication_request": (
        "id achievement_id course_id issuer_id version rule_version state asked_by asked_at "
        "decided_by decided_at word"
    ),
    "rule": "id course_id achievement_id state published_version",
    "rule_version": "id rule_id number definition created_at published_at",
    "section": "id course_id sis_class_id",
    "session_code": "code_hash session_id expires_at",
    "spent_entry": "id",
    "spent_nonce": "nonce_hash expires_at",
    "status_list": "id issuer_id number revision signed_revision signed_at lease_until",
    "system_fact": "key value at",
    "term": "id installation_id sis_id name starts_on ends_on time_zone",
    "tombstone_key": "id created_at",
    "tool_key": "id kid sealed public_jwk state signs_from created_at retired_at",
}
"""Columns that say nothing about a learner."""

KEPT: dict[str, str] = {
    "audit_entry.actor": "random ids, or names of operators: the log survives an erasure",
    "audit_entry.subject": "random ids that lead to no row any more",
    "audit_entry.detail": "random ids and codes",
    "audit_entry.hash": "chains the log",
    "audit_entry.previous_hash": "chains the log",
    "endorsement.invited_by": "random id of whoever made the link, or the name of an operator",
    "endorsement.decided_by": "random id of whoever accepted or declined, or an operator's name",
    "endorsement.withdrawn_by": "random id of whoever took it back, or an operator's name",
    "bulk_revocation.reason": "one text to many learners",
    "bulk_revocation.total": "a number",
    "bulk_revocation.done": "a number",
    "course_source.cursor": "how far a source was read; names nobody",
    "course_source.problem": "what is wrong with a source; names nobody",
    "course_source.unjoined": "a number",
    "connection.problem": "what is wrong with a target; names nobody",
    "erased_entry.status_list_id": "the entry of the status list, so that it is never given away again",
    "erased_entry.status_index": "the entry of the status list, so that it is never given away again",
    "erasure.id": "random; tells one erasure from another",
    "erasure.at": "when somebody was erased",
    "erasure.badges": "what was chosen for the badges that others hold",
    "erasure.lifted_at": "whether the person came back",
    "grade_upload.taken": "a number",
    "grade_upload.unchanged": "a number",
    "grade_upload.left_out": "a number",
    "session_code.path": "may name an award's random id, for one minute",
    "spent_entry.status_list_id": "the entry of the status list, which says revoked",
    "spent_entry.status_index": "the entry of the status list, which says revoked",
    "spent_entry.reason": "a code",
    "spent_entry.at": "when it was set",
    "status_list.signed": "bits; names nobody",
    "status_list.used": "a number",
    "tombstone.mark": "a keyed hash, by which the person is not brought back",
    "tombstone.erasure_id": "which erasure a mark belongs to",
    "tombstone_key.sealed": "the key of the marks",
}
"""Columns that an erasure leaves although they came about through a learner, and why."""

BY_IDS: dict[str, str] = {
    "unjoined_result": "*",
    "idempotency_key": "body",
    "grade_upload": "sealed choices",
}
"""Columns whose rows about the learner are found by ids: see ``app.pipeline.taking_away``."""
