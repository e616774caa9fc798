"""A source that has been quiet for too long is told of, and only its own events break the silence."""

from datetime import timedelta
from uuid import uuid4

import pytest
from aws_lambda_powertools import Logger

from functions.watch_deadlines.app import tell_of_silence
from leaver.messages.publisher import Publisher
from leaver.webhooks.places import NOTED_EVERY, SILENT_AFTER, Places
from leaver.webhooks.sources import Answer
from tests.doubles.event_bus import FakeBus
from tests.doubles.front_door import FrontDoor
from tests.doubles.sqs import FakeSqs

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


# -- who is told


def tick(door: FrontDoor, places: Places, bus: FakeBus) -> int:
    publisher = Publisher(events=bus.client, sqs=FakeSqs().client, bus="leaver", dead_letter_queue_url="")
    return tell_of_silence(places, publisher.announce, door.clock.now, logger=Logger(service=str(uuid4())))


def told(bus: FakeBus) -> list[str]:
    return [each["source"] for each in bus.announced]


def quiet(door: FrontDoor, places: Places, *names: str) -> None:
    for name in names:
        places.connect(name, door.clock.now - SILENT_AFTER - DAY)


def test_a_silence_is_announced_once_and_counted_as_long_as_it_lasts(door: FrontDoor, places: Places) -> None:
    quiet(door, places, "hibob/new")
    bus = FakeBus()
    assert [tick(door, places, bus) for _ in range(3)] == [1, 1, 1]
    assert told(bus) == ["hibob/new"]


def test_the_next_silence_is_another_and_announced_by_another_name(door: FrontDoor, places: Places) -> None:
    quiet(door, places, "hibob/new")
    bus = FakeBus()
    tick(door, places, bus)
    places.note_spoken("hibob/new", door.clock.now)
    assert tick(door, places, bus) == 0
    door.clock.passes(seconds=(SILENT_AFTER + DAY).total_seconds())
    tick(door, places, bus)
    assert told(bus).count("hibob/new") == 2
    assert len({each["announcement_id"] for each in bus.announced}) == len(bus.announced)


def test_a_silence_that_the_bus_refused_is_announced_a_minute_later_and_keeps_no_other_waiting(
    door: FrontDoor, places: Places
) -> None:
    quiet(door, places, "gusto/new", "hibob/new")
    bus = FakeBus(refuses=1)
    assert tick(door, places, bus) == 2
    assert len(told(bus)) == 1
    tick(door, places, bus)
    assert sorted(told(bus)) == ["gusto/new", "hibob/new"]
