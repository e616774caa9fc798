"""The same message again: delivered twice, returned after a failure, or put back by a person."""

from collections.abc import Callable

import pytest

from leaver.cases.receipts import Receipt
from leaver.consuming.consumer import Consumer
from leaver.errors import ProviderResponse, Rejected
from leaver.messages.commands import RevokeSsoToken
from leaver.outcomes import Outcome, Result
from tests.doubles.aws_errors import client_error
from tests.doubles.clock import NOW
from tests.doubles.consumer_harness import ConsumerHarness, Operation, consume
from tests.doubles.lambda_events import event, record
from tests.field import Field

JOHN = {"user_id": "john.doe@example.com"}
REVOKED = Result(Outcome.REVOKED, ProviderResponse(204, tracking_id="v=2.0;clid=us05"))


@pytest.fixture
def harness() -> ConsumerHarness:
    return ConsumerHarness()


def sso(harness: ConsumerHarness, operation: Callable[[RevokeSsoToken], Result | None]) -> Consumer[RevokeSsoToken]:
    return harness.consumer(RevokeSsoToken, operation)


def test_a_finished_command_is_announced_again_and_not_repeated(harness: ConsumerHarness, field: Field) -> None:
    operation = Operation(REVOKED)
    consumer = sso(harness, operation)
    body = event("RevokeSsoToken", JOHN)
    consume(consumer, record(body))
    harness.clock.passes(minutes=5)
    assert consume(consumer, record(body)) == set()
    first, *again = harness.bus.announced
    repeated, others = len(operation.commands) - 1, [each for each in again if each != first]
    field("a duplicate", "a message that SQS delivers once more", len(again), false=repeated + len(others))


def test_a_receipt_that_can_not_be_written_is_not_acknowledged_and_the_call_is_repeated(
    harness: ConsumerHarness,
) -> None:
    operation = Operation(REVOKED, Result(Outcome.ALREADY_GONE))
    consumer = sso(harness, operation)
    message = record(JOHN, message_id="message-1")
    harness.receipts.broken = True
    assert consume(consumer, message) == {"message-1"}
    assert (harness.bus.put, harness.parked) == ([], [])
    harness.receipts.broken = False
    assert consume(consumer, message) == set()
    assert len(operation.commands) == 2
    assert harness.receipts.only.outcome is Outcome.ALREADY_GONE


def test_a_receipt_that_was_written_without_an_answer_is_found_and_the_call_is_not_repeated(
    harness: ConsumerHarness,
) -> None:
    operation = Operation(REVOKED, Result(Outcome.ALREADY_GONE))
    consumer = sso(harness, operation)
    message = record(JOHN, message_id="message-1")
    harness.receipts.mute = True
    assert consume(consumer, message) == {"message-1"}
    assert (harness.bus.put, harness.parked) == ([], [])
    harness.receipts.mute = False
    assert consume(consumer, message) == set()
    assert len(operation.commands) == 1
    assert harness.receipts.only.outcome is Outcome.REVOKED
    assert [each["detail_type"] for each in harness.bus.announced] == ["SsoTokenRevoked"]


@pytest.mark.parametrize(
    "code", ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"]
)
def test_a_table_that_is_throttled_brings_the_message_back_and_nothing_is_dead_lettered(
    harness: ConsumerHarness, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def throttled(*_: object) -> Receipt:
        raise client_error("UpdateItem", code)

    consumer = sso(harness, Operation(REVOKED))
    message = record(JOHN, message_id="message-1")
    with monkeypatch.context() as patch:
        patch.setattr(harness.receipts, "_put", throttled)
        assert consume(consumer, message) == {"message-1"}
    assert harness.parked == []
    assert consume(consumer, message) == set()
    assert harness.receipts.only.outcome is Outcome.REVOKED


def test_an_announcement_that_is_not_taken_is_repeated_and_the_call_is_not(harness: ConsumerHarness) -> None:
    operation = Operation(REVOKED)
    consumer = sso(harness, operation)
    message = record(JOHN, message_id="message-1")
    harness.bus.refuses = 1
    assert consume(consumer, message) == {"message-1"}
    assert consume(consumer, message) == set()
    assert len(operation.commands) == 1
    assert [each["detail_type"] for each in harness.bus.announced] == ["SsoTokenRevoked"]


def test_a_failed_command_is_not_called_again_by_a_mere_duplicate(harness: ConsumerHarness) -> None:
    operation = Operation(Rejected("missing scopes"), REVOKED)
    consumer = sso(harness, operation)
    message = record(JOHN, message_id="message-1")
    consume(consumer, message)
    assert consume(consumer, message) == set()
    assert len(operation.commands) == 1
    assert len(harness.parked) == 1
    first, again = harness.bus.announced
    assert first == again


def test_a_failed_command_that_a_person_put_back_runs_again(harness: ConsumerHarness) -> None:
    operation = Operation(Rejected("missing scopes", ProviderResponse(400, "4711")), REVOKED)
    consumer = sso(harness, operation)
    consume(consumer, record(JOHN, message_id="message-1"))
    assert harness.receipts.only.outcome is Outcome.FAILED
    harness.clock.passes(days=1)
    put_back = record(JOHN, message_id="message-2", before_parking="message-1", sent_at=harness.clock.now)
    assert consume(consumer, put_back) == set()
    receipt = harness.receipts.only
    assert (receipt.outcome, receipt.reason, receipt.provider_code) == (Outcome.REVOKED, None, None)
    assert (receipt.attempts, receipt.first_attempt_at) == (2, NOW)
    assert [each["detail_type"] for each in harness.bus.announced] == ["RevocationFailed", "SsoTokenRevoked"]


def test_what_was_put_back_is_as_old_as_it_was(harness: ConsumerHarness) -> None:
    operation = Operation(Rejected("missing scopes"), Rejected("missing scopes"), REVOKED)
    consumer = sso(harness, operation)
    consume(consumer, record(JOHN, message_id="message-1"))
    harness.clock.passes(days=2)
    consume(
        consumer,
        record(JOHN, before_parking="message-1", sent_at=harness.clock.now, first_received_at=harness.clock.now),
    )
    assert harness.parked[1]["MessageAttributes"]["first_failed_at"]["StringValue"] == "2026-11-22T09:30:00Z"
    harness.clock.passes(days=13)
    consume(consumer, record(JOHN, before_parking="message-1", sent_at=harness.clock.now))
    assert len(operation.commands) == 2
    reason = harness.parked[2]["MessageAttributes"]["reason"]["StringValue"]
    assert reason == "older than 14 days: it might hit somebody who was hired again"


def test_time_to_revoke_counts_from_the_first_request(harness: ConsumerHarness) -> None:
    consumer = sso(harness, Operation(Rejected("missing scopes"), REVOKED))
    consume(consumer, record(JOHN, message_id="message-1", sent_at=NOW))
    harness.clock.passes(days=1)
    consume(consumer, record(JOHN, before_parking="message-1", sent_at=harness.clock.now))
    assert harness.receipts.only.time_to_revoke == 86_400


def test_a_second_failure_is_announced_under_an_id_of_its_own(harness: ConsumerHarness) -> None:
    consumer = sso(harness, Operation(Rejected("missing scopes")))
    consume(consumer, record(JOHN, message_id="message-1"))
    consume(consumer, record(JOHN, before_parking="message-1"))
    first, second = harness.bus.announced
    assert first["announcement_id"] != second["announcement_id"]
