"""Some time after a case is done it is looked once more for access that came back, unless the person did."""

import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from leaver.cases.finding import StepFinder
from leaver.cases.intake import Intake
from leaver.cases.record import Policy
from leaver.cases.states import State
from leaver.messages.events import OffboardingRequested
from leaver.providers.registry import PROVIDERS
from tests.doubles.connections_table import InMemoryConnections
from tests.doubles.watched_cases import ADA, GRANTS, PERSONAL, SSO, World

DAY = timedelta(days=1)
SWEEP = "c-1.sweep"


@pytest.fixture
def world() -> World:
    world = World(sweep_after=DAY)
    world.opens(SSO, PERSONAL, GRANTS)
    world.step_done([SSO, PERSONAL, GRANTS])
    world.minutes(2)
    world.bus.put.clear()
    return world


def comes_back(world: World) -> None:
    """An HR event says that the person stays, as start_offboarding hears it."""
    intake = Intake(
        cases=world.cases,
        people=world.people,
        announcer=world.watch.announcer,
        case_start=world.watch.case_start,
        step_finder=StepFinder(InMemoryConnections(), PROVIDERS),
        find_person=lambda _request, _heard_at: {},
        clock=world.clock,
        policy=Policy(deadline=900),
    )
    told = {"event_id": "back", "source": "hr", "kind": "reinstated", "subject": {"email": ADA}}
    at = world.clock().isoformat()
    request = OffboardingRequested.model_validate_json(json.dumps(told | {"effective_at": at, "occurred_at": at}))
    assert intake.take_in(request, world.clock()).name == "changed"


def test_a_day_later_the_session_and_the_grants_are_ended_once_more_by_a_case_of_its_own(world: World) -> None:
    world.clock.passes(hours=23, minutes=50)
    world.looks()
    assert world.commands() == []
    world.minutes(10)
    assert world.commands() == [("RevokeSsoToken", SWEEP), ("RevokeGrants", SWEEP)]
    sweep = world.case(SWEEP)
    assert (sweep.state, sweep.sweep_of, sweep.email) == (State.OPEN, "c-1", ADA)
    assert world.case().watch is None


def test_of_a_sweep_only_its_end_is_announced_and_it_is_itself_not_swept(world: World) -> None:
    world.clock.passes(days=2)
    world.looks()
    world.measured.clear()
    world.step_done([SSO, GRANTS], case_id=SWEEP)
    world.minutes(2)
    assert (world.case(SWEEP).state, world.case(SWEEP).watch) == (State.COMPLETED, None)
    assert [each["detail_type"] for each in world.bus.announced if each.get("sweep_of") == "c-1"] == [
        "OffboardingCompleted"
    ]
    world.clock.passes(days=2)
    world.looks()
    assert world.cases.read(f"{SWEEP}.sweep") is None
    assert world.measured == [], "a sweep is no leaver's wait"


def test_without_a_pause_there_is_no_sweep(world: World) -> None:
    world.sweep_after = None
    world.clock.passes(days=2)
    world.looks()
    assert world.cases.read(SWEEP) is None
    assert world.case().watch is None


def test_a_run_that_was_killed_after_it_opened_the_sweep_opens_no_second(world: World) -> None:
    world.clock.passes(days=1)
    case = world.case()
    world.looks()
    world.cases.put(case.model_copy(update={"item_version": world.case().item_version}))
    world.commands()
    world.minutes(1)
    assert world.commands() == []


def test_whoever_came_back_is_left_alone(world: World) -> None:
    comes_back(world)
    world.clock.passes(days=2)
    world.looks()
    assert world.cases.read(SWEEP) is None
    assert world.commands() == []


def test_whoever_comes_back_after_the_sweep_began_stops_it(world: World) -> None:
    world.clock.passes(days=2)
    world.looks()
    comes_back(world)
    assert world.case(SWEEP).state is State.REINSTATED
    assert world.people.under_tombstones == set()


def test_somebody_who_left_again_since_is_that_cases_business(world: World) -> None:
    world.opens(SSO, case_id="c-2")
    world.receives(SSO, case_id="c-2")
    world.clock.passes(hours=25)
    world.looks()
    assert world.cases.read(SWEEP) is None


@pytest.mark.parametrize("moment", ["before it is written", "before it is looked at"])
def test_whoever_comes_back_while_the_sweep_begins_is_not_logged_out(
    world: World, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    world.clock.passes(days=2)

    def between(real: Callable[..., Any], *arguments: Any) -> Any:
        monkeypatch.undo()
        if moment == "before it is written":
            comes_back(world)
        done = real(*arguments)
        if moment == "before it is looked at":
            comes_back(world)
        return done

    monkeypatch.setattr(world.cases, "add", partial(between, world.cases.add))
    world.looks()
    assert world.case(SWEEP).state is State.REINSTATED
    assert world.commands() == []
    assert world.people.under_tombstones == set()


def test_a_sweep_raises_no_tombstone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def change(*_: object) -> None:
        raise AssertionError("whoever came back this very moment would be locked out")

    monkeypatch.setattr(world.people, "change", change)
    world.clock.passes(days=2)
    assert world.looks() == 0
    assert world.commands()
