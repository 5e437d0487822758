"""A learner answers apps that want to read the own record, and takes answers back."""

from __future__ import annotations

from flask import Response, make_response, render_template, request, url_for

from app.pipeline import apps
from app.web import cookieless, learner_data
from app.web.apps import authorize
from app.web.apps.authorize import AskedWrongly
from app.web.course_page import frame, show, then
from app.web.learner_privacy import bp
from app.web.session import campus

__all__ = ["bp"]


@bp.post("/apps")
def answer_app(course_id: str) -> Response:
    """Agree, or not; either way the browser goes back to the app."""
    with campus().db.reading() as session:
        me = learner_data.me(session, frame(session, course_id))
        try:
            asked = authorize.understood(session, request.form)
        except AskedWrongly as wrong:
            page = render_template("apps/refused.html", wrong=wrong, host="")
            return make_response(page, 400)
    if request.form.get("answer") != "allow":
        return authorize.decline(asked)
    return authorize.allow(asked, me.id)


@bp.post("/apps/<app_id>/end")
def end_app(course_id: str, app_id: str) -> Response:
    """The app may read nothing from now on."""
    with campus().db.reading() as session:
        me = learner_data.me(session, frame(session, course_id))
    apps.end(campus(), app_id, me.learner_id, f"person:{me.id}")
    return then("learner.data", course_id, "app-ended")


@bp.post("/apps/tab")
def app_tab(course_id: str) -> Response:
    """A way into a tab of its own, where apps that send the browser here find the learner come in."""
    with campus().db.reading() as session:
        around = frame(session, course_id)
        me = learner_data.me(session, around)
    code = cookieless.tab_code(url_for("learner.data", course_id=course_id))
    return show(around, "learner/app_tab.html", "data", me=me, code=code)
