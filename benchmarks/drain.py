"""Ten thousand leavers at the provider's limit, and one urgent every three seconds: who waits, and for how long.

Leaver's own code, in virtual time: leaving.py says what is real and what is modelled.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from benchmarks.figures import Figure
from benchmarks.simulation import CONCURRENCY, LEAVERS, URGENT_EVERY, Run, run_paced
from benchmarks.usual_ways import WAYS, run_usual_way
from benchmarks.zoom_account import Window
from leaver.consuming.rate_limiter import urgent_rate


@dataclass(frozen=True)
class Drain:
    """All that was found out."""

    figures: list[Figure]
    #: heading, and a row for each way to go about it
    rows: list[tuple[str, ...]]
    #: for a plot: name → (seconds, leavers done), for the account that takes 30 a second
    over_time: dict[str, list[tuple[float, float]]]


HEADING: Final = (
    "way",
    "limit /s",
    "somebody else's /s",
    "seconds",
    "of what the limit leaves",
    "calls refused",
    "lost to the DLQ",
    "deliveries a message",
    "pacing calls a message",
    "urgent: median s",
    "urgent: most s",
)
#: windows in which a provider may count, and chances; the worst of them is reported
CHANCES: Final[tuple[tuple[Window, int], ...]] = (("fixed", 0), ("fixed", 1), ("bucket", 2))


def run(progress: Callable[[str], None], *, leavers: int = LEAVERS) -> Drain:
    """Drain at both limits, alone and beside somebody else, and as it is usually done."""
    rows: list[tuple[str, ...]] = [HEADING]
    figures: list[Figure] = []
    over_time: dict[str, list[tuple[float, float]]] = {}
    for limit in CONCURRENCY:
        for taken in (0.0, limit / 2):
            runs = []
            for window, seed in CHANCES:
                progress(f"{limit}/s, of which somebody else takes {taken:.0f}")
                runs.append(run_paced(limit, leavers=leavers, taken=taken, window=window, seed=seed))
            rows.append(_row("Leaver", taken, runs))
            figures += _promised(limit, taken, runs)
            if limit == 30:
                over_time["Leaver, half the limit taken" if taken else "Leaver"] = _curve(_slowest(runs))
    for limit in CONCURRENCY:
        for way in WAYS:
            progress(f"{limit}/s: {way.name}")
            found = run_usual_way(way, limit, leavers=leavers)
            rows.append(_row(way.name, 0.0, [found]))
            if limit == 30:
                over_time[way.name] = _curve(found)
    return Drain(figures, rows, over_time)


def _promised(limit: int, taken: float, runs: Sequence[Run]) -> list[Figure]:
    where = f"{runs[0].leavers} leavers at {limit}/s" + (", half of it somebody else's" if taken else "")
    how = "the worst of three chances and windows; virtual time"
    used = min(each.share_of_limit for each in runs) * limit / (limit - taken)
    wasted = max(each.wasted for each in runs) * 100
    dead = float(max(each.dead for each in runs))
    figures = [
        Figure(
            f"{where}: share of what the limit leaves",
            used,
            0.9 if taken else 0.97,
            at_least=True,
            how=f"{how}; {'the rest while the rate comes back after a 429' if taken else _rest(_slowest(runs))}",
        ),
        Figure(f"{where}: calls refused", wasted, 1.0 if taken else 0.1, unit="%", how=how),
        Figure(f"{where}: in the DLQ", dead, 0, how=how),
    ]
    if not taken:
        pacing = max(each.pacing_calls / len(each.done_at) for each in runs)
        figures.append(Figure(f"{where}: pacing calls a message", pacing, 0.15, how=how))
    waits = _waits(runs)
    how_urgent = (
        f"one every {URGENT_EVERY:.0f} s, from its queue to Zoom's 204, one cold start among them; no EventBridge"
    )
    figures.append(Figure(f"{where}: an urgent leaver, median", max(map(median, waits)), 0.5, unit="s", how=how_urgent))
    if not taken:
        # Beside somebody who takes what he likes nothing is promised of the one who waits longest; the row tells it.
        figures.append(
            Figure(f"{where}: an urgent leaver, at most", max(map(max, waits)), 2.0, unit="s", how=how_urgent)
        )
    return figures


def _rest(found: Run) -> str:
    """Say where the rest of the limit went."""
    urgent = len(found.urgent_waits) / (found.limit * found.seconds)
    idle = urgent_rate(found.limit) / found.limit - urgent
    lost = 1 - found.share_of_limit - idle
    return f"{idle:.1%} kept for urgent calls and not needed, {lost:.1%} a cold start, the last call and refusals"


def _waits(runs: Sequence[Run]) -> list[list[float]]:
    """List how long urgent leavers waited in each run; a very short run has none."""
    return [each.urgent_waits or [math.nan] for each in runs]


def _slowest(runs: Sequence[Run]) -> Run:
    return min(runs, key=lambda each: each.share_of_limit)


def _row(way: str, taken: float, runs: Sequence[Run]) -> tuple[str, ...]:
    """Tell the worst of some runs, of each figure for itself."""
    slowest = _slowest(runs)
    waits = _waits(runs)
    return (
        way,
        str(slowest.limit),
        f"{taken:.0f}",
        f"{slowest.seconds:.0f}",
        f"{slowest.share_of_limit * slowest.limit / (slowest.limit - taken):.3f}",
        f"{max(each.wasted for each in runs):.2%}",
        str(max(each.dead for each in runs)),
        f"{max(each.receives / each.leavers for each in runs):.2f}",
        f"{max(each.pacing_calls / each.leavers for each in runs):.3f}",
        f"{max(map(median, waits)):.2f}",
        f"{max(map(max, waits)):.2f}",
    )


def _curve(found: Run) -> list[tuple[float, float]]:
    at = sorted(found.done_at)
    every = max(1, len(at) // 200)
    return [(0.0, 0.0), *((at[index], index + 1.0) for index in range(0, len(at), every)), (at[-1], float(len(at)))]
