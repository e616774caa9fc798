"""Passing on refreshes that somebody asked for, and planning those that are due."""

import json
from collections import Counter, deque
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from pydantic import SecretStr

from functions.schedule_refreshes.app import MOST_AT_ONCE, pass_on, plan
from leaver.connections.record import IN_USE, Connection, Status
from leaver.connections.refresh_policy import REFRESH_AFTER, next_refresh
from leaver.errors import Undelivered
from leaver.messages.commands import RefreshAccessToken
from leaver.messages.publisher import Due
from leaver.tokens import TokenSet
from tests.doubles.clock import NOW
from tests.doubles.connections_table import InMemoryConnections, connection
from tests.doubles.consumer_harness import ConsumerHarness
from tests.doubles.lambda_events import Context, batch, event, record, returned
from tests.doubles.secrets_manager import PARENT
from tests.doubles.sqs import REFRESH_QUEUE


@pytest.fixture
def harness() -> ConsumerHarness:
    return ConsumerHarness()


def consume(harness: ConsumerHarness, *records: dict[str, Any]) -> set[str]:
    def operation(command: RefreshAccessToken) -> None:
        pass_on(command, publisher=harness.publisher())

    consumer = harness.consumer(RefreshAccessToken, operation, receipts=False)
    return returned(consumer.consume(batch(*records), Context()))


def test_a_refresh_from_the_bus_goes_to_the_queue_of_its_connection(harness: ConsumerHarness) -> None:
    assert consume(harness, record(event("RefreshAccessToken", {"connection": "zoom", "force": True}))) == set()
    (message,) = harness.sqs.to(REFRESH_QUEUE)
    assert json.loads(message["MessageBody"]) == {"connection": "zoom", "force": True}
    assert message["MessageGroupId"] == "zoom"
    assert harness.bus.put == []


def test_people_are_not_deduplicated(harness: ConsumerHarness) -> None:
    for _ in range(2):
        consume(harness, record(event("RefreshAccessToken", {"connection": "zoom", "force": True})))
    first, second = harness.sqs.to(REFRESH_QUEUE)
    assert first["MessageDeduplicationId"] != second["MessageDeduplicationId"]


@pytest.mark.parametrize("by_hand", [True, False])
def test_a_refresh_for_a_revocation_is_not_taken_from_the_bus(harness: ConsumerHarness, *, by_hand: bool) -> None:
    detail = {"connection": "zoom", "for_revocation": True}
    assert consume(harness, record(detail if by_hand else event("RefreshAccessToken", detail))) == set()
    assert harness.parked_attributes["reason"] == "for_revocation: expected only from revoke_access_token"
    assert harness.sqs.to(REFRESH_QUEUE) == []


def test_a_queue_that_does_not_take_it_brings_the_message_back(harness: ConsumerHarness) -> None:
    harness.sqs.refuses = 1
    assert consume(harness, record({"connection": "zoom"}, message_id="message-1")) == {"message-1"}
    assert harness.parked == []


def test_what_is_due_gets_one_message_each_in_batches_of_ten(harness: ConsumerHarness) -> None:
    due = [Due(connection=f"zoom-{number}", version=PARENT) for number in range(23)]
    assert harness.publisher().schedule(due, now=NOW) == 23
    messages = harness.sqs.to(REFRESH_QUEUE)
    assert [json.loads(each["MessageBody"]) for each in messages] == [{"connection": each.connection} for each in due]
    assert [each["MessageGroupId"] for each in messages] == [each.connection for each in due]
    assert messages[7]["MessageDeduplicationId"] == f"zoom-7:{PARENT}:202611220930"


def test_nothing_due_sends_nothing(harness: ConsumerHarness) -> None:
    assert harness.publisher().schedule([], now=NOW) == 0
    assert harness.sqs.sent == []


def test_a_plan_that_the_queue_refuses_in_part_is_an_error(harness: ConsumerHarness) -> None:
    harness.sqs.refuses = 2
    with pytest.raises(Undelivered, match=r"^the refresh queue refused 2 messages: InternalError$"):
        harness.publisher().schedule([Due(connection=f"zoom-{each}", version=PARENT) for each in range(3)], now=NOW)


