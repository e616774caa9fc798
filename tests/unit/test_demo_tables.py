"""The demo's table on a terminal: whole words, however narrow it is."""

import io

import pytest
from rich.console import Console

from local import demo
from local.demo import ALL


@pytest.mark.parametrize("width", [80, demo.NARROW - 1, 150])
def test_a_table_breaks_no_word(width: int) -> None:
    console = Console(width=width, file=io.StringIO())
    expected = {row.name: row.expected for row in ALL}
    console.print(demo._rows_table(expected, expected, narrow=width < demo.NARROW))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert max(map(len, shown.splitlines())) <= width
    told = [word for row in ALL for text in (row.name, row.story, row.expected, row.where) for word in text.split()]
    assert [word for word in told if word not in shown] == []


def test_that_test_sees_it_where_a_narrow_table_keeps_its_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "NARROW", 0)
    with pytest.raises(AssertionError):
        test_a_table_breaks_no_word(80)
