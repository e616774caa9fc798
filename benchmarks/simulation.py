"""Many leavers at once through Leaver's own function, in virtual time, before one account of Zoom.

What is real: the consumer, the pace, the operation `revoke_sso_token` and Zoom's client. What is modelled: SQS and
Lambda's event source mapping (queue_model.py), Zoom (zoom_account.py) and the table of the pace (tests/fake_pace.py,
which tests/integration/test_pacing.py holds to moto's DynamoDB). Time is virtual, so that a run of minutes takes
seconds; the processor's own time and DynamoDB's count for nothing: batch.py measures what they are.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import count
from types import SimpleNamespace
from typing import Any, Final
from urllib.parse import unquote

from aws_lambda_powertools import Logger, Metrics

from benchmarks.queue_model import Queue, Waiting, record
from benchmarks.virtual_time import BEGINNING, SideBySide, VirtualTime
from benchmarks.zoom_account import Account, Line, Window
from functions.revoke_sso_token.app import revoke_sso_token
from leaver.connections.access_tokens import AccessTokens
from leaver.consuming.consumer import Consumer
from leaver.consuming.rate_limiter import RateLimiter
from leaver.messages.commands import RevokeSsoToken
from leaver.messages.publisher import Publisher
from leaver.providers.zoom.api import Zoom
from tests.doubles.connections_table import InMemoryConnections, connection
from tests.doubles.rate_limit_table import RateLimitTable
from tests.doubles.receipts_table import InMemoryReceipts
from tests.doubles.secrets_manager import StrictSecretsManager, secret_store_of
from tests.doubles.secrets_manager import tokens as stored_user_tokens

LEAVERS: Final = 10_000
#: seconds between two urgent leavers
URGENT_EVERY: Final = 3.0
#: requests a second → batches at once: template.yaml's ZoomPlans
CONCURRENCY: Final = {30: 3, 80: 8}
BATCH: Final = 10
#: seconds after which nobody waits any longer
LONG_ENOUGH: Final = 4 * 3_600


class Unmeasured(Metrics):
    """Metrics that nobody prints."""

    def add_metric(self, *_: object, **__: object) -> None:
        """Forget it."""

    def flush_metrics(self, *_: object, **__: object) -> None:
        """There is nothing."""


class Environment:
    """One of a function's execution environments: its own consumer, and its own knowledge of the pace."""

    def __init__(self, world: "Simulation", queue: Queue) -> None:
        time = world.time
        self._queue = queue
        tomorrow = BEGINNING + timedelta(days=1)
        secret_store = secret_store_of(StrictSecretsManager(), text=stored_user_tokens(expires_at=tomorrow))
        tokens = AccessTokens(InMemoryConnections(connection(expires_at=tomorrow)), secret_store, time.clock, "zoom")
        rate_limiter = RateLimiter(
            world.table.client,
            table="Pace",
            per_second=world.limit,
            account_of=tokens.account_of,
            clock=time.clock,
            sleep=time.sleep,
        )
        zoom = Zoom(Line(world.account, world.ended), clock=time.clock)
        sqs: Any = SimpleNamespace(
            meta=SimpleNamespace(endpoint_url="https://sqs"), change_message_visibility=self._change_visibility
        )
        events: Any = SimpleNamespace(put_events=_put_events)
        self._consumer = Consumer(
            function="revoke-sso-token",
            command=RevokeSsoToken,
            operation=partial(revoke_sso_token, zoom=zoom, tokens=tokens, age_of=lambda _: timedelta(0)),
            sqs=sqs,
            publisher=Publisher(events=events, sqs=sqs, bus="leaver", dead_letter_queue_url="dead"),
            receipts=world.receipts,
            give_up_after=timedelta(days=1),
            clock=time.clock,
            logger=Logger(service=f"drain-{id(world)}", stream=io.StringIO(), level="CRITICAL"),
            metrics=Unmeasured(service="leaver", namespace="Leaver"),
            executor=SideBySide(time),
            prepare=tokens.look_up,
            rate_limiter=rate_limiter,
        )

    def invoke(self, messages: Sequence[Waiting]) -> set[str]:
        """Hand a batch over as Lambda does."""
        event = {"Records": [record(self._queue.name, each) for each in messages]}
        context: Any = SimpleNamespace(aws_request_id="x", get_remaining_time_in_millis=lambda: 60_000)
        failures = self._consumer.consume(event, context)["batchItemFailures"]
        return {each["itemIdentifier"] for each in failures}

    def _change_visibility(self, *, ReceiptHandle: str, VisibilityTimeout: int, **_: str) -> None:  # noqa: N803 - AWS's names
        self._queue.change_visibility(ReceiptHandle, VisibilityTimeout)


