"""Zoom, as far as one account's limit goes: so many calls a second of everybody, and how long an answer takes."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Final, Literal
from urllib.parse import unquote

from requests.structures import CaseInsensitiveDict

from benchmarks.virtual_time import VirtualTime
from leaver.providers.answer import Answer
from leaver.providers.transport import Transport

TOO_FAST: Final = {
    "code": 429,
    "message": "You have reached the maximum per-second rate limit for this API. Try again later.",
}

Window = Literal["fixed", "bucket"]


class Account:
    """Zoom, as far as one account's limit goes: in each second so many calls, whoever makes them."""

    def __init__(
        self, time: VirtualTime, limit: int, *, taken: float = 0.0, window: Window = "fixed", seed: int = 0
    ) -> None:
        self._time = time
        self._limit = limit
        self._window = window
        self._random = random.Random(seed)  # chance in a simulation has to be the same again  # nosec B311
        self._phase = self._random.random()
        self._left = float(limit)
        self._second = -1
        self._filled_at = 0.0
        self.calls: Counter[int] = Counter()
        #: somebody else's calls a second, evenly
        self._taken = taken
        if taken:
            time.spawn(self._somebody_else)

    def answer(self) -> int:
        """Take one call of ours: 204 or 429, after as long as that takes."""
        latency = self._random.uniform(0.12, 0.18)
        self._time.sleep(latency / 2)
        taken = self._take()
        self._time.sleep(latency / 2 if taken else 0.015)
        self.calls[204 if taken else 429] += 1
        return 204 if taken else 429

    def _take(self) -> bool:
        if self._window == "fixed":
            second = int(self._time.now + self._phase)
            if second != self._second:
                self._second, self._left = second, float(self._limit)
        else:
            gained = (self._time.now - self._filled_at) * self._limit
            # no burst beyond a tenth of a second: the strictest bucket that is still a limit per second
            self._filled_at, self._left = self._time.now, min(max(self._limit / 10, 2.0), self._left + gained)
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def _somebody_else(self) -> None:
        while True:
            self._take()
            self._time.sleep(1 / self._taken)


class Line(Transport):
    """Zoom's client speaks through this: it ends somebody's session, or tells who that is, and carries nothing else."""

    def __init__(self, account: Account, ended: Callable[[str], None]) -> None:
        self._account = account
        self._ended = ended

    def request(self, method: str, path: str, **_: object) -> Answer:
        """Answer as Zoom does."""
        status, told = self._account.answer(), None
        if status == 429:
            told = TOO_FAST
        elif method == "GET":
            status, email = 200, unquote(path.split("/")[2])
            told = {"id": f"id-of-{email.partition('@')[0]}", "email": email}
        else:
            assert method == "DELETE"
            self._ended(path)
        return Answer(
            status=status,
            headers=CaseInsensitiveDict({"X-RateLimit-Type": "QPS"} if status == 429 else {}),
            json=told,
            empty=told is None,
            retry_after=None,
            tracking_id=None,
        )
