"""What each kind of failure does to its message."""

from datetime import timedelta
from typing import Any

import pytest

from leaver.consuming.consumer import Consumer
from leaver.errors import (
    AnswerLost,
    BadMessage,
    CredentialStale,
    InvalidGrant,
    InvalidToken,
    NeedsReauthorization,
    NotSent,
    ProviderResponse,
    ProviderUnavailable,
    Rejected,
    Throttled,
    Undelivered,
)
from leaver.messages.commands import RefreshAccessToken, RevokeSsoToken
from leaver.outcomes import Outcome, Result
from tests.doubles.aws_errors import client_error
from tests.doubles.clock import NOW
from tests.doubles.consumer_harness import ConsumerHarness
from tests.doubles.lambda_events import Context, batch, record, returned
from tests.doubles.metrics import sum_metrics
from tests.doubles.sqs import REFRESH_QUEUE
from tests.field import Field

JOHN = {"user_id": "john.doe@example.com"}
CANARY = "canary-55d1c0"
#: not visible for longer than this after a receive
TWELVE_HOURS = 43_200


@pytest.fixture
def harness() -> ConsumerHarness:
    return ConsumerHarness()


def failing(harness: ConsumerHarness, error: Exception) -> Consumer[RevokeSsoToken]:
    def operation(_: RevokeSsoToken) -> Result:
        raise error

    return harness.consumer(RevokeSsoToken, operation)


def consume(consumer: Consumer[Any], **fields: Any) -> bool:
    """Let the consumer have message-1; tells whether it was acknowledged."""
    message = record(JOHN, message_id="message-1", **fields)
    return returned(consumer.consume(batch(message), Context())) == set()


def seconds_away(harness: ConsumerHarness) -> int:
    return harness.sqs.visible_in["handle of message-1"]


# --- Throttled ---


def test_a_throttled_message_is_visible_again_when_the_provider_said(harness: ConsumerHarness) -> None:
    throttled = Throttled("the limit is reached", until=NOW + timedelta(seconds=90, milliseconds=1))
    assert not consume(failing(harness, throttled))
    assert seconds_away(harness) == 91


def test_a_throttled_message_is_never_away_for_longer_than_sqs_allows(harness: ConsumerHarness) -> None:
    assert not consume(failing(harness, Throttled("daily limit", until=NOW + timedelta(hours=23))))
    function_timeout = 60
    assert TWELVE_HOURS - 300 <= seconds_away(harness) <= TWELVE_HOURS - function_timeout - 60


def test_a_limit_that_has_passed_already_lets_the_message_return_at_once(harness: ConsumerHarness) -> None:
    assert not consume(failing(harness, Throttled("the limit is reached", until=NOW - timedelta(seconds=3))))
    assert seconds_away(harness) == 0


def test_throttling_is_neither_counted_as_a_failure_nor_given_up(
    harness: ConsumerHarness, capsys: pytest.CaptureFixture[str], field: Field
) -> None:
    throttled = Throttled("daily limit", until=NOW + timedelta(hours=9))
    assert not consume(failing(harness, throttled), first_received_at=NOW - timedelta(days=13), receives=200)
    assert (harness.receipts.only.attempts, harness.receipts.only.outcome) == (0, None)
    counted = sum_metrics(capsys.readouterr().out)
    assert counted == {"RevokeSsoToken.throttled": 1}
    times, lost, false = counted.total(), len(harness.parked), len(harness.bus.put)
    field("a throttle", "a message that is throttled for 13 days", times, lost=lost, false=false)


# --- ProviderUnavailable ---


@pytest.mark.parametrize("kind", [ProviderUnavailable, NotSent, AnswerLost])
def test_an_unavailable_provider_is_asked_again_later_and_later(
    harness: ConsumerHarness, kind: type[ProviderUnavailable]
) -> None:
    consumer = failing(harness, kind("Zoom is out of order"))
    waits = []
    for attempt in range(1, 12):
        assert not consume(consumer)
        waits.append(seconds_away(harness))
        assert harness.receipts.only.attempts == attempt
    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900]
    assert (harness.receipts.only.outcome, harness.parked, harness.bus.put) == (None, [], [])


def test_the_pause_is_jittered_between_half_and_all_of_it(harness: ConsumerHarness) -> None:
    asked: list[tuple[float, float]] = []

    def jitter(shortest: float, longest: float) -> float:
        asked.append((shortest, longest))
        return 6.2

    consumer = failing(harness, ProviderUnavailable("Zoom is out of order"))
    object.__setattr__(consumer, "jitter", jitter)
    consume(consumer)
    consume(consumer)
    assert asked == [(2.5, 5.0), (5.0, 10.0)]
    assert seconds_away(harness) == 7


