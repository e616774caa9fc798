"""Run the benchmark, or parts of it: `python -m benchmarks [part…]`. `make bench` builds first what is shipped."""

import sys
from collections.abc import Callable
from statistics import median
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import (
    batch,
    cold,
    cost,
    door,
    drain,
    growing_company,
    growth,
    init,
    memory,
    offboarding,
    plot,
    reconciliation,
    results,
)
from benchmarks.figures import MOST_MEMORY
from benchmarks.published import DELAYS
from benchmarks.results import Part
from benchmarks.simulation import run_paced

ShowProgress = Callable[[str], None]

ROUNDS_OF_INIT: Final = 10
#: leavers of the run beside which the simulation of growth is held
FEW: Final = 1000


def batches(progress: ShowProgress) -> Part:
    """Ten and a hundred messages, their processor time, and the memory of the function."""
    found = batch.run(progress)
    milliseconds = {
        "floor": batch.floor(10) * 1000,
        "ours, warm": median(found.warm) * 1000,
        "ours, first": median(found.first) * 1000,
        "naive": median(found.naive) * 1000,
    }
    drawn = plot.bars("A batch of ten: 40 ms away, 100 ms to an answer", milliseconds, unit="ms")
    return Part("batch", batch.__doc__ or "", found.figures, [found.rows], drawn)


def memories(progress: ShowProgress) -> Part:
    """What each function holds at work."""
    figures = memory.run(progress)
    values = {figure.name.removeprefix("memory of ").removesuffix(", at work"): figure.value for figure in figures}
    drawn = plot.bars("Memory at work, at most", values, unit="MiB", target=MOST_MEMORY)
    return Part("memory", memory.__doc__ or "", figures, [], drawn)


def inits(progress: ShowProgress) -> Part:
    """What it costs to start each function."""
    rounds = iter(range(1, ROUNDS_OF_INIT + 1))
    figures, rows = init.run(ROUNDS_OF_INIT, lambda: progress(f"round {next(rounds)} of {ROUNDS_OF_INIT}"))
    name = "init of "
    values = {figure.name.removeprefix(name): figure.value for figure in figures if figure.name.startswith(name)}
    drawn = plot.bars("Init beside one bare boto3 client", values, unit="x", target=init.SLOWEST)
    return Part("init", init.__doc__ or "", figures, [rows], drawn)


def draining(progress: ShowProgress) -> Part:
    """Ten thousand leavers, and the urgent ones among them."""
    found = drain.run(progress)
    drawn = plot.lines("Leavers done at 30 requests a second", found.over_time, x="seconds", y="leavers done")
    return Part("drain", drain.__doc__ or "", found.figures, [found.rows], drawn)


def cases(progress: ShowProgress) -> Part:
    """From the HR event to the last receipt, and to the end of the case."""
    found = offboarding.run(progress)
    curve = {
        "to the seal": sorted(found.until_seal),
        "to the last receipt": sorted(found.seconds),
        "of that at providers": sorted(found.at_providers),
    }
    shares = {
        name: [((place + 1) / len(values) * 100, value) for place, value in enumerate(values)]
        for name, values in curve.items()
    }
    drawn = plot.lines(
        "From HR event to last receipt, and to the seal", shares, x="% of leavers that took no longer", y="seconds"
    )
    return Part("offboarding", offboarding.__doc__ or "", found.figures, [found.rows], drawn)


def nights(progress: ShowProgress) -> Part:
    """One leaver, and everything started anew; beside what others publish."""
    found = cold.run(progress)
    progress("the naive handler")
    naive = batch.end_one_session_naively()
    warm = [line["value"] for line in results.summary() if line["name"] == offboarding.LAST_RECEIPT]
    ours = {
        **dict(zip(["Leaver, warm, p95"], warm, strict=False)),
        "Leaver, cold": found.at_the_median("the last receipt, since the event"),
        "a naive handler, cold, one session": naive,
    }
    drawn = plot.delays("From HR's word to the last receipt", ours, {each.name: each.seconds for each in DELAYS})
    heading = ("others", "what is published", "what is verified by then", "where")
    others = [(each.name, each.what, each.verifies, f"[page]({each.url})") for each in DELAYS]
    return Part("cold", cold.__doc__ or "", found.figures, [found.rows, [heading, *others]], drawn)


