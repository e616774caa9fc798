"""How a short proof is shared out, and what a proof says that it found."""

import re
from dataclasses import replace
from pathlib import Path
from shlex import quote
from types import SimpleNamespace
from typing import Any, Final

import pytest

from tests.conftest import pytest_collection_modifyitems
from tests.field import Field, Thrown, added_up, harms_of
from tests.forged import Forged
from tests.length import at_length, length, some
from tests.proof.kept import keep, read
from tests.proof.parts import PARTS, Part
from tests.proof.report import as_markdown, shown
from tests.proof.run import ROOT, Ran, figures, run, thrown
from tests.tried import Tried

NIGHTS: Final = Part("nights", "tests/nights.py", "nights", full=4000, seconds=400)

REPORT: Final = """<testsuites><testsuite tests="3" failures="1" errors="0">
<testcase><properties>
<property name="orders" value="['zoom, strict', 'refresh and revoke', 20, 3, 0]" />
</properties></testcase>
<testcase><properties>
<property name="orders" value="['zoom, strict', 'refresh and leave', 1000, 4, 0]" />
<property name="many" value="['nights', 7]" />
<property name="field" value="['a kill', 'in a call', 'test_it', 3, 0, None, None, 0]" />
<property name="field" value="['a kill', 'in a call', 'test_it', 4, 1, None, 0, 0]" />
<property name="crash" value="['zoom', 'before PutItem', 'works', 'works', 'works']" />
</properties></testcase>
</testsuite></testsuites>"""


@pytest.mark.parametrize(("seconds", "nights"), [(0.0, 1), (40.0, 400), (9999.0, 4000)])
def test_a_part_goes_as_far_as_its_share_of_the_time_allows_but_plays_one_case(seconds: float, nights: int) -> None:
    assert NIGHTS.length_in(seconds) == nights


def test_a_part_that_lives_by_chance_plays_what_chance_needs() -> None:
    assert [replace(NIGHTS, fewest=25).length_in(each) for each in (0.0, 40.0)] == [25, 400]


def test_what_is_soon_over_leaves_its_time_to_the_rest() -> None:
    assert [part.seconds for part in PARTS] == sorted(part.seconds for part in PARTS)


def test_fewer_cases_are_spread_over_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEAVER_LENGTH", raising=False)
    assert some("abcdef") == list("abcdef")
    assert some("abcdef", 3) == ["a", "c", "e"]
    monkeypatch.setenv("LEAVER_LENGTH", "2")
    assert some("abcdef", 3) == ["a", "d"]
    assert length(40) == 2


def test_the_figures_of_all_tests_are_added_up() -> None:
    assert list(figures(REPORT)) == [
        "2 tests passed, 1 failed",
        "1 places to die at",
        "1,020 orders",
        "7 died with the only copy",
        "0 lost, or false alarm",
        "7 nights",
    ]


def test_a_part_that_never_came_to_its_tests_found_nothing() -> None:
    assert list(figures("")) == []


def test_a_proof_says_what_it_shortened_and_what_failed() -> None:
    said = shown([Ran(NIGHTS, 400, passed=True, found="400 nights", seconds=41.2)])
    assert "passed  nights: 400 of 4000 nights, 41 s. 400 nights" in said
    assert "Shortened: nights." in said
    failed = Ran(NIGHTS, 4000, passed=False, found="1 failed", seconds=400)
    assert "Shortened: nothing." in shown([failed])
    page = as_markdown([replace(failed, commit="abc", on="2026-11-29, 2 cores, Python 3.13.0")])
    assert "| nights | 4,000 nights | 4,000 | **FAILED** 1 failed | 400 | abc |" in page
    assert "- abc: 2026-11-29, 2 cores, Python 3.13.0." in page


def test_a_part_is_kept_as_it_ends_and_the_others_stay_as_they_were(tmp_path: Path) -> None:
    first, second = PARTS[0], PARTS[3]
    told = Ran(second, 40, passed=True, found="1 tests passed", seconds=8.0, commit="abc", on="today", thrown=(KILLS,))
    rows = {"tried": (Tried(0, "group", "what", "says", "lives"),), "forged": (Forged(1, "a receipt", "digest"),)}
    earlier = Ran(first, 2, passed=True, found="2 tests passed", seconds=9.5, commit="old", on="then", **rows)  # type: ignore[arg-type]
    path = tmp_path / "proof.json"
    keep(told, path)
    keep(earlier, path)
    assert read(path) == [earlier, told]
    keep(replace(told, commit="new"), path)
    keep(replace(told, part=NIGHTS), path)
    assert read(path) == [earlier, replace(told, commit="new")]


