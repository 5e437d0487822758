"""Assignment and Grade Services 2.0: line items, scores, results."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, request

from app.demo.lms.claims import AGS
from app.demo.lms.errors import ServiceError
from app.demo.lms.service import answer, service
from app.demo.lms.state import Campus, Column, ScorePost, Tool
from app.demo.lms.vendors.base import Vendor
from app.demo.lms.vendors.words import LINE_ITEM, LINE_ITEMS, RESULTS, SCORE

READ = (AGS + "lineitem", AGS + "lineitem.readonly")
WRITE = (AGS + "lineitem",)
ACTIVITY = {"Initialized", "Started", "InProgress", "Submitted", "Completed"}
GRADING = {"FullyGraded", "Pending", "PendingManual", "Failed", "NotReady"}
_STORED = {"id", "label", "scoreMaximum", "tag", "resourceId", "resourceLinkId", "ltiLinkId"}


def ags_blueprint(vendor: Vendor) -> Blueprint:
    """The AGS endpoints at the vendor's addresses."""
    routes = Blueprint("ags", __name__)
    paths = vendor.paths
    for rule, method, view in (
        (paths.lineitems, "GET", list_items),
        (paths.lineitems, "POST", create_item),
        (paths.lineitem, "GET", read_item),
        (paths.lineitem, "PUT", change_item),
        (paths.lineitem, "DELETE", delete_item),
        (paths.scores, "POST", post_score),
        (paths.results, "GET", list_results),
    ):
        routes.add_url_rule(rule, view_func=view, methods=[method])
    return routes


@service(*READ)
def list_items(here: Campus, tool: Tool, course: int) -> Response:
    """The tool's own columns, filtered and paged."""
    here.vendor.check_accept(request, LINE_ITEMS)
    here.vendor.check_address(tool, request)
    columns = [column for column in _columns(here, tool, course) if _wanted(here, column)]
    part, link = here.vendor.page("lineitems", request, len(columns))
    items = [here.vendor.line_item(here, tool, column) for column in columns[part]]
    return answer(items, LINE_ITEMS, link=link)


def _columns(here: Campus, tool: Tool, number: int) -> list[Column]:
    course, home = here.vendor.collection(here, number)
    if course not in here.courses:
        raise ServiceError(404, "Course does not exist")
    columns = here.tool_columns(course, tool.id)
    return [one for one in columns if home is None or home in {one.home, one.link_id}]


def _wanted(here: Campus, column: Column) -> bool:
    """The three filters of AGS 2.0, 3.2.9."""
    link = here.links.get(column.link_id or 0)
    known = {
        "tag": column.tag,
        "resource_id": column.resource_id,
        "resource_link_id": here.vendor.link_id(link) if link else "",
    }
    return all(request.args.get(name, value) == value for name, value in known.items())


@service(*WRITE)
def create_item(here: Campus, tool: Tool, course: int) -> Response:
    """A new column that belongs to the tool."""
    here.vendor.check_content_type(request, LINE_ITEM)
    here.vendor.check_address(tool, request)
    _columns(here, tool, course)
    sent = _line_item_body()
    here.vendor.check_line_item(sent)
    course, home = here.vendor.collection(here, course)
    link = _link_id(here, tool, course, sent)
    column = Column(
        id=here.number("column"),
        course_id=course,
        label=str(sent["label"]),
        maximum=float(sent["scoreMaximum"]),
        kind="tool",
        tool_id=tool.id,
        link_id=link,
        tag=str(sent.get("tag", "")),
        resource_id=str(sent.get("resourceId", "")),
        home=home,
        extra=_extra(sent),
    )
    here.columns[column.id] = column
    made = here.vendor.created_item(here, tool, column, sent)
    return answer(made, here.vendor.created_type, 201)


def _line_item_body() -> dict[str, Any]:
    sent = request.get_json(force=True, silent=True)
    if not isinstance(sent, dict) or not str(sent.get("label", "")).strip():
        raise ServiceError(400, "Line item needs a label")
    if not _is_number(sent.get("scoreMaximum")) or sent["scoreMaximum"] <= 0:
        raise ServiceError(400, "Line item needs a scoreMaximum above 0")
    return sent


def _link_id(here: Campus, tool: Tool, course: int, sent: dict[str, Any]) -> int | None:
    """The link that ``resourceLinkId`` names; it must be a link of this tool in this course."""
    named = sent.get("resourceLinkId")
    if not named:
        return None
    for link in here.course_links(course):
        if link.navigation and not here.vendor.navigation_takes_columns:
            continue
        if here.vendor.link_id(link) == str(named) and link.tool_id == tool.id:
            return link.id
    raise ServiceError(404, "There is no such resource link")