class Fleet:
    """Connections, and the plan of one minute after the other."""

    def __init__(self, *records: Connection) -> None:
        self.harness = ConsumerHarness()
        self.connections = InMemoryConnections(*records)

    def planned(self) -> list[str]:
        """Let the schedule fire; returns the connections that it sent a refresh for."""
        self.harness.sqs.sent.clear()
        plan(connections=self.connections, publisher=self.harness.publisher(), now=self.harness.clock())
        return [json.loads(message["MessageBody"])["connection"] for message in self.harness.sqs.to(REFRESH_QUEUE)]


def test_what_is_in_use_and_has_come_due_is_planned_the_longest_due_first() -> None:
    soon = NOW + timedelta(seconds=1)
    fleet = Fleet(
        connection("due", refresh_at=NOW),
        connection("fresh", refresh_at=soon),
        connection("cooled-off", refresh_at=NOW - timedelta(minutes=1), status=Status.COOLING_DOWN),
        connection("still-cooling", refresh_at=soon, status=Status.COOLING_DOWN),
        *(connection(each.replace("_", "-"), refresh_at=NOW, status=each) for each in Status if each not in IN_USE),
    )
    assert fleet.planned() == ["cooled-off", "due"]


# --- ten thousand connections ---

TEN_THOUSAND = 10_000
#: what is left of an hour's life when it is to be refreshed, in minutes
SLACK = 60 * (1 - REFRESH_AFTER[1])


def test_no_minute_plans_more_than_secrets_manager_can_keep_and_the_rest_waits_its_turn() -> None:
    fleet = Fleet(*(connection(f"zoom-{each}", refresh_at=NOW - timedelta(seconds=each)) for each in range(2_000)))
    assert fleet.planned() == [f"zoom-{each}" for each in reversed(range(500, 2_000))]
    # 50 writes a second is what AWS takes.
    assert MOST_AT_ONCE / 60 <= 50 / 2


def test_one_invocation_makes_a_bounded_number_of_calls_in_batches_of_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    fleet = Fleet(*(connection(f"zoom-{each}", refresh_at=NOW) for each in range(TEN_THOUSAND)))
    send = fleet.harness.sqs.send_message_batch

    def counted(**asked: Any) -> dict[str, Any]:
        sizes.append(len(asked["Entries"]))
        return send(**asked)

    monkeypatch.setattr(fleet.harness.sqs, "send_message_batch", counted)
    fleet.planned()
    assert sizes == [10] * 150


@pytest.mark.parametrize("seconds", [0.2, 0.5], ids=lambda seconds: f"{seconds} s a refresh")
def test_ten_thousand_that_come_due_at_once_are_refreshed_while_their_tokens_live(seconds: float) -> None:
    fleet = Fleet(*(connection(f"zoom-{each}", refresh_at=NOW) for each in range(TEN_THOUSAND)))
    waiting: deque[str] = deque()
    refreshed: list[int] = []
    while any(fleet.connections.due(fleet.harness.clock())):
        waiting.extend(fleet.planned())
        refreshed.append(_a_minute_of_ten_refreshers(fleet, waiting, seconds))
        fleet.harness.clock.passes(minutes=1)
    assert sum(refreshed) == TEN_THOUSAND
    assert len(refreshed) <= SLACK
    assert max(refreshed) / 60 <= 50


def _a_minute_of_ten_refreshers(fleet: Fleet, waiting: deque[str], seconds: float) -> int:
    """What is fresh already costs next to nothing; returns how many were refreshed."""
    left, refreshed = 10 * 60.0, 0
    while waiting and left > 0:
        record = fleet.connections.records[waiting.popleft()]
        is_due = record.refresh_at <= fleet.harness.clock()
        left -= seconds if is_due else 0.05
        if is_due:
            refreshed += 1
            fleet.connections.alter(record.connection, refresh_at=fleet.harness.clock() + timedelta(minutes=48))
    return refreshed


def test_a_fleet_that_was_connected_at_once_is_not_refreshed_at_once() -> None:
    granted = TokenSet(access_token=SecretStr("access-1"), expires_at=NOW + timedelta(hours=1))
    jitter = Random(7).uniform  # noqa: S311 - no secret
    minutes = Counter(
        int((next_refresh("service", granted, NOW, jitter) - NOW).total_seconds() // 60) for _ in range(TEN_THOUSAND)
    )
    assert set(minutes) == set(range(39, 45))
    assert max(minutes.values()) < 1.2 * TEN_THOUSAND / 6
