"""Virtual time: many workers that sleep and wait as in real time, and nobody has to wait for them.

Each worker is a greenlet; when all of them sleep, the clock jumps to whoever wakes first. Nothing here depends on how
fast this machine is, and the same seed gives the same run.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

from greenlet import getcurrent, greenlet

BEGINNING = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


class VirtualTime:
    """A clock that stands still while anybody works."""

    def __init__(self) -> None:
        #: seconds since the beginning
        self.now = 0.0
        self._order = count()
        self._waking: list[tuple[float, int, greenlet]] = []
        self._hub: greenlet = getcurrent()

    def clock(self) -> datetime:
        """Return the time as Leaver's modules ask for it."""
        return BEGINNING + timedelta(seconds=self.now)

    def spawn(self, work: Callable[[], object], *, after: float = 0.0) -> None:
        """Begin some work later."""
        self._wake(greenlet(work, parent=self._hub), after)

    def sleep(self, seconds: float) -> None:
        """Let the others work until then."""
        self._wake(getcurrent(), max(0.0, seconds))
        self._hub.switch()

    def wait(self) -> None:
        """Let the others work until one of them wakes this one."""
        self._hub.switch()

    def wake(self, worker: greenlet) -> None:
        """Let one that waits go on."""
        self._wake(worker, 0.0)

    def run(self, *, until: Callable[[], bool]) -> None:
        """Let everybody work until that is so, or until nobody has anything to do any more."""
        self._hub = getcurrent()
        while self._waking and not until():
            self.now, _, worker = heapq.heappop(self._waking)
            worker.parent = self._hub
            worker.switch()

    def _wake(self, worker: greenlet, after: float) -> None:
        heapq.heappush(self._waking, (self.now + after, next(self._order), worker))


class SideBySide(Executor):
    """What a thread pool is to Lambda: all messages of a batch are worked on at once, in virtual time."""

    def __init__(self, time: VirtualTime) -> None:
        self._time = time

    def map(self, function: Callable[..., Any], *given: Iterable[Any], **_: object) -> Iterator[Any]:  # type: ignore[override]  # typeshed's names can't be given
        """Call for each; as Executor.map does, the results come in the order of what was given."""
        results: dict[int, Any] = {}
        calls = list(enumerate(zip(*given, strict=True)))
        waiting = getcurrent()

        def work(index: int, arguments: tuple[Any, ...]) -> None:
            results[index] = function(*arguments)
            if len(results) == len(calls):
                self._time.wake(waiting)

        for index, arguments in calls:
            self._time.spawn(partial(work, index, arguments))
        if calls:
            self._time.wait()
        return iter([results[index] for index, _ in calls])
