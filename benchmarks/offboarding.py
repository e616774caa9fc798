"""From an HR event to the last receipt and to the seal, in the local world: one leaver after another, all warm.

The functions are real processes and the providers take 150 ms for each call. Buses, queues and tables are moto's: what
that takes of each leaver's time is told beside, because AWS would not take it.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Final

from benchmarks.figures import Figure
from benchmarks.leavers import dismiss, hire
from local import acme
from local.acme import Person
from local.simulators.provider import JournalEntry
from local.world import World

LEAVERS: Final = 40
#: leavers before them, so that no function is cold
BEFORE: Final = 3
#: milliseconds
LATENCY: Final = 150
MOST: Final = 0.9
MOST_AT_PROVIDERS: Final = 0.6
#: seconds that one leaver may take at all
PATIENCE: Final = 30.0
LAST_RECEIPT: Final = "HR event to last receipt, p95"
#: what tells that a step has its receipt, and what tells of the seal
RECEIPTS: Final = frozenset({"SsoTokenRevoked", "GrantsRevoked", "UserTokensPurged"})
SEALED: Final = "OffboardingCompleted"


@dataclass
class Offboardings:
    """Seconds for each leaver, and what they were spent on."""

    seconds: list[float] = field(default_factory=list)
    #: of each leaver, how long a provider was at work on at least one call
    at_providers: list[float] = field(default_factory=list)
    until_seal: list[float] = field(default_factory=list)

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """What was waited for, median and 95th percentile."""
        rest = [took - there for took, there in zip(self.seconds, self.at_providers, strict=True)]
        rows = {
            "to the last receipt": self.seconds,
            "of that at providers": self.at_providers,
            "the rest, mostly moto": rest,
            "to the seal": self.until_seal,
        }
        return [
            ("seconds", "median", "p95"),
            *((name, f"{median(values):.2f}", f"{_p95(values):.2f}") for name, values in rows.items()),
        ]

    @property
    def figures(self) -> list[Figure]:
        """The promise."""
        there = median(self.at_providers)
        how = f"{len(self.seconds)} leavers, warm, {LATENCY} ms for each call"
        rest = f"the rest of the median, {median(self.seconds) - there:.2f} s, is mostly moto's computing"
        calls = "calls that wait for each other: who is meant at Zoom, then at Venafi (two), the end, and what is left"
        return [
            Figure(LAST_RECEIPT, _p95(self.seconds), MOST, unit="s", how=f"{how}; {rest}"),
            Figure("of that at providers, median", there, MOST_AT_PROVIDERS, unit="s", how=f"{how}; {calls}"),
        ]


def run(progress: Callable[[str], None]) -> Offboardings:
    """Let them leave one after another."""
    offboardings = Offboardings()
    with World(parameters={"RoutineCasesAnHour": "100000", "MostAnHour": "200000"}) as world:
        acme.set_up(world)
        ear = _ear(world)
        people = [hire(world, number) for number in range(BEFORE + LEAVERS)]
        for provider in (world.zoom, world.venafi):
            provider.inject(".*", times=None, latency_ms=LATENCY)
        for number, person in enumerate(people):
            progress(f"leaver {number + 1} of {len(people)}")
            heard, at_providers = _leaves(world, ear, person)
            if number >= BEFORE:
                offboardings.seconds.append(max(heard[each] for each in RECEIPTS))
                offboardings.until_seal.append(heard[SEALED])
                offboardings.at_providers.append(at_providers)
    return offboardings


def _leaves(world: World, ear: str, person: Person) -> tuple[dict[str, float], float]:
    """After how many seconds each announcement came, and for how long providers were at work."""
    for provider in (world.zoom, world.venafi):
        provider.clear_journal()
    queue, heard = world.aws.sqs.get_queue(ear), dict[str, float]()
    begun = time.monotonic()
    dismiss(world, person)
    while not RECEIPTS | {SEALED} <= heard.keys():
        queue.wait_for_messages(0.1)  # type: ignore[arg-type]  # goes to Condition.wait_for, which takes a float
        now = time.monotonic() - begun
        if now > PATIENCE:
            raise TimeoutError(f"a case took more than {PATIENCE:.0f} s")
        with world.aws.lock:
            for message in world.aws.sqs.receive_message(ear, 10, 0, 30, []):
                world.aws.sqs.delete_message(ear, str(message.receipt_handle))
                told = json.loads(message.body)
                if told["detail"]["subject"].casefold() not in {person.email, person.zoom_id.casefold()}:
                    raise RuntimeError("somebody else's case was heard of: the times would be anybody's")
                heard.setdefault(told["detail-type"], now)
    # The last acknowledgements still are on their way; the next leaver shall not wait for them.
    world.wait_until_idle()
    return heard, _at_work([*world.zoom.journal(), *world.venafi.journal()])


def _p95(values: Sequence[float]) -> float:
    return quantiles(values, n=20)[-1]


def _at_work(calls: Sequence[JournalEntry]) -> float:
    """Seconds in which at least one of these calls was under way."""
    total, until = 0.0, None
    for call in sorted(calls, key=lambda each: each.received_at):
        begin = call.received_at if until is None else max(until, call.received_at)
        if until is None or call.answered_at > until:
            total += max(0.0, (call.answered_at - begin).total_seconds())
            until = call.answered_at
    return total


def _ear(world: World) -> str:
    """Subscribe to what becomes of cases, as a ticket system would."""
    sqs, events, bus = world.client("sqs"), world.client("events"), world.resource("EventBus").ref
    url = sqs.create_queue(QueueName="ear")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"source": ["leaver"], "detail-type": [*sorted(RECEIPTS), SEALED]}
    events.put_rule(Name="ear", EventBusName=bus, EventPattern=json.dumps(pattern))
    events.put_targets(Rule="ear", EventBusName=bus, Targets=[{"Id": "ear", "Arn": arn}])
    return "ear"
