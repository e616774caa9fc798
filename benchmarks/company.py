"""A company of which thousands leave at once: who takes them in, who looks after them, and who looks on.

Real is all that Leaver does of it: `start_offboarding` with its Zoom call and its turn at Zoom's limit, the handler of
`watch_deadlines`, `leaver cases` and `leaver release --all`. Modelled are the queue and Zoom (queue_model.py,
zoom_account.py), in virtual time, and DynamoDB (counted_tables.py).
"""

import gc
import io
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch
from uuid import uuid4

import typer
from aws_lambda_powertools import Logger

from benchmarks.cost import PROVEN_AFTER
from benchmarks.counted_tables import CountedTables
from benchmarks.queue_model import Queue, Waiting, record
from benchmarks.simulation import BATCH, CONCURRENCY, Unmeasured
from benchmarks.virtual_time import BEGINNING, SideBySide, VirtualTime
from benchmarks.zoom_account import Account, Line
from functions.start_offboarding import app as start_offboarding
from functions.watch_deadlines import app as watch_deadlines
from leaver import bootstrap
from leaver.cases.states import State
from leaver.cases.table import Cases
from leaver.providers.zoom.api import Zoom
from leaver.storage.tables import columns, item, timestamp
from leaver_cli.cases import listing
from leaver_cli.cases import release as releasing
from leaver_cli.deployment import Deployment
from leaver_cli.stack import Stack
from tests.doubles.connections_table import connection
from tests.doubles.deployed import forget
from tests.doubles.event_bus import FakeBus
from tests.doubles.secrets_manager import StrictSecretsManager, secret_store_of
from tests.doubles.secrets_manager import tokens as stored_user_tokens
from tests.doubles.sqs import DEAD_LETTERS, INTAKE_QUEUE, LOOK_UP_QUEUE, REFRESH_QUEUE, SEAL_QUEUE, FakeSqs

#: requests a second that Zoom takes of the account
LIMIT: Final = 30
#: nobody is held by it
NO_GUARD: Final = 10_000_000
_ENVIRONMENT: Final = {
    "STACK_NAME": "leaver",
    "EVENT_BUS_NAME": "leaver",
    "CASES_TABLE": "Cases",
    "CONNECTIONS_TABLE": "Connections",
    "PACE_TABLE": "Pace",
    "DELIVERIES_TABLE": "Deliveries",
    "REQUESTS_PER_SECOND": str(LIMIT),
    "SECRET_PREFIX": "leaver",
    "ZOOM_API_URL": "https://api.zoom.test/v2",
    "REFRESH_QUEUE_URL": REFRESH_QUEUE,
    "SEAL_QUEUE_URL": SEAL_QUEUE,
    "LOOK_UP_QUEUE_URL": LOOK_UP_QUEUE,
    "START_OFFBOARDING_QUEUE_URL": INTAKE_QUEUE,
    "START_OFFBOARDING_URGENT_QUEUE_URL": f"{INTAKE_QUEUE}-urgent",
    "DEAD_LETTER_QUEUE_URL": DEAD_LETTERS,
    "GIVE_UP_AFTER": "86400",
    "CASE_DEADLINE": "900",
    "PROVIDERS": "zoom,venafi",
    # raised for the run
    "MOST_AN_HOUR": str(NO_GUARD),
    "SWEEP_AFTER": "86400",
    "SAILPOINT_LIFECYCLE_ATTRIBUTE": "cloudLifecycleState",
}


@dataclass(frozen=True)
class Took:
    """What something took, of so many cases."""

    cases: int
    #: of virtual time
    seconds: float
    #: processor time, the tables' own included
    cpu: float
    #: of AWS, as a client counts them
    calls: int
    read_units: float
    #: of Zoom's, by their status
    zoom: Mapping[int, int]

    @property
    def calls_each(self) -> float:
        """For one case."""
        return self.calls / self.cases

    @property
    def milliseconds_each(self) -> float:
        """Of processor time, for one case."""
        return self.cpu / self.cases * 1000


