"""Memory: the most that each function holds at once while it works through cases, as shipped, over TLS."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from benchmarks.figures import MOST_MEMORY, Figure
from benchmarks.leavers import dismiss, hire
from benchmarks.processes import ask, read_json
from benchmarks.queue_batches import OF_A_CASE, hand_over
from benchmarks.shipped import shipped
from local import acme
from local.world import World

if TYPE_CHECKING:
    from subprocess import Popen

#: batches of ten for each function
BATCHES: Final = 3
#: what holds a token for the purge to destroy, and then what a case consists of
FUNCTIONS: Final = ("retrieve_user_token", *OF_A_CASE, "deactivate_user")


def run(progress: Callable[[str], None]) -> list[Figure]:
    """Hand whole cases to functions in processes of their own, and look what these held."""
    with _functions() as (world, functions):
        people = [hire(world, number) for number in range(10 * BATCHES)]
        for person in people:
            world.put_command("RetrieveUserToken", {"user_id": person.email})
        _drain(world, functions, progress)
        for person in people:
            dismiss(world, person)
        _drain(world, functions, progress)
        if len(world.zoom.sessions()) != len(acme.PEOPLE):
            raise RuntimeError("somebody still has a session: nothing was measured")
        peaks = {name: ask(function, '{"Records": []}')["peak_mib"] for name, function in functions.items()}
    how = f"VmHWM after {BATCHES} batches"
    return [
        Figure(f"memory of {name}, at work", peak, MOST_MEMORY, unit="MiB", how=how) for name, peak in peaks.items()
    ]


def _drain(world: World, functions: "dict[str, Popen[str]]", progress: Callable[[str], None]) -> None:
    left = True
    while left:
        left = False
        for name, function in functions.items():
            progress(name)
            left |= hand_over(world, name, partial(_invoke, function)) > 0


def _invoke(function: "Popen[str]", event: object) -> dict[str, object]:
    return ask(function, json.dumps(event))


@contextmanager
def _functions() -> "Iterator[tuple[World, dict[str, Popen[str]]]]":
    """A world whose providers speak TLS, and its functions waiting for batches."""
    parameters = {"RoutineCasesAnHour": "100000", "MostAnHour": "200000", "DeactivateUsers": "true"}
    with ExitStack() as ending:
        deployed = ending.enter_context(shipped(parameters))
        functions = {name: ending.enter_context(deployed.start(name)) for name in FUNCTIONS}
        for function in functions.values():
            read_json(function)
        yield deployed.world, functions
