"""The front door's function, or a handler that does nothing, behind an HTTP server that makes API Gateway's events.

`python -m benchmarks.door_sandbox ours|bare` prints its port, and serves until its input ends.
"""

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from werkzeug.wrappers import Request, Response

from local.http_events import http_event
from local.http_server import HttpServer

Handler = Callable[[Mapping[str, Any], object], dict[str, Any]]


def bare(_: Mapping[str, Any], __: object) -> dict[str, Any]:
    """Take everything, and do nothing."""
    return {"statusCode": 200, "headers": {}, "body": ""}


def handler(kind: str) -> Handler:
    """The function as deployed, or the one that does nothing."""
    if kind == "bare":
        return bare
    from functions.receive_webhook.app import lambda_handler  # noqa: PLC0415 - it reads its settings, which bare has not

    return lambda_handler


def main(kind: str) -> None:
    """Serve until the input ends."""
    handle = handler(kind)

    @Request.application
    def serve(request: Request) -> Response:
        event = http_event(request.method, request.path, request.headers, request.get_data())
        answer = handle(event, None)
        return Response(answer["body"], answer["statusCode"], answer["headers"])

    server = HttpServer(serve)
    print(server.port, flush=True)
    # The function prints a metric for each delivery: that is not for whoever reads what the benchmark says.
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        sys.stdin.read()
    server.close()


if __name__ == "__main__":
    main(sys.argv[1])