class Simulation:
    """One run: so many leavers at once, an urgent one now and then, and one account's limit."""

    def __init__(
        self, limit: int, *, leavers: int, taken: float = 0.0, window: Window = "fixed", seed: int = 0
    ) -> None:
        self.time = VirtualTime()
        self.limit = limit
        self.leavers = leavers
        self.account = Account(self.time, limit, taken=taken, window=window, seed=seed)
        self.receipts = InMemoryReceipts()
        self.table = RateLimitTable()
        self.done_at: list[float] = []
        self.urgent: dict[str, float] = {}
        self.urgent_waits: list[float] = []
        self.routine_done = 0

    def ended(self, path: str) -> None:
        """Hear that somebody's session was ended."""
        user = unquote(path.split("/")[2])
        if user.startswith("urgent"):
            self.urgent_waits.append(self.time.now - self.urgent[user])
        else:
            self.routine_done += 1
        self.done_at.append(self.time.now)

    def run_paced(self, *, concurrency: int) -> "Run":
        """Run Leaver's own function, with its two lanes."""
        routine, urgent = Queue(self.time, "routine", seed=1), Queue(self.time, "urgent", seed=2)
        for queue, workers in ((routine, concurrency), (urgent, 2)):
            queue.poll([Environment(self, queue).invoke for _ in range(workers)], batch=BATCH)
        return self.run([routine], [urgent])

    def run(self, routine: Sequence[Queue], urgent: Sequence[Queue]) -> "Run":
        """Let everybody leave, and wait until nobody is left who does not lie in a dead-letter queue."""
        for number in range(self.leavers):
            routine[number % len(routine)].send({"user_id": f"person-{number}@example.com", "connection": "zoom"})
        self.time.spawn(partial(self._urgent_leavers, urgent))
        self.time.run(until=lambda: self._is_over(routine))
        return Run(
            limit=self.limit,
            leavers=self.leavers,
            seconds=max(self.done_at, default=self.time.now),
            done_at=self.done_at,
            calls=dict(self.account.calls),
            dead=sum(len(queue.dead) for queue in {*routine, *urgent}),
            receives=sum(queue.receives for queue in routine),
            pacing_calls=self.table.writes,
            urgent_waits=self.urgent_waits,
        )

    def _is_over(self, routine: Sequence[Queue]) -> bool:
        dead = sum(len(queue.dead) for queue in routine)
        return self.routine_done + dead >= self.leavers or self.time.now > LONG_ENOUGH

    def _urgent_leavers(self, queues: Sequence[Queue]) -> None:
        # The first meets a cold start, in the middle of the rush.
        self.time.sleep(2.0)
        for number in count():
            user = f"urgent-{number}@example.com"
            self.urgent[user] = self.time.now
            queues[number % len(queues)].send({"user_id": user, "urgency": "urgent", "connection": "zoom"})
            self.time.sleep(URGENT_EVERY)


@dataclass(frozen=True)
class Run:
    """What came of a run."""

    limit: int
    leavers: int
    #: until the last that was not given up
    seconds: float
    done_at: list[float]
    calls: dict[int, int]
    dead: int
    receives: int
    pacing_calls: int
    urgent_waits: list[float]

    @property
    def share_of_limit(self) -> float:
        """How much of what the provider would have taken was used, until the last was done."""
        return len(self.done_at) / (self.limit * self.seconds)

    @property
    def wasted(self) -> float:
        """Which share of the calls was refused."""
        return self.calls.get(429, 0) / sum(self.calls.values())


def run_paced(
    limit: int, *, leavers: int = LEAVERS, taken: float = 0.0, window: Window = "fixed", seed: int = 0
) -> Run:
    """Run Leaver's functions against an account, of whose limit `taken` calls a second are somebody else's."""
    world = Simulation(limit, leavers=leavers, taken=taken, window=window, seed=seed)
    return world.run_paced(concurrency=CONCURRENCY[limit])


def _put_events(*, Entries: Sequence[Any]) -> dict[str, Any]:  # noqa: N803 - AWS's name
    return {"FailedEntryCount": 0, "Entries": [{} for _ in Entries]}
