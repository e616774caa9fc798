"""A source that has been quiet for too long is told of, and only its own events break the silence."""

from datetime import timedelta

import pytest

from leaver.webhooks.places import NOTED_EVERY, SILENT_AFTER, Places
from leaver.webhooks.sources import Answer
from tests.doubles.front_door import FrontDoor

DAY = timedelta(days=1)


@pytest.fixture
def door() -> FrontDoor:
    return FrontDoor()


@pytest.fixture
def places(door: FrontDoor) -> Places:
    return Places(door.table.client, table="Deliveries")


def silent(door: FrontDoor, places: Places) -> set[str]:
    return {place for place, told in places.connected().items() if told.is_silent(door.clock.now)}


def test_a_source_that_never_spoke_is_silent_since_it_was_connected(door: FrontDoor, places: Places) -> None:
    places.connect("hibob/new", door.clock.now)
    door.clock.passes(seconds=SILENT_AFTER.total_seconds())
    assert silent(door, places).isdisjoint({"hibob/new"})
    door.clock.passes(seconds=1)
    assert "hibob/new" in silent(door, places)


def test_what_a_source_sends_breaks_its_silence_and_no_others(door: FrontDoor, places: Places) -> None:
    for source in ("hibob", "gusto"):
        places.connect(f"{source}/main", door.clock.now)
    door.clock.passes(seconds=(SILENT_AFTER + DAY).total_seconds())
    assert door.deliver("hibob", b"{}") == Answer(200)
    assert silent(door, places) & {"hibob/main", "gusto/main"} == {"gusto/main"}


def test_what_is_refused_breaks_no_silence(door: FrontDoor, places: Places) -> None:
    places.connect("hibob/main", door.clock.now)
    door.clock.passes(seconds=(SILENT_AFTER + DAY).total_seconds())
    assert door.post("/hibob/main", b"{}", {"bob-signature": "forged"}) == Answer(401)
    door.events.broken = True
    assert door.deliver("hibob", b"{}") == Answer(503)
    assert "hibob/main" in silent(door, places)


def test_each_source_may_be_silent_as_long_as_a_person_says(door: FrontDoor, places: Places) -> None:
    places.connect("hibob/main", door.clock.now, silent_after=DAY)
    places.connect("gusto/main", door.clock.now, silent_after=timedelta(0))
    # What was said stays when a secret is rotated, and so does since when it is there.
    door.clock.passes(seconds=(2 * DAY).total_seconds())
    for place in ("hibob/main", "gusto/main"):
        places.connect(place, door.clock.now)
    assert silent(door, places) & {"hibob/main", "gusto/main"} == {"hibob/main"}


def test_many_deliveries_are_noted_once_in_a_while(door: FrontDoor) -> None:
    before = door.table.updates
    for _ in range(10):
        door.deliver("hibob", b"{}")
    assert door.table.updates == before + 1
    door.clock.passes(seconds=NOTED_EVERY.total_seconds())
    door.deliver("hibob", b"{}")
    assert door.table.updates == before + 2


def test_a_note_that_fails_loses_no_delivery_and_is_made_up_for(door: FrontDoor) -> None:
    before = door.table.updates
    door.table.broken = True
    assert door.deliver("okta", b"{}") == Answer(200)
    door.table.broken = False
    assert door.deliver("okta", b"{}") == Answer(200)
    assert (len(door.events.put), door.table.updates) == (2, before + 1)


def test_a_test_breaks_no_silence(door: FrontDoor) -> None:
    before = door.table.updates
    assert door.deliver("hibob", b'{"leaver_test": "test-1"}') == Answer(200)
    assert (door.details, door.table.updates) == ([{"leaver_test": "test-1"}], before)
