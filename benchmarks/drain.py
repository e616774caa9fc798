"""Ten thousand leavers through one provider account, with one urgent every three seconds: who waits, and for how long.

What is real: the consumer, the pace (through boto3, on moto), the operation `revoke_sso_token` and Zoom's client. What
is modelled: SQS and Lambda's event source mapping (batches, concurrency, partial failures, visibility, receive counts,
cold starts), and Zoom: a limit per second that counts every call of everybody, 150 ms +- 30 to an answer, 30 ms to a
429. Time is virtual, so a run of minutes takes seconds, and the processor's own time counts for nothing: what Lambda's
handler costs is measured in batch.py.
"""

import heapq
import io
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import count
from types import SimpleNamespace
from typing import Any, Final, Literal, cast
from urllib.parse import unquote
from uuid import uuid4

import boto3
from aws_lambda_powertools import Logger, Metrics
from moto import mock_aws
from pydantic import SecretStr
from requests.structures import CaseInsensitiveDict

from benchmarks.virtual_time import BEGINNING, SideBySide, VirtualTime
from functions.revoke_sso_token.app import revoke_sso_token
from leaver.access_tokens import AccessTokens
from leaver.commands import RevokeSsoToken
from leaver.connections import Connection, Connections, Status
from leaver.consumer import Consumer
from leaver.outbox import Outbox
from leaver.pacing import Pace
from leaver.receipts import Receipt, Receipts
from leaver.tokens import TokenSet
from leaver.transport import Answer, Transport
from leaver.vault import Vault
from leaver.zoom import Zoom

LEAVERS: Final = 10_000
#: seconds between two urgent leavers
URGENT_EVERY: Final = 3.0
#: requests a second → batches at once: template.yaml's ZoomPlans
CONCURRENCY: Final = {30: 3, 80: 8}
BATCH: Final = 10
#: deliveries after which a usual queue gives up; ours has a thousand
USUAL_RECEIVES: Final = 5
COLD_START: Final = 0.6
#: from SendMessage to the function's first line, where a poller waits
DELIVERY: Final = (0.01, 0.03)
TOO_FAST: Final = {
    "code": 429,
    "message": "You have reached the maximum per-second rate limit for this API. Try again later.",
}

Window = Literal["fixed", "bucket"]


class Account:
    """Zoom, as far as one account's limit goes: in each second so many calls, whoever makes them."""

    def __init__(
        self, time: VirtualTime, limit: int, *, taken: float = 0.0, window: Window = "fixed", seed: int = 0
    ) -> None:
        self._time = time
        self._limit = limit
        self._window = window
        self._random = random.Random(seed)
        self._phase = self._random.random()
        self._left = float(limit)
        self._second = -1
        self._filled_at = 0.0
        self.calls: Counter[int] = Counter()
        #: somebody else's calls a second, evenly
        self._taken = taken
        if taken:
            time.spawn(self._somebody_else)

    def answer(self) -> int:
        """Take one call of ours: 204 or 429, after as long as that takes."""
        latency = self._random.uniform(0.12, 0.18)
        self._time.sleep(latency / 2)
        taken = self._take()
        self._time.sleep(latency / 2 if taken else 0.015)
        self.calls[204 if taken else 429] += 1
        return 204 if taken else 429

    def _take(self) -> bool:
        if self._window == "fixed":
            second = int(self._time.now + self._phase)
            if second != self._second:
                self._second, self._left = second, float(self._limit)
        else:
            gained = (self._time.now - self._filled_at) * self._limit
            # no burst beyond a tenth of a second: the strictest bucket that is still a limit per second
            self._filled_at, self._left = self._time.now, min(max(self._limit / 10, 2.0), self._left + gained)
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def _somebody_else(self) -> None:
        while True:
            self._take()
            self._time.sleep(1 / self._taken)


class Line(Transport):
    """Zoom's client speaks through this; it carries nothing but the user's session."""

    def __init__(self, account: Account, ended: Callable[[str], None]) -> None:
        self._account = account
        self._ended = ended

    def request(self, method: str, path: str, **_: object) -> Answer:
        """Answer as Zoom does."""
        assert method == "DELETE"
        status = self._account.answer()
        if status == 204:
            self._ended(path)
        return Answer(
            status=status,
            headers=CaseInsensitiveDict({} if status == 204 else {"X-RateLimit-Type": "QPS"}),
            json=None if status == 204 else TOO_FAST,
            empty=status == 204,
            retry_after=None,
            tracking_id=None,
        )


@dataclass(order=True)
class Waiting:
    """A message in a queue."""

    visible_at: float
    order: int
    id: str = field(compare=False)
    sent_at: float = field(compare=False)
    body: str = field(compare=False)
    receives: int = field(default=0, compare=False)


