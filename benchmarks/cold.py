"""One leaver at night: every function started anew, from the event on the bus to the last receipt and to the seal.

The functions are as shipped, in processes of their own; the providers speak TLS, and take 150 ms for each call. Buses,
queues and tables are moto's, which takes longer than AWS would. Beside it what cannot be less: a bare boto3 client
twice (the intake, then the steps, side by side), and the providers' calls that wait for each other.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks.figures import Figure
from benchmarks.init import BARE_CLIENT, STOCK
from benchmarks.leavers import dismiss, hire
from benchmarks.processes import ask, read_json
from benchmarks.queue_batches import OF_A_CASE, SEAL, hand_over
from benchmarks.shipped import Shipped, shipped
from local import acme

if TYPE_CHECKING:
    from subprocess import Popen

ROUNDS: Final = 5
#: milliseconds
LATENCY: Final = 150
#: calls that wait for each other, of the longest way: who is meant at Zoom, then at Venafi (two; beside them, for whom
#: the robot's token speaks), the revocation, and whether anything is left (two, side by side)
IN_A_ROW: Final = 5
#: times what cannot be less
MOST: Final = 1.5
INTAKE, *STEPS = OF_A_CASE


@dataclass
class Cold:
    """Seconds of each round, by what they were spent on."""

    seconds: dict[str, list[float]] = field(default_factory=dict)

    def add(self, what: str, seconds: float) -> None:
        """Note what one round spent on it."""
        self.seconds.setdefault(what, []).append(seconds)

    def at_the_median(self, what: str) -> float:
        """Seconds."""
        return median(self.seconds[what])

    @property
    def least(self) -> float:
        """Seconds that cannot be less: two starts of Python with one client, and the calls in a row."""
        return 2 * self.at_the_median("a bare boto3 client, started") + IN_A_ROW * LATENCY / 1000

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """What was waited for, at the median and at its best."""
        rows = [(what, f"{median(each):.2f}", f"{min(each):.2f}") for what, each in self.seconds.items()]
        return [("seconds", "median", "best"), *rows, ("what cannot be less", f"{self.least:.2f}", "")]

    @property
    def figures(self) -> list[Figure]:
        """The headline, and how far it is from what cannot be less."""
        took = self.at_the_median("the last receipt, since the event")
        how = (
            f"{took:.2f} s at the median of {ROUNDS}, the seal {self.at_the_median('the seal, since the event'):.2f} s"
        )
        return [Figure("HR event to last receipt, all functions cold", took / self.least, MOST, unit="x", how=how)]


def run(progress: Callable[[str], None]) -> Cold:
    """Let a few leave, one after another, each from functions that were never started."""
    cold = Cold()
    with shipped({}) as deployed:
        for provider in (deployed.world.zoom, deployed.world.venafi):
            provider.inject(".*", times=None, latency_ms=LATENCY)
        for number in range(ROUNDS):
            progress(f"leaver {number + 1} of {ROUNDS}")
            cold.add("a bare boto3 client, started", _start_bare(deployed))
            _leave(deployed, number, cold)
        if len(deployed.world.zoom.sessions()) != len(acme.PEOPLE):
            raise RuntimeError("somebody still has a session: nothing was measured")
    return cold


def _leave(deployed: Shipped, number: int, cold: Cold) -> None:
    person = hire(deployed.world, number)
    begun = time.monotonic()
    dismiss(deployed.world, person)
    cold.add("start_offboarding initialised", _work(deployed, INTAKE))
    cold.add("the commands, since the event", time.monotonic() - begun)
    with ThreadPoolExecutor(len(STEPS)) as side_by_side:
        started = list(side_by_side.map(partial(_work, deployed), STEPS))
    cold.add("the steps' functions initialised, the slowest", max(started))
    cold.add("the last receipt, since the event", time.monotonic() - begun)
    cold.add("seal_case initialised", _work(deployed, SEAL))
    cold.add("the seal, since the event", time.monotonic() - begun)


def _work(deployed: Shipped, function: str) -> float:
    """Start a function, and hand it over what its queue holds; returns the seconds until it was initialised."""
    begun = time.monotonic()
    with deployed.start(function) as running:
        read_json(running)
        initialised = time.monotonic() - begun
        while hand_over(deployed.world, function, partial(_invoke, running)):
            pass
    return initialised


def _invoke(running: "Popen[str]", event: object) -> dict[str, object]:
    return ask(running, json.dumps(event))


def _start_bare(deployed: Shipped) -> float:
    begun = time.monotonic()
    subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-S", "-P", "-c", BARE_CLIENT],
        env={**deployed.world.environment(), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(STOCK)},
        check=True,
    )
    return time.monotonic() - begun
