"""A row belongs to a person by an id, by a confirmed suggestion, or to nobody."""

from __future__ import annotations

from decimal import Decimal

from app.gradebook.csv_people import Known, Match, match_rows, read_cells
from app.gradebook.csv_upload import Table, Value, guess, read_table

ANA = Known("p-ana", "Ana", "S-1", frozenset({"12", "u-12"}), "ana@example.edu")
BEN = Known("p-ben", "Ben", "S-2", frozenset({"13"}), "ben@example.edu")
TWIN = Known("p-twin", "Ben", "S-2", frozenset({"14"}), None)


def table(text: str) -> Table:
    return read_table(text.encode())


def matched(text: str, *people: Known, confirmed: dict[int, str] | None = None) -> list[Match]:
    read = table(text)
    return match_rows(read, guess(read), people or (ANA, BEN), confirmed)


def found(text: str, *people: Known, confirmed: dict[int, str] | None = None) -> list[str]:
    return [match.found for match in matched(text, *people, confirmed=confirmed)]


def test_ids_are_certain_whatever_their_case() -> None:
    assert found("SIS User ID,Quiz\n s-1 ,5\nS-9,5\n,5\n") == ["certain", "unknown", "no-id"]
    assert found("ID,Quiz\n12,5\nU-12,5\n") == ["certain", "twice"]


def test_a_login_or_an_address_is_only_a_suggestion() -> None:
    text = "Email address,Quiz\nANA@example.edu,5\nx@example.edu,5\n"
    assert found(text) == ["suggested", "unknown"]
    assert found(text, confirmed={2: "p-ana"}) == ["certain", "unknown"]
    assert found(text, confirmed={2: "p-ben"}) == ["suggested", "unknown"]
    assert found("Username,Quiz\nana,5\nben,5\n", confirmed={3: "p-ben"}) == [
        "suggested",
        "certain",
    ]


def test_a_name_never_matches() -> None:
    assert found("Name,Quiz\nAna,5\n") == ["no-id"]


def test_two_answers_are_no_answer() -> None:
    assert found("SIS User ID,Quiz\nS-2,5\n", BEN, TWIN) == ["ambiguous"]
    assert found("SIS User ID,ID,Quiz\nS-1,13,5\n") == ["ambiguous"]


def test_ids_that_agree_are_one_person() -> None:
    match = matched("Student,SIS User ID,ID,Quiz\nWho ever,S-1,12,5\n")[0]
    assert (match.found, match.person, match.label) == ("certain", ANA, "Who ever")


def test_cells_of_certain_rows_only_and_every_problem_with_its_place() -> None:
    read = table("SIS User ID,Quiz (%),Lab (%)\nS-1,71,late\nS-9,1,1\nS-2,\n")
    columns = guess(read)
    cells = read_cells(read, columns, match_rows(read, columns, (ANA, BEN)))
    top = Decimal(100)
    assert [(cell.row, cell.column, cell.person_id, cell.value) for cell in cells] == [
        (2, 1, "p-ana", Value(Decimal(71), top)),
        (2, 2, "p-ana", "text"),
        (4, 1, "p-ben", Value(None, top)),
        (4, 2, "p-ben", Value(None, top)),
    ]