class Queue:
    """A standard queue, and the mapping that feeds a function from it with so many batches at once."""

    visibility = 360.0

    def __init__(self, time: VirtualTime, name: str, *, seed: int, most_receives: int = 1000) -> None:
        self._time = time
        self.name = name
        self._random = random.Random(seed)
        self._most_receives = most_receives
        self._messages: list[Waiting] = []
        self._order = count()
        self.held: dict[str, Waiting] = {}
        self.dead: list[str] = []
        self.receives = 0

    def send(self, body: Mapping[str, Any]) -> str:
        """Put a message into the queue."""
        message = Waiting(self._time.now, next(self._order), str(uuid4()), self._time.now, json.dumps(body))
        message.visible_at += self._random.uniform(*DELIVERY)
        heapq.heappush(self._messages, message)
        return message.id

    def poll(self, invoke: Callable[[list[Waiting]], set[str]], *, workers: int, batch: int) -> None:
        """Begin to hand batches to as many environments; a mapping begins with five, and adds five a second."""
        for worker in range(workers):
            starts_after = 0.0 if worker < 5 else (worker - 4) / 5
            self._time.spawn(partial(self._work, invoke, batch), after=starts_after)

    def change_visibility(self, message_id: str, seconds: float) -> None:
        """Say when a message that is under way is to be seen again."""
        self.held[message_id].visible_at = self._time.now + seconds

    def _work(self, invoke: Callable[[list[Waiting]], set[str]], batch: int) -> None:
        cold = True
        while True:
            taken = self._receive(batch)
            if not taken:
                self._time.sleep(max(0.02, self._messages[0].visible_at - self._time.now) if self._messages else 0.05)
                continue
            if cold:
                self._time.sleep(COLD_START)
                cold = False
            failed = invoke(taken)
            for message in taken:
                self.held.pop(message.id)
                if message.id in failed:
                    heapq.heappush(self._messages, message)

    def _receive(self, batch: int) -> list[Waiting]:
        taken: list[Waiting] = []
        while self._messages and len(taken) < batch and self._messages[0].visible_at <= self._time.now:
            message = heapq.heappop(self._messages)
            message.receives += 1
            self.receives += 1
            if message.receives > self._most_receives:
                self.dead.append(message.id)
                continue
            message.visible_at = self._time.now + self.visibility
            self.held[message.id] = message
            taken.append(message)
        return taken


class KeptReceipts(Receipts):
    """Receipts in memory."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Receipt] = {}

    def standing(self, receipts: Sequence[Receipt]) -> dict[tuple[str, str], Receipt]:
        """As the table."""
        keys = [(each.case_id, each.entry) for each in receipts]
        return {key: self.kept[key] for key in keys if key in self.kept}

    def finish(self, closed: Receipt) -> Receipt:
        """As the table."""
        return self.kept.setdefault((closed.case_id, closed.entry), closed)


class OneConnection(Connections):
    """The record of the connection `zoom`."""

    def __init__(self) -> None:
        late = BEGINNING + timedelta(days=1)
        self._record = Connection(
            connection="zoom",
            provider="zoom",
            account="acme",
            grant_type="account_credentials",
            owner="it@example.com",
            role="service",
            status=Status.ACTIVE,
            version=str(uuid4()),
            expires_at=late,
            refresh_at=late,
        )

    def read(self, name: str) -> Connection:
        """Read it."""
        assert name == "zoom"
        return self._record


class OneToken(Vault):
    """The token of the connection `zoom`."""

    def __init__(self) -> None:
        """Nothing is kept elsewhere."""

    def tokens(self, connection: str, version: str) -> TokenSet:
        """Read it."""
        assert (connection, bool(version)) == ("zoom", True)
        return TokenSet(access_token=SecretStr("x"), expires_at=BEGINNING + timedelta(days=1), scope="x")


class Unmeasured(Metrics):
    """Metrics that nobody prints."""

    def add_metric(self, *_: object, **__: object) -> None:
        """Forget it."""


class CountingTable:
    """DynamoDB's client, and how often the pace asked it."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.exceptions = client.exceptions
        self.calls = 0

    def update_item(self, **asked: Any) -> Any:
        """Ask."""
        self.calls += 1
        return self._client.update_item(**asked)


