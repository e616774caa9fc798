"""Passing on refreshes that somebody asked for, and planning those that are due."""

import json
from datetime import timedelta
from typing import Any

import pytest

from functions.schedule_refreshes.app import pass_on
from leaver.commands import RefreshAccessToken
from leaver.connections import Due, Status
from leaver.errors import Undelivered
from tests.fake_connections import InMemoryConnections, connection
from tests.fake_secrets import PARENT
from tests.fakes import NOW, REFRESH_QUEUE, Context, batch, event, record, returned
from tests.house import House


@pytest.fixture
def house() -> House:
    return House()


def consume(house: House, *records: dict[str, Any]) -> set[str]:
    def operation(command: RefreshAccessToken) -> None:
        pass_on(command, outbox=house.outbox())

    consumer = house.consumer(RefreshAccessToken, operation, receipts=False)
    return returned(consumer.consume(batch(*records), Context()))


def test_a_refresh_from_the_bus_goes_to_the_queue_of_its_connection(house: House) -> None:
    assert consume(house, record(event("RefreshAccessToken", {"connection": "zoom", "force": True}))) == set()
    (message,) = house.sqs.to(REFRESH_QUEUE)
    assert json.loads(message["MessageBody"]) == {"connection": "zoom", "force": True}
    assert message["MessageGroupId"] == "zoom"
    assert house.bus.put == []


def test_people_are_not_deduplicated(house: House) -> None:
    for _ in range(2):
        consume(house, record(event("RefreshAccessToken", {"connection": "zoom", "force": True})))
    first, second = house.sqs.to(REFRESH_QUEUE)
    assert first["MessageDeduplicationId"] != second["MessageDeduplicationId"]


@pytest.mark.parametrize("by_hand", [True, False])
def test_a_refresh_for_a_revocation_is_not_taken_from_the_bus(house: House, *, by_hand: bool) -> None:
    detail = {"connection": "zoom", "for_revocation": True}
    assert consume(house, record(detail if by_hand else event("RefreshAccessToken", detail))) == set()
    assert house.parked_attributes["reason"] == "for_revocation: expected only from revoke_access_token"
    assert house.sqs.to(REFRESH_QUEUE) == []


def test_a_queue_that_does_not_take_it_brings_the_message_back(house: House) -> None:
    house.sqs.refuses = 1
    assert consume(house, record({"connection": "zoom"}, message_id="message-1")) == {"message-1"}
    assert house.parked == []


def test_what_is_due_gets_one_message_each_in_batches_of_ten(house: House) -> None:
    due = [Due(connection=f"zoom-{number}", version=PARENT) for number in range(23)]
    assert house.outbox().schedule(due, now=NOW) == 23
    messages = house.sqs.to(REFRESH_QUEUE)
    assert [json.loads(each["MessageBody"]) for each in messages] == [{"connection": each.connection} for each in due]
    assert [each["MessageGroupId"] for each in messages] == [each.connection for each in due]
    assert messages[7]["MessageDeduplicationId"] == f"zoom-7:{PARENT}:202611220930"


def test_nothing_due_sends_nothing(house: House) -> None:
    assert house.outbox().schedule([], now=NOW) == 0
    assert house.sqs.sent == []


def test_a_plan_that_the_queue_refuses_in_part_is_an_error(house: House) -> None:
    house.sqs.refuses = 2
    with pytest.raises(Undelivered, match=r"^the refresh queue refused 2 messages: InternalError$"):
        house.outbox().schedule([Due(connection=f"zoom-{each}", version=PARENT) for each in range(3)], now=NOW)


def test_only_what_is_in_use_and_has_come_due_is_planned() -> None:
    soon = NOW + timedelta(seconds=1)
    connections = InMemoryConnections(
        connection("due", refresh_at=NOW),
        connection("fresh", refresh_at=soon),
        *(
            connection(status.replace("_", "-"), refresh_at=NOW, status=status)
            for status in Status
            if status != "active"
        ),
    )
    assert [each.connection for each in connections.due(NOW)] == ["due"]
