"""A gate that holds a call just before or just after it is carried out, until somebody releases it."""

import threading
from typing import Literal

Moment = Literal["before", "after"]


class CallGate:
    """Holds the callers' threads; a caller must hold no lock of its own meanwhile."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._wanted: tuple[str, Moment] | None = None
        self._until = 0
        self._held = 0
        self._releases = 0
        #: the releases that let nothing be carried out, by their number
        self._drops: set[int] = set()
        self._closed = False

    def hold(self, call: str, moment: Moment, *, nth: int = 1) -> None:
        """Keep the `nth` call of this name from now on waiting; what was to be held before is forgotten."""
        with self._changed:
            self._wanted, self._until = (call, moment), nth

    def wait_if_held(self, call: str, moment: Moment) -> bool:
        """Wait if this is the call to hold; return whether the call may go on: False if it was dropped."""
        with self._changed:
            if self._wanted != (call, moment):
                return True
            self._until -= 1
            if self._until:
                return True
            self._wanted = None
            return self._wait()

    def wait(self) -> None:
        """Wait for the next `release`, whatever this call is."""
        with self._changed:
            self._wait()

    def _wait(self) -> bool:
        self._held += 1
        self._changed.notify_all()
        mine = self._releases + 1
        self._changed.wait_for(lambda: self._closed or self._releases >= mine)
        return mine not in self._drops

    def wait_until_held(self, count: int = 1, timeout_s: float = 10) -> int:
        """Wait until so many calls are held, or the time is over; return how many are."""
        with self._changed:
            self._changed.wait_for(lambda: self._held >= count, timeout_s)
            return self._held

    def release(self, *, drop: bool = False) -> None:
        """Let every call go that is held now; with `drop` those that were not carried out yet never are."""
        with self._changed:
            self._releases += 1
            self._held = 0
            if drop:
                self._drops.add(self._releases)
            self._changed.notify_all()

    def close(self) -> None:
        """Hold nothing any more."""
        with self._changed:
            self._wanted, self._closed = None, True
            self._changed.notify_all()
