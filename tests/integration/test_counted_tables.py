"""The benchmark's tables in memory are held to DynamoDB's on moto: what Leaver asks of both, both answer alike."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws

from benchmarks.counted_tables import CountedTables
from leaver.cases.ceiling import PeopleAnHour
from leaver.cases.heard import Fate, HeardEvents, heard
from leaver.cases.people import People
from leaver.cases.record import Case, Step, new_case
from leaver.cases.states import CaseEvent, State
from leaver.cases.table import Cases
from leaver.connections.record import Connections
from leaver.storage.tables import columns, item
from tests.doubles.clock import NOW
from tests.doubles.connections_table import connection
from tests.integration.dynamodb import dynamodb, make_tables

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ADA = "ada@example.com"
SSO = Step(command="RevokeSsoToken", at="zoom/acme", identity=ADA, found_by="account", detail={"user_id": ADA})


@pytest.fixture
def moto() -> Iterator["DynamoDBClient"]:
    with mock_aws():
        client = dynamodb()
        make_tables(client)
        yield client


def case(case_id: str, minutes: int) -> Case:
    at = NOW + timedelta(minutes=minutes)
    told: dict[str, Any] = {"email": ADA, "event_id": case_id, "source": "hr", "urgency": "routine"}
    return new_case(case_id, [SSO], [ADA], **told, requested_at=at, effective_at=at).with_look_at(at)


def opened(standing: Case) -> Case:
    return standing.after_start(NOW, deadline=timedelta(minutes=15))


def lived_through(client: "DynamoDBClient") -> Iterator[object]:
    """Do with a table what an hour of Leaver does; yields whatever it answers."""
    cases, people, counted = (
        Cases(client, table="Cases"),
        People(client, table="Cases"),
        PeopleAnHour(client, table="Cases"),
    )
    for number, minutes in enumerate((5, -5, 0, 60)):
        yield cases.add(case(f"c-{number}", minutes))
    yield cases.add(case("c-0", 7)) is None
    yield cases.change(case("c-1", -5), opened)
    yield cases.change(case("c-1", -5), lambda standing: standing.with_look_at(None))
    yield cases.change(cases.require("c-2"), lambda standing: standing.after(CaseEvent.DOUBTED, NOW))
    yield cases.read("c-1"), cases.read("nobody"), cases.read_stored("c-2"), cases.read_receipts("c-2")
    yield [*cases.find_due(NOW)], [*cases.find_due(NOW + timedelta(hours=2))], cases.count_held()
    yield [*cases.read_summaries(NOW + timedelta(minutes=4))]
    yield [[*cases.find_in(state)] for state in State]
    yield people.change(ADA, lambda found: found.with_tombstone("c-1", NOW)), people.read(ADA), people.gone(["ben"])
    for person in ("ada", "ben", "ada", "cid"):
        yield counted.find_exceeded(person, {"routine": 2, "everybody": None, "none": 9}, NOW)
        yield counted.is_first_beyond("routine", person, NOW)
    yield counted.find_exceeded("dan", {"routine": 0}, NOW), counted.counts(NOW)
    events = HeardEvents(client, table="Cases")
    for number in range(3):
        told = heard(f"m-{number}", NOW + timedelta(seconds=number), source="hr", event_id=None)
        events.put_once(told)
        events.put_once(told.closed(Fate("opened", "c-1")))
    yield [*events.find_fates(NOW + timedelta(seconds=1), NOW)], events.count_day(NOW)
    for each in (connection(), connection("venafi", provider="venafi")):
        client.put_item(TableName="Connections", Item=item(columns(each)))
    connections = Connections(client, table="Connections")
    yield connections.read("zoom"), connections.usable_at(["zoom", "venafi"]), connections.owned_by("it@example.com")


def test_an_hour_of_cases_is_the_same_in_memory_and_on_dynamodb(moto: "DynamoDBClient") -> None:
    in_memory, on_moto = lived_through(CountedTables().client), lived_through(moto)
    for number, (mine, theirs) in enumerate(zip(in_memory, on_moto, strict=True)):
        assert mine == theirs, number


def test_a_page_holds_a_megabyte_and_the_next_begins_behind_it() -> None:
    tables = CountedTables()
    cases = Cases(tables.client, table="Cases")
    for number in range(6_000):
        cases.add(case(f"c-{number:04}", number))
    before = tables.calls["Query"]
    assert [each.case_id for each in cases.find_in(State.SCHEDULED)] == [f"c-{number:04}" for number in range(6_000)]
    assert tables.calls["Query"] - before == 2
