"""A table fits a terminal by leaving columns out and breaks no word; a pipe gets every column, a program all values."""

from datetime import UTC, datetime

import pytest

from leaver_cli.table import Column, Table

ADDRESS = "maximiliana.von.und.zu.hohenstein@subsidiary.example.com"
AT = datetime(2026, 11, 29, 8, 0, tzinfo=UTC)


def table() -> Table:
    columns = (Column("case"), Column("who"), Column("when", spare=2), Column("what to do", spare=1, prose=True))
    made = Table("cases", columns)
    made.add("c-4f1", ADDRESS, AT, "mend what its reason says, then send it back", also={"late": True})
    return made


@pytest.mark.parametrize("width", [64, 80, 100, 120, 200])
def test_no_word_is_broken_and_the_case_and_who_always_stand(width: int) -> None:
    lines = [line for line, _ in table().lines(width)]
    assert lines[1].split()[:2] == ["c-4f1", ADDRESS]
    assert max(map(len, lines)) <= width
    whole = {"CASE", "WHO", "WHEN", "WHAT", "TO", "DO", *" ".join(table().tab_separated()).split()}
    assert {word for line in lines for word in line.split()} <= whole


def test_where_not_even_the_case_and_who_fit_each_cell_has_a_line() -> None:
    assert [line for line, _ in table().lines(52)] == [
        "CASE          c-4f1",
        f"  WHO         {ADDRESS}",
        "  WHEN        2026-11-29 08:00:00Z",
        "  WHAT TO DO  mend what its reason says, then send",
        "              it back",
    ]


def test_two_columns_of_prose_share_the_room() -> None:
    made = Table("both", (Column("one", prose=True), Column("two", prose=True)))
    made.add("a " * 60, "b " * 60)
    lines = [line for line, _ in made.lines(100)]
    assert lines[0].index("TWO") == pytest.approx(50, abs=2)


def test_what_can_be_spared_goes_first() -> None:
    assert next(line for line, _ in table().lines(95)).split() == ["CASE", "WHO", "WHAT", "TO", "DO"]


def test_a_pipe_gets_one_line_for_each_row_with_every_column() -> None:
    assert list(table().tab_separated()) == [
        f"c-4f1\t{ADDRESS}\t2026-11-29 08:00:00Z\tmend what its reason says, then send it back"
    ]


def test_a_program_gets_values_and_more() -> None:
    (told,) = table().objects()
    assert (told["when"], told["what_to_do"], told["late"]) == (
        *("2026-11-29T08:00:00Z", "mend what its reason says, then send it back", True),
    )
