"""The states of a case: the table in docs/cases.md is the code's, and what stands in neither can not happen."""

import re
from itertools import product, takewhile
from pathlib import Path
from typing import get_args

import pytest

from leaver.cases.announcing import RESURRECTED
from leaver.cases.record import HELD, LOOK_AGAIN, WATCHED, Case, new_case
from leaver.cases.states import (
    OVER,
    TRANSITIONS,
    UNDER_WAY,
    AnnouncementName,
    CaseEvent,
    ImpossibleTransition,
    State,
    Transition,
    is_possible,
    transition,
)
from leaver.messages.events import CaseAnnouncement
from tests.doubles.clock import NOW

ROOT = Path(__file__).parents[2]
HEADER = "| from | what happened | to | announced | looked at again |"
CODE = ROOT / "layers/leaver/python/leaver"


def documented() -> list[tuple[str, str, str, str | None, str]]:
    """The rows of the table in docs/cases.md, one for each state that a row begins from."""
    lines = (ROOT / "docs/cases.md").read_text().splitlines()
    start = lines.index(HEADER) + 2
    rows = takewhile(lambda line: line.startswith("|"), lines[start:])
    found = []
    for before, event, after, announced, look_again in (
        [each.strip() for each in row.split("|")[1:-1]] for row in rows
    ):
        name = None if announced == "nothing" else _quoted(announced)[0]
        found += [(each, _quoted(event)[0], _quoted(after)[0], name, look_again) for each in _quoted(before)]
    return found


def _quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def case_in(state: State) -> Case:
    fields = {"email": "ada@example.com", "event_id": "1", "source": "hr", "urgency": "routine"}
    case = new_case("c-1", [], [], **fields, requested_at=NOW, effective_at=NOW)
    return case.model_copy(update={"state": state})


def test_every_transition_is_documented_and_no_other() -> None:
    in_code = sorted((tuple(each) for each in TRANSITIONS), key=lambda row: row[:2])
    assert sorted(documented(), key=lambda row: row[:2]) == in_code


def test_an_event_makes_one_thing_of_a_state() -> None:
    assert len({(each.before, each.event) for each in TRANSITIONS}) == len(TRANSITIONS)


@pytest.mark.parametrize(("state", "event"), [*product(State, CaseEvent)])
def test_what_is_not_in_the_table_can_not_happen(state: State, event: CaseEvent) -> None:
    if (state, event) in {(each.before, each.event) for each in TRANSITIONS}:
        assert is_possible(state, event)
        assert case_in(state).allows(event)
        return
    assert not is_possible(state, event)
    assert not case_in(state).allows(event)
    with pytest.raises(ImpossibleTransition, match=f"^a case that is {state} can not be {event}$"):
        transition(state, event)
    with pytest.raises(ImpossibleTransition):
        case_in(state).after(event, NOW)


@pytest.mark.parametrize("row", TRANSITIONS, ids=lambda row: f"{row.before} {row.event}")
def test_what_is_in_the_table_happens_as_it_says(row: Transition) -> None:
    case = case_in(row.before).after(row.event, NOW)
    assert case.state is row.after
    assert case.pending_announcements == ((row.announced,) if row.announced else ())
    assert case.finished_at == (None if row.after in UNDER_WAY else NOW)
    assert (case.watch, case.watch_at) == {
        "in a minute": (WATCHED, NOW + LOOK_AGAIN),
        "when due": (WATCHED, NOW),
        "by a person": (HELD, NOW),
    }[row.look_again]


def test_every_state_but_the_first_is_reached_and_what_has_ended_is_left_no_more() -> None:
    assert {each.after for each in TRANSITIONS} == set(State)
    assert {each.before for each in TRANSITIONS} == UNDER_WAY
    assert set(State) - UNDER_WAY - OVER == {State.COMPLETED}


def test_all_that_a_case_can_announce_is_announced_by_a_row() -> None:
    # That an account lives again changes no state.
    by_a_row = set(get_args(AnnouncementName)) - {RESURRECTED}
    assert {each.announced for each in TRANSITIONS if each.announced} == by_a_row
    assert get_args(CaseAnnouncement.model_fields["detail_type"].annotation) == get_args(AnnouncementName)


def test_a_state_is_written_in_one_file() -> None:
    sources = {path: path.read_text() for path in (*CODE.rglob("*.py"), *(ROOT / "functions").rglob("*.py"))}
    writers = [path for path, source in sources.items() if "leaver.cases" in source and '"state":' in source]
    assert writers == [CODE / "cases/record.py"]
