"""What leaves Leaver, on moto's queues and bus: what arrives is what was sent."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from moto import mock_aws

from leaver.errors import Undelivered
from leaver.messages.commands import RevokeGrants, RevokeSsoToken
from leaver.messages.events import Announcement
from leaver.messages.publisher import DeadLetter, Due, Publisher
from tests.doubles.clock import NOW
from tests.doubles.event_bus import FakeBus
from tests.doubles.lambda_events import QUEUE
from tests.doubles.secrets_manager import PARENT
from tests.doubles.sqs import FakeSqs
from tests.integration.dynamodb import SESSION

ANNOUNCEMENT = Announcement(
    detail_type="SsoTokenRevoked",
    announcement_id="message#1/RevokeSsoToken/revoked/1",
    command="RevokeSsoToken",
    system="zoom",
    subject="john.doe@example.com",
    account=None,
    connection="zoom",
    case_id=None,
    outcome="revoked",
    provider_status=204,
    provider_code=None,
    tracking_id=None,
    reason=None,
    requested_at=NOW,
    first_attempt_at=NOW,
    finished_at=NOW,
    attempts=1,
    time_to_revoke=0,
    details={},
)
PARKED = DeadLetter(
    body='{"user_id": "john.doe@example.com"}',
    reason="missing scopes: user:delete:token",
    error="Rejected",
    function="leaver-revoke-sso-token",
    queue=QUEUE,
    first_failed_at=NOW,
    message_id="message-1",
    group=None,
)


@dataclass
class World:
    """A bus that is heard by a queue, a refresh queue and a dead-letter queue."""

    sqs: Any
    heard: str
    refresh: str
    dead: str
    publisher: Publisher

    def received(self, queue: str) -> list[dict[str, Any]]:
        answer = self.sqs.receive_message(
            QueueUrl=queue, MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"]
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages


@pytest.fixture(params=["standard", "fifo"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with mock_aws():
        sqs, events = SESSION.client("sqs"), SESSION.client("events")
        fifo: Any = {"FifoQueue": "true", "ContentBasedDeduplication": "false"}
        heard = sqs.create_queue(QueueName="heard")["QueueUrl"]
        refresh = sqs.create_queue(QueueName="refresh.fifo", Attributes=fifo)["QueueUrl"]
        dead = sqs.create_queue(
            QueueName="dead.fifo" if request.param == "fifo" else "dead",
            Attributes=fifo if request.param == "fifo" else {},
        )["QueueUrl"]
        events.create_event_bus(Name="leaver")
        pattern = json.dumps({"source": [{"prefix": "leaver"}]})
        events.put_rule(Name="everything", EventBusName="leaver", EventPattern=pattern)
        arn = sqs.get_queue_attributes(QueueUrl=heard, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events.put_targets(Rule="everything", EventBusName="leaver", Targets=[{"Id": "heard", "Arn": arn}])
        publisher = Publisher(
            events=events, sqs=sqs, bus="leaver", dead_letter_queue_url=dead, refresh_queue_url=refresh
        )
        yield World(sqs, heard, refresh, dead, publisher)


standard = pytest.mark.parametrize("world", ["standard"], indirect=True)


@standard
def test_an_announcement_is_heard_on_the_bus(world: World) -> None:
    world.publisher.announce(ANNOUNCEMENT)
    (message,) = world.received(world.heard)
    event = json.loads(message["Body"])
    assert (event["source"], event["detail-type"]) == ("leaver", "SsoTokenRevoked")
    assert event["detail"] == {
        "announcement_id": "message#1/RevokeSsoToken/revoked/1",
        "command": "RevokeSsoToken",
        "system": "zoom",
        "subject": "john.doe@example.com",
        "connection": "zoom",
        "outcome": "revoked",
        "provider_status": 204,
        "requested_at": "2026-11-22T09:30:00Z",
        "first_attempt_at": "2026-11-22T09:30:00Z",
        "finished_at": "2026-11-22T09:30:00Z",
        "attempts": 1,
        "time_to_revoke": 0,
        "details": {},
    }


@standard
def test_commands_are_heard_as_what_they_are(world: World) -> None:
    world.publisher.send_commands(
        [
            RevokeSsoToken(user_id="john.doe@example.com", urgency="urgent", requested_at=NOW),
            RevokeGrants(identity="john.doe@example.com"),
        ]
    )
    heard = [json.loads(message["Body"]) for message in world.received(world.heard)]
    assert {event["source"] for event in heard} == {"leaver.command"}
    assert {event["detail-type"]: event["detail"] for event in heard} == {
        "RevokeSsoToken": {
            "user_id": "john.doe@example.com",
            "urgency": "urgent",
            "requested_at": "2026-11-22T09:30:00Z",
        },
        "RevokeGrants": {"identity": "john.doe@example.com"},
    }


@standard
def test_a_refresh_is_asked_for_once_a_minute(world: World) -> None:
    for _ in range(3):
        world.publisher.request_refresh("zoom", PARENT, now=NOW)
    (message,) = world.received(world.refresh)
    assert json.loads(message["Body"]) == {"connection": "zoom", "failed_version": PARENT}
    assert message["Attributes"]["MessageGroupId"] == "zoom"
    assert message["Attributes"]["MessageDeduplicationId"] == f"zoom:{PARENT}:202611220930"


@standard
def test_connections_do_not_wait_for_each_other(world: World) -> None:
    world.publisher.schedule([Due("zoom", PARENT), Due("venafi", PARENT)], now=NOW + timedelta(minutes=1))
    groups = {message["Attributes"]["MessageGroupId"] for message in world.received(world.refresh)}
    assert groups == {"zoom", "venafi"}


def test_a_parked_message_arrives_with_all_that_was_said_of_it(world: World) -> None:
    fifo = world.dead.endswith(".fifo")
    world.publisher.dead_letter(PARKED if not fifo else DeadLetter(**{**vars(PARKED), "group": "zoom"}))
    (message,) = world.received(world.dead)
    assert message["Body"] == '{"user_id": "john.doe@example.com"}'
    assert message["Attributes"].get("MessageGroupId") == ("zoom" if fifo else None)
    assert {name: each["StringValue"] for name, each in message["MessageAttributes"].items()} == {
        "reason": "missing scopes: user:delete:token",
        "error": "Rejected",
        "function": "leaver-revoke-sso-token",
        "queue": QUEUE,
        "first_failed_at": "2026-11-22T09:30:00Z",
        "message_id": "message-1",
    }


# --- what moto never refuses ---


def publisher(sqs: FakeSqs, bus: FakeBus, refresh_queue_url: str | None = "https://sqs/refresh.fifo") -> Publisher:
    return Publisher(
        events=bus.client,
        sqs=sqs.client,
        bus="leaver",
        dead_letter_queue_url="https://sqs/dead",
        refresh_queue_url=refresh_queue_url,
    )


def test_an_announcement_that_the_bus_refuses_is_an_error() -> None:
    with pytest.raises(Undelivered, match=r"^the bus refused 1 events: ThrottlingException$"):
        publisher(FakeSqs(), FakeBus(refuses=1)).announce(ANNOUNCEMENT)


@pytest.mark.parametrize("refuses", [1, 11, 23])
def test_a_bus_that_takes_less_than_all_commands_is_an_error(refuses: int) -> None:
    with pytest.raises(Undelivered):
        publisher(FakeSqs(), FakeBus(refuses=refuses)).send_commands([RevokeGrants(identity="john")] * 23)


def test_commands_go_out_in_batches_of_ten() -> None:
    bus = FakeBus()
    publisher(FakeSqs(), bus).send_commands([RevokeGrants(identity=f"john-{number}") for number in range(23)])
    assert [json.loads(each["Detail"])["identity"] for each in bus.put] == [f"john-{number}" for number in range(23)]


def test_a_refresh_request_that_the_queue_refuses_is_an_error() -> None:
    with pytest.raises(Undelivered, match=r"^the refresh queue refused 1 messages: InternalError$"):
        publisher(FakeSqs(refuses=1), FakeBus()).request_refresh("zoom", PARENT, now=NOW)


def test_a_function_without_a_refresh_queue_can_not_ask_for_one() -> None:
    with pytest.raises(Undelivered, match=r"^this function has no refresh queue$"):
        publisher(FakeSqs(), FakeBus(), None).request_refresh("zoom", PARENT, now=NOW)
