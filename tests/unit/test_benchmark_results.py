"""What becomes of the benchmark's figures: a target that is missed is told as missed, everywhere."""

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import results
from benchmarks.bill import Bill
from benchmarks.figures import Figure, format_number
from benchmarks.results import Part

FAST = Figure("warm batch", 1.2, 1.25, unit="x floor", how="median of 7")
SLOW = Figure("warm batch", 1.3, 1.25, unit="x floor")


def part(*figures: Figure, name: str = "batch") -> Part:
    return Part(name, "Batches.", figures, [[("", "ms"), ("ours", "180")]], "<svg/>")


@pytest.mark.parametrize(
    ("value", "at_least", "holds"),
    [(1.0, False, True), (1.1, False, False), (1.0, True, True), (0.9, True, False)],
)
def test_a_target_is_a_ceiling_or_a_floor_and_good_enough(value: float, *, at_least: bool, holds: bool) -> None:
    assert Figure("a figure", value, 1.0, at_least=at_least).holds is holds


def test_every_figure_is_in_the_summary_with_what_was_promised_of_it(tmp_path: Path) -> None:
    results.write(part(FAST), tmp_path)
    [line] = json.loads((tmp_path / "summary.json").read_text())
    told = {"part": "batch", "name": "warm batch", "value": 1.2, "target": 1.25, "holds": True, "unit": "x floor"}
    assert told.items() <= line.items()
    assert line["how"] == "median of 7"


def test_what_is_missed_is_told_as_missed_on_every_page(tmp_path: Path) -> None:
    results.write(part(SLOW), tmp_path)
    assert json.loads((tmp_path / "summary.json").read_text())[0]["holds"] is False
    for page in ("README.md", "batch.md"):
        assert "**missed**" in (tmp_path / page).read_text()
    assert "1 missed" in (tmp_path / "README.md").read_text()
    console = Console(record=True, width=120, file=io.StringIO())
    console.print(results.table("batch", [SLOW]))
    assert "missed" in console.export_text()


def test_where_nothing_is_missed_nothing_says_so(tmp_path: Path) -> None:
    results.write(part(FAST), tmp_path)
    assert "missed" not in (tmp_path / "README.md").read_text()


def test_a_part_that_is_measured_again_replaces_its_own_figures_alone(tmp_path: Path) -> None:
    results.write(part(FAST), tmp_path)
    results.write(part(FAST, name="drain"), tmp_path)
    results.write(part(SLOW), tmp_path)
    assert [(line["part"], line["holds"]) for line in results.summary(tmp_path)] == [("batch", False), ("drain", True)]


def test_no_result_tells_whose_machine_it_was(tmp_path: Path) -> None:
    results.write(part(FAST), tmp_path)
    [line] = results.summary(tmp_path)
    assert re.fullmatch(r"\d+ cores, Python [\d.]+", line["machine"])


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.00423, "0.00423"), (1.286, "1.29"), (187.4, "187"), (33997, "33,997")]
)
def test_numbers_are_told_to_three_digits(value: float, text: str) -> None:
    assert format_number(value) == text


def test_a_bill_adds_up_and_takes_nothing_that_has_no_price() -> None:
    bill = Bill()
    bill.add("EventBridge events", 2)
    bill.add("SQS requests", 5)
    assert bill.total == pytest.approx(4e-6)
    assert bill.each(2).total == pytest.approx(2e-6)
    with pytest.raises(KeyError):
        bill.add("favours", 1)
