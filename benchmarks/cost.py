"""What a thousand leavers cost beside the secrets: the calls of the real code, counted, at dated prices.

The functions run in this process, on moto, and are handed full batches of ten as they are when many leave; who seals is
told by each step, and not when all have ended. What is not counted but reckoned: how long a function runs (its calls'
usual latencies, and its turn at the limits of Zoom's plan Pro and of Venafi), and the lines that Lambda logs of itself.
What is the same however many leave is left out: secrets, keys, alarms, idle polls.
"""

import io
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import import_module
from typing import Any, Final
from unittest.mock import patch

import boto3

from benchmarks.bill import AS_OF, PRICES, Bill
from benchmarks.call_counter import CallCounter
from benchmarks.figures import Figure
from benchmarks.leavers import dismiss, hire
from benchmarks.queue_batches import OF_A_CASE, SEAL, hand_over, logical_id
from benchmarks.sandbox import Context
from leaver import bootstrap
from local import acme
from local.acme import Person
from local.world import World
from tests.doubles.deployed import forget

#: a multiple of a batch
COMMANDS: Final = 100
CASES: Final = 20

#: template.yaml: what Zoom's plan Pro takes a second and what Venafi does, and a function's memory in GB
ZOOM_A_SECOND: Final = 30
VENAFI_A_SECOND: Final = 50
MEMORY: Final = 0.5
#: seconds that a provider and AWS take to answer
PROVIDER: Final = 0.15
AWS: Final = 0.005
#: START, END and REPORT of one invocation, as JSON
LAMBDAS_OWN_LOG: Final = 700

#: dollars for a thousand
MOST: Final = 0.005
MOST_OF_CASES: Final = 0.02
MOST_WITH_SWEEPS: Final = 0.035
WHOLE_CASES: Final = "1,000 whole cases"
#: how long a restored table is looked at before its index of kept tokens is believed, and somewhat more
PROVEN_AFTER: Final = timedelta(minutes=11)

#: of one person: by function and operation, how often AWS was called
Calls = Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class Cost:
    """The bill of one revocation, of one whole case, of its seal, and of the second look a day later and its seal."""

    revocation: Bill
    case: Bill
    seal: Bill
    sweep: Bill
    sweeps_seal: Bill
    #: of one case with its seal
    calls: Calls

    @property
    def figures(self) -> list[Figure]:
        """For a thousand each."""
        how = f"AWS calls counted, prices of {AS_OF}, full batches"
        parts = sorted(PRICES, key=self.case.dollars, reverse=True)[:3]
        why = "most of it: " + ", ".join(f"{name} ${self.case.dollars(name) * 1000:.4f}" for name in parts)
        swept = self.case.total + self.sweep.total
        return [
            Figure("1,000 revocations", self.revocation.total * 1000, MOST, unit="$", how=how),
            Figure(WHOLE_CASES, self.case.total * 1000, MOST_OF_CASES, unit="$", how=f"{how}, without the seal; {why}"),
            Figure("1,000 whole cases and their sweeps", swept * 1000, MOST_WITH_SWEEPS, unit="$", how=how),
        ]

    @property
    def call_rows(self) -> list[tuple[str, ...]]:
        """How often each function calls each operation for one case."""
        functions = [*OF_A_CASE, SEAL]
        operations = sorted({operation for _, operation in self.calls})
        rows = [
            (
                operation,
                *(f"{self.calls.get((each, operation), 0):.4g}" for each in functions),
                f"{sum(self.calls.get((each, operation), 0) for each in functions):.4g}",
            )
            for operation in operations
        ]
        sums = [sum(count for (one, _), count in self.calls.items() if one == each) for each in functions]
        last = ("all", *(f"{each:.4g}" for each in sums), f"{sum(sums):.4g}")
        return [("AWS calls of one case", *functions, "all"), *rows, last]

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """For a revocation, a case, its sweep and the seals of both: how many of what, and dollars for a thousand."""
        bills = (self.revocation, self.case, self.seal, self.sweep, self.sweeps_seal)
        rows = [
            (
                name,
                *(
                    text
                    for bill in bills
                    for text in (f"{bill.counts.get(name, 0):.4g}", _thousand(bill.dollars(name)))
                ),
            )
            for name in PRICES
        ]
        whose = ("a revocation", "a case", "its seal", "its sweep", "the sweep's seal")
        heading = ("", *(text for each in whose for text in (each, "$ for 1,000")))
        return [heading, *rows, ("total", *(text for bill in bills for text in ("", _thousand(bill.total))))]


def run(progress: Callable[[str], None]) -> Cost:
    """Count a few, and divide."""
    with account() as counted:
        progress("revocations")
        revocation = counted.revocations(COMMANDS)
        progress("cases")
        case, seal, calls = counted.cases(CASES)
        progress("sweeps")
        sweep, sweeps_seal = counted.sweeps(CASES)
    return Cost(revocation, case, seal, sweep, sweeps_seal, calls)


