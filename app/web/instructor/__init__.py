"""The instructor's pages: badges of the course, who earns them and why not, awards, competencies.

One module per section, all on one blueprint. ``data`` reads, ``forms`` judges what was typed,
``outcome`` turns a preview into words and pictures; every change is a verb of the pipeline.
"""

from __future__ import annotations

from app.web.instructor import (
    approval,
    awards,
    badges,
    competencies,
    content,
    copies,
    editions,
    endorsements,
    example,
    grade_token,
    home,
    look,
    people,
    pictures,
    publish,
    record,
    sees,
    signing,
    upload,
    validity,
)
from app.web.instructor.blueprint import bp

__all__ = [
    "approval",
    "awards",
    "badges",
    "bp",
    "competencies",
    "content",
    "copies",
    "editions",
    "endorsements",
    "example",
    "grade_token",
    "home",
    "look",
    "people",
    "pictures",
    "publish",
    "record",
    "sees",
    "signing",
    "upload",
    "validity",
]