def costs(progress: ShowProgress) -> Part:
    """Dollars."""
    found = cost.run(progress)
    dollars = {
        "1,000 revocations": found.revocation.total * 1000,
        "1,000 whole cases": found.case.total * 1000,
        "their seals": found.seal.total * 1000,
        "1,000 sweeps, a day later": found.sweep.total * 1000,
        "the sweeps' seals": found.sweeps_seal.total * 1000,
    }
    drawn = plot.bars("Beside the secrets", dollars, unit="$")
    return Part("cost", cost.__doc__ or "", found.figures, [found.rows, found.call_rows], drawn)


def growing(progress: ShowProgress) -> Part:
    """From a hundred leavers to a million, and from a hundred cases to a hundred thousand."""
    of_cases, tables = growing_company.run(progress)
    progress(f"{FEW} leavers, by drain.py")
    few = run_paced(30, leavers=FEW)
    known = [line["value"] for line in results.summary() if line["name"] == cost.WHOLE_CASES]
    found = growth.run(progress, cost_of_1000=known[0] if known else cost.run(progress).case.total * 1000, measured=few)
    drawn = plot.lines("Until the last has left", found.seconds, x="leavers", y="seconds", logarithmic=True)
    told = f"{growth.__doc__}\n{growing_company.__doc__}"
    return Part("growth", told, [*found.figures, *of_cases], [found.leavers, found.connections, *tables], drawn)


def door_under_load(progress: ShowProgress) -> Part:
    """Webhooks, as fast as two cores bear."""
    found = door.run(progress)
    rates = {"the front door": median(found.ours), "bare": median(found.bare)}
    drawn = plot.bars("Deliveries a second at the front door", rates, unit="a second")
    return Part("door", door.__doc__ or "", found.figures, [found.rows], drawn)


def reconciling(progress: ShowProgress) -> Part:
    """A night of reconciliation."""
    figures, rows, seconds = reconciliation.run(progress)
    drawn = plot.lines("A night", {"a night": seconds}, x="people", y="seconds", logarithmic=True)
    return Part("reconciliation", reconciliation.__doc__ or "", figures, [rows], drawn)


#: in this order: growth takes what a case costs from cost, and cold how long it takes warm from offboarding
PARTS: Final[dict[str, Callable[[ShowProgress], Part]]] = {
    "batch": batches,
    "memory": memories,
    "init": inits,
    "offboarding": cases,
    "cold": nights,
    "cost": costs,
    "drain": draining,
    "growth": growing,
    "door": door_under_load,
    "reconciliation": reconciling,
}


def main(wanted: list[str]) -> int:
    """Run the parts that are wanted, or all of them; tells on a terminal and writes results."""
    console = Console()
    unknown = [name for name in wanted if name not in PARTS]
    if unknown:
        console.print(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
        return 2
    names = wanted or list(PARTS)
    found = []
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[now]}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("benchmark", total=len(names), now="")
        for name in names:
            part = PARTS[name](lambda now, name=name: bar.update(task, now=f"{name}: {now}"))  # type: ignore[misc]
            results.write(part)
            found.append(part)
            bar.advance(task)
    for part in found:
        console.print(results.table(part.name, part.figures))
    missed = [figure for part in found for figure in part.figures if not figure.holds]
    console.print(f"{len(missed)} missed" if missed else "all of them hold", style="bold red" if missed else "green")
    console.print(f"written to {results.FOLDER.relative_to(results.FOLDER.parents[1])}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
