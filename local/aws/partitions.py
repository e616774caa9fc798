"""Which partitions of the Cases table whoever calls gets at: moto asks nobody's role, so the tests look at this."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from local.aws.template import Json

_CREDENTIAL = re.compile(r"Credential=([^/]+)/")


class Reach(NamedTuple):
    """One kind of partition that somebody got at, such as `receipts#`."""

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


def _partitions(operation: str, request: Json) -> Iterator[str]:
    keys = [request.get("Key", {}), request.get("Item", {})]
    keys += [key for asked in request.get("RequestItems", {}).values() for key in asked.get("Keys", [])]
    yield from (key["partition"]["S"] for key in keys if "partition" in key)
    asked = re.match(r"#partition = (:\w+)", request.get("KeyConditionExpression", ""))
    if operation == "Query" and asked:
        yield request["ExpressionAttributeValues"][asked.group(1)]["S"]
