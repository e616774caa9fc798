"""What the command line makes of a parked message, and how it gets all of them out of a queue."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from leaver_cli.parked.dead_letters import Cause, DeadLetterQueue, ParkedMessage
from leaver_cli.stack import PLACES

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

ROOT = Path(__file__).parents[2]
TICK = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


def message(body: Any = None, *, unexplained: Cause = Cause.CRASHED, **attributes: str) -> ParkedMessage:
    return ParkedMessage(
        sqs_id="sqs-id",
        receipt_handle="handle",
        body=body if isinstance(body, str) else json.dumps(body),
        attributes=attributes,
        sent_at=datetime(2026, 11, 21, 9, 0, tzinfo=UTC),
        group=None,
        taken_from="",
        unexplained=unexplained,
    )


class ReluctantSqs:
    """A standard queue that answers as SQS may: fewer than it has, nothing although it has, a count that lags."""

    def __init__(self, answers: list[list[str]], *, visible: list[int]) -> None:
        self._answers = answers
        self._visible = visible
        self.receives = 0
        self.given_back: list[str] = []
        self.deleted: list[str] = []

    #: as SQS tells it of what it moved here itself, whoever asks
    source = "arn:aws:sqs:eu-central-1:123456789012:leaver-revoke-sso-token-urgent"

    def receive_message(self, **asked: Any) -> dict[str, Any]:
        self.receives += 1
        assert self.receives < 20, "it asks for ever"
        ids = self._answers.pop(0) if self._answers else []
        return {
            "Messages": [
                {
                    "MessageId": each,
                    "ReceiptHandle": f"{each}-{self.receives}",
                    "Body": "{}",
                    "Attributes": {
                        name: value
                        for name, value in (
                            ("SentTimestamp", "1795163400412"),
                            ("DeadLetterQueueSourceArn", self.source),
                        )
                        if name in asked["MessageSystemAttributeNames"]
                    },
                }
                for each in ids
            ]
        }

    def delete_message(self, **asked: Any) -> None:
        self.deleted.append(asked["ReceiptHandle"])

    def get_queue_attributes(self, **_asked: Any) -> dict[str, Any]:
        count = self._visible.pop(0) if len(self._visible) > 1 else self._visible[0]
        return {"Attributes": {"ApproximateNumberOfMessages": str(count)}}

    def change_message_visibility_batch(self, **asked: Any) -> dict[str, Any]:
        assert len(asked["Entries"]) <= 10
        assert {each["VisibilityTimeout"] for each in asked["Entries"]} == {0}
        self.given_back += [each["ReceiptHandle"] for each in asked["Entries"]]
        return {"Successful": [], "Failed": []}


def shown(sqs: ReluctantSqs) -> list[str]:
    parking = DeadLetterQueue(cast("SQSClient", sqs), "http://sqs/q", unexplained=Cause.CRASHED)
    with parking.messages() as messages:
        return [each.sqs_id for each in messages]


def test_every_function_with_a_queue_has_a_place_to_look() -> None:
    functions = {file.parent.name for file in ROOT.glob("functions/*/app.py")}
    # what a sender is waiting for is parked nowhere
    assert set(PLACES) == (functions - {"receive_webhook"}) | {"unrouted"}


def test_a_parked_message_tells_error_reason_queue_and_since_when() -> None:
    found = message(
        "{}",
        error="Rejected",
        reason="Zoom 4711: missing scope",
        queue="arn:aws:sqs:eu-central-1:123456789012:leaver-revoke-sso-token",
        first_failed_at="2026-11-20T08:30:00Z",
        message_id="first-id",
    )
    assert (found.error, found.reason) == ("Rejected", "Zoom 4711: missing scope")
    assert found.queue == "leaver-revoke-sso-token"
    assert found.since == datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
    assert found.message_id == "first-id"


def test_a_message_without_attributes_crashed() -> None:
    found = message({"user_id": "ada@example.com"})
    assert found.error == "crashed"
    assert found.message_id == "sqs-id"
    assert found.since == datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
    assert "ada" not in found.reason


def test_a_message_that_crashed_is_known_by_the_queue_that_sqs_took_it_from() -> None:
    parking = DeadLetterQueue(
        cast("SQSClient", ReluctantSqs([["a"]], visible=[0])), "http://sqs/q", unexplained=Cause.CRASHED
    )
    with parking.messages() as messages:
        assert [each.queue for each in messages] == ["leaver-revoke-sso-token-urgent"]


def test_a_message_that_was_meant_for_a_function_is_known_by_no_queue() -> None:
    assert message(TICK, TARGET_ARN="arn:aws:lambda:eu-central-1:123456789012:function:leaver-watch").queue == ""


def test_a_redriven_message_that_crashed_keeps_its_first_id() -> None:
    found = message({"user_id": "ada@example.com"}, message_id="first-id")
    assert (found.error, found.message_id) == ("crashed", "first-id")


def test_what_eventbridge_could_not_deliver_is_called_undelivered_with_its_code() -> None:
    found = message(
        {"detail-type": "RevokeSsoToken"}, RULE_ARN="arn:rule", ERROR_CODE="NO_PERMISSIONS", ERROR_MESSAGE="denied"
    )
    assert found.error == "undelivered"
    assert found.reason == "EventBridge: NO_PERMISSIONS denied"


def test_an_event_that_no_rule_knows_is_called_unrouted_with_its_type() -> None:
    found = message(
        {"detail-type": "RevokeEverything", "detail": {"user_id": "ada@example.com"}}, unexplained=Cause.UNROUTED
    )
    assert found.error == "unrouted"
    assert found.reason == "no rule knows the detail-type 'RevokeEverything'"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(TICK, id="EventBridge could not start the function"),
        pytest.param({"requestPayload": TICK, "requestContext": {"condition": "RetriesExhausted"}}, id="it failed"),
    ],
)
def test_a_lost_tick_of_the_schedule_has_lapsed(body: object) -> None:
    assert message(body).error == "lapsed"
    assert message(body, RULE_ARN="arn:rule", ERROR_CODE="THROTTLING").error == "lapsed"


@pytest.mark.parametrize("body", ["not JSON", "[]", '"text"', '{"requestPayload": 7}', '{"id": 7}'])
def test_a_body_that_cannot_be_read_is_parked_like_any_other(body: str) -> None:
    found = message(body)
    assert found.error == "crashed"
    assert found.known_as == {"sqs-id"}


def test_a_message_is_known_by_its_own_id_its_first_id_and_its_events_id() -> None:
    assert message({"id": "event-id"}, message_id="first-id").known_as == {"sqs-id", "first-id", "event-id"}


def test_an_empty_answer_is_not_believed_while_the_count_says_more() -> None:
    sqs = ReluctantSqs([["a"], [], ["b", "c"], [], []], visible=[2, 0])
    assert shown(sqs) == ["a", "b", "c"]


def test_a_count_that_never_reaches_zero_does_not_keep_us_for_ever() -> None:
    sqs = ReluctantSqs([["a"]], visible=[5])
    assert shown(sqs) == ["a"]
    assert sqs.receives == 4


def test_a_message_that_is_visible_again_in_a_long_run_is_shown_once_and_given_back_by_its_new_handle() -> None:
    sqs = ReluctantSqs([["a", "b"], ["a"], ["c"], ["b"]], visible=[0])
    assert shown(sqs) == ["a", "b", "c"]
    assert sorted(sqs.given_back) == ["a-2", "b-4", "c-3"]


def test_more_than_ten_are_given_back_ten_at_a_time() -> None:
    first, second = [f"m{number}" for number in range(10)], [f"m{number}" for number in range(10, 15)]
    sqs = ReluctantSqs([first, second], visible=[0])
    assert len(shown(sqs)) == 15
    assert len(sqs.given_back) == 15


def test_what_was_deleted_is_not_given_back() -> None:
    sqs = ReluctantSqs([["a", "b"]], visible=[0])
    parking = DeadLetterQueue(cast("SQSClient", sqs), "http://sqs/q", unexplained=Cause.CRASHED)
    with parking.messages() as messages:
        parking.delete(next(messages))
    assert sqs.deleted == ["a-1"]
    assert sqs.given_back == ["b-1"]
