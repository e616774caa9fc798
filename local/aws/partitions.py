"""What whoever calls gets at (partitions, secrets, queues, detail-types): moto asks no role, so the tests look here."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from local.aws.template import Json

_CREDENTIAL = re.compile(r"Credential=([^/]+)/")


class Reach(NamedTuple):
    """One thing that somebody got at: a kind of partition (`receipts#`), a secret, a queue, a source's detail-type."""

    access_key: str
    operation: str
    kind: str


def reached(authorization: str, operation: str, request: Json) -> Iterator[Reach]:
    """Tell which kinds of partitions a call of DynamoDB is about; of other tables, and by an index, none."""
    found = _CREDENTIAL.search(authorization)
    # A transaction asks for the right to each of its parts.
    for part in request.get("TransactItems", []):
        for name, each in part.items():
            yield from reached(authorization, f"{name}Item", each)
    for value in _partitions(operation, request):
        yield Reach(found.group(1) if found else "", operation, value.partition("#")[0] + "#")


def passed(authorization: str, target: str, request: Json) -> Iterator[Reach]:
    """Tell which secret, which queue or which detail-types a call is about; of other services none."""
    found = _CREDENTIAL.search(authorization)
    access_key = found.group(1) if found else ""
    service, _, operation = target.partition(".")
    # Who sends or deletes several at once needs the same right.
    operation = operation.removesuffix("Batch")
    match service:
        case "secretsmanager" if name := request.get("SecretId") or request.get("Name"):
            yield Reach(access_key, f"secretsmanager:{operation}", name)
        case "AmazonSQS" if url := request.get("QueueUrl"):
            yield Reach(access_key, f"sqs:{operation}", url.rpartition("/")[2])
        case "AWSEvents":
            for entry in request.get("Entries", []):
                yield Reach(access_key, "events:PutEvents", f"{entry.get('Source')}/{entry.get('DetailType')}")


def _partitions(operation: str, request: Json) -> Iterator[str]:
    keys = [request.get("Key", {}), request.get("Item", {})]
    keys += [key for asked in request.get("RequestItems", {}).values() for key in asked.get("Keys", [])]
    yield from (key["partition"]["S"] for key in keys if "partition" in key)
    asked = re.match(r"#partition = (:\w+)", request.get("KeyConditionExpression", ""))
    if operation == "Query" and asked:
        yield request["ExpressionAttributeValues"][asked.group(1)]["S"]
