"""A host that counts how many of its calls wait for each other, and holds one until another has come."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from threading import Barrier, Lock
from typing import Any

from leaver.providers.answer import Answer
from leaver.providers.transport import Transport

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
#: seconds until a call that nobody joins fails its test
PATIENCE = 60


class CallsInARow(Transport):
    """Answers each path, by its last part, with its JSON."""

    def __init__(self, answers: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__("http://127.0.0.1:1", clock=lambda: NOW)
        self._answers = answers
        self._lock = Lock()
        self.count()

    def count(self, *together: tuple[str, ...]) -> None:
        """Count anew; calls that belong `together` are answered when all of them are under way."""
        self.calls: list[str] = []
        #: the longest row of calls of which each began after the one before had been answered
        self.in_a_row = 0
        meetings = [(names, Barrier(len(names))) for names in together]
        self._meetings = {name: barrier for names, barrier in meetings for name in names}

    def request(self, method: str, path: str, **_: Any) -> Answer:  # noqa: ARG002 - as Transport has it
        name = path.rpartition("/")[2]
        with self._lock:
            self.calls.append(name)
            place = self.in_a_row + 1
        if name in self._meetings:
            self._meetings[name].wait(PATIENCE)
        with self._lock:
            self.in_a_row = max(self.in_a_row, place)
        return Answer.read(200, {}, json.dumps(self._answers[name]).encode(), NOW)
