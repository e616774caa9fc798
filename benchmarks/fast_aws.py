"""The few AWS calls that a revocation makes, answered after a fixed time: moto would take longer than what is measured.

`python -m benchmarks.fast_aws LATENCY_MS` prints its port, and serves until its input ends. It keeps nothing: nothing
has happened yet, whatever it is asked, and everything it is told is taken.
"""

import asyncio
import json
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.http import LOOPBACK, Request, port_of, talks

Json = dict[str, Any]

_SOON = (datetime.now(tz=UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
_VERSION = "5f1c1b0e-6a53-4e7a-9c1e-0c8a6d1f4b10"
_CONNECTION = {
    "connection": "zoom",
    "provider": "zoom",
    "account": "acme",
    "grant_type": "refresh_token",
    "owner": "it@example.com",
    "role": "service",
    "status": "active",
    "version": _VERSION,
    "expires_at": _SOON,
    "refresh_at": _SOON,
}
_STORED = {name: {"S": value} for name, value in _CONNECTION.items()}
_TOKENS = {"access_token": "access-token", "refresh_token": "refresh-token", "scope": "", "expires_at": _SOON}
# "#name = :value" and "name = if_not_exists(name, :none) + :one", as receipts are written
_SET = re.compile(r"#?(\w+) = (?:if_not_exists\(\w+, :\w+\) \+ )?(?:if_not_exists\(\w+, )?(:\w+)")


def answered(operation: str, asked: Json) -> Json:
    """Say what AWS would."""
    match operation:
        case "BatchGetItem":
            return {"Responses": {table: [] for table in asked["RequestItems"]}, "UnprocessedKeys": {}}
        case "GetItem" | "Query":
            return {"Item": _STORED, "Items": [_STORED], "Count": 1}
        case "UpdateItem":
            bound = asked.get("ExpressionAttributeValues", {})
            written = {name: bound[value] for name, value in _SET.findall(asked["UpdateExpression"]) if value in bound}
            return {"Attributes": asked["Key"] | written}
        case "GetSecretValue":
            return {
                "Name": asked["SecretId"],
                "VersionId": _VERSION,
                "SecretString": json.dumps(_TOKENS),
                "VersionStages": ["AWSCURRENT"],
            }
        case "PutEvents":
            return {"FailedEntryCount": 0, "Entries": [{"EventId": "event"} for _ in asked["Entries"]]}
    return {}


async def serve(latency: float) -> None:
    """Serve until the input ends."""

    async def answer(request: Request) -> bytes:
        await asyncio.sleep(latency)
        operation = request.headers["x-amz-target"].rpartition(".")[2]
        body = json.dumps(answered(operation, json.loads(request.body))).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body

    server = await asyncio.start_server(talks(answer), LOOPBACK, 0)
    print(port_of(server), flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1]) / 1000))
