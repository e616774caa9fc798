"""What whoever calls gets at (tables, their partitions, secrets, queues, topics, detail-types): moto asks no role."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from local.aws.template import Json

#: the items of `Deliveries` that are no delivery's, and what kinds of them begin with, and have rights of their own
NOTES: Final = frozenset({"connected", "spoke", "silent", "notice#", "preview#", "reconcile#"})
#: as the template names the one key that signs
SIGNING_KEY: Final = "key/EvidenceKey"
_CREDENTIAL = re.compile(r"Credential=([^/]+)/")


class Reach(NamedTuple):
    """One thing that somebody got at: an action of IAM's, and on what.

    `name` is a partition's kind (`case#`), one of the `NOTES`, another table or an index (`Connections/index/due`), a
    secret, a queue, a topic, what was said on the bus (`leaver/SsoTokenRevoked`), the names of an encryption context,
    evidence's key or an object in its bucket.
    """

    access_key: str
    action: str
    name: str


def reached(authorization: str, target: str, request: Json) -> Iterator[Reach]:
    """Tell what a call is about (`target` as in X-Amz-Target); of services that no role is asked for, nothing."""
    found = _CREDENTIAL.search(authorization)
    access_key = found.group(1) if found else ""
    service, _, operation = target.partition(".")
    service = service.partition("_")[0]
    for action, name in _ASKED[service](operation, request) if service in _ASKED else ():
        yield Reach(access_key, action, name)


def reached_in_s3(authorization: str, method: str, path: str) -> Iterator[Reach]:
    """Tell what a call of S3's is about: it stands in the method and the path (`/bucket/key`)."""
    found = _CREDENTIAL.search(authorization)
    bucket, _, key = path.removeprefix("/").partition("/")
    if found and key and method in _OF_AN_OBJECT:
        yield Reach(found.group(1), _OF_AN_OBJECT[method], f"{bucket}/{key}")


def _of_a_table(operation: str, request: Json) -> Iterator[tuple[str, str]]:
    # A transaction asks for the right to each of its parts.
    for part in request.get("TransactItems", []):
        for name, each in part.items():
            yield from _of_a_table(f"{name}Item", each)
    for table, asked in request.get("RequestItems", {}).items():
        for key in asked["Keys"]:
            yield f"dynamodb:{operation}", _item(table, key)
    if "TableName" in request:
        yield f"dynamodb:{operation}", _found_in(request)


def _found_in(request: Json) -> str:
    table = request["TableName"]
    if index := request.get("IndexName"):
        return f"{_logical(table)}/index/{index}"
    if asked := re.match(r"(#\w+) = (:\w+)", request.get("KeyConditionExpression", "")):
        key = request["ExpressionAttributeNames"][asked.group(1)]
        return _item(table, {key: request["ExpressionAttributeValues"][asked.group(2)]})
    return _item(table, request.get("Key") or request.get("Item") or {})


def _item(table: str, key: Json) -> str:
    if "partition" in key:
        return f"{key['partition']['S'].partition('#')[0]}#"
    kind, has_more, _ = key.get("delivery", {}).get("S", "").partition("#")
    return kind + has_more if kind + has_more in NOTES else _logical(table)


def _logical(table: str) -> str:
    return table.rpartition("-")[2]


def _of_a_secret(operation: str, request: Json) -> Iterator[tuple[str, str]]:
    name = request.get("SecretId") or request.get("Name") or "*"
    yield f"secretsmanager:{operation}", name
    # Who reads several at once needs the right to read each.
    for each in request.get("SecretIdList", []):
        yield "secretsmanager:GetSecretValue", each
    # Who creates a secret with tags needs the right to tag it, too.
    if operation == "CreateSecret" and request.get("Tags"):
        yield "secretsmanager:TagResource", name


def _of_a_queue(operation: str, request: Json) -> Iterator[tuple[str, str]]:
    if url := request.get("QueueUrl"):
        # Who sends or deletes several at once needs the same right.
        yield f"sqs:{operation.removesuffix('Batch')}", url.rpartition("/")[2]


def _of_the_bus(_operation: str, request: Json) -> Iterator[tuple[str, str]]:
    for entry in request.get("Entries", []):
        yield "events:PutEvents", f"{entry.get('Source')}/{entry.get('DetailType')}"


def _of_the_key(operation: str, request: Json) -> Iterator[tuple[str, str]]:
    context = " ".join(sorted(request.get("EncryptionContext", {})))
    yield f"kms:{operation}", SIGNING_KEY if operation in {"Sign", "GetPublicKey"} else context


def _of_a_topic(operation: str, request: Json) -> Iterator[tuple[str, str]]:
    if arn := request.get("TopicArn"):
        yield f"sns:{operation}", arn.rpartition(":")[2]


_OF_AN_OBJECT = {"PUT": "s3:PutObject", "GET": "s3:GetObject", "DELETE": "s3:DeleteObject"}
_ASKED = {
    "SNS": _of_a_topic,
    "DynamoDB": _of_a_table,
    "secretsmanager": _of_a_secret,
    "AmazonSQS": _of_a_queue,
    "AWSEvents": _of_the_bus,
    "TrentService": _of_the_key,
}
