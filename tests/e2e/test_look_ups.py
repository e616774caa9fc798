"""A HiBob webhook that carries an id only, in the whole local world: to that person's sealed case, or to a person."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from local import acme
from local.call_gate import Moment
from local.simulators.faults import Hold
from tests.doubles.hr_events import payload
from tests.e2e.test_crashes import MOMENTS, kill
from tests.e2e.watched_world import WatchedWorld


def left(hibob_id: str) -> dict[str, Any]:
    """What HiBob sends at midnight of somebody's last day, as of now."""
    now = datetime.now(UTC)
    today = {"type": "employee.left", "triggeredAt": now.replace(tzinfo=None).isoformat()}
    sent: dict[str, Any] = payload("hibob") | today
    return sent | {"data": {"employeeId": hibob_id, "effectiveDate": now.date().isoformat()}}


def test_an_id_becomes_a_sealed_case(world: WatchedWorld) -> None:
    person, neighbour = world.hire(), world.hire()
    hibob_id = world.leaves_at_hibob(person)
    world.put_hr_event("HiBobWebhook", left(hibob_id))
    world.wait_until_idle()
    [case] = [each for each in world.cases() if each["email"] == person.email]
    assert (case["state"], case["source"]) == ("completed", "hibob")
    assert case["head"]
    assert not world.zoom.has_session(person.email)
    assert world.venafi.live_grants(person.venafi_id) == 0
    assert world.zoom.has_session(neighbour.email)
    [asked] = world.hr.journal()
    assert (asked.path, asked.status) == (f"/v1/people/{hibob_id}", 200)


def bamboohr(person: str) -> tuple[str, dict[str, Any]]:
    data = {"companyId": "1", "employeeId": person, "changedFields": ["status"]}
    return "BambooHrWebhook", {"type": "employee.updated", "timestamp": datetime.now(UTC).isoformat(), "data": data}


def gusto(person: str) -> tuple[str, dict[str, Any]]:
    now = int(datetime.now(UTC).timestamp())
    kind = "employee.terminated_effective"
    return "GustoWebhook", {"uuid": f"g-{person}", "event_type": kind, "entity_uuid": person, "timestamp": now}


def okta(person: str) -> tuple[str, dict[str, Any]]:
    sent = payload("okta")["detail"] | {"uuid": f"o-{person}", "published": datetime.now(UTC).isoformat()}
    return "OktaEventHook", sent | {"target": [{"id": person, "type": "User", "displayName": "somebody"}]}


@pytest.mark.parametrize("event", [bamboohr, gusto, okta])
def test_an_id_of_every_other_system_becomes_a_completed_case(
    world: WatchedWorld, event: Callable[[str], tuple[str, dict[str, Any]]]
) -> None:
    person, system = world.hire(), str(event.__name__)
    if system == "gusto":
        acme.connect_gusto(world, system)
    else:
        acme.connect_by_key(world, system, system)  # type: ignore[arg-type]  # one of the two
    there = {"bamboohr": "100", "gusto": str(uuid4()), "okta": "00u1abcdefGHIJKL5d7"}[system]
    world.hr.add_person(system, there, person.email)
    world.hr.leaves(system, there)
    world.put_hr_event(*event(there))
    # Gusto's token has to be renewed first.
    world.try_again()
    assert world.parked("look_up_person") == []
    [case] = [each for each in world.cases() if each["email"] == person.email]
    assert (case["state"], case["source"]) == ("completed", system)
    assert not world.zoom.has_session(person.email)


def test_whose_access_ends_at_once_goes_on_by_the_urgent_lane(world: WatchedWorld) -> None:
    person = world.hire()
    at_once = {"type": "employee.access.revoked.immediately"}
    world.put_hr_event("HiBobWebhook", left(world.leaves_at_hibob(person, is_gone=False)) | at_once)
    world.wait_until_idle()
    [case] = [each for each in world.cases() if each["email"] == person.email]
    assert (case["state"], case["urgency"]) == ("completed", "urgent")
    assert not world.zoom.has_session(person.email)


def test_whom_hibob_still_employs_is_held_with_the_reason(world: WatchedWorld) -> None:
    person = world.hire()
    world.put_hr_event("HiBobWebhook", left(world.leaves_at_hibob(person, is_gone=False)))
    world.wait_until_idle()
    [case] = [each for each in world.cases() if each["email"] == person.email]
    assert (case["state"], case["because"]) == (
        "held",
        "hibob was asked, and does not say any more that this person left",
    )
    assert world.zoom.has_session(person.email)


def test_a_limit_and_an_outage_cost_nobody_their_case(world: WatchedWorld) -> None:
    person = world.hire()
    hibob_id = world.leaves_at_hibob(person)
    world.hr.inject("/v1/people/.*", handling="skip", reply="hibob/503-out-of-order")
    world.put_hr_event("HiBobWebhook", left(hibob_id))
    world.try_again()
    world.wait_until_idle()
    assert not world.zoom.has_session(person.email)
    assert world.parked("look_up_person") == []


def test_a_field_that_hibob_leaves_out_is_parked_by_its_name_and_redriven_once_it_is_seen(world: WatchedWorld) -> None:
    person = world.hire()
    hibob_id = world.leaves_at_hibob(person)
    world.hr.hides("hibob", hibob_id, "root.email")
    world.put_hr_event("HiBobWebhook", left(hibob_id))
    world.wait_until_idle()
    [parked] = world.parked("look_up_person")
    assert parked.reason == "hibob: root.email is left out of the answer: the connection may not see that field"
    assert world.zoom.has_session(person.email)
    world.hr.shows("hibob", hibob_id, "root.email")
    told = subprocess.run(
        [sys.executable, "-m", "leaver_cli.main", "redrive", "look_up_person", "--yes"],
        env={**os.environ, **world.environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 message went back" in told.stdout, told.stderr
    world.wait_until_idle()
    assert not world.zoom.has_session(person.email)
    assert world.parked("look_up_person") == []


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_that_is_killed_while_it_asks_loses_nobody(world: WatchedWorld, moment: Hold) -> None:
    person = world.hire()
    hibob_id = world.leaves_at_hibob(person)
    world.hr.inject("/v1/people/.*", hold=moment)
    world.put_hr_event("HiBobWebhook", left(hibob_id))
    kill(world, world.hr, "look_up_person")
    world.hr.release()
    world.try_again()
    assert not world.zoom.has_session(person.email)
    assert [each["state"] for each in world.cases() if each["email"] == person.email] == ["completed"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_that_is_killed_while_it_sends_on_makes_one_case(world: WatchedWorld, moment: Moment) -> None:
    person = world.hire()
    hibob_id = world.leaves_at_hibob(person)
    gate = world.aws.gate
    # The intake sends first.
    gate.hold("SendMessage", moment, nth=2)
    world.put_hr_event("HiBobWebhook", left(hibob_id))
    assert gate.wait_until_held() == 1
    world.kill("look_up_person")
    gate.release(drop=True)
    world.settle()
    world.try_again()
    assert [each["state"] for each in world.cases() if each["email"] == person.email] == ["completed"]
