"""`leaver redrive` on moto: what goes back and how, and that the consumer takes it for what it is."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from aws_lambda_powertools import Logger, Metrics

from leaver.cases.receipts import Receipts
from leaver.consuming.consumer import Consumer
from leaver.errors import ProviderResponse, Rejected
from leaver.messages.commands import RevokeSsoToken
from leaver.messages.envelope import Envelope
from leaver.messages.publisher import Publisher
from leaver.outcomes import Outcome, Result
from tests.doubles.executor import OneByOne
from tests.integration.parked_stack import ARN, EVENT, NOT_DELIVERED, REGION, World, leaver, world_on_moto

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

QUEUE = "leaver-revoke-sso-token"
DEAD_LETTERS = "leaver-revoke-sso-token-dead-letters"
TICK = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world_on_moto(monkeypatch) as world:
        yield world


def record(message: "MessageTypeDef", queue: str = QUEUE) -> dict[str, Any]:
    """A received message as Lambda hands it to a function."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {
            name: {"dataType": each["DataType"], "stringValue": each["StringValue"]}
            for name, each in message.get("MessageAttributes", {}).items()
        },
        "eventSourceARN": f"{ARN}{queue}",
        "awsRegion": REGION,
    }


# --- What goes back ---


def test_a_parked_message_goes_back_to_its_queue_and_out_of_parking(world: World) -> None:
    world.park('{"user_id": "ada@example.com"}')
    result = leaver("redrive", "revoke_sso_token", "--yes")
    assert result.exit_code == 0
    assert "1 message went back to the queue of revoke_sso_token, to be tried again now" in result.output
    assert world.bodies(QUEUE) == ['{"user_id": "ada@example.com"}']
    assert world.bodies(DEAD_LETTERS) == []


def test_the_consumer_sees_that_it_was_redriven_and_under_which_id_its_receipt_lies(world: World) -> None:
    world.park(message_id="first-id")
    leaver("redrive", "revoke_sso_token", "--yes")
    (back,) = world.take(QUEUE)
    envelope = Envelope(record(back))
    assert envelope.redriven
    assert envelope.message_id == "first-id"
    assert set(back["MessageAttributes"]) == {"message_id"}


def test_a_crashed_message_goes_back_under_the_id_that_sqs_gave_it(world: World) -> None:
    crashed = world.put(DEAD_LETTERS, {"user_id": "ada@example.com"})
    assert leaver("redrive", "revoke_sso_token", "--yes").exit_code == 0
    (back,) = world.take(QUEUE)
    assert back["MessageAttributes"]["message_id"]["StringValue"] == crashed
    assert back["MessageId"] != crashed


def test_what_eventbridge_could_not_deliver_goes_to_the_queue_that_it_was_meant_for(world: World) -> None:
    world.put(DEAD_LETTERS, EVENT, NOT_DELIVERED)
    assert leaver("redrive", "revoke_sso_token", "--yes").exit_code == 0
    (back,) = world.take(QUEUE)
    assert json.loads(back["Body"]) == EVENT
    assert set(back["MessageAttributes"]) == {"message_id"}


def test_a_message_goes_back_to_the_very_queue_that_it_came_from(world: World) -> None:
    attributes = {"error": "Rejected", "queue": f"{ARN}leaver-revoke-sso-token-urgent", "message_id": "first-id"}
    world.put(DEAD_LETTERS, "{}", attributes)
    assert leaver("redrive", "revoke_sso_token", "--yes").exit_code == 0
    assert world.bodies("leaver-revoke-sso-token-urgent") == ["{}"]


def test_an_urgent_event_that_eventbridge_could_not_deliver_goes_to_the_urgent_queue(world: World) -> None:
    world.put(DEAD_LETTERS, EVENT, NOT_DELIVERED | {"TARGET_ARN": f"{ARN}{QUEUE}-urgent"})
    assert leaver("redrive", "revoke_sso_token", "--yes").exit_code == 0
    assert [json.loads(body) for body in world.bodies(f"{QUEUE}-urgent")] == [EVENT]
    assert world.bodies(QUEUE) == []