class Account:
    """The local world, its functions in this process, and a meter on their calls."""

    def __init__(self, world: World, counted: CallCounter, log: io.StringIO, clock: "_Clock") -> None:
        self._world = world
        self._clock = clock
        self._counted = counted
        self._log = log
        self._hired = 0
        #: by function
        self._bills: defaultdict[str, Bill] = defaultdict(Bill)
        self._calls: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._prove_the_index()

    def revocations(self, count: int) -> Bill:
        """What ending one session costs."""
        self._begin()
        for person in self._hire(count):
            self._world.put_command("RevokeSsoToken", {"user_id": person.email})
        self._deliver_all("revoke_sso_token")
        self._check_all_are_out()
        return _sum([self._bills["revoke_sso_token"], Bill({"EventBridge events": count})]).each(count)

    def cases(self, count: int) -> tuple[Bill, Bill, Calls]:
        """What one case costs, and its seal; and which calls these are."""
        self._begin()
        for person in self._hire(count):
            dismiss(self._world, person)
        for function in OF_A_CASE:
            self._deliver_all(function)
            # As it is told by each step: not when all of them have ended.
            self._deliver_all(SEAL)
        self._check_all_are_out()
        case = _sum([*(self._bills[each] for each in OF_A_CASE), Bill({"EventBridge events": count})])
        calls = {
            (function, operation): number / count
            for function, made in self._calls.items()
            for operation, number in made.items()
        }
        return case.each(count), self._bills[SEAL].each(count), calls

    def sweeps(self, count: int) -> tuple[Bill, Bill]:
        """What `watch_deadlines` does about a case that is over, two minutes after it is instead of a day; the seal."""
        self._begin()
        self._clock.ahead = timedelta(minutes=2)
        self._invoke("watch_deadlines", {})
        swept = self._calls["watch_deadlines"]["PutItem"]
        if swept < count:
            raise RuntimeError(f"only {swept} of {count} cases were swept: the bill would be too low")
        for function in OF_A_CASE:
            self._deliver_all(function)
            self._deliver_all(SEAL)
        seal = self._bills.pop(SEAL)
        return _sum(self._bills.values()).each(count), seal.each(count)

    def _prove_the_index(self) -> None:
        """Let the watch find out, as it does in a table's first minutes, that all kept tokens are in the index."""
        for self._clock.ahead in (timedelta(), PROVEN_AFTER, timedelta()):
            self._invoke("watch_deadlines", {})

    def _begin(self) -> None:
        self._bills.clear()
        self._calls.clear()

    def _hire(self, count: int) -> list[Person]:
        self._hired += count
        return [hire(self._world, number) for number in range(self._hired - count, self._hired)]

    def _check_all_are_out(self) -> None:
        if more := len(self._world.zoom.sessions()) - len(acme.PEOPLE):
            raise RuntimeError(f"{more} leavers still have a session: the bill would be too low")

    def _deliver_all(self, function: str) -> None:
        while received := hand_over(self._world, function, partial(self._invoke, function)):
            # EventBridge sent each of them, or who told the seal did; Lambda received the batch, and deletes it.
            sent = 0 if function == SEAL else received
            self._bills[function].add("SQS requests", sent + 2)

    def _invoke(self, function: str, event: Mapping[str, Any]) -> Any:
        os.environ.update(self._world.environments()[logical_id(function)])
        handler = import_module(f"functions.{function}.app").lambda_handler
        bill, calls = self._bills[function], self._calls[function]
        self._counted.bill, self._counted.calls = bill, calls
        zoom, venafi = self._world.zoom.journal, self._world.venafi.journal
        logged, of_zoom, of_venafi, made = self._log.tell(), len(zoom()), len(venafi()), calls.total()
        answer = handler(event, Context())
        of_zoom, of_venafi, made = len(zoom()) - of_zoom, len(venafi()) - of_venafi, calls.total() - made
        bill.add("log bytes", self._log.tell() - logged + LAMBDAS_OWN_LOG)
        bill.add("Lambda invocations", 1)
        side_by_side = max(1, len(event.get("Records", [])))
        seconds = (of_zoom + of_venafi) / side_by_side * PROVIDER + made / side_by_side * AWS
        seconds += of_zoom / ZOOM_A_SECOND + of_venafi / VENAFI_A_SECOND
        bill.add("Lambda GB-seconds, x86", seconds * MEMORY)
        return answer


class _Clock:
    """The time, or somewhat later."""

    ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(tz=UTC) + self.ahead


@contextmanager
def account() -> Iterator[Account]:
    """An account in which there is nobody yet who leaves."""
    parameters = {"RoutineCasesAnHour": "100000", "MostAnHour": "200000", "SweepAfter": "60"}
    log, clock = io.StringIO(), _Clock()
    with (
        World(parameters=parameters, consuming=False) as world,
        patch.dict(os.environ),
        patch.object(bootstrap, "now", clock),
        redirect_stdout(log),
    ):
        acme.set_up(world)
        os.environ.update(world.environment())
        forget()
        counted = CallCounter(bootstrap._session(), Bill(), boto3.client("dynamodb"))  # noqa: SLF001 - where all clients are made
        try:
            yield Account(world, counted, log, clock)
        finally:
            forget()


def _sum(bills: Iterable[Bill]) -> Bill:
    counts: Counter[str] = Counter()
    for bill in bills:
        counts.update(bill.counts)
    return Bill(dict(counts))


def _thousand(dollars: float) -> str:
    return f"{dollars * 1000:.5f}"