def test_the_page_is_made_of_what_is_kept() -> None:
    assert (ROOT / "docs" / "proof.md").read_text() == as_markdown(read())


# --- what the field throws at it ---

KILLS: Final = Thrown("a kill", "in a call", "test_it", times=7, lost=1, leaked=0, crashed=0)


def test_what_a_test_threw_is_added_up_over_its_parameters() -> None:
    assert thrown(REPORT) == [KILLS]
    assert thrown("") == []


def test_a_proof_shows_what_the_field_threw_with_the_test_of_each_row_and_the_sum() -> None:
    said = shown([Ran(NIGHTS, 400, passed=True, found="", seconds=41.2, thrown=(KILLS,))])
    assert said.splitlines()[-3:] == [
        "kind    what was injected  times  lost  false  leaked  crashed  test",
        "a kill  in a call          7      1     -      0       0        test_it",
        "in all                     7      1     -      0       0        1 tests",
    ]
    page = as_markdown([Ran(NIGHTS, 4000, passed=True, found="", seconds=41.2, thrown=(KILLS,))])
    assert "| a kill | in a call | 7 | 1 | - | 0 | 0 | test_it |" in page


def test_whatever_records_what_it_threw_is_part_of_the_proof() -> None:
    tests = {path: path.read_text() for path in (ROOT / "tests").rglob("*.py")}
    recording = {
        str(path.relative_to(ROOT))
        for path, text in tests.items()
        if "def test_" in text and re.search(r"\bfield: Field\b", text)
    }
    proved = {word for part in PARTS for word in part.tests.split()}
    assert recording
    assert [file for file in recording if not file.startswith(tuple(proved))] == []


def test_whatever_make_test_leaves_out_is_part_of_the_proof() -> None:
    tests = {str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / "tests").rglob("*.py")}
    left = {path for path, text in tests.items() if re.search(r"^(@|pytestmark = )at_length$", text, re.MULTILINE)}
    proved = {word for part in PARTS if " -k " not in part.tests for word in part.tests.split()}
    assert left
    assert left - proved == set()


@pytest.mark.parametrize(("whole", "run"), [(True, ["short"]), (False, ["short", "long"])])
def test_it_is_left_out_where_everything_is_run_and_not_where_it_is_asked_for(*, whole: bool, run: list[str]) -> None:
    marks: dict[str, str | None] = {"short": None, "long": at_length.name}
    items: Any = [SimpleNamespace(name=name, get_closest_marker={mark: mark}.get) for name, mark in marks.items()]
    left: list[str] = []
    hook = SimpleNamespace(pytest_deselected=lambda items: left.extend(each.name for each in items))
    config: Any = SimpleNamespace(workerinput={"whole": whole}, hook=hook)
    pytest_collection_modifyitems(config, items)
    assert ([each.name for each in items], left) == (run, [each for each in marks if each not in run])


def test_whoever_records_a_harm_fails_and_the_table_shows_it() -> None:
    properties: list[tuple[str, object]] = []
    with pytest.raises(AssertionError, match="lost=1"):
        Field("test_it[of one]", properties)("a kill", "in a call", times=3, lost=1, false=0)
    assert added_up(row for _, row in properties) == [Thrown("a kill", "in a call", "test_it", 3, lost=1, false=0)]  # type: ignore[misc]


def test_whoever_injected_nothing_fails() -> None:
    with pytest.raises(AssertionError, match="nothing was injected"):
        Field("test_it", [])("a kill", "in a call", times=0, lost=0)


def test_a_planted_harm_is_told_by_its_row() -> None:
    assert harms_of(lambda field: field("a kill", "in a call", times=3, lost=1, false=0)) == {"lost": 1}


PLANTED: Final = """
import pytest

@pytest.mark.parametrize("lost", [0, 0, 1])
def test_it(field, lost):
    field("a kill", "in a call", 1, lost=lost, false=0)

def test_that_throws_nothing(field):
    pass
"""


def test_one_loss_makes_its_row_and_the_whole_run_red_and_so_does_a_test_that_throws_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # To start a worker is to import everything once more, for so few tests.
    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "0")
    planted = tmp_path / "test_planted.py"
    planted.write_text(PLANTED)
    ran = run(
        replace(NIGHTS, tests=f"--config-file={quote(str(ROOT / 'pyproject.toml'))} -p tests.conftest {planted}"), 1
    )
    assert not ran.passed
    assert re.search(r"\b2 failed\b", ran.found)
    assert [each.harms for each in ran.thrown] == [{"lost": 1}]