class Company:
    """Leaver among tables and queues that count."""

    def __init__(self) -> None:
        self.time = VirtualTime()
        self.tables = CountedTables()
        self.account = Account(self.time, LIMIT)
        self.queue = Queue(self.time, "start-offboarding", seed=1)
        self.bus, self.sqs, self.secrets = FakeBus(), _Queues(self.queue), StrictSecretsManager()
        tomorrow = BEGINNING + timedelta(days=1)
        for name in ("zoom", "venafi"):
            secret_store_of(self.secrets, name, stored_user_tokens(expires_at=tomorrow))
            made = connection(name, provider=name, expires_at=tomorrow, refresh_at=tomorrow)
            self.tables.tables["Connections"].put(item(columns(made)))
        self.ahead = timedelta()

    def now(self) -> datetime:
        """The time of all of them."""
        return self.time.clock() + self.ahead

    @property
    def states(self) -> Mapping[str, int]:
        """How many cases are in which state, as the index tells."""
        ordered = self.tables.tables["Cases"].ordered
        return {state: len(found) for state in State if (found := ordered.get(("state", state)))}

    @property
    def named(self) -> int:
        """How many cases have the id that Zoom gave."""
        every = self.tables.tables["Cases"].items
        return sum("zoom/acme" in case["identities"]["M"] for (_, entry), case in every.items() if entry == "case")

    # -- what happens

    def open(self) -> None:
        """Have `start_offboarding` begin to work, at as many batches at once as there are for Zoom's plan."""
        consumers = []
        for _ in range(CONCURRENCY[LIMIT]):
            # Each environment knows of the others only what the tables say.
            forget()
            consumers.append(start_offboarding.consumer())
        self.queue.poll([partial(self._invoke, each) for each in consumers], batch=BATCH)

    def hears(self, people: int) -> Took:
        """HR says of so many people at once that they leave."""
        for number in range(people):
            self.queue.send(_event(f"p{number}@example.com", timestamp(self.now())))
        return self._works(people)

    def releases(self) -> tuple[Took, Took]:
        """A person releases all that are held: what that took on their machine, and what followed."""
        held = self.states.get(State.HELD, 0)
        told = self._looks_on(held, partial(releasing.release, None, every=True, discard=False, yes=True))
        return told, self._works(held)

    def lists(self) -> Took:
        """A person looks at the cases that are not done."""
        usual: dict[str, Any] = {"person": None, "since": None, "source": None}
        return self._looks_on(sum(self.states.values()), partial(listing.cases, **usual))

    def minute(self) -> Took:
        """`watch_deadlines` runs, a minute after it last did."""
        self.ahead += timedelta(minutes=1)
        context: Any = SimpleNamespace(aws_request_id="x", get_remaining_time_in_millis=lambda: 90_000)
        return self._took(sum(self.states.values()), lambda: watch_deadlines.lambda_handler({}, context))

    def settle(self) -> None:
        """Let `watch_deadlines` find out, as in a table's first minutes, that all kept tokens are in their index."""
        for self.ahead in (timedelta(), PROVEN_AFTER):
            self.minute()

    def remember(self, cases: int) -> None:
        """Have so many cases in the table: copies of one that is, half of them done, and half that wait for a sweep."""
        table = self.tables.tables["Cases"]
        usual = next(each for (_, entry), each in table.items.items() if entry == "case")
        later, finished_at = timestamp(self.now() + timedelta(hours=20)), {"S": timestamp(self.now())}
        unwatched = {name: value for name, value in usual.items() if name not in {"watch", "watch_at"}}
        done = unwatched | {"state": {"S": State.COMPLETED}, "outstanding": {"L": []}, "finished_at": finished_at}
        for number in range(sum(self.states.values()), cases):
            own = {
                "partition": {"S": f"case#d-{number}"},
                "case_id": {"S": f"d-{number}"},
                "email": {"S": f"d{number}@example.com"},
            }
            watched = {"watch": {"S": "case"}, "watch_at": {"S": later}} if number % 2 else {}
            table.put({**done, **own, **watched})

    def hold(self, cases: int) -> None:
        """Have so many cases that wait for a person: copies of the one that the guard holds, each of somebody else."""
        self.hears(2)
        table = self.tables.tables["Cases"]
        ((_, (held, entry)),) = table.ordered["state", State.HELD]
        about = [table.items[held, entry], *(each for each in table.items.values() if "p1@" in each["partition"]["S"])]
        told = json.dumps([each for each in about if each["entry"]["S"] in {"case", "person"}])
        for number in range(1, cases):
            own = told.replace("p1@", f"h{number}@").replace(held.removeprefix("case#"), f"h-{number}")
            for each in json.loads(own.replace("id-of-p1", f"id-of-h{number}")):
                table.put(each)

    def _works(self, cases: int) -> Took:
        begun = self.time.now
        took = self._took(cases, lambda: self.time.run(until=lambda: self.queue.is_empty))
        assert not self.sqs.to(DEAD_LETTERS)
        assert self.time.now > begun
        return took

    def _looks_on(self, cases: int, command: Any) -> Took:
        def run() -> None:
            # The exit status says that some need a person.
            with suppress(typer.Exit):
                command(stack="leaver", region=None, profile=None)

        return self._took(cases, run)

    def _took(self, cases: int, work: Any) -> Took:
        begun, calls, units, zoom = self.time.now, self._calls, self.tables.read_units, dict(self.account.calls)
        # What lies in these tables is no work for the collector of whoever asks AWS.
        gc.collect()
        gc.disable()
        cpu = time.process_time()
        try:
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                work()
        finally:
            gc.enable()
        return Took(
            cases,
            self.time.now - begun,
            time.process_time() - cpu,
            self._calls - calls,
            self.tables.read_units - units,
            {status: count - zoom.get(status, 0) for status, count in self.account.calls.items()},
        )

    @property
    def _calls(self) -> int:
        return self.tables.calls.total() + self.tables.pace.writes + self.bus.calls + self.sqs.calls

    def _invoke(self, consumer: Any, messages: Sequence[Waiting]) -> set[str]:
        event = {"Records": [record(self.queue.name, each) for each in messages]}
        context: Any = SimpleNamespace(aws_request_id="x", get_remaining_time_in_millis=lambda: 60_000)
        return {each["itemIdentifier"] for each in consumer.consume(event, context)["batchItemFailures"]}

    def client(self, service: str, **_: object) -> Any:
        """Give the doubles out for boto3's clients."""
        return {"dynamodb": self.tables, "events": self.bus, "sqs": self.sqs, "secretsmanager": self.secrets}[service]

    @property
    def deployment(self) -> Deployment:
        """What the command line finds there, as far as cases go."""
        stack = Stack("leaver", sqs=self.sqs.client, events=self.bus.client)
        nothing: dict[str, Any] = {each.name: None for each in fields(Deployment)}
        return Deployment(**nothing | {"stack": stack, "cases": Cases(self.tables.client, table="Cases")})


