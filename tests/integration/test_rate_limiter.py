"""The pace on DynamoDB, as far as moto is one: conditions, and what comes back where they do not hold."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws

from leaver.consuming.rate_limiter import Demand, RateLimiter
from tests.doubles.clock import NOW, Clock
from tests.doubles.rate_limit_table import RateLimitTable
from tests.integration.dynamodb import dynamodb, make_tables

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@pytest.fixture
def table() -> Iterator["DynamoDBClient"]:
    with mock_aws():
        client = dynamodb()
        make_tables(client)
        yield client


def worker(client: Any, clock: Clock) -> RateLimiter:
    return RateLimiter(
        client,
        table="Pace",
        per_second=30,
        account_of=lambda connection: f"zoom/{connection}",
        clock=clock,
        sleep=lambda seconds: clock.passes(seconds=seconds),
    )


def kept(client: "DynamoDBClient") -> dict[str, dict[str, int]]:
    items = client.scan(TableName="Pace")["Items"]
    return {
        item["bucket"]["S"]: {name: int(value["N"]) for name, value in item.items() if name != "bucket"}
        for item in items
    }


def test_bookings_refusals_and_closings_are_the_same_on_dynamodb_and_on_the_fake(table: "DynamoDBClient") -> None:
    fake = RateLimitTable()
    clocks = {client: [Clock(), Clock()] for client in ("real", "fake")}
    pairs = [
        (worker(table, real), worker(fake.client, stood_in))
        for real, stood_in in zip(clocks["real"], clocks["fake"], strict=True)
    ]
    story = [
        (0, 10, False, 0), (1, 10, False, 0), (0, 10, True, 300), (1, 10, False, 0), (0, 1, True, 2500),
        (1, 3, True, 0),
        (0, 10, False, 5000), (1, 10, False, 0), (0, 10, False, 40000), (1, 2, False, 0), (0, 4, False, 0),
    ]  # fmt: skip
    for step, (who, calls, urgent, pause) in enumerate(story):
        told = []
        for each in pairs[who]:
            clock: Clock = each._clock  # type: ignore[assignment]  # it is ours
            clock.passes(milliseconds=pause)
            reservations = each.reserve([Demand("acme", 1, urgent)] * calls)
            if step in {3, 6, 8}:
                lasts = timedelta(minutes=2) if step == 8 else timedelta(seconds=1)
                each._buckets.slow_down(
                    "zoom/acme", _micros(clock), _micros(clock, timedelta(seconds=1)), alone=step != 8
                )
                each._buckets.close("zoom/acme", _micros(clock, lasts))
            told.append([reservation.at for reservation in reservations])
        assert told[0] == told[1]
    assert kept(table) == fake.items


def test_a_rate_that_others_made_slower_meanwhile_is_not_written_over(table: "DynamoDBClient") -> None:
    stale, busy = worker(table, Clock()), worker(table, clock := Clock())
    stale.reserve([Demand("acme", 1, urgent=False)])
    for _ in range(4):
        clock.passes(seconds=1.5)
        busy._buckets.slow_down("zoom/acme", _micros(clock), _micros(clock, timedelta(seconds=1)), alone=True)
    slow = kept(table)["zoom/acme"]["factor"]
    clock.passes(seconds=1.5)
    stale._buckets.slow_down("zoom/acme", _micros(clock), _micros(clock, timedelta(seconds=1)), alone=True)
    assert kept(table)["zoom/acme"]["factor"] < slow


def test_nothing_of_it_is_a_reserved_word_and_nothing_is_read(table: "DynamoDBClient") -> None:
    asked: list[str] = []
    table.meta.events.register("before-call.dynamodb.*", lambda model, **_: asked.append(model.name))
    worker(table, Clock()).reserve([Demand("acme", 1, urgent=False)] * 10)
    assert set(asked) == {"UpdateItem"}


def _micros(clock: Clock, later: timedelta = timedelta(0)) -> int:
    assert clock() >= NOW
    return int((clock() + later).timestamp() * 1_000_000)
