"""How it is usually done: a handler that calls at once, and a queue that delivers again what was refused."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from benchmarks.queue_model import USUAL_RECEIVES, Group, Queue, Waiting
from benchmarks.simulation import BATCH, CONCURRENCY, Run, Simulation
from benchmarks.virtual_time import SideBySide

#: seconds after which a usual queue delivers again what failed
USUAL_VISIBILITY: Final = 30.0


@dataclass(frozen=True)
class Way:
    """One of the usual ways."""

    name: str
    #: batches at once, for a limit
    concurrency: Callable[[int], int]
    #: calls a second that each environment allows itself; None: as many as it gets
    own_rate: Callable[[int], float] | None = None
    #: FIFO groups, in each of which one message is worked on after the other
    groups: int | None = None


WAYS: Final = (
    Way("no limiter", concurrency=lambda _: 1000),
    Way(
        "a limiter in each environment",
        concurrency=CONCURRENCY.__getitem__,
        own_rate=lambda limit: 0.97 * limit / CONCURRENCY[limit],
    ),
    Way("12 FIFO groups", concurrency=lambda _: 12, groups=12),
)


class Handler:
    """One environment of a usual function."""

    def __init__(self, world: Simulation, per_second: float | None) -> None:
        self._world = world
        self._spacing = 1 / per_second if per_second else 0.0
        self._free = 0.0
        self._side_by_side = SideBySide(world.time)

    def invoke(self, messages: list[Waiting]) -> set[str]:
        """Call for each; what was refused comes back when the queue's visibility timeout is over."""
        begins = max(self._free, self._world.time.now)
        self._free = begins + len(messages) * self._spacing
        at = [begins + index * self._spacing for index in range(len(messages))]
        done = list(self._side_by_side.map(self._handle, messages, at))
        return {message.id for message, well in zip(messages, done, strict=True) if not well}

    def _handle(self, message: Waiting, at: float) -> bool:
        self._world.time.sleep(at - self._world.time.now)
        if self._world.account.answer() != 204:
            return False
        self._world.ended(f"/users/{json.loads(message.body)['user_id']}/token")
        return True


def run_usual_way(way: Way, limit: int, *, leavers: int, seed: int = 0) -> Run:
    """Run a handler of that kind, with one urgent leaver in the same queue every three seconds."""
    world = Simulation(limit, leavers=leavers, seed=seed)
    per_second = way.own_rate(limit) if way.own_rate else None
    number = way.groups or 1
    kind = Group if way.groups else Queue
    queues = [
        kind(world.time, "routine", seed=each, most_receives=USUAL_RECEIVES, visibility=USUAL_VISIBILITY)
        for each in range(number)
    ]
    for queue in queues:
        environments = [Handler(world, per_second).invoke for _ in range(way.concurrency(limit) // number)]
        queue.poll(environments, batch=1 if way.groups else BATCH)
    return world.run(queues, queues)
