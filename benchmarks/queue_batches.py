"""Batches from the local world's queues, handed over by hand: to whichever process is to be looked at."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from local.aws.template import ACCOUNT, REGION
from local.deployment import camel
from local.world import World

BATCH: Final = 10
#: the functions that carry out a case, in the order in which they hear of it
OF_A_CASE: Final = ("start_offboarding", "revoke_sso_token", "revoke_grants", "purge_user_tokens")

#: and who completes it
SEAL: Final = "seal_case"

Invoke = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def hand_over(world: World, function: str, invoke: Invoke) -> int:
    """Give a function one batch of its queue, and delete what it acknowledges; returns how many messages there were."""
    sqs, url = world.client("sqs"), world.queue_url(function)
    received = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=BATCH, AttributeNames=["All"], MessageAttributeNames=["All"]
    ).get("Messages", [])
    if received:
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{url.rpartition('/')[2]}"
        answer = invoke({"Records": [_record(message, arn) for message in received]})
        failed = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
        for message in received:
            if message["MessageId"] not in failed:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return len(received)


def logical_id(function: str) -> str:
    """What template.yaml calls a function."""
    return f"{camel(function)}Function"


def _record(message: Mapping[str, Any], arn: str) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": REGION,
    }