class _Queues(FakeSqs):
    """The queues; that of start_offboarding is worked on."""

    def __init__(self, intake: Queue) -> None:
        super().__init__()
        self._intake = intake
        self.calls = 0
        self.exceptions = SimpleNamespace(QueueDoesNotExist=KeyError)

    def get_queue_url(self, *, QueueName: str) -> dict[str, str]:  # noqa: N803 - AWS's name
        """Where a queue is."""
        return {"QueueUrl": f"{INTAKE_QUEUE.rpartition('/')[0]}/{QueueName}"}

    def get_queue_attributes(self, **_: object) -> dict[str, Any]:
        """No queue of dead letters holds any."""
        return {"Attributes": {"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0"}}

    def change_message_visibility(self, *, ReceiptHandle: str, VisibilityTimeout: int, **_: str) -> None:  # noqa: N803 - AWS's names
        """Say when a message is seen again."""
        self.calls += 1
        self._intake.change_visibility(ReceiptHandle, VisibilityTimeout)

    def _accept(self, message: dict[str, Any]) -> None:
        if message["QueueUrl"] == INTAKE_QUEUE:
            self._intake.send(json.loads(message["MessageBody"]))
        else:
            super()._accept(message)

    def send_message(self, **message: Any) -> Any:
        """Take one."""
        self.calls += 1
        super().send_message(**message)
        return {"MessageId": str(uuid4())}

    def send_message_batch(self, **messages: Any) -> dict[str, Any]:
        """Take several."""
        self.calls += 1
        return super().send_message_batch(**messages)


@contextmanager
def company(*, guard: int = NO_GUARD) -> Iterator[Company]:
    """Deploy Leaver at a company, with so many routine cases an hour before one is held."""
    found = Company()
    metrics = Unmeasured(service="leaver", namespace="Leaver")
    logger = Logger(service=f"company-{id(found)}", stream=io.StringIO(), level="CRITICAL")
    beside = SideBySide(found.time)
    zoom = Zoom(Line(found.account, lambda _: None), clock=found.now)
    instead: dict[str, Any] = {
        "_session": lambda: found,
        "now": found.now,
        "api": lambda *_: zoom,
        "beside": lambda: beside,
        "_executor": lambda _: beside,
        "_metrics": lambda: metrics,
        "logger": lambda: logger,
        "time": SimpleNamespace(sleep=found.time.sleep),
    }
    with ExitStack() as ending:
        ending.enter_context(patch.dict(os.environ, _ENVIRONMENT | {"ROUTINE_CASES_AN_HOUR": str(guard)}))
        for name, value in instead.items():
            ending.enter_context(patch.object(bootstrap, name, value))
        for module in (listing, releasing):
            ending.enter_context(patch.object(module, "describe", lambda *_: found.deployment))
        ending.enter_context(patch.object(listing, "now", found.now))
        ending.callback(forget)
        forget()
        yield found


def _event(email: str, at: str) -> dict[str, Any]:
    detail: dict[str, Any] = {
        "version": "leaver.v1",
        "event_id": f"hr-{email}",
        "source": "hr-system",
        "kind": "immediate",
        "subject": {"email": email},
        "effective_at": at,
        "occurred_at": at,
    }
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": "OffboardingRequested",
        "source": "leaver.hr",
        "account": "123456789012",
        "time": at,
        "region": "eu-central-1",
        "resources": [],
        "detail": detail,
    }