def test_without_receipts_the_queues_own_count_tells_how_often_it_failed(harness: ConsumerHarness) -> None:
    def operation(_: RefreshAccessToken) -> Result:
        raise ProviderUnavailable("Zoom is out of order")

    consumer = harness.consumer(RefreshAccessToken, operation, receipts=False)
    consumer.consume(batch(record({"connection": "zoom"}, message_id="message-1", receives=4)), Context())
    assert seconds_away(harness) == 40


@pytest.mark.parametrize(("waited", "given_up"), [(86_399, False), (86_400, True)])
def test_after_a_day_of_failures_a_person_is_asked(harness: ConsumerHarness, waited: int, *, given_up: bool) -> None:
    first = NOW - timedelta(seconds=waited)
    unavailable = failing(harness, ProviderUnavailable("Zoom is out of order", ProviderResponse(503)))
    assert consume(unavailable, first_received_at=first, sent_at=first) == given_up
    if given_up:
        assert harness.parked_attributes["error"] == "ProviderUnavailable"
        assert harness.parked_attributes["first_failed_at"] == "2026-11-21T09:30:00Z"
        assert harness.receipts.only.provider_status == 503


def test_success_after_failures_counts_them(harness: ConsumerHarness) -> None:
    for _ in range(3):
        consume(failing(harness, ProviderUnavailable("Zoom is out of order")))
    assert consume(harness.consumer(RevokeSsoToken, lambda _: Result(Outcome.REVOKED)))
    assert (harness.receipts.only.outcome, harness.receipts.only.attempts) == (Outcome.REVOKED, 4)


@pytest.mark.parametrize("error", [InvalidToken("refused"), Undelivered("the bus refused 1 events")])
def test_whatever_may_pass_is_tried_again(harness: ConsumerHarness, error: Exception) -> None:
    assert not consume(failing(harness, error))
    assert seconds_away(harness) == 5


# --- CredentialStale ---

STALE = CredentialStale("the access token of connection zoom is refused", connection="zoom", version="version-1")


def test_a_stale_credential_asks_for_one_refresh_and_returns_in_twenty_seconds(harness: ConsumerHarness) -> None:
    assert not consume(failing(harness, STALE))
    assert seconds_away(harness) == 20
    (message,) = harness.sqs.to(REFRESH_QUEUE)
    assert message["MessageBody"] == '{"connection": "zoom", "failed_version": "version-1"}'
    assert (message["MessageGroupId"], message["MessageDeduplicationId"]) == ("zoom", "zoom:version-1:202611220930")


def test_many_readers_of_one_dead_token_ask_for_one_refresh(harness: ConsumerHarness) -> None:
    consumer = failing(harness, STALE)
    consumer.consume(batch(record(JOHN), record(JOHN)), Context())
    harness.clock.passes(minutes=1)
    consume(consumer)
    ids = [message["MessageDeduplicationId"] for message in harness.sqs.to(REFRESH_QUEUE)]
    assert ids == ["zoom:version-1:202611220930", "zoom:version-1:202611220930", "zoom:version-1:202611220931"]


def test_a_refresh_for_a_revocation_says_so_and_is_no_duplicate_of_a_plain_one(harness: ConsumerHarness) -> None:
    error = CredentialStale("expired", connection="zoom", version="version-1", for_revocation=True)
    consume(failing(harness, error))
    (message,) = harness.sqs.to(REFRESH_QUEUE)
    assert message["MessageBody"] == ('{"connection": "zoom", "failed_version": "version-1", "for_revocation": true}')
    assert message["MessageDeduplicationId"] == "zoom:version-1:202611220930:revoke"


def test_a_refresh_that_can_not_be_asked_for_brings_the_message_back(harness: ConsumerHarness) -> None:
    harness.sqs.refuses = 1
    assert not consume(failing(harness, STALE))
    assert harness.sqs.visible_in == {}
    assert harness.logged[-1]["reason"] == "the refresh queue refused 1 messages: InternalError"