def test_more_than_sqs_hands_out_at_once_all_go_back(world: World) -> None:
    for number in range(25):
        world.park(f'{{"user_id": "u{number}"}}', message_id=f"id-{number}")
    assert "25 messages went back to the queue of" in leaver("redrive", "revoke_sso_token", "--yes").output
    assert len(set(world.bodies(QUEUE))) == 25
    assert world.bodies(DEAD_LETTERS) == []


def test_refreshes_keep_group_and_order_and_get_a_deduplication_id_of_their_own(world: World) -> None:
    for number in range(12):
        world.park(f'{{"n": {number}}}', function="refresh-access-token", group="zoom", message_id=f"id-{number}")
    assert "12 messages went back to the queue of" in leaver("redrive", "refresh_access_token", "--yes").output
    back = world.take("leaver-refresh-access-token.fifo")
    assert [json.loads(each["Body"])["n"] for each in back] == list(range(12))
    assert {each["Attributes"]["MessageGroupId"] for each in back} == {"zoom"}
    assert len({each["Attributes"]["MessageDeduplicationId"] for each in back}) == 12


def test_a_lost_tick_of_the_schedule_is_removed_and_not_sent(world: World) -> None:
    world.put("leaver-schedule-refreshes-dead-letters", TICK, NOT_DELIVERED)
    world.put("leaver-schedule-refreshes-dead-letters", {"requestPayload": TICK})
    result = leaver("redrive", "schedule_refreshes", "--yes")
    assert result.exit_code == 0
    assert "2 messages of the past were removed." in result.output
    assert world.bodies("leaver-schedule-refreshes") == []
    assert world.bodies("leaver-schedule-refreshes-dead-letters") == []


# --- Who is asked, and what is chosen ---


def test_nothing_moves_before_somebody_says_yes(world: World) -> None:
    world.park()
    result = leaver("redrive", "revoke_sso_token", answer="n\n")
    assert result.exit_code == 1
    assert "Send about 1 messages of revoke_sso_token back?" in result.output
    assert world.bodies(QUEUE) == []
    assert len(world.bodies(DEAD_LETTERS)) == 1


def test_a_yes_at_the_prompt_is_enough(world: World) -> None:
    world.park()
    assert leaver("redrive", "revoke_sso_token", answer="y\n").exit_code == 0
    assert len(world.bodies(QUEUE)) == 1


def test_a_dry_run_shows_what_would_go_back_and_moves_nothing(world: World) -> None:
    world.park(message_id="first-id")
    world.park(message_id="other-id", error="BadMessage")
    result = leaver("redrive", "revoke_sso_token", "--dry-run", "--error", "Rejected")
    assert result.exit_code == 0
    assert "1 would go back" in result.output
    assert "first-id" in result.output
    assert "other-id" not in result.output
    assert world.bodies(QUEUE) == []
    assert len(world.bodies(DEAD_LETTERS)) == 2


def test_only_one_kind_of_error_goes_back_when_asked(world: World) -> None:
    world.park("rejected", message_id="id-1")
    world.park("bad", message_id="id-2", error="BadMessage")
    world.put(DEAD_LETTERS, "crashed")
    result = leaver("redrive", "revoke_sso_token", "--error", "BadMessage", answer="y\n")
    assert result.exit_code == 0
    assert "1 message went back to the queue of revoke_sso_token, to be tried again now" in result.output
    assert world.bodies(QUEUE) == ["bad"]
    assert sorted(world.bodies(DEAD_LETTERS)) == ["crashed", "rejected"]


def test_messages_are_chosen_by_first_id_own_id_or_event_id(world: World) -> None:
    world.park("by first id", message_id="id-1")
    own = world.put(DEAD_LETTERS, "by own id")
    world.park(json.dumps(EVENT), message_id="id-3")
    world.park("not chosen", message_id="id-4")
    chosen = [option for name in ("id-1", own, EVENT["id"]) for option in ("--message-id", str(name))]
    result = leaver("redrive", "revoke_sso_token", *chosen, answer="y\n")
    assert result.exit_code == 0
    assert sorted(world.bodies(QUEUE)) == sorted(["by first id", "by own id", json.dumps(EVENT)])
    assert world.bodies(DEAD_LETTERS) == ["not chosen"]


