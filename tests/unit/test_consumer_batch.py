"""A batch is worked on side by side, and what all of it needs is asked for once; no message touches its neighbour."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from aws_lambda_powertools import Metrics

from leaver.cases.receipts import Receipt
from leaver.consuming.consumer import Consumer
from leaver.consuming.metrics import SharedMetrics
from leaver.consuming.rate_limiter import RateLimiter
from leaver.errors import NotRead, ProviderResponse, ProviderUnavailable, Throttled
from leaver.messages.commands import PurgeUserTokens, RevokeSsoToken
from leaver.outcomes import Outcome, Result
from tests.doubles.clock import NOW
from tests.doubles.consumer_harness import ConsumerHarness, Operation
from tests.doubles.lambda_events import Context, batch, record, returned
from tests.doubles.metrics import sum_metrics
from tests.doubles.rate_limit_table import RateLimitTable
from tests.doubles.receipts_table import InMemoryReceipts

REVOKED = Result(Outcome.REVOKED, ProviderResponse(204))
TEN = [f"person.{number}@example.com" for number in range(10)]


@pytest.fixture
def harness() -> ConsumerHarness:
    return ConsumerHarness()


@pytest.fixture
def ten_wide() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(10) as executor:
        yield executor


def messages(*people: str) -> list[dict[str, Any]]:
    return [record({"user_id": person}, message_id=person) for person in people]


def consume(consumer: Consumer[RevokeSsoToken], *records: Mapping[str, Any]) -> set[str]:
    return returned(consumer.consume(batch(*records), Context()))


def test_ten_messages_are_worked_on_at_the_same_time(harness: ConsumerHarness, ten_wide: ThreadPoolExecutor) -> None:
    # Nobody gets past it before all ten are there: one after the other, they would wait for ever.
    all_there = threading.Barrier(10, timeout=20)

    def operation(_: RevokeSsoToken) -> Result:
        all_there.wait()
        return REVOKED

    consumer = replace(harness.consumer(RevokeSsoToken, operation), executor=ten_wide)
    assert consume(consumer, *messages(*TEN)) == set()
    assert {receipt.subject for receipt in harness.receipts.items.values()} == set(TEN)
    assert len(harness.bus.announced) == 10


def test_side_by_side_a_failure_touches_no_neighbour(harness: ConsumerHarness, ten_wide: ThreadPoolExecutor) -> None:
    def operation(command: RevokeSsoToken) -> Result:
        if command.user_id == TEN[3]:
            raise ProviderUnavailable("Zoom is out of order")
        return REVOKED

    consumer = replace(harness.consumer(RevokeSsoToken, operation), executor=ten_wide)
    bad = record({"user_id": "a/../b"}, message_id="bad")
    assert consume(consumer, bad, *messages(*TEN)) == {TEN[3]}
    assert len(harness.parked) == 1
    assert [each.outcome for each in harness.receipts.items.values()].count(Outcome.REVOKED) == 9


def test_what_became_of_a_batch_is_announced_at_one_go(harness: ConsumerHarness) -> None:
    consume(harness.consumer(RevokeSsoToken, Operation(REVOKED)), *messages(*TEN))
    assert harness.bus.calls == 1
    assert len(harness.bus.announced) == 10


def test_only_the_message_whose_announcement_was_refused_comes_back(harness: ConsumerHarness) -> None:
    operation = Operation(REVOKED)
    consumer = harness.consumer(RevokeSsoToken, operation)
    harness.bus.refuses = 1
    assert consume(consumer, *messages(*TEN)) == {TEN[0]}
    assert harness.sqs.visible_in == {f"handle of {TEN[0]}": 5}
    assert consume(consumer, *messages(TEN[0])) == set()
    assert len(operation.commands) == 10
    assert {each["subject"] for each in harness.bus.announced} == set(TEN)


def test_a_bus_that_is_out_of_order_costs_no_receipt_and_no_second_call(harness: ConsumerHarness) -> None:
    operation = Operation(REVOKED)
    consumer = harness.consumer(RevokeSsoToken, operation)
    harness.bus.broken = True
    assert consume(consumer, *messages(*TEN)) == set(TEN)
    assert harness.parked == []
    harness.bus.broken = False
    assert consume(consumer, *messages(*TEN)) == set()
    assert len(operation.commands) == 10


def test_of_two_messages_for_one_receipt_the_second_comes_back_without_a_call(harness: ConsumerHarness) -> None:
    operation = Operation(REVOKED)
    consumer = harness.consumer(RevokeSsoToken, operation)
    first = record({"user_id": TEN[0]}, message_id="first", before_parking="the same")
    second = record({"user_id": TEN[0]}, message_id="second", before_parking="the same")
    assert consume(consumer, first, second) == {"second"}
    assert len(operation.commands) == 1
    assert harness.receipts.only.attempts == 1
    # and then finds that it is done
    assert consume(consumer, second) == set()
    assert len(operation.commands) == 1


def test_without_the_receipts_nothing_is_called(harness: ConsumerHarness) -> None:
    class Unreadable(InMemoryReceipts):
        def standing(self, receipts: Sequence[Receipt]) -> dict[tuple[str, str], Receipt]:
            raise NotRead(f"DynamoDB did not answer for {len(receipts)}")

    operation = Operation(REVOKED)
    consumer = replace(harness.consumer(RevokeSsoToken, operation), receipts=Unreadable())
    bad = record({"user_id": "a/../b"}, message_id="bad")
    assert consume(consumer, bad, *messages(*TEN)) == set(TEN)
    assert operation.commands == []
    assert len(harness.parked) == 1


def test_the_receipts_of_a_batch_are_read_at_one_go(harness: ConsumerHarness) -> None:
    class Counting(InMemoryReceipts):
        reads = 0

        def standing(self, receipts: Sequence[Receipt]) -> dict[tuple[str, str], Receipt]:
            self.reads += 1
            return super().standing(receipts)

        def read(self, receipt: Receipt) -> Receipt | None:
            raise AssertionError(receipt.entry)

    receipts = Counting()
    consumer = replace(harness.consumer(RevokeSsoToken, Operation(REVOKED)), receipts=receipts)
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
    assert sum_metrics(capsys.readouterr().out)["revoked"] == 50


def test_the_connections_of_a_batch_are_asked_for_once_and_before_the_first_call(harness: ConsumerHarness) -> None:
    happened: list[str] = []

    def operation(_: RevokeSsoToken) -> Result:
        happened.append("call")
        return REVOKED

    consumer = replace(
        harness.consumer(RevokeSsoToken, operation), prepare=lambda names: happened.append(" ".join(sorted(set(names))))
    )
    bad = record({"user_id": "a/../b"}, message_id="bad")
    assert consume(consumer, *messages(TEN[0], TEN[1]), bad) == set()
    assert happened == ["zoom", "call", "call"]


# -- the pace


def rate_limiter(harness: ConsumerHarness, table: RateLimitTable) -> RateLimiter:
    return RateLimiter(
        table.client,
        table="Pace",
        per_second=30,
        account_of=lambda _: "zoom/acme",
        clock=harness.clock,
        sleep=lambda seconds: harness.clock.passes(seconds=seconds),
    )


def closed_for(**time: float) -> RateLimitTable:
    return RateLimitTable(items={"zoom/acme": {"tat": int((NOW + timedelta(**time)).timestamp() * 1_000_000)}})


def test_calls_go_out_in_their_turn(harness: ConsumerHarness) -> None:
    at: list[float] = []

    def operation(_: RevokeSsoToken) -> Result:
        at.append((harness.clock() - NOW).total_seconds())
        return REVOKED

    consumer = replace(
        harness.consumer(RevokeSsoToken, operation), rate_limiter=rate_limiter(harness, RateLimitTable())
    )
    assert consume(consumer, *messages(*TEN)) == set()
    assert at == pytest.approx([index / 28.5 for index in range(10)], abs=0.002)


def test_where_there_is_no_slot_nothing_is_called_counted_or_given_up(
    harness: ConsumerHarness, capsys: pytest.CaptureFixture[str]
) -> None:
    operation = Operation(REVOKED)
    consumer = replace(
        harness.consumer(RevokeSsoToken, operation), rate_limiter=rate_limiter(harness, closed_for(hours=3))
    )
    # long after anything else would have been parked
    waiting = record({"user_id": TEN[0]}, message_id="waiting", first_received_at=NOW - timedelta(days=3))
    assert consume(consumer, waiting) == {"waiting"}
    assert (operation.commands, harness.receipts.items, harness.parked, harness.bus.announced) == ([], {}, [], [])
    assert harness.sqs.visible_in["handle of waiting"] == 3 * 3600 - 1
    assert sum_metrics(capsys.readouterr().out) == {"RevokeSsoToken.no_slot": 1}
    assert harness.logged == []


def test_what_is_done_already_and_what_is_wrong_wait_for_no_slot(harness: ConsumerHarness) -> None:
    done = record({"user_id": TEN[0]}, message_id="done")
    consume(harness.consumer(RevokeSsoToken, Operation(REVOKED)), done)
    consumer = replace(
        harness.consumer(RevokeSsoToken, Operation(REVOKED)), rate_limiter=rate_limiter(harness, closed_for(hours=3))
    )
    assert consume(consumer, done, record({"user_id": "a/../b"}, message_id="bad")) == set()
    assert len(harness.parked) == 1


def test_what_is_done_already_takes_no_turn_where_turns_are_scarce(harness: ConsumerHarness) -> None:
    consume(harness.consumer(RevokeSsoToken, Operation(REVOKED)), *messages(*TEN))
    table = RateLimitTable()
    consumer = replace(harness.consumer(RevokeSsoToken, Operation(REVOKED)), rate_limiter=rate_limiter(harness, table))
    assert consume(consumer, record({"user_id": "new@example.com"})) == set()
    booked = table.items["zoom/acme"]["tat"]
    assert consume(consumer, *messages(*TEN)) == set()
    assert table.items["zoom/acme"]["tat"] == booked


def test_a_refusal_slows_everybody_and_the_rest_of_the_batch_is_not_refused(harness: ConsumerHarness) -> None:
    table = RateLimitTable()
    refusals = [Throttled("too fast", until=NOW + timedelta(seconds=1))]

    def operation(_: RevokeSsoToken) -> Result:
        if refusals:
            raise refusals.pop()
        # the rest has waited for the next second
        assert harness.clock() >= NOW + timedelta(seconds=1)
        return REVOKED

    consumer = replace(harness.consumer(RevokeSsoToken, operation), rate_limiter=rate_limiter(harness, table))
    assert consume(consumer, *messages(*TEN)) == {TEN[0]}
    assert table.items["zoom/acme"]["factor"] == 950


def test_one_users_limit_slows_nobody(harness: ConsumerHarness) -> None:
    table = RateLimitTable()
    busy = Throttled("Zoom is busy with this user", until=NOW + timedelta(seconds=1), account_wide=False)
    consumer = replace(
        harness.consumer(RevokeSsoToken, Operation(busy, REVOKED)), rate_limiter=rate_limiter(harness, table)
    )
    assert consume(consumer, *messages(*TEN)) == {TEN[0]}
    assert "factor" not in table.items["zoom/acme"]
    assert harness.receipts.items.keys() == {(f"message#{person}", "RevokeSsoToken") for person in TEN[1:]}


def test_who_is_refused_again_and_again_slows_nobody_and_is_tried_less_and_less(harness: ConsumerHarness) -> None:
    table = RateLimitTable()
    refused = Throttled("too fast", until=NOW + timedelta(seconds=1))
    consumer = replace(harness.consumer(RevokeSsoToken, Operation(refused)), rate_limiter=rate_limiter(harness, table))
    pauses = []
    for receives in (5, 6, 7, 8, 100):
        often = record({"user_id": TEN[0]}, message_id="often", receives=receives)
        assert consume(consumer, often) == {"often"}
        pauses.append(harness.sqs.visible_in["handle of often"])
        if receives == 5:
            slowed = dict(table.items["zoom/acme"])
    assert pauses == [1, 5, 10, 20, 900]
    assert table.items["zoom/acme"]["factor"] == slowed["factor"]


def test_our_own_copies_of_somebodys_tokens_are_destroyed_although_the_account_is_closed(
    harness: ConsumerHarness,
) -> None:
    purged = Result(Outcome.PURGED)
    consumer = replace(
        harness.consumer(PurgeUserTokens, Operation(purged)), rate_limiter=rate_limiter(harness, closed_for(hours=3))
    )
    by_id = record({"user_id": "KDcuGIm1QgePTO8WbOqwIQ"}, message_id="by id")
    by_address = record({"user_id": "ada@example.com"}, message_id="by address")
    failures = consumer.consume(batch(by_id, by_address), Context())
    assert returned(failures) == {"by address"}
