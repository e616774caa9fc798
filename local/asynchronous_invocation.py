"""Invokes a function as Lambda does when nobody waits for the answer."""

import json
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime

from local.aws.moto_server import MotoServer
from local.aws.template import Json
from local.runtime_api import FunctionError


class AsynchronousInvocation:
    """Retries when the function fails, and then sends the failure to the function's on-failure queue.

    AWS waits one minute and then two between the attempts; here they follow at once.
    """

    def __init__(
        self,
        aws: MotoServer,
        function_arn: str,
        invoke: Callable[[Json], Json],
        *,
        retries: int,
        on_failure_queue: str | None,
    ) -> None:
        """Take the names as the template's EventInvokeConfig gives them; `on_failure_queue` is a queue's name."""
        self._aws = aws
        self._function_arn = function_arn
        self._invoke = invoke
        self._attempts = 1 + retries
        self._on_failure_queue = on_failure_queue
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="start")
        self._under_way: list[Future[None]] = []

    def start(self, event: Json) -> None:
        """Start the function with `event` and come back at once."""
        self._under_way = [future for future in self._under_way if not future.done()]
        self._under_way.append(self._executor.submit(self._run, event))

    @property
    def busy(self) -> bool:
        """Whether a start is under way."""
        return not all(future.done() for future in self._under_way)

    def stop(self) -> None:
        """Wait for what is under way; close the function first to make that short."""
        self._executor.shutdown(cancel_futures=True)

    def _run(self, event: Json) -> None:
        error: Json = None
        for _ in range(self._attempts):
            try:
                self._invoke(event)
            except FunctionError as failure:
                error = failure.payload
            else:
                return
        if self._on_failure_queue is None:
            return
        record = {
            "version": "1.0",
            "timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "requestContext": {
                "requestId": str(uuid.uuid4()),
                "functionArn": f"{self._function_arn}:$LATEST",
                "condition": "RetriesExhausted",
                "approximateInvokeCount": self._attempts,
            },
            "requestPayload": event,
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "responsePayload": error,
        }
        with self._aws.lock:
            self._aws.sqs.send_message(self._on_failure_queue, json.dumps(record))