def test_an_id_that_is_not_there_is_told_and_fails(world: World) -> None:
    world.park(message_id="id-1")
    result = leaver("redrive", "revoke_sso_token", "--yes", "--message-id", "id-1", "--message-id", "id-9")
    assert result.exit_code == 1
    assert "not found: id-9" in result.output
    assert len(world.bodies(QUEUE)) == 1


def test_what_a_fifo_group_hides_behind_the_unchosen_counts_as_a_failure(world: World) -> None:
    for number in range(11):
        world.park(function="refresh-access-token", group="zoom", message_id=f"id-{number}", error="BadMessage")
    world.park(function="refresh-access-token", group="zoom", message_id="behind", error="NeedsReauthorization")
    result = leaver("redrive", "refresh_access_token", "--yes", "--error", "NeedsReauthorization")
    assert result.exit_code == 1
    assert "about 2 more could not be seen" in result.output


def test_what_a_fifo_group_hides_is_of_no_concern_when_the_chosen_one_was_found(world: World) -> None:
    for number in range(12):
        world.park(function="refresh-access-token", group="zoom", message_id=f"id-{number}")
    result = leaver("redrive", "refresh_access_token", "--yes", "--message-id", "id-0")
    assert result.exit_code == 0
    assert "could not be seen" not in result.output


def test_nothing_parked_is_no_failure(world: World) -> None:  # noqa: ARG001 - the queues must be there
    result = leaver("redrive", "revoke_sso_token", "--yes")
    assert result.exit_code == 0
    assert "Nothing went back: no such message is parked here." in result.output


# --- The whole way ---


class Endless:
    """A Lambda context with time enough."""

    aws_request_id = "6f6e8a0c-1b2d-4e3f-8a9b-0c1d2e3f4a5b"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def test_a_refused_command_is_done_after_the_cause_is_mended_and_it_is_put_back(world: World) -> None:
    dynamodb = boto3.client("dynamodb", region_name=REGION)
    dynamodb.create_table(
        TableName="cases",
        KeySchema=[{"AttributeName": "partition", "KeyType": "HASH"}, {"AttributeName": "entry", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "partition", "AttributeType": "S"},
            {"AttributeName": "entry", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    scopes: set[str] = set()

    def revoke(_: RevokeSsoToken) -> Result:
        if not scopes:
            raise Rejected("Zoom 4711: missing scope", ProviderResponse(400))
        return Result(Outcome.REVOKED, ProviderResponse(204))

    consumer = Consumer(
        function="leaver-revoke-sso-token",
        command=RevokeSsoToken,
        operation=revoke,
        sqs=world.sqs,
        publisher=Publisher(
            events=world.events, sqs=world.sqs, bus="leaver", dead_letter_queue_url=world.url(DEAD_LETTERS)
        ),
        receipts=Receipts(dynamodb, table="cases"),
        give_up_after=timedelta(days=1),
        clock=lambda: datetime.now(tz=UTC),
        logger=Logger(service="leaver"),
        metrics=Metrics(namespace="Leaver", service="leaver"),
        executor=OneByOne(),
    )

    def outcomes() -> list[tuple[str, str]]:
        items = dynamodb.scan(TableName="cases")["Items"]
        return [(each["case_id"]["S"], each["outcome"]["S"]) for each in items]

    def work() -> None:
        records = [record(each) for each in world.take(QUEUE)]
        assert len(records) == 1
        assert consumer.consume({"Records": records}, Endless()) == {"batchItemFailures": []}

    first_id = world.put(QUEUE, {"user_id": "ada@example.com"})
    work()
    assert outcomes() == [(f"message#{first_id}", "failed")]
    scopes.add("user:delete:admin")
    assert leaver("redrive", "revoke_sso_token", "--yes").exit_code == 0
    work()
    assert outcomes() == [(f"message#{first_id}", "revoked")]
