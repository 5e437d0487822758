"""The blueprint of the instructor's pages and the access line of each."""

from __future__ import annotations

from flask import Blueprint

bp = Blueprint("instructor", __name__, url_prefix="/courses/<course_id>")
