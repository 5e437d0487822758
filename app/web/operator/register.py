"""Registering an LMS by hand: choose it, do its steps, paste back what it shows."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from flask import abort, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from app.errors import Invalid
from app.lti import registration
from app.lti.addresses import safe_origin
from app.lti.metadata import manual_facts
from app.lti.pasted import read_pasted
from app.lti.platforms import LMS, Lms, is_shared
from app.web import session
from app.web.operator.blueprint import actor, bp, done


@dataclass(frozen=True)
class PlatformForm:
    """A registration as copied from the LMS."""

    name: str = ""
    origin: str = ""
    issuer: str = ""
    client_id: str = ""
    auth_url: str = ""
    token_url: str = ""
    jwks_url: str = ""
    deployment_id: str = ""
    token_audience: str = ""

    def filled(self, values: dict[str, str]) -> PlatformForm:
        """The form with ``values`` in its empty fields."""
        empty = {name: value for name, value in values.items() if not getattr(self, name)}
        return replace(self, **empty)


def parse(form: MultiDict[str, str]) -> PlatformForm:
    """The form as typed; ``registration.register_manual`` judges it."""
    names = PlatformForm.__dataclass_fields__
    return PlatformForm(**{name: form.get(name, "").strip()[:500] for name in names})


@bp.get("/platforms/register")
def platform_register() -> ResponseReturnValue:
    """Which LMS is it?"""
    return render_template("operator/platform_register.html", lms=LMS)


@bp.get("/platforms/register/<key>")
def platform_register_lms(key: str) -> ResponseReturnValue:
    """The steps of one LMS and its form, with what is known of the LMS at ``?origin=``."""
    lms = _lms(key)
    origin = safe_origin(request.args.get("origin", "").strip()[:300])
    return _page(lms, _completed(lms, PlatformForm(origin=origin)), {})


@bp.post("/platforms/register/<key>")
def platform_register_save(key: str) -> ResponseReturnValue:
    """Read what was pasted into the form, or keep the registration, inactive until approved."""
    lms, form, here = _lms(key), parse(request.form), session.campus()
    if request.form.get("action") == "read":
        found = read_pasted(
            request.form.get("pasted", ""), lms.guide(manual_facts(here.settings, lms))
        )
        form = _completed(lms, replace(form, **found))
        return _page(lms, form, {}, frozenset(found))
    form = _completed(lms, form)
    try:
        platform_id = registration.register_manual(
            here.db, here.box, lms=key, **asdict(form), actor=actor(), now=here.clock()
        )
    except Invalid as error:
        return _page(lms, form, error.fields), 422
    return done("operator.platform", "registered", platform_id=platform_id)


def _lms(key: str) -> Lms:
    return LMS.get(key) or abort(404)


def _completed(lms: Lms, form: PlatformForm) -> PlatformForm:
    """With what the LMS at this address is known to have.

    An issuer is the address as well, unless the vendor has one issuer for all schools.
    """
    named = safe_origin(form.issuer)
    origin = safe_origin(form.origin) or ("" if is_shared(named) else named)
    known = lms.known_addresses(origin, form.client_id) if origin else {}
    return form.filled({"origin": origin, **known})


def _page(
    lms: Lms, form: PlatformForm, errors: dict[str, str], read: frozenset[str] | None = None
) -> str:
    settings = session.campus().settings
    return render_template(
        "operator/platform_register_lms.html",
        lms=lms,
        guide=lms.guide(manual_facts(settings, lms)),
        form=form,
        errors=errors,
        read=read,
        plain_http=settings.public_url.startswith("http:"),
    )
