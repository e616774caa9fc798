"""What stands on a message besides its command."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leaver.errors import BadMessage
from leaver.messages.envelope import Envelope, Payload
from tests.doubles.clock import NOW
from tests.doubles.lambda_events import FIFO_QUEUE, event, record

DETAIL = {"user_id": "john.doe@example.com"}
AS_SENT_BY_HAND = json.dumps(DETAIL)


def envelope(body: str = AS_SENT_BY_HAND, **record_fields: Any) -> Envelope:
    return Envelope(record(body, **record_fields))


def payload(body: str) -> Payload:
    return envelope(body).parse()


def reason(body: str) -> str:
    with pytest.raises(BadMessage) as refused:
        payload(body)
    return refused.value.reason


def test_an_event_is_opened_with_its_own_id_and_time() -> None:
    message = payload(event("RevokeSsoToken", DETAIL, id="event-1", time="2026-11-22T10:29:00+01:00"))
    assert (message.id, message.detail) == ("event-1", DETAIL)
    assert message.sent_at == datetime(2026, 11, 22, 9, 29, tzinfo=UTC)
    assert message.event is not None
    assert message.event["source"] == "leaver.command"


def test_a_bare_detail_is_recognised_by_its_shape() -> None:
    message = envelope(message_id="message-1").parse()
    assert message == Payload(
        id="message-1",
        event=None,
        detail=DETAIL,
        sent_at=None,
        heard_at=NOW - timedelta(minutes=1),
        sender="AIDAIENQZJOLO23YVJ4VO",
    )


def test_an_event_without_an_id_goes_by_the_messages() -> None:
    body = json.dumps({"detail-type": "RevokeSsoToken", "detail": DETAIL, "time": "2026-11-22T09:29:00Z"})
    assert envelope(body, message_id="message-1").parse().id == "message-1"


@pytest.mark.parametrize("event_id", ["", 7, None, "\ud800", "two words", "x" * 129])
def test_an_event_whose_id_can_be_no_key_of_a_table_goes_by_the_messages(event_id: object) -> None:
    assert envelope(event("RevokeSsoToken", DETAIL, id=event_id), message_id="message-1").parse().id == "message-1"


def test_a_time_without_zone_is_utc() -> None:
    assert payload(event("RevokeSsoToken", DETAIL, time="2026-11-22T09:29:00")).sent_at == datetime(
        2026, 11, 22, 9, 29, tzinfo=UTC
    )


@pytest.mark.parametrize("body", ["", "{", "not json", "[" * 100_000, '{"ttl": ' + "9" * 5000 + "}"])
def test_a_body_that_is_no_json_is_a_bad_message(body: str) -> None:
    assert reason(body) == "body: expected JSON"


@pytest.mark.parametrize("body", ["[]", "7", "null", '"text"', "true"])
def test_a_body_that_is_no_object_is_a_bad_message(body: str) -> None:
    assert reason(body) == "body: expected a JSON object"


@pytest.mark.parametrize("detail", [[], 7, None, "text"])
def test_a_detail_that_is_no_object_is_a_bad_message(detail: Any) -> None:
    assert reason(event("RevokeSsoToken", detail)) == "detail: expected a JSON object"


@pytest.mark.parametrize("time", [None, 7, "yesterday", "0001-01-01T00:00:00+14:00"])
def test_an_event_tells_its_time(time: Any) -> None:
    assert reason(event("RevokeSsoToken", DETAIL, time=time)) == "time: expected the event's time, ISO-8601"


def test_a_message_goes_by_its_own_id() -> None:
    fresh = envelope(message_id="message-1")
    assert (fresh.message_id, fresh.redriven) == ("message-1", False)


def test_a_message_that_was_put_back_goes_by_the_id_it_had_before() -> None:
    back = envelope(message_id="message-2", before_parking="message-1")
    assert (back.message_id, back.redriven) == ("message-1", True)


def test_a_strange_message_attribute_is_no_sign_of_redrive() -> None:
    strange = record(AS_SENT_BY_HAND, message_id="message-1")
    strange["messageAttributes"]["message_id"] = {"binaryValue": "AAAA", "dataType": "Binary"}
    found = Envelope(strange)
    assert (found.message_id, found.redriven) == ("message-1", False)


def test_times_and_counts_are_read_off_the_record() -> None:
    found = envelope(sent_at=datetime(2026, 11, 22, 9, tzinfo=UTC), first_received_at=NOW, receives=3)
    assert (found.sent_at, found.first_received_at, found.receives) == (
        datetime(2026, 11, 22, 9, tzinfo=UTC),
        datetime(2026, 11, 22, 9, 30, tzinfo=UTC),
        3,
    )


def test_the_queues_url_is_its_arn_at_the_endpoint() -> None:
    assert (
        envelope().queue_url("http://127.0.0.1:5000/") == "http://127.0.0.1:5000/123456789012/leaver-revoke-sso-token"
    )


def test_a_group_counts_on_a_fifo_queue_only() -> None:
    assert envelope(queue=FIFO_QUEUE, group="zoom").group == "zoom"
    assert envelope(group="fair-share").group is None


def test_what_a_rule_delivered_is_told_from_what_was_sent_by_hand() -> None:
    assert envelope(event("OffboardingRequested", DETAIL)).came_by_rule
    assert not envelope().came_by_rule
    assert not envelope("no JSON").came_by_rule
