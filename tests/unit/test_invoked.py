"""What a page shows and no test ran is found, and so is an excuse that is none; what was stopped did not run."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from leaver_cli.main import app
from tests import invoked
from tests.contract.test_documented_commands import Shape
from tests.invoked import counts, documented, faults

HEARD = Shape("heard", ("--day",))
SCHEMA = Shape("schema", ())
SHOWN = {HEARD: "cases.md", SCHEMA: "messages.md"}


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> set[Shape]:
    kept: set[Shape] = set()
    monkeypatch.setattr(invoked, "INVOKED", kept)
    return kept


def test_what_a_page_shows_and_a_test_ran_is_no_fault() -> None:
    assert faults(SHOWN, {HEARD, SCHEMA}, excused={}) == []


def test_a_command_that_is_planted_in_a_page_and_run_by_nobody_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sh\nleaver log c-1 --follow   # each\n```\n`leaver schema`, `leaver door rotate x --finish`.\n")
    planted = documented([page])
    assert planted == {Shape("log", ("--follow",)): "page.md", Shape("door rotate", ("--finish",)): "page.md"}
    assert faults(planted, {Shape("log", ()), Shape("door rotate", ("--finish",))}, excused={}) == [
        "leaver log --follow: page.md shows it, and no test ran it"
    ]


def test_an_excuse_counts_only_for_what_is_shown_and_never_run() -> None:
    assert faults(SHOWN, {SCHEMA}, excused={HEARD: "why"}) == []
    for shown, ran in ((SHOWN, {HEARD, SCHEMA}), ({SCHEMA: "messages.md"}, {SCHEMA})):
        assert faults(shown, ran, excused={HEARD: "why"}) == [
            "leaver heard --day: excused, but run by a test or not shown"
        ]


def test_what_runs_leaves_its_command_and_its_options(kept: set[Shape]) -> None:
    assert CliRunner().invoke(app, ["schema", "OffboardingRequested"]).exit_code == 0
    assert CliRunner().invoke(app, ["schema", "--page"]).exit_code == 0
    assert kept == {SCHEMA, Shape("schema", ("--page",))}


@pytest.mark.parametrize("typed", ["schema Nobody", "schema --pages", "door rotate nowhere", "heard --help"])
def test_what_was_stopped_leaves_nothing(kept: set[Shape], typed: str) -> None:
    CliRunner().invoke(app, typed.split())
    assert kept == set()


def test_the_counts_say_by_which_way_each_is_held() -> None:
    shown = {SCHEMA, Shape("cancel", ("--yes",)), Shape("", ("--help",))}
    assert counts(shown, {SCHEMA}) == "3 are shown: 1 run by tests, 1 played alone, 1 excused"
