"""How it grows: from a hundred leavers to a million, and from ten connections to ten thousand.

By simulation, batch by batch: the same arithmetic of booking as the pace's, without the code around it, which drain.py
runs for real; a figure says by how much the two differ there. Counted is one call for each leaver, as drain.py does: a
case asks Zoom who is meant as well, and may deactivate, and each of these calls takes a slot of the same bucket.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from benchmarks.figures import Figure
from benchmarks.simulation import BATCH, CONCURRENCY, Run
from functions.schedule_refreshes.app import MOST_AT_ONCE
from leaver.consuming.rate_limiter import urgent_rate

LEAVERS: Final = (100, 1_000, 10_000, 100_000, 1_000_000)
CONNECTIONS: Final = (10, 100, 1_000, 10_000)
#: seconds of a call to Zoom, of a batch's own work, and of a cold start
CALL, WORK, COLD_START = 0.15, 0.02, 0.6
#: seconds: how long an access token lives, and at which share of that it is refreshed
HOUR, REFRESHED_AT = 3_600, 0.8
#: PutSecretValue and its like, a second, for the whole account and region (AWS, "Secrets Manager quotas")
SECRET_WRITES: Final = 50
#: seconds of one refresh, and how many there are at once (template.yaml)
REFRESH, REFRESHERS = 0.2, 10


@dataclass(frozen=True)
class Growth:
    """What was found out, as headings and rows."""

    figures: list[Figure]
    leavers: list[tuple[str, ...]]
    connections: list[tuple[str, ...]]
    #: for a plot: limit → (leavers, seconds)
    seconds: dict[str, list[tuple[float, float]]]


def simulate_drain(leavers: int, limit: int) -> float:
    """Seconds until the last of them has left, of whom each is one call to Zoom."""
    spacing = 1 / (limit - urgent_rate(limit))
    free = [(COLD_START + max(0.0, (worker - 4) / 5), worker) for worker in range(CONCURRENCY[limit])]
    heapq.heapify(free)
    tat = last = 0.0
    for first in range(0, leavers, BATCH):
        now, worker = heapq.heappop(free)
        calls = min(BATCH, leavers - first)
        # how far ahead it books decides who waits, and not when the last slot is
        tat = max(tat, now) + calls * spacing
        last = tat - spacing + CALL
        heapq.heappush(free, (last + WORK, worker))
    return last


def simulate_catching_up(connections: int) -> float:
    """Seconds until all connections are refreshed that came due at the same moment, planned minute by minute."""
    left, seconds = connections, 0.0
    while left > 0:
        planned = min(left, MOST_AT_ONCE)
        left -= planned
        seconds += 60.0 if left else planned * REFRESH / REFRESHERS
    return seconds


def run(progress: Callable[[str], None], *, cost_of_1000: float, measured: Run | None = None) -> Growth:
    """Grow; `cost_of_1000` is in dollars, `measured` a run of drain.py to be compared with and to count writes by."""
    leavers: list[tuple[str, ...]] = [("leavers", "at 30/s", "at 80/s", "pacing calls", "$, beside the secrets")]
    seconds: dict[str, list[tuple[float, float]]] = {f"{limit}/s": [] for limit in CONCURRENCY}
    # where nothing was measured, a batch's one write
    writes = measured.pacing_calls / measured.leavers if measured else 1 / BATCH
    for number in LEAVERS:
        progress(f"{number} leavers")
        took = {limit: simulate_drain(number, limit) for limit in CONCURRENCY}
        for limit, each in took.items():
            seconds[f"{limit}/s"].append((float(number), each))
        durations = [_duration(each) for each in took.values()]
        leavers.append((f"{number:,}", *durations, f"{number * writes:,.0f}", f"{number / 1000 * cost_of_1000:.4f}"))
    connections: list[tuple[str, ...]] = [
        ("connections", "refreshes a second", "of Secrets Manager's writes", "all due at once: caught up after")
    ]
    for number in CONNECTIONS:
        progress(f"{number} connections")
        a_second = number / (HOUR * REFRESHED_AT)
        share = f"{a_second / SECRET_WRITES:.1%}"
        connections.append((f"{number:,}", f"{a_second:.3f}", share, _duration(simulate_catching_up(number))))
    left = HOUR * (1 - REFRESHED_AT)
    figures = [
        Figure(
            "10,000 connections due at once: caught up before the first token dies",
            simulate_catching_up(10_000) / left,
            1.0,
            how=f"of the {left:.0f} s that are left of an hour's life; simulated",
        )
    ]
    if measured is not None:
        expected = simulate_drain(measured.leavers, measured.limit)
        figures.append(
            Figure(
                f"the simulation beside drain.py, {measured.leavers} leavers at {measured.limit}/s",
                abs(measured.seconds / expected - 1) * 100,
                5.0,
                unit="%",
                how="how far the two are apart",
            )
        )
    return Growth(figures, leavers, connections, seconds)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7_200 else f"{seconds / 3600:.1f} h"
