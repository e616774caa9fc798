"""The AWS of the front door: it answers after a fixed time, and counts what lies on the bus, each delivery by its id.

`python -m benchmarks.counting_aws LATENCY_MS SECRET` prints its port; to each line it answers with what it counted.
"""

import asyncio
import json
import sys
from collections import Counter
from typing import Any, Final

from benchmarks.http import LOOPBACK, Request, port_of, talks

CONNECTION: Final = "standard/main"

Json = dict[str, Any]


def answered(operation: str, asked: Json, secret: str, heard: Counter[str]) -> Json:
    """Say what AWS would, with one connection of the door."""
    match operation:
        case "GetItem":
            is_list = asked["Key"]["delivery"]["S"] == "connected"
            return {"Item": {CONNECTION: {"M": {"since": {"S": "2026-01-01T00:00:00Z"}}}}} if is_list else {}
        case "BatchGetSecretValue":
            text = json.dumps({"current": secret})
            return {
                "SecretValues": [{"Name": each, "SecretString": text} for each in asked["SecretIdList"]],
                "Errors": [],
            }
        case "PutEvents":
            heard.update(entry["Resources"][-1].removeprefix("delivery:") for entry in asked["Entries"])
            return {"FailedEntryCount": 0, "Entries": [{"EventId": "event"} for _ in asked["Entries"]]}
    return {}


async def serve(latency: float, secret: str) -> None:
    """Serve until the input ends."""
    heard: Counter[str] = Counter()

    async def answer(request: Request) -> bytes:
        await asyncio.sleep(latency)
        operation = request.headers["x-amz-target"].rpartition(".")[2]
        body = json.dumps(answered(operation, json.loads(request.body), secret, heard)).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body

    server = await asyncio.start_server(talks(answer), LOOPBACK, 0)
    print(port_of(server), flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps({"heard": len(heard), "twice": sum(times > 1 for times in heard.values())}), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1]) / 1000, sys.argv[2]))