def _extra(sent: dict[str, Any]) -> dict[str, Any]:
    """Dates are kept by the standard and forgotten by some; extensions are kept as they came."""
    return {name: value for name, value in sent.items() if name not in _STORED}


def _own_column(here: Campus, tool: Tool, course: int, item: int) -> Column:
    """The column, if it is this tool's. Raises ``ServiceError``."""
    here.vendor.check_address(tool, request)
    column = here.columns.get(item)
    number, home = here.vendor.collection(here, course)
    if column is None or column.course_id != number:
        raise ServiceError(404, "Line item does not exist")
    if home is not None and home not in {column.home, column.link_id}:
        raise ServiceError(404, "Line item does not exist")
    if column.tool_id != tool.id or column.kind == "native":
        raise here.vendor.foreign_item()
    return column


@service(*READ)
def read_item(here: Campus, tool: Tool, course: int, item: int) -> Response:
    """One column."""
    here.vendor.check_accept(request, LINE_ITEM)
    column = _own_column(here, tool, course, item)
    return answer(here.vendor.line_item(here, tool, column), LINE_ITEM)


@service(*WRITE)
def change_item(here: Campus, tool: Tool, course: int, item: int) -> Response:
    """Label, maximum, tag and resource id; grades keep their points."""
    here.vendor.check_content_type(request, LINE_ITEM)
    column = _own_column(here, tool, course, item)
    sent = _line_item_body()
    column.label, column.maximum = str(sent["label"]), float(sent["scoreMaximum"])
    column.tag = str(sent.get("tag", ""))
    column.resource_id = str(sent.get("resourceId", ""))
    column.extra |= _extra(sent)
    return answer(here.vendor.line_item(here, tool, column), LINE_ITEM)


@service(*WRITE)
def delete_item(here: Campus, tool: Tool, course: int, item: int) -> Response:
    """The column with all its grades goes; some vendors spare the column of an activity."""
    column = _own_column(here, tool, course, item)
    if column.link_id is not None and not here.vendor.deletes_linked:
        raise ServiceError(401, "Line item belongs to an activity")
    del here.columns[column.id]
    return Response(status=204)


@service(AGS + "score")
def post_score(here: Campus, tool: Tool, course: int, item: int) -> Response:
    """One score. Everything accepted is kept in the order of arrival."""
    vendor = here.vendor
    vendor.check_content_type(request, SCORE)
    column = _own_column(here, tool, course, item)
    score, at = _score_body(vendor)
    person = vendor.check_score(here, column, score)
    vendor.check_newer(column, person, at)
    vendor.record(column, person, score, at)
    here.posts.append(ScorePost(column.id, person.id, tool.id, here.now(), score))
    here.post_counts[column.id, person.id] += 1
    body = vendor.score_answer(here, tool, column, person, score)
    return answer(body, SCORE, vendor.score_status)


def _score_body(vendor: Vendor) -> tuple[dict[str, Any], datetime]:
    """A well-formed score and its time (AGS 2.0, 3.4). Raises ``ServiceError``."""
    score = request.get_json(force=True, silent=True)
    if not isinstance(score, dict):
        raise ServiceError(400, "Incorrect score received", score=True)
    at = _timestamp(score.get("timestamp"))
    known = (
        bool(score.get("userId"))
        and score.get("activityProgress") in ACTIVITY
        and score.get("gradingProgress") in GRADING
    )
    if at is None or not known or not _points_are_numbers(score):
        sent = " ".join(request.get_data(as_text=True).split())
        raise ServiceError(400, f"Incorrect score received{sent}", score=True)
    if score.get("scoreGiven") is not None and score.get("scoreMaximum") is None:
        status = vendor.missing_maximum_status
        raise ServiceError(status, "scoreMaximum must come with scoreGiven", score=True)
    return score, at


def _points_are_numbers(score: dict[str, Any]) -> bool:
    given, maximum = score.get("scoreGiven"), score.get("scoreMaximum")
    return (given is None or _is_number(given)) and (
        maximum is None or (_is_number(maximum) and float(maximum) > 0)
    )


def _timestamp(text: Any) -> datetime | None:
    """ISO 8601 with an offset; a time without one, or no time, is refused."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@service(AGS + "result.readonly")
def list_results(here: Campus, tool: Tool, course: int, item: int) -> Response:
    """The current grades of one column."""
    vendor = here.vendor
    vendor.check_accept(request, RESULTS)
    column = _own_column(here, tool, course, item)
    cells = list(vendor.graded(column).items())
    if "user_id" in request.args:
        wanted = here.person_by_subject(request.args["user_id"])
        cells = [cell for cell in cells if wanted is not None and cell[0] == wanted.id]
    part, link = vendor.page("results", request, len(cells))
    found = [
        vendor.result(here, tool, column, here.people[person_id], grade)
        for person_id, grade in cells[part]
    ]
    return answer(found, RESULTS, link=link)
