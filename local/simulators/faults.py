"""What a simulator does wrong on demand: late, lost, reset and foreign answers, and lies."""

import re
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from local.call_gate import CallGate

Handling = Literal["commit", "pretend", "skip"]
Hold = Literal["never", "before", "after"]

OWN = "own"
RESET = "reset"


@dataclass(frozen=True)
class Fault:
    r"""One thing that goes wrong, for the next `times` requests that match.

    What is done with the request and what is replied are independent of each other:

    ====================================  =============  ==========================
    to play                               `handling`     `reply`
    ====================================  =============  ==========================
    an answer from the catalogue          ``"skip"``     ``"zoom/429-qps-with-headers"``
    an answer made up by the caller       ``"skip"``     ``"HTTP/1.1 503 Down\\r\\n\\r\\n"``
    a connection reset, nothing done      ``"skip"``     ``"reset"``
    an answer lost after the commit       ``"commit"``   ``"reset"``
    an error although it was done         ``"commit"``   ``"zoom/500-html"``
    a lie: success, and nothing was done  ``"pretend"``  ``"own"``
    a slow answer                         ``"commit"``   ``"own"``, with `latency_ms`
    ====================================  =============  ==========================
    """

    #: regular expression for the whole path as sent (still percent-encoded, without the query), in any letter case
    path: str
    #: HTTP method, or "*"
    method: str = "*"
    #: how many requests it takes; None: every one until `clear_faults`
    times: int | None = 1
    #: handle the request, handle it on a throw-away copy of the state, or do not handle it at all
    handling: Handling = "commit"
    #: "own", "reset", the name of an answer in the catalogue ("<provider>/<name>"), or a raw answer that begins "HTTP/"
    reply: str = OWN
    #: milliseconds to wait before the request is handled
    latency_ms: int = 0
    #: keep the request waiting for `release`, before it is handled or after it was handled and before the reply
    hold: Hold = "never"

    def __post_init__(self) -> None:
        try:
            re.compile(self.path)
        except re.error as error:
            raise ValueError(f"path: expected a regular expression; {error}") from None
        if self.handling not in get_args(Handling):
            raise ValueError(f"handling: expected one of {', '.join(get_args(Handling))}")
        if self.hold not in get_args(Hold):
            raise ValueError(f"hold: expected one of {', '.join(get_args(Hold))}")
        if self.handling == "skip" and self.reply == OWN:
            raise ValueError("reply: a request that is not handled has no answer of its own")

    def matches(self, method: str, path: str) -> bool:
        """Whether this fault concerns such a request."""
        return self.method in ("*", method) and re.fullmatch(self.path, path, re.IGNORECASE) is not None


NO_FAULT = Fault(path=".*")


class Faults:
    """The faults that wait for a request to befall, first in first out, and the requests that are held."""

    def __init__(self, catalogue: Path) -> None:
        """Take the folder that holds `<provider>/<name>.http`."""
        self._catalogue = catalogue
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()
        self._gate = CallGate()

    def inject(self, fault: Fault) -> None:
        """Queue a fault; its answer must be in the catalogue (FileNotFoundError)."""
        self.raw_answer(fault)
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        """Forget every fault that is queued."""
        with self._lock:
            self._waiting.clear()

    def take(self, method: str, path: str) -> Fault:
        """Use up one turn of the first fault that matches; `NO_FAULT` if none does."""
        with self._lock:
            for index, fault in enumerate(self._waiting):
                if not fault.matches(method, path):
                    continue
                if fault.times is not None:
                    left = fault.times - 1
                    self._waiting[index : index + 1] = [replace(fault, times=left)] if left else []
                return fault
        return NO_FAULT

    def raw_answer(self, fault: Fault) -> bytes | None:
        """Return the bytes that this fault replies with; None if its reply is the simulator's own or a reset."""
        if fault.reply in (OWN, RESET):
            return None
        if fault.reply.startswith("HTTP/"):
            return fault.reply.encode()
        return (self._catalogue / f"{fault.reply}.http").read_bytes()

    def delay(self, fault: Fault) -> None:
        """Let the fault's latency pass."""
        if fault.latency_ms:
            threading.Event().wait(fault.latency_ms / 1000)

    def hold(self, fault: Fault, moment: Hold) -> None:
        """Wait for the next `release`, if the fault says to hold the request at this moment."""
        if fault.hold == moment:
            self._gate.wait()

    def wait_until_held(self, count: int, timeout_s: float) -> int:
        """Wait until so many requests are held, or the time is over; return how many are."""
        return self._gate.wait_until_held(count, timeout_s)

    def release(self) -> None:
        """Let every request go that is held now."""
        self._gate.release()

    def close(self) -> None:
        """Hold nothing any more."""
        self._gate.close()
