"""A leaver on whom Leaver itself depends: the case waits for a new owner, rings at once, and stops no other."""

from typing import Any

import pytest

from functions.watch_deadlines.app import gauges
from leaver.cases.seal import head_of
from leaver.cases.states import State
from leaver.outcomes import Outcome
from tests.doubles.clock import NOW
from tests.doubles.watched_cases import ADA, GRANTS, REPLACED, SSO, World


@pytest.fixture
def world() -> World:
    world = World()
    world.connections.alter("zoom", owner=ADA)
    world.opens(SSO, REPLACED)
    return world


def connected(world: World, **told: Any) -> None:
    """`leaver connect` gave the connection a new owner."""
    usual = {
        "owner": "bob@example.com",
        "replaced_owner": ADA,
        "replaced_at": world.clock(),
        "replaced_outcome": Outcome.REVOKED,
        "replaced_description": "revoked",
    }
    world.connections.alter("zoom", **usual | told)


def ringing(world: World) -> int:
    return gauges(world.cases.read_summaries(world.clock()), 0, (), world.clock())["ConnectionsToReplace"]


def test_it_rings_at_once_and_until_somebody_acted(world: World) -> None:
    assert ringing(world) == 1
    world.receives(SSO)
    world.minutes(30)
    assert (ringing(world), world.case().state) == (1, State.OPEN)
    assert world.announced() == ["OffboardingOverdue"]
    connected(world)
    world.minutes(1)
    assert (ringing(world), world.case().state) == (0, State.COMPLETED)


def test_nothing_is_sent_for_it(world: World) -> None:
    world.receives(SSO)
    world.minutes(60)
    assert world.commands() == []


def test_the_receipt_holds_the_providers_word_and_belongs_to_the_seal(world: World) -> None:
    world.receives(SSO)
    world.clock.passes(minutes=10)
    connected(world)
    world.clock.passes(minutes=5)
    world.looks()
    receipt = world.cases.read_receipts("c-1")[REPLACED.name]
    assert (receipt.command, receipt.subject, receipt.connection) == ("ReplaceServiceConnection", ADA, "zoom")
    assert (receipt.outcome, receipt.time_to_revoke) == (Outcome.REVOKED, 10 * 60)
    assert receipt.details == {"owner": "bob@example.com", "said": "revoked"}
    kept = world.cases.read_stored("c-1")
    assert world.case().head == head_of(kept["case"], kept)
    del kept[REPLACED.name]
    assert world.case().head != head_of(kept["case"], kept)


@pytest.mark.parametrize(
    "told",
    [
        {"replaced_outcome": None, "replaced_description": None},
        {"owner": ADA},
        {"owner": "Ada@Example.com"},
        {"replaced_owner": "somebody@example.com"},
    ],
    ids=["the old grant's end is not confirmed", "same owner", "same owner in capitals", "another's grant ended"],
)
def test_short_of_that_the_step_stays_open(world: World, told: dict[str, Any]) -> None:
    world.receives(SSO)
    connected(world, **told)
    world.minutes(10)
    assert world.case().outstanding == (REPLACED.name,)


def test_a_connection_that_is_not_there_any_more_keeps_the_step_open(world: World) -> None:
    world.receives(SSO)
    del world.connections.records["zoom"]
    world.minutes(2)
    assert world.case().outstanding == (REPLACED.name,)


def test_the_other_cases_go_on(world: World) -> None:
    for number in range(5):
        name = f"{number}@example.com"
        world.opens(SSO, GRANTS, case_id=f"other-{number}", name=name)
        world.step_done([SSO, GRANTS], case_id=f"other-{number}")
    world.scheduled(SSO, case_id="waits", name="eve@example.com", at=NOW)
    world.minutes(1)
    assert {world.case(f"other-{number}").state for number in range(5)} == {State.COMPLETED}
    assert world.case("waits").state is State.OPEN
    assert world.case().state is State.OPEN
