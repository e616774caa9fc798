"""The sample payloads are what AWS would deliver: whole records, true digests, the queue of their function."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from leaver.messages.commands import parse
from leaver.messages.look_up import LookUpPerson
from local import acme
from tests.contract.stack import FIFO, FUNCTIONS, ONLY_ASKED, ROOT, kebab, snake

FROM_A_SCHEDULE = ["ScheduleRefreshes", "WatchDeadlines"]
FROM_A_QUEUE = [function for function in FUNCTIONS if function not in {*FROM_A_SCHEDULE, *ONLY_ASKED}]
RECORD = {
    "messageId",
    "receiptHandle",
    "body",
    "attributes",
    "messageAttributes",
    "md5OfBody",
    "eventSource",
    "eventSourceARN",
    "awsRegion",
}
ENVELOPE = {"version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"}


def payload(name: str) -> Any:
    return json.loads((ROOT / "events" / f"{name}.json").read_text())


@pytest.mark.parametrize("function", FROM_A_QUEUE)
def test_a_record_is_whole_and_of_its_functions_queue(function: str) -> None:
    [record] = payload(snake(function))["Records"]
    fifo = ".fifo" if function in FIFO else ""
    assert record.keys() == RECORD
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"] == f"arn:aws:sqs:eu-central-1:123456789012:leaver-{kebab(function)}{fifo}"
    assert record["md5OfBody"] == hashlib.md5(record["body"].encode(), usedforsecurity=False).hexdigest()


@pytest.mark.parametrize(
    "function", [each for each in FROM_A_QUEUE if each not in FIFO | {"LookUpPerson", "Reconcile"}]
)
def test_what_a_rule_delivered_is_an_event_of_its_source(function: str) -> None:
    body = json.loads(payload(snake(function))["Records"][0]["body"])
    assert body.keys() == ENVELOPE
    others = {
        "StartOffboarding": ("leaver.hr", "OffboardingRequested"),
        "NotifyPeople": ("leaver", "OffboardingCompleted"),
    }
    expected = others.get(function, ("leaver.command", function))
    assert (body["source"], body["detail-type"]) == expected


def test_a_look_up_is_what_the_intake_hands_on() -> None:
    sent = json.loads(payload("look_up_person")["Records"][0]["body"])
    assert parse(LookUpPerson, sent, direct=True).unnamed.source == "hibob"


def test_the_refresh_is_a_fifo_message_in_its_connections_group() -> None:
    [record] = payload("refresh_access_token")["Records"]
    assert json.loads(record["body"]) == {"connection": "zoom", "force": True}
    assert record["attributes"]["MessageGroupId"] == "zoom"
    assert record["attributes"].keys() >= {"MessageDeduplicationId", "SequenceNumber"}


@pytest.mark.parametrize("function", FROM_A_SCHEDULE)
def test_what_is_scheduled_gets_the_schedules_event(function: str) -> None:
    event = payload(snake(function))
    assert event.keys() == ENVELOPE
    assert (event["source"], event["detail-type"], event["detail"]) == ("aws.events", "Scheduled Event", {})


@pytest.mark.parametrize("source", ["okta", "sailpoint"])
def test_a_partners_event_comes_in_an_envelope(source: str) -> None:
    event = payload(source)
    assert event.keys() == ENVELOPE
    assert event["source"].startswith(f"aws.partner/{source}.com/")


@pytest.mark.parametrize(
    "name",
    [
        "retrieve_user_token",
        "revoke_sso_token",
        "revoke_grants",
        "purge_user_tokens",
        "deactivate_user",
        "start_offboarding",
    ],
)
def test_the_leaver_is_john_doe(name: str) -> None:
    assert "john.doe@example.com" in payload(name)["Records"][0]["body"]


@pytest.mark.parametrize("name", ["okta", "caep"])
def test_the_leaver_of_an_hr_source_is_john_doe(name: str) -> None:
    assert "john.doe@example.com" in json.dumps(payload(name))


def test_the_readme_tells_of_every_payload() -> None:
    text = (ROOT / "events" / "README.md").read_text()
    assert [path.name for path in (ROOT / "events").glob("*.json") if f"`{path.name}`" not in text] == []


def test_the_request_at_the_front_door_is_signed_as_the_local_world_signs() -> None:
    event = payload("receive_webhook")
    assert (
        event["requestContext"]["http"] | {"method": "POST", "path": "/hibob/main"} == event["requestContext"]["http"]
    )
    digest = hmac.digest(acme.WEBHOOK_SECRETS["hibob"].encode(), event["body"].encode(), "sha512")
    assert event["headers"]["bob-signature"] == base64.b64encode(digest).decode()
