"""A standard SQS queue and Lambda's event source mapping, in virtual time."""

import heapq
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any, Final
from uuid import uuid4

from benchmarks.virtual_time import BEGINNING, VirtualTime

#: deliveries after which a usual queue gives up; ours has a thousand
USUAL_RECEIVES: Final = 5
COLD_START: Final = 0.6
#: from SendMessage to the function's first line, where a poller waits
DELIVERY: Final = (0.01, 0.03)


@dataclass(order=True)
class Waiting:
    """A message in a queue."""

    visible_at: float
    order: int
    id: str = field(compare=False)
    sent_at: float = field(compare=False)
    body: str = field(compare=False)
    receives: int = field(default=0, compare=False)


class Queue:
    """A standard queue, and the mapping that feeds a function from it with so many batches at once."""

    visibility = 360.0

    def __init__(self, time: VirtualTime, name: str, *, seed: int, most_receives: int = 1000) -> None:
        self._time = time
        self.name = name
        self._random = random.Random(seed)
        self._most_receives = most_receives
        self._messages: list[Waiting] = []
        self._order = count()
        self.held: dict[str, Waiting] = {}
        self.dead: list[str] = []
        self.receives = 0

    def send(self, body: Mapping[str, Any]) -> str:
        """Put a message into the queue."""
        message = Waiting(self._time.now, next(self._order), str(uuid4()), self._time.now, json.dumps(body))
        message.visible_at += self._random.uniform(*DELIVERY)
        heapq.heappush(self._messages, message)
        return message.id

    def poll(self, environments: Sequence[Callable[[list[Waiting]], set[str]]], *, batch: int) -> None:
        """Begin to hand batches to these environments, each of which works on one at a time.

        A mapping begins with five at once, and adds 300 a minute (AWS Lambda, "Scaling behavior for SQS").
        """
        for number, invoke in enumerate(environments):
            self._time.spawn(partial(self._work, invoke, batch), after=max(0.0, (number - 4) / 5))

    def change_visibility(self, message_id: str, seconds: float) -> None:
        """Say when a message that is under way is to be seen again."""
        self.held[message_id].visible_at = self._time.now + seconds

    def _work(self, invoke: Callable[[list[Waiting]], set[str]], batch: int) -> None:
        cold = True
        while True:
            taken = self._receive(batch)
            if not taken:
                self._time.sleep(max(0.02, self._messages[0].visible_at - self._time.now) if self._messages else 0.05)
                continue
            if cold:
                self._time.sleep(COLD_START)
                cold = False
            failed = invoke(taken)
            for message in taken:
                self.held.pop(message.id)
                if message.id in failed:
                    heapq.heappush(self._messages, message)

    def _receive(self, batch: int) -> list[Waiting]:
        taken: list[Waiting] = []
        while self._messages and len(taken) < batch and self._messages[0].visible_at <= self._time.now:
            message = heapq.heappop(self._messages)
            message.receives += 1
            self.receives += 1
            if message.receives > self._most_receives:
                self.dead.append(message.id)
                continue
            message.visible_at = self._time.now + self.visibility
            self.held[message.id] = message
            taken.append(message)
        return taken


def record(queue: str, message: Waiting) -> dict[str, Any]:
    """Make of a message what Lambda hands to a function."""
    sent = int((BEGINNING + timedelta(seconds=message.sent_at)).timestamp() * 1000)
    return {
        "messageId": message.id,
        "receiptHandle": message.id,
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": str(message.receives),
            "SentTimestamp": str(sent),
            "SenderId": "x",
            "ApproximateFirstReceiveTimestamp": str(sent),
        },
        "messageAttributes": {},
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:eu-central-1:123456789012:{queue}",
        "awsRegion": "eu-central-1",
    }
