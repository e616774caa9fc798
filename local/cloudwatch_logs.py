"""What the functions print goes to CloudWatch Logs, a moment later, line by line."""

import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from time import time
from types import TracebackType
from typing import Self

from local.aws.template import Json

#: seconds between two looks at what was printed
_LOOK_S = 0.25
#: all that a function prints is in one stream: AWS has one for each of its processes
_STREAM = "all"
#: more lines are not taken at once
_BATCH = 1000


class CloudWatchLogs:
    """Sends on what is appended to files, each to a log group of its own, from `__enter__` to `__exit__`."""

    def __init__(self, logs: Json, files: Mapping[str, Path]) -> None:
        """Take a client, and the files by the names of their log groups."""
        self._logs = logs
        self._files = files
        self._sent = dict.fromkeys(files, 0)
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="logs", daemon=True)

    def _follow(self) -> None:
        while not self._ends.wait(_LOOK_S):
            self.send()

    def send(self) -> None:
        """Send every whole line that was printed since the last time."""
        for group, file in self._files.items():
            with file.open("rb") as printed:
                printed.seek(self._sent[group])
                whole, newline, _ = printed.read().rpartition(b"\n")
            if not newline:
                continue
            self._sent[group] += len(whole) + 1
            lines = [line for line in whole.decode(errors="replace").split("\n") if line]
            at = round(time() * 1000)
            for start in range(0, len(lines), _BATCH):
                events = [{"timestamp": at, "message": line} for line in lines[start : start + _BATCH]]
                self._logs.put_log_events(logGroupName=group, logStreamName=_STREAM, logEvents=events)

    def __enter__(self) -> Self:
        for group in self._files:
            # Lambda makes the group of a function whose template has none.
            with suppress(self._logs.exceptions.ResourceAlreadyExistsException):
                self._logs.create_log_group(logGroupName=group)
            self._logs.create_log_stream(logGroupName=group, logStreamName=_STREAM)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ends.set()
        self._thread.join()
