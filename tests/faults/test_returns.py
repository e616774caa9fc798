"""What sounds like a return and is none, heard while a leaver's case waits for a provider: nobody keeps anything."""

from typing import Any

import pytest

from leaver.cases.states import State
from leaver.errors import ProviderUnavailable
from tests.doubles.hr_events import webhook
from tests.doubles.office import ADA, Office

SHE_LEFT = ([State.COMPLETED], set[str](), True)


@pytest.fixture
def office() -> Office:
    """An organisation whose Venafi is out of order, so that Ada's case stays open."""
    office = Office()
    office.weather.out_of_order["venafi"] = ProviderUnavailable("Venafi is out of order")
    return office


def hears(office: Office, detail_type: str, detail: dict[str, Any]) -> None:
    """A webhook of Ada comes, and the functions work through their queues for a quarter of an hour."""
    now = office.clock().isoformat()
    event = {"id": f"{detail_type} at {now}", "time": now}
    office.queue("StartOffboarding", webhook(detail_type, detail, f"mailto:{ADA}") | event)
    works(office)


def works(office: Office) -> None:
    for _ in range(3):
        for message in list(office.queued):
            office.deliver(message)
        office.clock.passes(minutes=5)


def venafi_is_mended(office: Office) -> None:
    office.weather.out_of_order.clear()
    works(office)


def gusto(office: Office, event_type: str) -> None:
    now = int(office.clock().timestamp())
    hears(office, "GustoWebhook", {"event_type": event_type, "entity_uuid": "e-1", "timestamp": now})


def what_became_of_ada(office: Office) -> tuple[list[State], set[str], bool]:
    """Her cases, what she still has, and whether a tombstone stands."""
    return [case.state for case in office.cases.every], office.access_of(ADA), office.people.gone([ADA])


def test_a_repeated_active_of_one_source_takes_back_no_departure_of_another(office: Office) -> None:
    now = office.clock().replace(tzinfo=None).isoformat()
    revoked = {"type": "employee.access.revoked.immediately", "triggeredAt": now, "data": {"employeeId": "33"}}
    hears(office, "HiBobWebhook", revoked)
    # Entra sends active with every later change of the user
    active = {"op": "Replace", "path": "active", "value": "True"}
    title = {"op": "Replace", "path": "title", "value": "Engineer II"}
    hears(office, "ScimPatch", {"Operations": [active, title]})
    venafi_is_mended(office)
    assert what_became_of_ada(office) == SHE_LEFT


def test_a_rehire_that_was_only_entered_takes_back_no_departure(office: Office) -> None:
    gusto(office, "employee.termination_effective")
    gusto(office, "employee.rehired")
    venafi_is_mended(office)
    assert what_became_of_ada(office) == SHE_LEFT


def test_without_such_a_word_the_case_is_completed_when_venafi_is_mended(office: Office) -> None:
    gusto(office, "employee.termination_effective")
    venafi_is_mended(office)
    assert what_became_of_ada(office) == SHE_LEFT