class Environment:
    """One of a function's execution environments: its own consumer, and its own knowledge of the pace."""

    def __init__(self, world: "Leaving", queue: Queue) -> None:
        time = world.time
        self._queue = queue
        tokens = AccessTokens(OneConnection(), OneToken(), time.clock)
        pace = Pace(
            cast("Any", world.table),
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
            operation=partial(revoke_sso_token, zoom=zoom, tokens=tokens),
            sqs=sqs,
            outbox=Outbox(events=events, sqs=sqs, bus="leaver", dead_letter_queue_url="dead"),
            receipts=world.receipts,
            give_up_after=timedelta(days=1),
            casework=None,
            clock=time.clock,
            logger=Logger(service=f"drain-{id(world)}", stream=io.StringIO(), level="CRITICAL"),
            metrics=Unmeasured(service="leaver", namespace="Leaver"),
            executor=SideBySide(time),
            pace=pace,
        )

    def invoke(self, messages: Sequence[Waiting]) -> set[str]:
        """Hand a batch over as Lambda does."""
        event = {"Records": [_record(self._queue.name, each) for each in messages]}
        context: Any = SimpleNamespace(aws_request_id="x", get_remaining_time_in_millis=lambda: 60_000)
        failures = self._consumer.consume(event, context)["batchItemFailures"]
        return {each["itemIdentifier"] for each in failures}

    def _change_visibility(self, *, ReceiptHandle: str, VisibilityTimeout: int, **_: str) -> None:  # noqa: N803 - AWS's names
        self._queue.change_visibility(ReceiptHandle, VisibilityTimeout)


class Leaving:
    """One run: so many leavers at once, an urgent one now and then, and one account's limit."""

    def __init__(
        self, limit: int, *, leavers: int, taken: float = 0.0, window: Window = "fixed", seed: int = 0
    ) -> None:
        self.time = VirtualTime()
        self.limit = limit
        self.leavers = leavers
        self.account = Account(self.time, limit, taken=taken, window=window, seed=seed)
        self.receipts = KeptReceipts()
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

    def paced(self, client: Any, *, concurrency: int) -> "Run":
        """Run Leaver's own functions."""
        self.table = CountingTable(client)
        routine, urgent = Queue(self.time, "routine", seed=1), Queue(self.time, "urgent", seed=2)
        for queue, workers in ((routine, concurrency), (urgent, 2)):
            for _ in range(workers):
                queue.poll(Environment(self, queue).invoke, workers=1, batch=BATCH)
        return self._run(routine, urgent)

    def _run(self, routine: Queue, urgent: Queue) -> "Run":
        for number in range(self.leavers):
            routine.send({"user_id": f"person-{number}@example.com"})
        self.time.spawn(partial(self._urgent_leavers, urgent))
        self.time.run(until=lambda: self.routine_done + len(routine.dead) >= self.leavers)
        return Run(
            limit=self.limit,
            leavers=self.leavers,
            seconds=max(self.done_at),
            done_at=self.done_at,
            calls=dict(self.account.calls),
            dead=len(routine.dead) + len(urgent.dead),
            receives=routine.receives,
            pacing_calls=getattr(getattr(self, "table", None), "calls", 0),
            urgent_waits=self.urgent_waits,
        )

    def _urgent_leavers(self, queue: Queue) -> None:
        # The first comes when the environments are warm: what a cold start costs is told in init.py.
        self.time.sleep(2.0)
        for number in count():
            user = f"urgent-{number}@example.com"
            self.urgent[user] = self.time.now
            queue.send({"user_id": user, "urgency": "urgent"})
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


def paced(limit: int, *, leavers: int = LEAVERS, taken: float = 0.0, window: Window = "fixed", seed: int = 0) -> Run:
    """Run Leaver's functions against an account, of whose limit `taken` calls a second are somebody else's."""
    with mock_aws():
        client = boto3.Session("testing", "testing", region_name="eu-central-1").client("dynamodb")
        client.create_table(
            TableName="Pace",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "bucket", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "bucket", "KeyType": "HASH"}],
        )
        return Leaving(limit, leavers=leavers, taken=taken, window=window, seed=seed).paced(
            client, concurrency=CONCURRENCY[limit]
        )


def _put_events(*, Entries: Sequence[Any]) -> dict[str, Any]:  # noqa: N803 - AWS's name
    return {"FailedEntryCount": 0, "Entries": [{} for _ in Entries]}


def _record(queue: str, message: Waiting) -> dict[str, Any]:
    sent = int((BEGINNING + timedelta(seconds=message.sent_at)).timestamp() * 1000)
    return {
        "messageId": message.id,
        "receiptHandle": message.id,
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": str(message.receives),
            "SentTimestamp": str(sent),
            "SenderId": "x",
            "ApproximateFirstReceiveTimestamp": str(sent),
        },
        "messageAttributes": {},
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:eu-central-1:123456789012:{queue}",
        "awsRegion": "eu-central-1",
    }
