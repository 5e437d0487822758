"""The demo SIS over real HTTP: its services, its manners, its pages and its switches."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import html5lib
import pytest
import requests
from jsonschema import FormatChecker
from openapi_schema_validator import OAS30Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from app.demo.sis import SisConfig, read_people
from app.demo.sis.server import SisServer
from app.errors import Invalid

SCOPE = "https://purl.imsglobal.org/spec/or/v1p2/scope/"
GRADEBOOK = "/ims/oneroster/gradebook/v1p2"
ROSTERING = "/ims/oneroster/rostering/v1p2"
ALL = (
    "roster.readonly gradebook.readonly gradebook.createput gradebook.delete"
    " assessment.readonly assessment.createput assessment.delete"
)


class Client:
    """A client of the SIS with a token for some scopes."""

    def __init__(self, sis: SisServer, scopes: str = ALL) -> None:
        self.sis = sis
        self.session = requests.Session()
        answer = self.token(scopes)
        assert answer.status_code == 200, answer.text
        self.session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def token(self, scopes: str, **more: Any) -> requests.Response:
        form = {
            "grant_type": "client_credentials",
            "scope": " ".join(SCOPE + name for name in scopes.split()),
        }
        auth = more.pop("auth", ("tassel", "sis-demo-secret"))
        url = f"{self.sis.url}/oauth/token"
        return self.session.post(url, data=form | more, auth=auth, timeout=10)

    def call(self, method: str, path: str, payload: Any = None) -> requests.Response:
        return self.session.request(method, self.sis.url + path, json=payload, timeout=10)


@pytest.fixture
def sis() -> Iterator[SisServer]:
    with SisServer(SisConfig(learners=7)) as server:
        yield server


@pytest.fixture
def client(sis: SisServer) -> Iterator[Client]:
    made = Client(sis)
    yield made
    made.session.close()


def line_item(sourced_id: str = "li-1") -> dict[str, Any]:
    return {
        "assessmentLineItem": {
            "sourcedId": sourced_id,
            "status": "active",
            "dateLastModified": "2026-11-20T10:00:00Z",
            "title": "Data literacy",
        }
    }


def result(sourced_id: str = "r-1", student: str = "S-20841") -> dict[str, Any]:
    base = "https://sis.example/x"
    column = {"href": f"{base}/li-1", "sourcedId": "li-1", "type": "assessmentLineItem"}
    return {
        "assessmentResult": {
            "sourcedId": sourced_id,
            "status": "active",
            "dateLastModified": "2026-11-20T10:00:00Z",
            "assessmentLineItem": column,
            "student": {"href": f"{base}/{student}", "sourcedId": student, "type": "user"},
            "scoreStatus": "fully graded",
            "scoreDate": "2026-11-20",
            "score": 1.0,
            "textScore": "Met",
            "comment": "<script>alert(1)</script>",
            "metadata": {"x.link": "https://badges.example/c/1", "x.evil": "javascript:alert(1)"},
        }
    }


def fill(client: Client) -> None:
    """One line item and one result."""
    put = client.call("PUT", f"{GRADEBOOK}/assessmentLineItems/li-1", line_item())
    assert put.status_code == 201
    put = client.call("PUT", f"{GRADEBOOK}/assessmentResults/r-1", result())
    assert (put.status_code, put.content) == (201, b"")


def minor(answer: requests.Response) -> str:
    """The minor code of a refusal."""
    return answer.json()["imsx_CodeMinor"]["imsx_codeMinorField"][0]["imsx_codeMinorFieldValue"]


def test_put_get_delete(client: Client) -> None:
    """Created is 201, replaced 200, deleted 204, gone 404."""
    fill(client)
    path = f"{GRADEBOOK}/assessmentResults/r-1"
    assert client.call("PUT", path, result()).status_code == 200
    assert client.call("GET", path).json() == result()
    assert client.call("DELETE", path).status_code == 204
    gone = client.call("GET", path)
    assert (gone.status_code, minor(gone)) == (404, "unknownobject")
    assert client.call("DELETE", path).status_code == 404


def test_state_counts_every_write(client: Client) -> None:
    """A repeat is counted and told apart from a change."""
    fill(client)
    client.call("PUT", f"{GRADEBOOK}/assessmentResults/r-1", result())
    state = client.call("GET", "/_control/state").json()
    assert state["writes"] == {"assessmentLineItems/li-1": 1, "assessmentResults/r-1": 2}
    assert state["records"]["assessmentResults"]["r-1"] == result()["assessmentResult"]
    history = [(w["method"], w["created"], w["changed"]) for w in state["history"]]
    assert history == [("PUT", True, True), ("PUT", True, True), ("PUT", False, False)]
    assert client.call("DELETE", "/_control/state").status_code == 204
    assert client.call("GET", "/_control/state").json()["writes"] == {}


@pytest.mark.parametrize(
    ("path", "payload", "status", "code"),
    [
        ("assessmentResults/other", result(), 422, "invaliddata"),
        ("assessmentResults/r-2", result("r-2", "S-nobody"), 422, "invaliddata"),
        ("assessmentResults/r-2", result("r-2", "EMP-014"), 422, "invaliddata"),
        ("assessmentResults/r-2", line_item("r-2"), 422, "invaliddata"),
        ("assessmentResults/r-2", [], 422, "invaliddata"),
        ("assessmentResults/r-2", None, 400, "invaliddata"),
    ],
)
def test_what_does_not_fit_is_refused(
    client: Client, path: str, payload: Any, status: int, code: str
) -> None:
    """Wrong ids, unknown students, teachers, wrong envelopes, no body; nothing is kept."""
    fill(client)
    answer = client.call("PUT", f"{GRADEBOOK}/{path}", payload)
    assert (answer.status_code, minor(answer)) == (status, code)
    assert answer.json()["imsx_description"]
    assert list(client.call("GET", "/_control/state").json()["records"]["assessmentResults"]) == [
        "r-1"
    ]


def test_what_others_point_at_stays(client: Client) -> None:
    fill(client)
    answer = client.call("DELETE", f"{GRADEBOOK}/assessmentLineItems/li-1")
    assert (answer.status_code, minor(answer)) == (422, "deletefailure")


def test_a_result_needs_its_line_item_first(client: Client) -> None:
    answer = client.call("PUT", f"{GRADEBOOK}/assessmentResults/r-1", result())
    assert answer.status_code == 422
    assert "li-1" in answer.json()["imsx_description"]


@pytest.mark.parametrize(
    ("scopes", "method", "path", "status"),
    [
        ("assessment.readonly", "GET", f"{GRADEBOOK}/assessmentResults", 200),
        ("assessment.readonly", "PUT", f"{GRADEBOOK}/assessmentResults/x", 403),
        ("assessment.createput", "DELETE", f"{GRADEBOOK}/assessmentResults/x", 403),
        ("gradebook.readonly", "GET", f"{GRADEBOOK}/assessmentResults", 403),
        ("gradebook-core.readonly", "GET", f"{GRADEBOOK}/lineItems", 200),
        ("gradebook.readonly", "GET", f"{ROSTERING}/users", 403),
        ("roster-core.readonly", "GET", f"{ROSTERING}/users", 200),
        ("roster-core.readonly", "GET", f"{ROSTERING}/classes/x/students", 403),
    ],
)
def test_scopes_decide(sis: SisServer, scopes: str, method: str, path: str, status: int) -> None:
    client = Client(sis, scopes)
    answer = client.call(method, path)
    client.session.close()
    assert answer.status_code == status
    if status == 403:
        assert minor(answer) == "forbidden"


def test_no_token_no_entry(client: Client) -> None:
    for header in ("", "Bearer wrong", "Basic dGFzc2VsOnNpcw=="):
        client.session.headers["Authorization"] = header
        answer = client.call("GET", f"{GRADEBOOK}/results")
        assert (answer.status_code, minor(answer)) == (401, "unauthorisedrequest")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_tokens_end(sis: SisServer, client: Client) -> None:
    """After their life, and at once when all are withdrawn or the secret expires."""
    sis.store.switch({"token_seconds": 0})
    short = Client(sis)
    assert short.call("GET", f"{GRADEBOOK}/results").status_code == 401
    short.session.close()
    assert client.call("GET", f"{GRADEBOOK}/results").status_code == 200
    client.call("PATCH", "/_control/switches", {"secret_expired": True})
    assert client.call("GET", f"{GRADEBOOK}/results").status_code == 401
    assert client.token(ALL).status_code == 401
    client.call("PATCH", "/_control/switches", {"secret_expired": False})
    assert client.call("GET", f"{GRADEBOOK}/results").status_code == 200
    client.call("DELETE", "/_control/tokens")
    assert client.call("GET", f"{GRADEBOOK}/results").status_code == 401


@pytest.mark.parametrize(
    ("scopes", "more", "status", "error"),
    [
        (ALL, {"auth": ("tassel", "wrong")}, 401, "invalid_client"),
        (ALL, {"auth": ("other", "sis-demo-secret")}, 401, "invalid_client"),
        (ALL, {"auth": None}, 401, "invalid_client"),
        (ALL, {"grant_type": "password"}, 400, "unsupported_grant_type"),
        ("everything", {}, 400, "invalid_scope"),
        ("", {}, 400, "invalid_scope"),
        (ALL, {"auth": None, "client_id": "tassel", "client_secret": "x"}, 401, "invalid_client"),
    ],
)
def test_the_token_desk_refuses(
    client: Client, scopes: str, more: dict[str, Any], status: int, error: str
) -> None:
    client.session.headers.pop("Authorization")
    answer = client.token(scopes, **more)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_the_secret_may_come_in_the_form(client: Client) -> None:
    client.session.headers.pop("Authorization")
    secret = {"client_id": "tassel", "client_secret": "sis-demo-secret"}
    assert client.token(ALL, auth=None, **secret).status_code == 200


def test_lists_come_in_pages(client: Client) -> None:
    """Following next through pages of three gives all seven students once."""
    url = f"{client.sis.url}{ROSTERING}/students?limit=3&sort=sourcedId"
    seen: list[str] = []
    while url:
        answer = client.session.get(url, timeout=10)
        assert answer.headers["X-Total-Count"] == "7"
        seen += [user["sourcedId"] for user in answer.json()["users"]]
        url = answer.links.get("next", {}).get("url", "")
    assert seen == [f"S-{20841 + 3 * n}" for n in range(7)]
    assert {"first", "last", "prev"} <= set(answer.links)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("filter=sourcedId='S-20844'", ["S-20844"]),
        ("filter=sourcedId>'S-20850' AND status='active'", ["S-20853", "S-20856", "S-20859"]),
        ("filter=sourcedId='S-20844' OR sourcedId='S-20847'", ["S-20844", "S-20847"]),
        ("filter=email~'20859'", ["S-20859"]),
        ("filter=sourcedId!='S-20841'&limit=1", ["S-20844"]),
        ("filter=nothing='x'", []),
        ("sort=sourcedId&orderBy=desc&limit=2", ["S-20859", "S-20856"]),
        ("offset=6", ["S-20859"]),
    ],
)
def test_lists_can_be_filtered_and_sorted(client: Client, query: str, expected: list[str]) -> None:
    users = client.call("GET", f"{ROSTERING}/students?{query}").json()["users"]
    assert [user["sourcedId"] for user in users] == expected


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("filter=sourcedId", 400),
        ("filter=a='1' AND b='2' OR c='3'", 400),
        ("limit=0", 422),
        ("offset=-1", 422),
        ("limit=many", 422),
    ],
)
def test_a_list_query_that_cannot_be_read(client: Client, query: str, status: int) -> None:
    assert client.call("GET", f"{ROSTERING}/students?{query}").status_code == status


def test_classes_know_their_students(client: Client) -> None:
    path = f"{ROSTERING}/classes/STAT101-2026-AUT-B/students"
    users = client.call("GET", path).json()["users"]
    assert [user["sourcedId"] for user in users] == ["S-20844", "S-20850", "S-20856"]
    assert client.call("GET", f"{ROSTERING}/classes/NONE/students").status_code == 404
    assert client.call("GET", f"{ROSTERING}/students/EMP-014").status_code == 404
    assert client.call("GET", f"{ROSTERING}/teachers/EMP-014").status_code == 200


def test_ids_that_the_sis_allocates(client: Client) -> None:
    """The answer pairs the ids; only the allocated one is known afterwards; repeats are stable."""
    client.call("PATCH", "/_control/switches", {"server_allocated_ids": True})
    path = f"{GRADEBOOK}/assessmentLineItems/li-1"
    (pair,) = client.call("PUT", path, line_item()).json()["sourcedIdPairs"]
    assert pair["suppliedSourcedId"] == "li-1"
    kept = pair["allocatedSourcedId"]
    assert kept.startswith("SIS-")
    assert client.call("GET", path).status_code == 404
    assert client.call("GET", f"{GRADEBOOK}/assessmentLineItems/{kept}").status_code == 200
    assert client.call("PUT", path, line_item()).json()["sourcedIdPairs"] == [pair]
    refused = client.call("PUT", f"{GRADEBOOK}/assessmentResults/r-1", result())
    assert refused.status_code == 422


def test_a_switch_that_does_not_exist(client: Client) -> None:
    assert client.call("PATCH", "/_control/switches", {"speed": 3}).status_code == 400


def test_faults_reach_the_services(client: Client) -> None:
    rule = {"path": "/results", "kind": "status", "status": 503}
    assert client.call("POST", "/_control/faults", rule).status_code == 201
    assert client.call("GET", f"{GRADEBOOK}/results").status_code == 503
    assert client.call("GET", f"{GRADEBOOK}/results").status_code == 200
    counts = client.call("GET", "/_control/requests").json()["counts"]
    assert counts[f"GET {GRADEBOOK}/results"] == {"200": 1, "503": 1}


def parsed(client: Client, path: str) -> str:
    """A page, after checking that it is valid HTML with one heading and a skip link."""
    answer = client.call("GET", path)
    assert answer.status_code == 200
    html5lib.HTMLParser(strict=True).parse(answer.text)
    assert answer.text.count("<h1>") == 1
    assert 'href="#main"' in answer.text
    assert '<html lang="en">' in answer.text
    assert not re.search(r"\s(style|on\w+)=", answer.text)
    return answer.text


def test_the_pages_show_what_arrived(client: Client) -> None:
    """The list, the student and every write; what came from outside is text, never markup."""
    assert "No system has written anything yet" in parsed(client, "/")
    assert "No result of another system is on record" in parsed(client, "/students/S-20841")
    fill(client)
    home = parsed(client, "/")
    assert "7 students, 1 with results" in home
    assert home.index("S-20841") < home.index("S-20844")
    assert "Data literacy, 2026-11-20" in home
    page = parsed(client, "/students/S-20841")
    assert "Met · 1" in page
    assert "&lt;script&gt;" in page
    assert 'href="https://badges.example/c/1"' in page
    assert 'href="javascript' not in page
    assert "Created" in page
    assert client.call("GET", "/students/S-nobody").status_code == 404
    css = client.call("GET", "/sis-static/sis.css")
    assert "prefers-color-scheme: dark" in css.text


def test_withdrawn_records_are_shown_as_such(client: Client) -> None:
    fill(client)
    changed = result()
    changed["assessmentResult"]["status"] = "tobedeleted"
    client.call("PUT", f"{GRADEBOOK}/assessmentResults/r-1", changed)
    assert "(withdrawn)" in parsed(client, "/")
    assert "to be deleted" in parsed(client, "/students/S-20841")
    assert "Changed" in parsed(client, "/")


def test_many_students_come_in_pages() -> None:
    with SisServer(SisConfig(learners=101)) as sis:
        client = Client(sis)
        first, second = parsed(client, "/"), parsed(client, "/?page=2")
        client.session.close()
    assert first.count('scope="row"') == 100
    assert second.count('scope="row"') == 1
    assert "Next page" in first
    assert "Next page" not in second


def test_people_of_an_lms_are_adopted(tmp_path: Path) -> None:
    """Names and classes from a file; entries without a SIS id are nobody to a registrar."""
    path = tmp_path / "people.json"
    people = [
        {"sis_id": "S-7", "given": "Ada", "family": "Byron", "classes": ["MATH9-A"], "more": 1},
        {"sis_id": "", "given": "Guest"},
        {"sis_id": "S-8"},
        {"sis_id": "EMP-1", "given": "Emmy", "classes": ["MATH9-A"], "role": "teacher"},
    ]
    path.write_text(json.dumps(people), "utf-8")
    with SisServer(SisConfig(people=read_people(path))) as sis:
        client = Client(sis)
        users = client.call("GET", f"{ROSTERING}/students").json()["users"]
        students = client.call("GET", f"{ROSTERING}/classes/MATH9-A/students").json()["users"]
        assert "2 students" in parsed(client, "/")
        client.session.close()
    assert [(u["sourcedId"], u["givenName"]) for u in users] == [("S-7", "Ada"), ("S-8", "Unknown")]
    assert [user["sourcedId"] for user in students] == ["S-7"]


@pytest.mark.parametrize("text", ["{", "7", '["x"]', '{"a": 1}'])
def test_a_people_file_that_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "people.json"
    path.write_text(text, "utf-8")
    with pytest.raises(Invalid):
        read_people(path)


def test_the_program_starts_and_says_where(tmp_path: Path) -> None:
    """``python -m app.demo.sis`` on a free port answers at the address that it prints."""
    command = [sys.executable, "-u", "-m", "app.demo.sis", "--port", "0", "--learners", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            said = program.stdout.readline().split()
            assert said[0] == "SIS"
            answer = requests.request("GET", f"{said[1]}/", timeout=10)
            assert "2 students" in answer.text
        finally:
            program.terminate()


def official(material: Path, name: str) -> Any:
    """A validator maker from one official file."""
    path = material / f"standards/oneroster/onerosterv1p2{name}service_openapi3_v1p0.json"
    resource = Resource(json.loads(path.read_text("utf-8")), DRAFT4)
    registry = Registry().with_resource("urn:or", resource)
    return lambda schema: OAS30Validator(
        {"$ref": f"urn:or#/components/schemas/{schema}"},
        registry=registry,
        format_checker=FormatChecker(["date", "date-time"]),
    )


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ("users", "UserSetDType"),
        ("students/S-20841", "SingleUserDType"),
        ("teachers", "UserSetDType"),
        ("classes", "ClassSetDType"),
        ("classes/STAT101-2026-AUT-A/students", "UserSetDType"),
        ("classes/STAT101-2026-AUT-A", "SingleClassDType"),
        ("courses", "CourseSetDType"),
        ("courses/STAT101", "SingleCourseDType"),
        ("orgs", "OrgSetDType"),
        ("schools/SCHOOL-1", "SingleOrgDType"),
        ("academicSessions", "AcademicSessionSetDType"),
        ("terms/2026-AUT", "SingleAcademicSessionDType"),
        ("enrollments", "EnrollmentSetDType"),
        ("enrollments/ENR-S-20841-STAT101-2026-AUT-A", "SingleEnrollmentDType"),
    ],
)
def test_rostering_answers_fit_the_official_file(
    client: Client, material: Path, path: str, schema: str
) -> None:
    answer = client.call("GET", f"{ROSTERING}/{path}")
    assert answer.status_code == 200
    official(material, "rosters")(schema).validate(answer.json())
    assert any(answer.json().values()), "an empty list proves nothing"


@pytest.mark.parametrize(
    ("path", "schema", "status"),
    [
        ("assessmentLineItems", "AssessmentLineItemSetDType", 200),
        ("assessmentResults", "AssessmentResultSetDType", 200),
        ("assessmentResults/r-1", "SingleAssessmentResultDType", 200),
        ("categories", "CategoriesSetDType", 200),
        ("categories/CAT-MICRO", "SingleCategoryDType", 200),
        ("lineItems", "LineItemSetDType", 200),
        ("results/none", "imsx_StatusInfoDType", 404),
        ("results?limit=0", "imsx_StatusInfoDType", 422),
    ],
)
def test_gradebook_answers_fit_the_official_file(
    client: Client, material: Path, path: str, schema: str, status: int
) -> None:
    fill(client)
    answer = client.call("GET", f"{GRADEBOOK}/{path}")
    assert answer.status_code == status
    official(material, "gradebook")(schema).validate(answer.json())
