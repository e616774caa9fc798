"""The same message again: delivered twice, returned after a failure, or put back by a person."""

from collections.abc import Callable

import pytest

from leaver.consuming.consumer import Consumer
from leaver.errors import ProviderResponse, Rejected
from leaver.messages.commands import RevokeSsoToken
from leaver.outcomes import Outcome, Result
from tests.doubles.aws import NOW, event, record
from tests.doubles.house import House, Operation, consume

JOHN = {"user_id": "john.doe@example.com"}
REVOKED = Result(Outcome.REVOKED, ProviderResponse(204, tracking_id="v=2.0;clid=us05"))


@pytest.fixture
def house() -> House:
    return House()


def sso(house: House, operation: Callable[[RevokeSsoToken], Result | None]) -> Consumer[RevokeSsoToken]:
    return house.consumer(RevokeSsoToken, operation)


def test_a_finished_command_is_announced_again_and_not_repeated(house: House) -> None:
    operation = Operation(REVOKED)
    consumer = sso(house, operation)
    body = event("RevokeSsoToken", JOHN)
    consume(consumer, record(body))
    house.clock.passes(minutes=5)
    assert consume(consumer, record(body)) == set()
    assert len(operation.commands) == 1
    first, again = house.bus.announced
    assert first == again


def test_a_receipt_that_can_not_be_written_is_not_acknowledged_and_the_call_is_repeated(house: House) -> None:
    operation = Operation(REVOKED, Result(Outcome.ALREADY_GONE))
    consumer = sso(house, operation)
    message = record(JOHN, message_id="message-1")
    house.receipts.broken = True
    assert consume(consumer, message) == {"message-1"}
    assert (house.bus.put, house.parked) == ([], [])
    house.receipts.broken = False
    assert consume(consumer, message) == set()
    assert len(operation.commands) == 2
    assert house.receipts.only.outcome is Outcome.ALREADY_GONE


def test_an_announcement_that_is_not_taken_is_repeated_and_the_call_is_not(house: House) -> None:
    operation = Operation(REVOKED)
    consumer = sso(house, operation)
    message = record(JOHN, message_id="message-1")
    house.bus.refuses = 1
    assert consume(consumer, message) == {"message-1"}
    assert consume(consumer, message) == set()
    assert len(operation.commands) == 1
    assert [each["detail_type"] for each in house.bus.announced] == ["SsoTokenRevoked"]


def test_a_failed_command_is_not_called_again_by_a_mere_duplicate(house: House) -> None:
    operation = Operation(Rejected("missing scopes"), REVOKED)
    consumer = sso(house, operation)
    message = record(JOHN, message_id="message-1")
    consume(consumer, message)
    assert consume(consumer, message) == set()
    assert len(operation.commands) == 1
    assert len(house.parked) == 1
    first, again = house.bus.announced
    assert first == again


def test_a_failed_command_that_a_person_put_back_runs_again(house: House) -> None:
    operation = Operation(Rejected("missing scopes", ProviderResponse(400, "4711")), REVOKED)
    consumer = sso(house, operation)
    consume(consumer, record(JOHN, message_id="message-1"))
    assert house.receipts.only.outcome is Outcome.FAILED
    house.clock.passes(days=1)
    put_back = record(JOHN, message_id="message-2", before_parking="message-1", sent_at=house.clock.now)
    assert consume(consumer, put_back) == set()
    receipt = house.receipts.only
    assert (receipt.outcome, receipt.reason, receipt.provider_code) == (Outcome.REVOKED, None, None)
    assert (receipt.attempts, receipt.first_attempt_at) == (2, NOW)
    assert [each["detail_type"] for each in house.bus.announced] == ["RevocationFailed", "SsoTokenRevoked"]


def test_what_was_put_back_is_as_old_as_it_was(house: House) -> None:
    operation = Operation(Rejected("missing scopes"), Rejected("missing scopes"), REVOKED)
    consumer = sso(house, operation)
    consume(consumer, record(JOHN, message_id="message-1"))
    house.clock.passes(days=2)
    consume(
        consumer, record(JOHN, before_parking="message-1", sent_at=house.clock.now, first_received_at=house.clock.now)
    )
    assert house.parked[1]["MessageAttributes"]["first_failed_at"]["StringValue"] == "2026-11-22T09:30:00Z"
    house.clock.passes(days=13)
    consume(consumer, record(JOHN, before_parking="message-1", sent_at=house.clock.now))
    assert len(operation.commands) == 2
    reason = house.parked[2]["MessageAttributes"]["reason"]["StringValue"]
    assert reason == "older than 14 days: it might hit somebody who was hired again"


def test_time_to_revoke_counts_from_the_first_request(house: House) -> None:
    consumer = sso(house, Operation(Rejected("missing scopes"), REVOKED))
    consume(consumer, record(JOHN, message_id="message-1", sent_at=NOW))
    house.clock.passes(days=1)
    consume(consumer, record(JOHN, before_parking="message-1", sent_at=house.clock.now))
    assert house.receipts.only.time_to_revoke == 86_400


def test_a_second_failure_is_announced_under_an_id_of_its_own(house: House) -> None:
    consumer = sso(house, Operation(Rejected("missing scopes")))
    consume(consumer, record(JOHN, message_id="message-1"))
    consume(consumer, record(JOHN, before_parking="message-1"))
    first, second = house.bus.announced
    assert first["announcement_id"] != second["announcement_id"]
