"""Each promise of SECURITY.md names the tests that hold it, and these tests are there."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.contract.stack import ROOT

PAGE = (ROOT / "SECURITY.md").read_text()
#: | promise | `file::test`, `file::test` |
PROMISES = re.findall(r"^\| ([^|]+) \| (`tests/[^|]+) \|$", PAGE.partition("## What is promised")[2], re.MULTILINE)


def missing(promises: list[tuple[str, str]]) -> Iterator[str]:
    """Which promise has no test, or names one that is not there."""
    for promise, held_by in promises:
        named = re.findall(r"`([^`]+)`", held_by)
        if not named or not all("::" in each for each in named):
            yield f"{promise}: names no test"
        for file, _, test in (each.partition("::") for each in named):
            path = ROOT / file
            if not path.is_file() or test not in functions_in(path.read_text()):
                yield f"{promise}: {file} has no {test}"


def functions_in(source: str) -> set[str]:
    return {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}


def test_every_test_that_a_promise_names_is_there() -> None:
    assert list(missing(PROMISES)) == []


def test_every_row_of_the_table_is_looked_at() -> None:
    table = PAGE.partition("## What is promised")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")]
    # All but the head.
    assert len(PROMISES) == len(rows) - 1 > 0


@pytest.mark.parametrize(
    ("held_by", "fault"),
    [
        ("`tests/unit/test_zoom.py`", "it: names no test"),
        (
            "`tests/unit/test_zoom.py::test_that_was_renamed`",
            "it: tests/unit/test_zoom.py has no test_that_was_renamed",
        ),
        ("`tests/unit/test_gone.py::test_it`", "it: tests/unit/test_gone.py has no test_it"),
    ],
)
def test_a_promise_that_nothing_holds_is_noticed(held_by: str, fault: str) -> None:
    assert fault in list(missing([("it", held_by)]))
