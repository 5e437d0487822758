"""Who may use which route. A route that is not in this table answers nobody; a test walks it.

``who``: public | a permission of ``web.permissions`` | ``api:<scope>`` (a bearer token with it).
``commits_on_get``: why a GET may write (protocol routes only). ``twin``: the API route that does
the same, or the reason why there is none.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import request

from app.errors import Forbidden, NotFound
from app.pipeline import endorse
from app.web import session, tokens
from app.web.permissions import ENDORSER, OPERATOR, PERMISSIONS, PRIVACY


@dataclass(frozen=True)
class Access:
    """One line of the table."""

    who: str
    twin: str
    commits_on_get: str = ""
    outside_posts: str = ""
    """Why another site may POST here (guarded by the protocol instead of the CSRF check)."""


PUBLIC_PAGE = "a page for people; the data behind it has its own address"
PROTOCOL = "part of a protocol"
PUBLIC_NAME = "an address that programs read itself"
PROBE = "read by machines; /metrics asks for loopback or metrics:read by itself"
WAY_IN = "none: a way in or out for people; programs use tokens"
SECRETS = "none: sets up who is trusted, so a person does it"
JUDGEMENT = "none: it judges or takes something away, so a person does it"
API = "is the API"
TEACHING = "none: a teacher decides it, with the preview before the eyes"
GRADES = "none: grades leave a course for its own staff only"
CONSENT = "none: only the learner gives or takes back consent"
PERSONAL = "none: personal data leave only to whom the LMS names in a launch"
BROUGHT = "none: a page for people; what is brought is signed, and any program can make it"
OWN = "none: a learner's own page; the files that it hands out are the data"

TABLE: dict[str, Access] = {
    "static": Access("public", PUBLIC_PAGE),
    "instructor.drawn": Access("public", PUBLIC_PAGE),
    "instructor.uploaded": Access("course", PUBLIC_PAGE),
    "instructor.home": Access("staff", "api.courses"),
    "instructor.run": Access("staff", "a part of the course home that a browser asks for"),
    "instructor.signing": Access("staff", "api.course"),
    "instructor.refresh": Access("staff", TEACHING),
    "instructor.settings": Access("staff", "api.courses"),
    "instructor.new": Access("teacher", TEACHING),
    "instructor.create": Access("teacher", TEACHING),
    "instructor.badge": Access("staff", TEACHING),
    "instructor.save": Access("teacher", TEACHING),
    "instructor.try_mapping": Access("staff", TEACHING),
    "instructor.look": Access("staff", TEACHING),
    "instructor.try_look": Access("staff", TEACHING),
    "instructor.save_look": Access("teacher", TEACHING),
    "instructor.editions": Access("staff", TEACHING),
    "instructor.save_edition": Access("teacher", TEACHING),
    "instructor.example": Access("staff", TEACHING),
    "instructor.example_picture": Access("staff", TEACHING),
    "instructor.example_file": Access("staff", TEACHING),
    "instructor.validity": Access("staff", TEACHING),
    "instructor.try_validity": Access("staff", TEACHING),
    "instructor.save_validity": Access("teacher", TEACHING),
    "instructor.endorsements": Access("staff", TEACHING),
    "instructor.invite": Access("teacher", TEACHING),
    "instructor.endorsement_step": Access("teacher", JUDGEMENT),
    "instructor.confirm": Access("teacher", TEACHING),
    "instructor.publish": Access("teacher", TEACHING),
    "instructor.choose_issuer": Access("teacher", TEACHING),
    "instructor.take_back": Access("teacher", TEACHING),
    "instructor.stop": Access("teacher", TEACHING),
    "instructor.resume": Access("teacher", TEACHING),
    "instructor.confirm_removal": Access("teacher", TEACHING),
    "instructor.remove": Access("teacher", TEACHING),
    "instructor.standings": Access("staff", GRADES),
    "instructor.learners": Access("staff", GRADES),
    "instructor.learner": Access("staff", GRADES),
    "instructor.awards": Access("staff", "api.awards"),
    "instructor.award": Access("staff", "api.award"),
    "instructor.confirm_revocation": Access("teacher", JUDGEMENT),
    "instructor.revoke": Access("teacher", JUDGEMENT),
    "instructor.choose_content": Access("staff", PROTOCOL),
    "instructor.place": Access("staff", PROTOCOL),
    "instructor.cancel_content": Access("staff", PROTOCOL),
    "instructor.content_badge": Access("teacher", TEACHING),
    "instructor.competencies": Access("staff", TEACHING),
    "instructor.add_competency": Access("teacher", TEACHING),
    "instructor.import_competencies": Access("teacher", TEACHING),
    "instructor.uploading": Access("staff", GRADES),
    "instructor.receive_upload": Access("teacher", GRADES),
    "instructor.look_upload": Access("teacher", GRADES),
    "instructor.choose_upload": Access("teacher", GRADES),
    "instructor.drop_upload": Access("teacher", GRADES),
    "instructor.undo_upload": Access("teacher", JUDGEMENT),
    "instructor.upload_report": Access("teacher", GRADES),
    "instructor.all_copies": Access("teacher", TEACHING),
    "instructor.copy": Access("teacher", TEACHING),
    "instructor.bring": Access("teacher", TEACHING),
    "instructor.dismiss": Access("teacher", TEACHING),
    "instructor.undo": Access("teacher", TEACHING),
    "instructor.sees": Access("staff", "api.courses"),
    "instructor.read_all": Access("staff", TEACHING),
    "instructor.ask_source": Access("teacher", SECRETS),
    "instructor.confirm_disconnect": Access("teacher", SECRETS),
    "instructor.disconnect_source": Access("teacher", SECRETS),
    "grades.start": Access("public", PROTOCOL),
    "grades.connected": Access(
        "public",
        PROTOCOL,
        commits_on_get="the LMS sends people back here (OAuth 2); single-use state, bound to the browser",
    ),
    "instructor.grade_token": Access("staff", SECRETS),
    "instructor.connect_token": Access("teacher", SECRETS),
    "instructor.disconnect_token": Access("teacher", SECRETS),
    "learner.home": Access("learner", OWN),
    "learner.about": Access("learner", OWN),
    "learner.badge": Access("learner", OWN),
    "learner.share": Access("learner", CONSENT),
    "learner.unshare": Access("learner", CONSENT),
    "learner.download": Access("learner", OWN),
    "learner.tells": Access("learner", CONSENT),
    "learner.take_endorsed": Access("learner", CONSENT),
    "learner.wallet": Access("learner", CONSENT),
    "learner.exchange": Access("learner", CONSENT),
    "learner.withdraw": Access("learner", CONSENT),
    "learner.record": Access("learner", OWN),
    "learner.record_file": Access("learner", OWN),
    "learner.settings": Access("learner", OWN),
    "learner.save_settings": Access("learner", CONSENT),
    "learner.data": Access("learner", OWN),
    "learner.export_data": Access("learner", OWN),
    "learner.answer_app": Access("learner", CONSENT),
    "learner.end_app": Access("learner", CONSENT),
    "learner.app_tab": Access("learner", OWN),
    "learner.confirm_erasure": Access("learner", CONSENT),
    "learner.erase_data": Access("learner", CONSENT),
    "privacy.home": Access("privacy", PERSONAL),
    "privacy.export": Access("privacy", PERSONAL),
    "lti.login": Access(
        "public",
        PROTOCOL,
        outside_posts="the LMS starts it; the launch that follows proves the browser",
    ),
    "lti.launch": Access(
        "public", PROTOCOL, outside_posts="signed token, single-use state, browser proof"
    ),
    "lti.afresh": Access("public", WAY_IN),
    "lti.again": Access(
        "public",
        WAY_IN,
        outside_posts="a sandboxed frame has no origin; it begins a login, and the launch proves the browser",
    ),
    "lti.prove": Access("public", WAY_IN),
    "lti.reloaded": Access("public", WAY_IN),
    "lti.session_of_code": Access("public", WAY_IN),
    "lti.tab_code": Access("public", WAY_IN),
    "lti.tab": Access("public", WAY_IN),
    "lti.jwks": Access(
        "public",
        PROTOCOL,
        commits_on_get="that an LMS read the key set is remembered, once a minute: nothing else shows that it can",
    ),
    "lti.notices": Access(
        "public", PROTOCOL, outside_posts="signed by the LMS, verified like a launch, counted once"
    ),
    "lti.register": Access("public", WAY_IN),
    "lti.register_confirm": Access("public", WAY_IN),
    "lti.administration": Access("lms_administrator", WAY_IN),
    "lti.administration_open": Access("lms_administrator", WAY_IN),
    "lti.config": Access("public", PUBLIC_PAGE),
    "lti.config_lms": Access("public", PUBLIC_PAGE),
    "lti.config_json": Access("public", PUBLIC_NAME),
    "operator.enter": Access("public", WAY_IN),
    "operator.enter_confirm": Access("public", WAY_IN),
    "operator.sign_in": Access("public", WAY_IN),
    "operator.sign_in_begin": Access("public", WAY_IN),
    "operator.sign_in_callback": Access(
        "public",
        PROTOCOL,
        commits_on_get="the OAuth answer comes as GET; its state is used up and the area is opened",
    ),
    "operator.left": Access("public", WAY_IN),
    "operator.leave": Access("area", WAY_IN),
    "operator.home": Access("area", PUBLIC_PAGE),
    "operator.deliveries": Access("deliveries", "api.deliveries"),
    "operator.deliveries_csv": Access("deliveries", "api.deliveries"),
    "operator.delivery": Access("deliveries", "api.delivery"),
    "operator.delivery_retry": Access("deliveries", "api.delivery_retry"),
    "operator.deliveries_retry": Access("deliveries", "api.delivery_retry"),
    "operator.delivery_drop": Access("deliveries", JUDGEMENT),
    "operator.delivery_drop_confirm": Access("deliveries", JUDGEMENT),
    "operator.connections": Access("deliveries", SECRETS),
    "operator.connection": Access("deliveries", SECRETS),
    "operator.connection_new": Access("deliveries", SECRETS),
    "operator.connection_make": Access("deliveries", SECRETS),
    "operator.connection_edit": Access("deliveries", SECRETS),
    "operator.connection_save": Access("deliveries", SECRETS),
    "operator.connection_test": Access("deliveries", SECRETS),
    "operator.connection_pause": Access("deliveries", JUDGEMENT),
    "operator.connection_resume": Access("deliveries", JUDGEMENT),
    "operator.awards": Access("operator", "api.awards"),
    "operator.award": Access("operator", "api.award"),
    "operator.award_revoke": Access("operator", JUDGEMENT),
    "operator.award_revoke_confirm": Access("operator", JUDGEMENT),
    "operator.award_hold": Access("operator", JUDGEMENT),
    "operator.award_hold_confirm": Access("operator", JUDGEMENT),
    "operator.award_release": Access("operator", JUDGEMENT),
    "operator.learners": Access("operator", JUDGEMENT),
    "operator.learner_find": Access("operator", JUDGEMENT),
    "operator.learner_erase": Access("operator", JUDGEMENT),
    "operator.learner_erase_confirm": Access("operator", JUDGEMENT),
    "operator.bulk": Access("operator", JUDGEMENT),
    "operator.bulk_begin": Access("operator", JUDGEMENT),
    "operator.bulk_run": Access("operator", JUDGEMENT),
    "operator.bulk_undo": Access("operator", JUDGEMENT),
    "operator.approvals": Access("approvals", JUDGEMENT),
    "operator.approval": Access("approvals", JUDGEMENT),
    "operator.approval_picture": Access("approvals", PUBLIC_PAGE),
    "operator.approval_answer": Access("approvals", JUDGEMENT),
    "operator.issuers": Access("operator", SECRETS),
    "operator.issuer_make": Access("operator", SECRETS),
    "operator.issuer_found": Access("operator", SECRETS),
    "operator.issuer": Access("operator", SECRETS),
    "operator.issuer_save": Access("operator", SECRETS),
    "operator.issuer_rotate": Access("operator", SECRETS),
    "operator.issuer_rotate_confirm": Access("operator", SECRETS),
    "operator.endorsement_withdraw": Access("operator", JUDGEMENT),
    "operator.platforms": Access("operator", SECRETS),
    "operator.platform": Access("operator", SECRETS),
    "operator.platform_check": Access("operator", SECRETS),
    "operator.platform_continue": Access("operator", SECRETS),
    "operator.platform_administrators": Access("operator", SECRETS),
    "operator.platform_student_numbers": Access("operator", SECRETS),
    "operator.tool_keys": Access("operator", SECRETS),
    "operator.tool_keys_rotate": Access("operator", SECRETS),
    "operator.tool_keys_replace": Access("operator", SECRETS),
    "operator.tool_keys_replace_confirm": Access("operator", SECRETS),
    "operator.platform_invite": Access("operator", SECRETS),
    "operator.platform_register": Access("operator", SECRETS),
    "operator.platform_register_lms": Access("operator", SECRETS),
    "operator.platform_register_save": Access("operator", SECRETS),
    "operator.platform_approve": Access("operator", SECRETS),
    "operator.platform_disable": Access("operator", SECRETS),
    "operator.deployment_approve": Access("operator", SECRETS),
    "operator.grade_key": Access("operator", SECRETS),
    "operator.grade_key_save": Access("operator", SECRETS),
    "operator.grade_key_test": Access("operator", SECRETS),
    "operator.grade_token": Access("operator", SECRETS),
    "operator.grade_token_save": Access("operator", SECRETS),
    "operator.grade_token_pause": Access("operator", JUDGEMENT),
    "operator.tokens": Access("operator", SECRETS),
    "operator.token_make": Access("operator", SECRETS),
    "operator.token_revoke": Access("operator", SECRETS),
    "operator.token_revoke_confirm": Access("operator", SECRETS),
    "operator.audit_log": Access(
        "operator", "none: the log is read by people; its rows stand in the database"
    ),
    "operator.health": Access("operator", "public.metrics"),
    "wallet.issuer_metadata": Access("public", PUBLIC_NAME),
    "wallet.server_metadata": Access("public", PUBLIC_NAME),
    "wallet.offer": Access("public", PROTOCOL),
    "wallet.token": Access(
        "public", PROTOCOL, outside_posts="a wallet calls; single-use code and the learner's digits"
    ),
    "wallet.nonce": Access("public", PROTOCOL, outside_posts="a wallet calls; nothing is written"),
    "wallet.credential": Access(
        "public", PROTOCOL, outside_posts="a wallet calls; access token and proof of its key"
    ),
    "wallet.notification": Access(
        "public", PROTOCOL, outside_posts="a wallet calls; access token and the id it was given"
    ),
    "wallet.exchange": Access(
        "public", PROTOCOL, outside_posts="a wallet calls; single-use address and proof of its key"
    ),
    "apps.metadata": Access("public", PUBLIC_NAME),
    "apps.discovery": Access("public", PUBLIC_NAME),
    "apps.about": Access("public", PUBLIC_PAGE),
    "apps.ask": Access("public", PROTOCOL),
    "apps.register": Access(
        "public", PROTOCOL, outside_posts="an app calls; its words are kept for a day unless used"
    ),
    "apps.token": Access(
        "public", PROTOCOL, outside_posts="an app calls; its secret, a single-use code and PKCE"
    ),
    "apps.revoke": Access("public", PROTOCOL, outside_posts="an app calls; its secret and a token"),
    "apps.credentials": Access(
        "public",
        PROTOCOL,
        commits_on_get="an app reads with its token; the learner is told which badges it was given",
    ),
    "apps.profile": Access("public", PROTOCOL),
    "endorser.invited": Access("endorser", BROUGHT),
    "endorser.receive": Access("endorser", BROUGHT),
    "endorser.words": Access("endorser", BROUGHT),
    "endorser.take_back": Access("endorser", BROUGHT),
    "public.badge": Access("public", PUBLIC_NAME),
    "public.earlier": Access("public", PUBLIC_PAGE),
    "public.credential_json": Access("public", PUBLIC_NAME),
    "public.credential_jwt": Access("public", PUBLIC_NAME),
    "public.credential_png": Access("public", PUBLIC_NAME),
    "public.embed": Access("public", PUBLIC_PAGE),
    "public.card": Access("public", PUBLIC_PAGE),
    "public.issuer": Access("public", PUBLIC_NAME),
    "public.did_document": Access("public", PUBLIC_NAME),
    "public.jwks": Access("public", PUBLIC_NAME),
    "public.status_list": Access("public", PUBLIC_NAME),
    "public.catalogue": Access("public", "public.catalogue_ctdl"),
    "public.catalogue_ctdl": Access("public", PUBLIC_NAME),
    "public.verify_form": Access("public", "api.verify"),
    "public.verify_shown": Access("public", "api.verify"),
    "public.achievement": Access("public", PUBLIC_NAME),
    "public.endorsement": Access("public", PUBLIC_NAME),
    "public.edition": Access("public", PUBLIC_NAME),
    "public.achievement_png": Access("public", PUBLIC_NAME),
    "public.achievement_svg": Access("public", PUBLIC_NAME),
    "public.healthz": Access("public", PROBE),
    "public.readyz": Access("public", PROBE),
    "public.metrics": Access("public", PROBE),
    "api.courses": Access("api:courses:read", API),
    "api.course": Access("api:courses:read", API),
    "api.awards": Access("api:awards:read", API),
    "api.award": Access("api:awards:read", API),
    "api.credential": Access("api:credentials:read", API),
    "api.deliveries": Access("api:deliveries:read", API),
    "api.delivery": Access("api:deliveries:read", API),
    "api.delivery_retry": Access("api:deliveries:write", API),
    "api.verify": Access(
        "public", API, outside_posts="asks about what it brings, knows no visitor"
    ),
    "api.description": Access("public", API),
}


def guard() -> None:
    """Before every request: find the route's line and hold the visitor against it.

    Raises NotFound (no such route or line), Unauthenticated or Forbidden.
    """
    if request.endpoint is None:
        return
    line = TABLE.get(request.endpoint)
    if line is None:
        raise NotFound("not-found", "There is no such page.")
    if line.who.startswith("api:"):
        tokens.require(line.who.removeprefix("api:"))
        return
    if not line.outside_posts:
        session.refuse_forged_posts()
    if line.who != "public":
        _require(line.who)


def _require(who: str) -> None:
    """Hold the visitor's role in the area of the permission against its line.

    Whoever has a partner's link is the endorser of its badge; there is nothing else to show.
    """
    permission = PERMISSIONS[who]
    if permission.area == OPERATOR:
        if session.visitor(session.OPERATOR).role not in permission.roles:
            raise Forbidden(
                "role-not-allowed",
                "Your role does not open this page.",
                fix="An operator of this server can do this.",
            )
        return
    if permission.area == PRIVACY:
        subject_id = (request.view_args or {}).get("subject_id", "")
        session.visitor(f"privacy:{subject_id}")
        return
    if permission.area == ENDORSER:
        endorse.look(session.campus(), (request.view_args or {}).get("token", ""))
        return
    course_id = (request.view_args or {}).get("course_id", "")
    if session.visitor(f"course:{course_id}").role not in permission.roles:
        raise Forbidden(
            "role-not-allowed",
            "Your role in this course does not open this page.",
            fix="The teacher of the course can do this, or change your role in the LMS.",
        )
