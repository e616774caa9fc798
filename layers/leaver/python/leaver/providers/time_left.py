"""How long this run still lives, and what of that one call may take."""

import math
from collections.abc import Callable
from typing import Final

#: seconds that are kept for what comes after a call: its receipt, its case, its announcement
TIME_TO_RECORD: Final = 6.0
#: why a search proves nothing, and no fault of what the deployment names
TOO_LATE: Final = "the grants of all applications could not be looked through in time"


class TimeLeft:
    """The end of the invocation that a process works on; there is no end where there is none, as at a terminal."""

    def __init__(self) -> None:
        self._milliseconds: Callable[[], float] = lambda: math.inf

    def begins(self, milliseconds: Callable[[], float]) -> None:
        """Go by this from now on: Lambda gives a process one invocation after the other."""
        self._milliseconds = milliseconds

    def seconds(self) -> float:
        """Seconds until the run is ended."""
        return self._milliseconds() / 1000

    def for_a_call(self) -> float:
        """Seconds that a call may take, so that what became of it can still be recorded."""
        return self.seconds() - TIME_TO_RECORD
