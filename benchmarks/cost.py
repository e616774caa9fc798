"""What a thousand leavers cost beside the secrets: the calls of the real code, counted, at dated prices.

The functions run in this process, on moto, and are handed full batches of ten as they are when many leave. What is not
counted but reckoned: how long a function runs (its calls' usual latencies, and its turn at 30 requests a second), and
the lines that Lambda logs of itself. What is the same however many leave is left out: secrets, keys, alarms, idle
polls.
"""

import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from benchmarks.queue_batches import OF_A_CASE, hand_over, logical_id
from benchmarks.sandbox import Context
from leaver import bootstrap
from local import acme
from local.acme import Person
from local.world import World
from tests.doubles.deployed import forget

#: a multiple of a batch
COMMANDS: Final = 100
CASES: Final = 20

#: template.yaml: what Zoom's plan Pro takes a second, and a function's memory in GB
A_SECOND: Final = 30
MEMORY: Final = 0.5
#: seconds that a provider and AWS take to answer
PROVIDER: Final = 0.15
AWS: Final = 0.005
#: START, END and REPORT of one invocation, as JSON
LAMBDAS_OWN_LOG: Final = 700

MOST: Final = 0.005
WHOLE_CASES: Final = "1,000 whole cases"


@dataclass(frozen=True)
class Cost:
    """The bill of one revocation, of one whole case, and of the second look a day later."""

    revocation: Bill
    case: Bill
    sweep: Bill
    #: AWS calls by operation, for one revocation and one case
    calls: Mapping[str, Mapping[str, float]]

    @property
    def figures(self) -> list[Figure]:
        """For a thousand each."""
        events = self.case.dollars("EventBridge events") * 1000
        how = f"AWS calls counted, prices of {AS_OF}, full batches"
        secrets = self.case.dollars("Secrets Manager calls") * 1000
        why = (
            f"{self.case.counts['EventBridge events']:.0f} events of a case alone are ${events:.3f}, "
            f"and looking for user tokens to destroy is ${secrets:.3f}"
        )
        return [
            Figure("1,000 revocations", self.revocation.total * 1000, MOST, unit="$", how=how),
            Figure(WHOLE_CASES, self.case.total * 1000, MOST, unit="$", how=f"{how}; {why}"),
        ]

    @property
    def call_rows(self) -> list[tuple[str, ...]]:
        """Every operation, and how often it is called for one revocation and for one case."""
        operations = sorted({operation for calls in self.calls.values() for operation in calls})
        rows = [(each, *(f"{calls.get(each, 0):.4g}" for calls in self.calls.values())) for each in operations]
        return [("AWS call", *(f"a {what}" for what in self.calls)), *rows]

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """What it is, and for a revocation, a case and a sweep how many it takes and dollars for a thousand."""
        bills = (self.revocation, self.case, self.sweep)
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
        heading = ("", "a revocation", "$ for 1,000", "a case", "$ for 1,000", "its sweep", "$ for 1,000")
        return [heading, *rows, ("total", *(text for bill in bills for text in ("", _thousand(bill.total))))]


def run(progress: Callable[[str], None]) -> Cost:
    """Count a few, and divide."""
    with _account() as account:
        progress("revocations")
        revocation = account.revocations(COMMANDS)
        calls = {"revocation": account.calls(COMMANDS)}
        progress("cases")
        case = account.cases(CASES)
        calls["case"] = account.calls(CASES)
        progress("sweeps")
        sweep = account.sweeps(CASES)
    return Cost(revocation.each(COMMANDS), case.each(CASES), sweep.each(CASES), calls)


class _Account:
    """The local world, its functions in this process, and a meter on their calls."""

    def __init__(self, world: World, counted: CallCounter, log: io.StringIO, clock: "_Clock") -> None:
        self._world = world
        self._clock = clock
        self._counted = counted
        self._log = log
        self._hired = 0

    def calls(self, people: int) -> dict[str, float]:
        """The AWS calls since this was last asked, by operation, for each person."""
        made, self._counted.calls = self._counted.calls, {}
        return {operation: count / people for operation, count in sorted(made.items())}

    def revocations(self, count: int) -> Bill:
        bill = self._new_bill()
        for person in self._hire(count):
            self._world.put_command("RevokeSsoToken", {"user_id": person.email})
        bill.add("EventBridge events", count)
        self._drain(["revoke_sso_token"])
        self._check(self._world.zoom.sessions(), before=len(acme.PEOPLE))
        return bill

    def cases(self, count: int) -> Bill:
        bill = self._new_bill()
        for person in self._hire(count):
            dismiss(self._world, person)
        bill.add("EventBridge events", count)
        self._drain(OF_A_CASE)
        self._check(self._world.zoom.sessions(), before=len(acme.PEOPLE))
        return bill

    def sweeps(self, count: int) -> Bill:
        """What `watch_deadlines` does about cases that are over, two minutes after they are instead of a day."""
        self._clock.ahead = timedelta(minutes=2)
        bill = self._new_bill()
        self._invoke("watch_deadlines", {})
        self._drain(OF_A_CASE)
        swept = self._counted.calls.get("PutItem", 0)
        if swept < count:
            raise RuntimeError(f"only {swept} of {count} cases were swept: the bill would be too low")
        return bill

    def _new_bill(self) -> Bill:
        self._counted.bill = Bill()
        return self._counted.bill

    def _hire(self, count: int) -> list[Person]:
        self._hired += count
        return [hire(self._world, number) for number in range(self._hired - count, self._hired)]

    def _check(self, sessions: Sequence[str], *, before: int) -> None:
        if len(sessions) != before:
            raise RuntimeError(f"{len(sessions) - before} leavers still have a session: the bill would be too low")

    def _drain(self, functions: Sequence[str]) -> None:
        while any(self._deliver(function) for function in functions):
            pass

    def _deliver(self, function: str) -> int:
        received = hand_over(self._world, function, partial(self._invoke, function))
        if received:
            # EventBridge sent each of them; Lambda received the batch, and deletes it.
            self._counted.bill.add("SQS requests", received + 2)
        return received

    def _invoke(self, function: str, event: Mapping[str, Any]) -> Any:
        os.environ.update(self._world.environments()[logical_id(function)])
        handler = import_module(f"functions.{function}.app").lambda_handler
        logged, asked, made = self._log.tell(), self._provider_calls(), sum(self._counted.calls.values())
        answer = handler(event, Context())
        asked, made = self._provider_calls() - asked, sum(self._counted.calls.values()) - made
        bill = self._counted.bill
        bill.add("log bytes", self._log.tell() - logged + LAMBDAS_OWN_LOG)
        bill.add("Lambda invocations", 1)
        side_by_side = max(1, len(event.get("Records", [])))
        seconds = asked / side_by_side * PROVIDER + made / side_by_side * AWS + asked / A_SECOND
        bill.add("Lambda GB-seconds, x86", seconds * MEMORY)
        return answer

    def _provider_calls(self) -> int:
        return len(self._world.zoom.journal()) + len(self._world.venafi.journal())


class _Clock:
    """The time, or somewhat later."""

    ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(tz=UTC) + self.ahead


@contextmanager
def _account() -> Iterator[_Account]:
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
            yield _Account(world, counted, log, clock)
        finally:
            forget()


def _thousand(dollars: float) -> str:
    return f"{dollars * 1000:.5f}"
