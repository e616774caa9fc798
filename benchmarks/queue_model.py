"""An SQS queue and Lambda's event source mapping, in virtual time.

Modelled: batches, partial batch responses, visibility from the moment of receipt, receive counts and the dead-letter
queue, the mapping's five batches at once in the beginning and 300 more a minute, and cold starts. A function never
outlives its visibility timeout here, and a standard queue delivers once each time.
"""

import heapq
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any, Final
from uuid import uuid4

from greenlet import getcurrent, greenlet

from benchmarks.virtual_time import BEGINNING, VirtualTime

#: deliveries after which a usual queue gives up; ours has a thousand
USUAL_RECEIVES: Final = 5
COLD_START: Final = 0.6
#: from SendMessage to the function's first line, where a poller waits
DELIVERY: Final = (0.01, 0.03)


@dataclass
class Waiting:
    """A message in a queue."""

    id: str
    sent_at: float
    body: str
    visible_at: float
    receives: int = 0


class Queue:
    """A standard queue, and the mapping that feeds a function from it with so many batches at once."""

    def __init__(
        self, time: VirtualTime, name: str, *, seed: int, most_receives: int = 1000, visibility: float = 360.0
    ) -> None:
        self._time = time
        self.name = name
        self._random = random.Random(seed)  # chance in a simulation has to be the same again  # nosec B311
        self._most_receives = most_receives
        self._visibility = visibility
        #: the next to be seen first
        self._messages: list[tuple[float, int, Waiting]] = []
        self._order = count()
        self._idle: list[greenlet] = []
        self.held: dict[str, Waiting] = {}
        self.dead: list[str] = []
        self.receives = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits in it, and nothing is under way."""
        return not self._messages and not self.held

    def send(self, body: Mapping[str, Any]) -> None:
        """Put a message into the queue."""
        sent_at = self._time.now
        message = Waiting(str(uuid4()), sent_at, json.dumps(body), sent_at + self._random.uniform(*DELIVERY))
        self._put(message, next(self._order))

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
                self._idle.append(getcurrent())
                self._time.wait()
                continue
            if cold:
                self._time.sleep(COLD_START)
                cold = False
            failed = invoke([message for _, message in taken])
            for order, message in taken:
                self.held.pop(message.id)
                if message.id in failed:
                    self._put(message, order)

    def _receive(self, batch: int) -> list[tuple[int, Waiting]]:
        taken: list[tuple[int, Waiting]] = []
        while self._messages and len(taken) < batch and self._messages[0][-1].visible_at <= self._time.now:
            _, order, message = heapq.heappop(self._messages)
            message.receives += 1
            if message.receives > self._most_receives:
                self.dead.append(message.id)
                continue
            self.receives += 1
            message.visible_at = self._time.now + self._visibility
            self.held[message.id] = message
            taken.append((order, message))
        return taken

    def _put(self, message: Waiting, order: int) -> None:
        heapq.heappush(self._messages, (self._place(message), order, message))
        self._time.spawn(self._show, after=max(0.0, message.visible_at - self._time.now))

    def _place(self, waiting: Waiting, /) -> float:
        return waiting.visible_at

    def _show(self) -> None:
        # Lambda takes the environment that worked last: the others are frozen, or were never begun.
        if self._idle:
            self._time.wake(self._idle.pop())


class Group(Queue):
    """One group of a FIFO queue: behind a message that failed all the others wait until it is seen again."""

    def _place(self, _: Waiting, /) -> float:
        return 0.0


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
