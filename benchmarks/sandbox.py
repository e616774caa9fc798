"""One handler in a process of its own, as in one Lambda sandbox; it measures itself, batch by batch.

`python -m benchmarks.sandbox ours|naive|reference` reads a batch a line, as a size or as the event itself, and prints
what it cost and the handler's answer as JSON. `ours` is whichever function's app.py is on its path. `reference` calls
what a batch of ours calls, as a plain loop over requests and boto3.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import boto3
import requests

Handler = Callable[[Mapping[str, Any], Any], Any]

#: calls of each kind that the reference makes for its mean
REPEATED: Final = 40


class Context:
    """What Lambda tells of an invocation."""

    aws_request_id = "8c4b4f2e-0b5b-4a8e-8f0a-3e5f0f2f2f11"
    function_name = "leaver"

    def get_remaining_time_in_millis(self) -> int:
        """There is always time."""
        return 59_000


def batch(size: int) -> dict[str, Any]:
    """Build what Lambda hands over: `size` commands about people who were never seen before."""
    now = datetime.now(tz=UTC)
    return {"Records": [_record(now) for _ in range(size)]}


def _record(now: datetime) -> dict[str, Any]:
    said_at = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    body = {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": "RevokeSsoToken",
        "source": "leaver.command",
        "account": "123456789012",
        "time": said_at,
        "region": "eu-central-1",
        "resources": [],
        "detail": {"user_id": f"{uuid4()}@example.com", "requested_at": said_at},
    }
    milliseconds = str(int(now.timestamp() * 1000))
    return {
        "messageId": str(uuid4()),
        "receiptHandle": "AQEB9E823CE6AF8A20E5C182EDB82CECA49EE7A6B60E0A87F76671880263BFD7C87A==",
        "body": json.dumps(body),
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": milliseconds,
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": milliseconds,
        },
        "messageAttributes": {},
        "md5OfBody": "8d91054211313055c189c283d6d01782",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:leaver-revoke-sso-token",
        "awsRegion": "eu-central-1",
    }


def ours() -> Handler:
    """Initialise the function as Lambda would."""
    from leaver.providers import transport  # noqa: PLC0415 - what is imported, and when, is what is measured

    # The simulator's authority is in a copy of the public bundle: just as long, and nothing else is switched off.
    vars(transport)["DEFAULT_CA_BUNDLE_PATH"] = os.environ["CA_BUNDLE"]
    app = import_module("app")
    handler: Handler = app.lambda_handler
    return handler


def naive() -> Handler:
    """Import the other handler; requests finds the same bundle by its own variable."""
    os.environ["REQUESTS_CA_BUNDLE"] = os.environ["CA_BUNDLE"]
    from benchmarks.naive import lambda_handler  # noqa: PLC0415 - see above

    return lambda_handler


def made_calls(handler: Handler, size: int) -> list[tuple[str, str, dict[str, Any]]]:
    """Which AWS calls a batch makes: service, operation and parameters of each."""
    from leaver import bootstrap  # noqa: PLC0415 - see above

    made: list[tuple[str, str, dict[str, Any]]] = []

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        made.append((model.service_model.service_name, model.name, dict(params)))

    clients = [bootstrap._dynamodb(), bootstrap._events(), bootstrap._sqs(), bootstrap._secrets_manager()]  # noqa: SLF001
    for client in clients:
        client.meta.events.register("provide-client-params.*.*", note, unique_id="benchmark")
    handler(batch(size), Context())
    for client in clients:
        client.meta.events.unregister("provide-client-params.*.*", unique_id="benchmark")
    return made


def reference(made: list[tuple[str, str, dict[str, Any]]], size: int) -> dict[str, float]:
    """What one request, and the AWS calls that fall to one message, cost by themselves; CPU milliseconds."""
    clients = {service: boto3.client(service) for service, _, _ in made}  # type: ignore[call-overload]
    aws = 0.0
    for service, operation, params in made:
        method = getattr(clients[service], _snake(operation))
        method(**params)
        before = time.process_time()
        for _ in range(3):
            method(**params)
        aws += (time.process_time() - before) / 3
    session = requests.Session()
    session.verify = os.environ["CA_BUNDLE"]
    url = f"{os.environ['ZOOM_API_URL']}/users/john.doe%40example.com/token"
    ask = {"headers": {"Authorization": "Bearer access-token"}, "timeout": 10}
    session.delete(url, **ask)  # type: ignore[arg-type]
    before = time.process_time()
    for _ in range(REPEATED):
        session.delete(url, **ask)  # type: ignore[arg-type]
    one = (time.process_time() - before) / REPEATED
    return {"request": one * 1000, "aws": aws * 1000 / size, "aws_calls": len(made) / size}


def _snake(operation: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in operation).lstrip("_")


def peak_mib() -> float:
    """The most memory that this process held at once, MiB."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def main() -> None:
    """Answer until the input ends."""
    # What a handler prints is its log, and no answer of ours.
    output = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    handler = naive() if sys.argv[1] == "naive" else ours()
    print(json.dumps({"ready": True}), file=output)
    for line in sys.stdin:
        asked = json.loads(line)
        if sys.argv[1] == "reference":
            size = int(asked)
            handler(batch(size), Context())
            print(json.dumps(reference(made_calls(handler, size), size)), file=output)
            continue
        event = asked if isinstance(asked, dict) else batch(asked)
        wall, cpu = time.perf_counter(), time.process_time()
        answer = handler(event, Context())
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        cost = {"wall": wall, "cpu": cpu, "peak_mib": peak_mib()}
        print(json.dumps({**cost, **answer}), file=output)


if __name__ == "__main__":
    main()
