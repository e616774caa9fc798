"""What becomes of a message: the receipt, the announcement, the acknowledgement, in this order."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from leaver.cases.receipts import Receipt
from leaver.cases.record import Step, new_case
from leaver.consuming.consumer import Consumer
from leaver.errors import ProviderResponse, ProviderUnavailable, Rejected
from leaver.messages.commands import (
    Command,
    DeactivateUser,
    PurgeUserTokens,
    RefreshAccessToken,
    RetrieveUserToken,
    RevokeAccessToken,
    RevokeGrants,
    RevokeSsoToken,
)
from leaver.outcomes import Outcome, Result
from tests.doubles.clock import NOW
from tests.doubles.consumer_harness import ConsumerHarness, Operation, consume
from tests.doubles.lambda_events import FIFO_QUEUE, QUEUE, Context, batch, event, record, returned
from tests.doubles.metrics import sum_metrics
from tests.doubles.sqs import DEAD_LETTERS, FIFO_DEAD_LETTERS, SEAL_QUEUE

JOHN = {"user_id": "john.doe@example.com"}
REVOKED = Result(Outcome.REVOKED, ProviderResponse(204, tracking_id="v=2.0;clid=us05"))


@pytest.fixture
def harness() -> ConsumerHarness:
    return ConsumerHarness()


def sso(harness: ConsumerHarness, operation: Callable[[RevokeSsoToken], Result | None]) -> Consumer[RevokeSsoToken]:
    return harness.consumer(RevokeSsoToken, operation)


def test_a_command_leaves_a_receipt_and_an_announcement_and_is_acknowledged(harness: ConsumerHarness) -> None:
    body = event("RevokeSsoToken", JOHN, id="event-1", time="2026-11-22T09:29:00Z")
    assert consume(sso(harness, Operation(REVOKED)), record(body)) == set()
    receipt = harness.receipts.only
    assert (receipt.case_id, receipt.entry) == ("message#event-1", "RevokeSsoToken")
    assert (receipt.system, receipt.subject, receipt.connection) == ("zoom", "john.doe@example.com", "zoom")
    assert (receipt.outcome, receipt.provider_status, receipt.tracking_id) == ("revoked", 204, "v=2.0;clid=us05")
    assert (receipt.attempts, receipt.first_attempt_at, receipt.finished_at) == (1, NOW, NOW)
    assert receipt.time_to_revoke == 60
    assert harness.bus.announced == [
        {
            "detail_type": "SsoTokenRevoked",
            "announcement_id": "message#event-1/RevokeSsoToken/revoked/1",
            "command": "RevokeSsoToken",
            "system": "zoom",
            "subject": "john.doe@example.com",
            "connection": "zoom",
            "outcome": "revoked",
            "provider_status": 204,
            "tracking_id": "v=2.0;clid=us05",
            "requested_at": "2026-11-22T09:29:00Z",
            "first_attempt_at": "2026-11-22T09:30:00Z",
            "finished_at": "2026-11-22T09:30:00Z",
            "attempts": 1,
            "time_to_revoke": 60,
            "details": {},
        }
    ]


def test_a_detail_sent_by_hand_does_the_same_under_the_messages_id(harness: ConsumerHarness) -> None:
    operation = Operation(REVOKED)
    assert consume(sso(harness, operation), record(JOHN, message_id="message-1")) == set()
    assert operation.commands[0].user_id == "john.doe@example.com"
    assert harness.receipts.only.case_id == "message#message-1"


def _opens_case(harness: ConsumerHarness, case_id: str) -> None:
    step = Step(command="RevokeSsoToken", at="zoom/acme", identity=JOHN["user_id"], detail=JOHN)
    told = {"email": "john.doe@example.com", "event_id": "hr-1", "source": "hr", "urgency": "routine"}
    scheduled = new_case(case_id, [step], [], requested_at=NOW, effective_at=NOW, **told)
    harness.cases.put(scheduled.after_start(NOW, deadline=timedelta(minutes=15)).without_pending("OffboardingStarted"))


def test_a_command_of_a_case_is_announced_receipted_and_counted_as_such(harness: ConsumerHarness) -> None:
    _opens_case(harness, "case-1")
    before = harness.cases.only
    detail = JOHN | {
        "case_id": "case-1",
        "account": "acme",
        "connection": "zoom",
        "requested_at": "2026-11-22T08:30:00Z",
    }
    consume(sso(harness, Operation(REVOKED)), record(detail))
    receipt = harness.receipts.only
    assert (receipt.case_id, receipt.entry) == ("case-1", "RevokeSsoToken#zoom/acme")
    assert receipt.time_to_revoke == 3600
    assert harness.bus.announced[0]["case_id"] == "case-1"
    # seal_case is told, and nobody else changes the case.
    assert [json.loads(each["MessageBody"]) for each in harness.sqs.to(SEAL_QUEUE)] == [{"case_id": "case-1"}]
    assert harness.cases.only == before


def _step_of(case_id: str) -> dict[str, str]:
    return JOHN | {"case_id": case_id, "account": "acme", "connection": "zoom"}


def test_seal_case_is_told_of_a_batch_at_one_go_and_of_each_case_once(harness: ConsumerHarness) -> None:
    for case_id in ("case-1", "case-2"):
        _opens_case(harness, case_id)
    batch = [record(_step_of(each), message_id=each) for each in ("case-1", "case-2")]
    consumer = sso(harness, Operation(REVOKED))
    assert consume(consumer, *batch) == set()
    told = [json.loads(each["MessageBody"])["case_id"] for each in harness.sqs.to(SEAL_QUEUE)]
    assert told == ["case-1", "case-2"]
    assert [each["Id"] for each in harness.sqs.to(SEAL_QUEUE)] == ["0", "1"]


def test_a_message_of_which_seal_case_could_not_be_told_comes_back_and_it_is_told_then(
    harness: ConsumerHarness,
) -> None:
    for case_id in ("case-1", "case-2"):
        _opens_case(harness, case_id)
    harness.sqs.refuses = 1
    operation = Operation(REVOKED)
    consumer = sso(harness, operation)
    batch = [record(_step_of(each), message_id=each) for each in ("case-1", "case-2")]
    assert consume(consumer, *batch) == {"case-1"}
    assert consume(consumer, batch[0]) == set()
    told = [json.loads(each["MessageBody"])["case_id"] for each in harness.sqs.to(SEAL_QUEUE)]
    assert told == ["case-2", "case-1"]
    assert len(operation.commands) == 2


def test_where_the_queue_of_seal_case_is_out_of_order_every_message_of_the_batch_comes_back(
    harness: ConsumerHarness,
) -> None:
    _opens_case(harness, "case-1")
    harness.sqs.broken = {"SendMessageBatch"}
    batch = [record(_step_of("case-1"), message_id="1"), record(JOHN, message_id="of no case")]
    assert consume(sso(harness, Operation(REVOKED)), *batch) == {"1"}


def test_a_command_of_a_case_that_is_not_there_is_parked(harness: ConsumerHarness) -> None:
    operation = Operation(REVOKED)
    consume(sso(harness, operation), record(JOHN | {"case_id": "case-1"}))
    assert harness.parked_attributes["reason"] == "case_id: expected the id of a case that exists"
    assert operation.commands == []


def test_o_brien_leaves_like_everybody_else(harness: ConsumerHarness) -> None:
    operation = Operation(REVOKED)
    assert consume(sso(harness, operation), record({"user_id": "o'brien+test@example.com"})) == set()
    assert operation.commands[0].user_id == "o'brien+test@example.com"
    assert harness.bus.announced[0]["subject"] == "o'brien+test@example.com"


@pytest.mark.parametrize(
    ("command", "body", "announced"),
    [
        (RevokeSsoToken, JOHN, "RevocationFailed"),
        (RevokeGrants, {"identity": "john.doe"}, "RevocationFailed"),
        (RevokeAccessToken, {"connection": "zoom"}, "RevocationFailed"),
        (PurgeUserTokens, JOHN, "RevocationFailed"),
        (DeactivateUser, JOHN, "RevocationFailed"),
        (RetrieveUserToken, JOHN, "RetrievalFailed"),
        (RefreshAccessToken, {"connection": "zoom"}, "RefreshFailed"),
    ],
)
def test_a_revocation_failed_only_where_something_was_to_be_revoked(
    harness: ConsumerHarness, command: type[Command], body: dict[str, str], announced: str
) -> None:
    consume(harness.consumer(command, Operation(Rejected("missing scopes"))), record(body))
    assert [each["detail_type"] for each in harness.bus.announced] == [announced]


@pytest.mark.parametrize(
    ("outcome", "announced"),
    [
        (Outcome.REVOKED, "SsoTokenRevoked"),
        (Outcome.ALREADY_GONE, "SsoTokenRevoked"),
        (Outcome.USER_NOT_FOUND, "RevocationFailed"),
        (Outcome.NO_TOKEN, "RevocationFailed"),
    ],
)
def test_success_is_announced_only_where_the_access_is_gone(
    harness: ConsumerHarness, outcome: Outcome, announced: str
) -> None:
    consume(sso(harness, Operation(Result(outcome))), record(JOHN))
    (told,) = harness.bus.announced
    assert (told["detail_type"], told["outcome"]) == (announced, outcome)
    assert ("time_to_revoke" in told) == (announced == "SsoTokenRevoked")


@pytest.mark.parametrize("outcome", [Outcome.STILL_FRESH, Outcome.REFUSED])
def test_what_changed_nothing_is_not_announced(harness: ConsumerHarness, outcome: Outcome) -> None:
    consumer = harness.consumer(RefreshAccessToken, Operation(Result(outcome)), receipts=False)
    assert consume(consumer, record({"connection": "zoom"})) == set()
    assert harness.bus.put == []


def test_an_operation_that_has_nothing_to_tell_is_acknowledged_in_silence(harness: ConsumerHarness) -> None:
    consumer = harness.consumer(RefreshAccessToken, Operation(None), receipts=False)
    assert consume(consumer, record({"connection": "zoom"})) == set()
    assert (harness.bus.put, harness.receipts.items) == ([], {})


def test_outcomes_are_counted(harness: ConsumerHarness, capsys: pytest.CaptureFixture[str]) -> None:
    operation = Operation(REVOKED, Result(Outcome.USER_NOT_FOUND), REVOKED)
    consume(sso(harness, operation), record(JOHN), record(JOHN), record(JOHN))
    emitted = sum_metrics(capsys.readouterr().out)
    assert {name: emitted[name] for name in emitted if not name.endswith("TimeToRevoke")} == {
        "RevokeSsoToken.revoked": 2,
        "RevokeSsoToken.user_not_found": 1,
    }


@pytest.mark.parametrize("outcome", [*Outcome])
def test_the_time_to_revoke_is_measured_where_access_really_ended(
    harness: ConsumerHarness, capsys: pytest.CaptureFixture[str], outcome: Outcome
) -> None:
    consume(sso(harness, Operation(Result(outcome))), record(JOHN, sent_at=NOW - timedelta(seconds=42)))
    emitted = capsys.readouterr().out
    ended = outcome in {Outcome.REVOKED, Outcome.ALREADY_GONE}
    assert sum_metrics(emitted).get("RevokeSsoToken.TimeToRevoke") == (42 if ended else None)
    if ended:
        assert '{"Name":"RevokeSsoToken.TimeToRevoke","Unit":"Seconds"}' in emitted.replace(" ", "")


def test_a_batch_in_which_nothing_happened_prints_only_how_long_it_has_waited(
    harness: ConsumerHarness, capsys: pytest.CaptureFixture[str]
) -> None:
    consume(harness.consumer(RefreshAccessToken, Operation(None), receipts=False), record({"connection": "zoom"}))
    told = json.loads(capsys.readouterr().out)
    assert told["_aws"]["CloudWatchMetrics"][0]["Metrics"] == [{"Name": "RefreshAccessToken.Waited", "Unit": "Seconds"}]
    assert told["RefreshAccessToken.Waited"] == [60.0]


# --- parking ---


def test_a_parked_message_carries_what_somebody_needs_to_mend_it(harness: ConsumerHarness) -> None:
    body = event("RevokeSsoToken", JOHN)
    parking = sso(harness, Operation(Rejected("missing scopes: user:delete:token")))
    assert consume(parking, record(body, message_id="message-1", first_received_at=NOW - timedelta(hours=2))) == set()
    (message,) = harness.parked
    assert (message["QueueUrl"], message["MessageBody"]) == (DEAD_LETTERS, body)
    assert "MessageGroupId" not in message
    assert harness.parked_attributes == {
        "reason": "missing scopes: user:delete:token",
        "error": "Rejected",
        "function": "leaver-under-test",
        "queue": QUEUE,
        "first_failed_at": "2026-11-22T07:30:00Z",
        "message_id": "message-1",
    }


def test_a_parked_message_leaves_a_failed_receipt_and_one_announcement(harness: ConsumerHarness) -> None:
    consume(sso(harness, Operation(Rejected("missing scopes", ProviderResponse(400, "4711")))), record(JOHN))
    receipt = harness.receipts.only
    assert (receipt.outcome, receipt.reason, receipt.provider_status) == (Outcome.FAILED, "missing scopes", 400)
    assert (receipt.provider_code, receipt.time_to_revoke) == ("4711", None)
    (told,) = harness.bus.announced
    assert (told["detail_type"], told["outcome"], told["reason"]) == ("RevocationFailed", "failed", "missing scopes")


def test_a_fifo_message_is_parked_with_its_group_and_a_fresh_deduplication_id(harness: ConsumerHarness) -> None:
    consumer = harness.consumer(
        RefreshAccessToken, Operation(Rejected("no")), receipts=False, dead_letters=FIFO_DEAD_LETTERS
    )
    for _ in range(2):
        consume(consumer, record({"connection": "zoom"}, queue=FIFO_QUEUE, group="zoom", message_id="message-1"))
    first, second = harness.parked
    assert first["MessageGroupId"] == second["MessageGroupId"] == "zoom"
    assert len({"d", first["MessageDeduplicationId"], second["MessageDeduplicationId"]}) == 3


def test_a_message_of_a_fair_queue_is_parked_without_its_group(harness: ConsumerHarness) -> None:
    consume(sso(harness, Operation(Rejected("no"))), record(JOHN, group="tenant-1"))
    assert "MessageGroupId" not in harness.parked[0]


def test_a_message_that_can_not_be_parked_returns(harness: ConsumerHarness) -> None:
    consumer = sso(harness, Operation(Rejected("missing scopes")))
    harness.sqs.broken = {"SendMessage"}
    assert consume(consumer, record(JOHN, message_id="message-1")) == {"message-1"}
    assert (harness.receipts.items, harness.bus.put) == ({}, [])
    harness.sqs.broken = set()
    assert consume(consumer, record(JOHN, message_id="message-1")) == set()
    assert len(harness.parked) == 1


def test_a_message_that_was_put_back_is_parked_under_its_first_id(harness: ConsumerHarness) -> None:
    consume(sso(harness, Operation(Rejected("no"))), record(JOHN, message_id="message-2", before_parking="message-1"))
    assert harness.parked_attributes["message_id"] == "message-1"


# --- what comes too late ---


def test_a_replayed_event_is_parked_and_not_carried_out(harness: ConsumerHarness) -> None:
    operation = Operation(REVOKED)
    consume(sso(harness, operation), record(event("RevokeSsoToken", JOHN, replay_name="after-the-outage")))
    assert operation.commands == []
    assert harness.parked_attributes["error"] == "Rejected"
    assert harness.parked_attributes["reason"] == (
        "a replayed event is not carried out: send the command anew if it is meant"
    )


@pytest.mark.parametrize(
    ("seconds", "carried_out"), [(14 * 86_400, True), (14 * 86_400 + 1, False)], ids=["two weeks", "a second more"]
)
@pytest.mark.parametrize("how", ["event", "by hand", "requested_at"])
def test_a_command_without_a_case_is_carried_out_within_two_weeks(
    harness: ConsumerHarness, how: str, seconds: int, *, carried_out: bool
) -> None:
    then = NOW - timedelta(seconds=seconds)
    message = {
        "event": record(event("RevokeSsoToken", JOHN, time=then.isoformat())),
        "by hand": record(JOHN, sent_at=then),
        "requested_at": record(JOHN | {"requested_at": then.isoformat()}),
    }[how]
    operation = Operation(REVOKED)
    assert consume(sso(harness, operation), message) == set()
    assert bool(operation.commands) == carried_out
    if not carried_out:
        assert harness.parked_attributes["reason"] == "older than 14 days: it might hit somebody who was hired again"


def test_a_command_of_a_case_may_be_old(harness: ConsumerHarness) -> None:
    _opens_case(harness, "case-1")
    operation = Operation(REVOKED)
    body = event("RevokeSsoToken", JOHN | {"case_id": "case-1", "account": "acme"}, time="2026-10-01T00:00:00Z")
    consume(sso(harness, operation), record(body))
    assert len(operation.commands) == 1


def test_an_event_from_the_year_one_is_parked_once(harness: ConsumerHarness) -> None:
    message = record(event("RevokeSsoToken", JOHN, time="0001-01-01T00:00:00Z"))
    assert consume(sso(harness, Operation(REVOKED)), message) == set()
    assert len(harness.parked) == 1


# --- the batch ---


def test_neighbours_of_a_failure_are_not_touched(harness: ConsumerHarness) -> None:
    operation = Operation(REVOKED, ProviderUnavailable("Zoom is out of order"), REVOKED)
    messages = [record(JOHN, message_id=name) for name in ("one", "two", "three")]
    assert consume(sso(harness, operation), *messages) == {"two"}
    assert [each.outcome for each in harness.receipts.items.values()] == [Outcome.REVOKED, None, Outcome.REVOKED]


def test_with_too_little_time_left_messages_are_handed_back_untouched(harness: ConsumerHarness) -> None:
    operation = Operation(REVOKED)
    messages = [record(JOHN, message_id=name) for name in ("one", "two")]
    failures = sso(harness, operation).consume(batch(*messages), Context([35_000, 34_999]))
    assert returned(failures) == {"two"}
    assert len(operation.commands) == 1
    assert harness.sqs.visible_in == {"handle of two": 0}
    assert len(harness.receipts.items) == 1


def test_a_queue_that_does_not_listen_harms_no_neighbour(harness: ConsumerHarness) -> None:
    harness.sqs.broken = {"ChangeMessageVisibility"}
    messages = [record(JOHN, message_id=name) for name in ("one", "two")]
    failures = sso(harness, Operation(REVOKED)).consume(batch(*messages), Context([60_000, 1]))
    assert returned(failures) == {"two"}
    assert harness.logged[-1]["message"] == "could not be told when to come back"


def test_an_empty_batch_is_no_failure(harness: ConsumerHarness) -> None:
    assert consume(sso(harness, Operation(REVOKED))) == set()


# --- which command ---


def test_a_wrong_detail_type_is_parked_with_what_was_expected(harness: ConsumerHarness) -> None:
    operation = Operation(REVOKED)
    consume(sso(harness, operation), record(event("RevokeEverything", JOHN)))
    assert operation.commands == []
    assert harness.parked_attributes["error"] == "BadMessage"
    assert harness.parked_attributes["reason"] == "detail-type: expected RevokeSsoToken"


@pytest.mark.parametrize("from_the_bus", [True, False])
def test_a_whole_application_is_revoked_only_by_a_message_to_the_queue(
    harness: ConsumerHarness, *, from_the_bus: bool
) -> None:
    detail = {"application_id": "vault", "confirm": "every user of this application"}
    operation = Operation(REVOKED)
    consumer = harness.consumer(RevokeGrants, operation)
    consume(consumer, record(event("RevokeGrants", detail) if from_the_bus else detail))
    assert bool(operation.commands) != from_the_bus
    assert bool(harness.parked) == from_the_bus


def test_a_function_may_read_its_messages_itself(harness: ConsumerHarness) -> None:
    command = RevokeSsoToken(user_id="jane@example.com", connection="zoom")
    operation = Operation(REVOKED)
    consume(harness.consumer(RevokeSsoToken, operation, read=lambda _: command), record(event("SystemLog", {})))
    assert operation.commands == [command]


def test_details_are_names_and_counts_on_receipt_and_announcement(harness: ConsumerHarness) -> None:
    result = Result(Outcome.RETRIEVED, details={"secret_arn": "arn:1", "expires_at_assumed": True})
    consume(harness.consumer(RetrieveUserToken, Operation(result)), record(JOHN))
    assert harness.receipts.only.details == {"secret_arn": "arn:1", "expires_at_assumed": True}
    assert harness.bus.announced[0]["details"] == {"secret_arn": "arn:1", "expires_at_assumed": True}
    assert harness.bus.announced[0]["detail_type"] == "UserTokenRetrieved"


@pytest.mark.parametrize(("because", "told"), [("the user left", 1), (None, 0)])
def test_whoever_is_refused_for_a_reason_is_told_of_it_and_not_in_silence(because: str | None, told: int) -> None:
    harness = ConsumerHarness()
    refused = Result(Outcome.REFUSED, details={"because": because} if because else {})
    consume(harness.consumer(RetrieveUserToken, Operation(refused)), record(JOHN))
    announced = [(each["detail_type"], each["reason"]) for each in harness.bus.announced]
    assert announced == [("RetrievalFailed", because)] * told
    assert (str(because) in harness.log.getvalue()) is bool(told)


def test_that_is_seen_where_why_somebody_is_refused_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = Receipt.closed

    def without_reason(receipt: Receipt, result: Result, *, now: datetime, reason: str | None = None) -> Receipt:
        return closed(receipt, result, now=now, reason=reason and None)

    monkeypatch.setattr(Receipt, "closed", without_reason)
    harness = ConsumerHarness()
    refused = Result(Outcome.REFUSED, details={"because": "the user left"})
    consume(harness.consumer(RetrieveUserToken, Operation(refused)), record(JOHN))
    assert harness.bus.announced == []
