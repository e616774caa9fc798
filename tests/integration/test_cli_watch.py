"""`leaver watch` against tables on moto: each look, and what changes between two looks."""

import json
from collections.abc import Callable

import pytest
from click.testing import Result

from leaver.cases.states import State
from tests.doubles.cases_table import without_step
from tests.integration.parked_stack import leaver
from tests.integration.test_cli_cases import BEGAN, GRANTS, OWNED, SSO, Stack, stack

__all__ = ["stack"]  # a fixture


def watched(monkeypatch: pytest.MonkeyPatch, *happens: Callable[[], object], call: tuple[str, ...]) -> Result:
    """Watch, while one thing after another happens between two looks, and then Ctrl-C."""
    left = iter(happens)

    def sleep(_seconds: float) -> None:
        try:
            happen = next(left)
        except StopIteration:
            raise KeyboardInterrupt from None
        happen()

    monkeypatch.setattr("leaver_cli.cases.watch.time.sleep", sleep)
    return leaver("watch", *call, mix_stderr=False)


def lines(result: Result) -> list[list[str]]:
    return [line.split("\t")[1:] for line in result.stdout.splitlines()]


def finish(stack: Stack) -> None:
    case = stack.cases.read("c-1")
    assert case is not None
    done = without_step(case, SSO.name).after_seal(stack.cases.read_stored("c-1"), [], BEGAN)
    stack.cases.change(case, lambda _: done)


def test_a_case_is_told_step_by_step_until_it_is_over(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.has("c-1", SSO, minutes=600)
    nothing: Callable[[], object] = lambda: None  # noqa: E731 - a thing that happens
    happens = (nothing, lambda: stack.receives("c-1", SSO), nothing, lambda: finish(stack))
    result = watched(monkeypatch, *happens, call=("c-1",))
    assert result.exit_code == 0
    assert lines(result) == [
        ["c-1", "ada@example.com", SSO.name, "outstanding"],
        ["c-1", "ada@example.com", "case", "open"],
        ["c-1", "ada@example.com", SSO.name, "revoked, outstanding"],
        ["c-1", "ada@example.com", SSO.name, "revoked"],
        ["c-1", "ada@example.com", "case", "completed"],
    ]


def test_what_a_person_does_about_a_step_is_told_as_soon_as_it_is_so(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.has("c-1", GRANTS, OWNED, minutes=600)
    result = watched(monkeypatch, call=("c-1",))
    assert any("what to do: Leaver works through zoom" in line[-1] for line in lines(result))


def test_all_that_is_not_done_is_watched_until_ctrl_c(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.has("c-1", SSO, minutes=600)

    def hold() -> None:
        stack.has("h-1", SSO, state=State.HELD)

    def end() -> None:
        stack.receives("c-1", SSO)
        finish(stack)

    result = watched(monkeypatch, hold, end, lambda: None, call=())
    assert result.exit_code == 130
    assert result.stderr == "interrupted: every case goes on without this command\n"
    assert lines(result) == [
        ["c-1", "ada@example.com", "case", f"open, outstanding: {SSO.name}"],
        *[
            [
                "h-1",
                "ada@example.com",
                "case",
                "held; what to do: `leaver release h-1`, with --discard to throw it away",
            ]
        ],
        ["c-1", "ada@example.com", "case", "completed"],
    ]


def test_a_program_gets_one_object_a_line(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.has("c-1", SSO, minutes=600)
    result = watched(monkeypatch, call=("c-1", "--json"))
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(each["case"], each["what"], each["became"]) for each in told] == [
        ("c-1", SSO.name, "outstanding"),
        ("c-1", "case", "open"),
    ]


def test_a_case_that_is_not_there_is_told(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    result = watched(monkeypatch, call=("c-9",))
    assert (result.exit_code, result.stderr) == (1, "Error: there is no case c-9, and nobody of that name has one\n")
