"""A batch is worked on side by side, and what all of it needs is asked for once; no message touches its neighbour."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from aws_lambda_powertools import Metrics

from leaver.commands import RevokeSsoToken
from leaver.consumer import Consumer
from leaver.errors import NotRead, ProviderUnavailable
from leaver.metering import SharedMetrics
from leaver.outcomes import Outcome, Result
from leaver.receipts import Receipt
from tests.fakes import Context, InMemoryReceipts, batch, record, returned
from tests.house import House, Operation, counted

REVOKED = Result(Outcome.REVOKED, provider_status=204)
TEN = [f"person.{number}@example.com" for number in range(10)]


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def ten_wide() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(10) as executor:
        yield executor


def messages(*people: str) -> list[dict[str, Any]]:
    return [record({"user_id": person}, message_id=person) for person in people]


def consume(consumer: Consumer[RevokeSsoToken], *records: Mapping[str, Any]) -> set[str]:
    return returned(consumer.consume(batch(*records), Context()))


def test_ten_messages_are_worked_on_at_the_same_time(house: House, ten_wide: ThreadPoolExecutor) -> None:
    # Nobody gets past it before all ten are there: one after the other, they would wait for ever.
    all_there = threading.Barrier(10, timeout=20)

    def operation(_: RevokeSsoToken) -> Result:
        all_there.wait()
        return REVOKED

    consumer = replace(house.consumer(RevokeSsoToken, operation), executor=ten_wide)
    assert consume(consumer, *messages(*TEN)) == set()
    assert {receipt.subject for receipt in house.receipts.items.values()} == set(TEN)
    assert len(house.bus.announced) == 10


def test_side_by_side_a_failure_touches_no_neighbour(house: House, ten_wide: ThreadPoolExecutor) -> None:
    def operation(command: RevokeSsoToken) -> Result:
        if command.user_id == TEN[3]:
            raise ProviderUnavailable("Zoom is out of order")
        return REVOKED

    consumer = replace(house.consumer(RevokeSsoToken, operation), executor=ten_wide)
    bad = record({"user_id": "a/../b"}, message_id="bad")
    assert consume(consumer, bad, *messages(*TEN)) == {TEN[3]}
    assert len(house.parked) == 1
    assert [each.outcome for each in house.receipts.items.values()].count(Outcome.REVOKED) == 9


def test_what_became_of_a_batch_is_announced_at_one_go(house: House) -> None:
    consume(house.consumer(RevokeSsoToken, Operation(REVOKED)), *messages(*TEN))
    assert house.bus.calls == 1
    assert len(house.bus.announced) == 10


def test_only_the_message_whose_announcement_was_refused_comes_back(house: House) -> None:
    operation = Operation(REVOKED)
    consumer = house.consumer(RevokeSsoToken, operation)
    house.bus.refuses = 1
    assert consume(consumer, *messages(*TEN)) == {TEN[0]}
    assert house.sqs.visible_in == {f"handle of {TEN[0]}": 5}
    assert consume(consumer, *messages(TEN[0])) == set()
    assert len(operation.commands) == 10
    assert {each["subject"] for each in house.bus.announced} == set(TEN)


def test_a_bus_that_is_out_of_order_costs_no_receipt_and_no_second_call(house: House) -> None:
    operation = Operation(REVOKED)
    consumer = house.consumer(RevokeSsoToken, operation)
    house.bus.broken = True
    assert consume(consumer, *messages(*TEN)) == set(TEN)
    assert house.parked == []
    house.bus.broken = False
    assert consume(consumer, *messages(*TEN)) == set()
    assert len(operation.commands) == 10


def test_of_two_messages_for_one_receipt_the_second_comes_back_without_a_call(house: House) -> None:
    operation = Operation(REVOKED)
    consumer = house.consumer(RevokeSsoToken, operation)
    first = record({"user_id": TEN[0]}, message_id="first", before_parking="the same")
    second = record({"user_id": TEN[0]}, message_id="second", before_parking="the same")
    assert consume(consumer, first, second) == {"second"}
    assert len(operation.commands) == 1
    assert house.receipts.only.attempts == 1
    # and then finds that it is done
    assert consume(consumer, second) == set()
    assert len(operation.commands) == 1


def test_without_the_receipts_nothing_is_called(house: House) -> None:
    class Unreadable(InMemoryReceipts):
        def standing(self, receipts: Sequence[Receipt]) -> dict[tuple[str, str], Receipt]:
            raise NotRead(f"DynamoDB did not answer for {len(receipts)}")

    operation = Operation(REVOKED)
    consumer = replace(house.consumer(RevokeSsoToken, operation), receipts=Unreadable())
    bad = record({"user_id": "a/../b"}, message_id="bad")
    assert consume(consumer, bad, *messages(*TEN)) == set(TEN)
    assert operation.commands == []
    assert len(house.parked) == 1


def test_the_receipts_of_a_batch_are_read_at_one_go(house: House) -> None:
    class Counting(InMemoryReceipts):
        reads = 0

        def standing(self, receipts: Sequence[Receipt]) -> dict[tuple[str, str], Receipt]:
            self.reads += 1
            return super().standing(receipts)

        def read(self, receipt: Receipt) -> Receipt | None:
            raise AssertionError(receipt.entry)

    receipts = Counting()
    consumer = replace(house.consumer(RevokeSsoToken, Operation(REVOKED)), receipts=receipts)
    assert consume(consumer, *messages(*TEN)) == set()
    assert receipts.reads == 1


def test_metrics_are_added_to_by_one_thread_at_a_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ten_wide: ThreadPoolExecutor
) -> None:
    metrics = SharedMetrics(service="leaver", namespace="Leaver")
    inside: list[int] = []
    add = Metrics.add_metric

    def slow(self: Any, *told: Any, **named: Any) -> None:
        inside.append(1)
        # gives every other thread the occasion to get in as well
        threading.Event().wait(0.001)
        assert len(inside) == 1
        add(self, *told, **named)
        inside.pop()

    monkeypatch.setattr(Metrics, "add_metric", slow)
    list(ten_wide.map(lambda _: metrics.add_metric(name="revoked", unit="Count", value=1), range(50)))
    metrics.flush_metrics()
    assert counted(capsys.readouterr().out)["revoked"] == 50
