"""How much memory this process and all its children hold together, at the worst moment."""

import threading
from types import TracebackType
from typing import Self

import psutil

#: seconds between two looks
_LOOK_S = 0.25


class PeakMemory:
    """Measures the process tree until the end of a `with`; `peak` is bytes of PSS, which counts shared memory once."""

    def __init__(self) -> None:
        self.peak = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        own = psutil.Process()
        while not self._ended.wait(_LOOK_S):
            self.peak = max(self.peak, sum(_pss(process) for process in (own, *own.children(recursive=True))))


def _pss(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0