@pytest.mark.parametrize(
    ("then", "parked"),
    [("version-1", False), ("version-2", True)],
    ids=["the refresher was not there yet", "a newer token is refused too"],
)
def test_a_token_that_replaced_a_refused_one_is_not_replaced_again(
    harness: ConsumerHarness, then: str, *, parked: bool
) -> None:
    def refused(version: str) -> CredentialStale:
        return CredentialStale("is refused", ProviderResponse(401, "124"), connection="zoom", version=version)

    consume(failing(harness, refused("version-1")))
    # What else fails in between does not make it forget.
    consume(failing(harness, ProviderUnavailable("Zoom is out of order")))
    assert consume(failing(harness, refused(then))) == parked
    assert len(harness.sqs.to(REFRESH_QUEUE)) == (1 if parked else 2)


def test_a_token_that_only_expired_is_replaced_however_often(harness: ConsumerHarness) -> None:
    for version in ("version-1", "version-2", "version-3"):
        assert not consume(failing(harness, CredentialStale("has expired", connection="zoom", version=version)))
    assert len(harness.sqs.to(REFRESH_QUEUE)) == 3


def test_a_credential_that_is_stale_for_a_day_is_a_persons_business(harness: ConsumerHarness) -> None:
    assert consume(failing(harness, STALE), first_received_at=NOW - timedelta(hours=24))
    assert harness.parked_attributes["error"] == "CredentialStale"
    assert harness.sqs.to(REFRESH_QUEUE) == []


# --- what is parked at once ---


@pytest.mark.parametrize("kind", [NeedsReauthorization, InvalidGrant])
def test_a_dead_grant_parks_at_once_and_is_counted_for_the_alarm(
    harness: ConsumerHarness, kind: type[NeedsReauthorization], capsys: pytest.CaptureFixture[str]
) -> None:
    assert consume(failing(harness, kind("the grant is dead")))
    assert harness.parked_attributes["error"] == kind.__name__
    assert [each["detail_type"] for each in harness.bus.announced] == ["RevocationFailed"]
    assert sum_metrics(capsys.readouterr().out) == {"NeedsReauthorization": 1, "RevokeSsoToken.failed": 1}


@pytest.mark.parametrize("error", [Rejected("missing scopes"), BadMessage("user_id: expected something else")])
def test_what_can_not_succeed_is_parked_at_once(
    harness: ConsumerHarness, error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    assert consume(failing(harness, error))
    assert harness.parked_attributes["reason"] == str(error)
    assert sum_metrics(capsys.readouterr().out) == {"RevokeSsoToken.failed": 1}


# --- what nobody expected ---


def test_a_bug_is_retried_and_the_log_says_where_but_not_what_it_quoted(harness: ConsumerHarness) -> None:
    assert not consume(failing(harness, KeyError(CANARY)))
    assert seconds_away(harness) == 5
    (line,) = harness.logged
    assert (line["error"], line["reason"]) == ("KeyError", "unexpected KeyError")
    assert line["at"][-1].endswith("operation")
    assert "test_consumer_failures.py:" in line["at"][-1]
    assert CANARY not in harness.written_outside()


def test_a_bug_that_stays_is_parked_without_what_it_quoted(harness: ConsumerHarness) -> None:
    assert consume(failing(harness, ValueError(CANARY)), first_received_at=NOW - timedelta(days=1))
    assert harness.parked_attributes["reason"] == "unexpected ValueError"
    assert harness.receipts.only.outcome is Outcome.FAILED
    assert CANARY not in harness.written_outside()


def test_an_error_of_aws_is_named_by_code_and_operation(harness: ConsumerHarness) -> None:
    assert not consume(failing(harness, client_error("GetSecretValue", "AccessDeniedException", CANARY)))
    assert harness.logged[0]["reason"] == "AWS answered AccessDeniedException to GetSecretValue"
    assert CANARY not in harness.written_outside()


def test_a_failures_log_line_names_the_command_and_the_providers_word(harness: ConsumerHarness) -> None:
    consume(failing(harness, ProviderUnavailable("Zoom is out of order", ProviderResponse(502, tracking_id="v=2.0"))))
    (line,) = harness.logged
    assert (line["level"], line["message"], line["command"]) == ("WARNING", "failed", "RevokeSsoToken")
    assert (line["subject"], line["reason"]) == ("john.doe@example.com", "Zoom is out of order")
    assert (line["provider_status"], line["tracking_id"]) == (502, "v=2.0")


def test_a_failure_to_set_a_message_aside_is_logged_and_the_message_returns(harness: ConsumerHarness) -> None:
    harness.receipts.broken = True
    assert not consume(failing(harness, ProviderUnavailable("Zoom is out of order")))
    assert harness.logged[-1]["message"] == "could not be set aside"
    assert harness.logged[-1]["reason"] == "AWS answered InternalServerError to UpdateItem"
