"""One connection, its provider and all that a refresh touches, in memory: the worst night, played in a moment."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from aws_lambda_powertools import Logger, Metrics

from functions.revoke_access_token.app import revoke_access_token
from leaver.cases.people import Name
from leaver.connections.grants import ProviderGrants
from leaver.connections.record import LEASE, Connection, Status
from leaver.connections.refresh import TokenRefresher
from leaver.connections.token_versions import TokenVersions
from leaver.consuming.consumer import Consumer
from leaver.messages.commands import Command, RefreshAccessToken, RevokeAccessToken
from leaver.messages.publisher import Publisher
from leaver.outcomes import Result
from leaver.storage.encryption import TokenEncryption
from leaver.storage.secrets import SecretStore
from leaver.tokens import AppCredentials
from leaver_cli.connections.request import NewConnection
from leaver_cli.connections.setup import ConnectionSetup
from local.simulators.grants import Grants as SimulatedGrants
from local.simulators.grants import Rotation as Kind
from local.simulators.grants import digest
from tests.doubles.acme.entry import RENEWED
from tests.doubles.cases_table import InMemoryPeople
from tests.doubles.clock import NOW, Clock
from tests.doubles.connections_table import connection
from tests.doubles.effects import Bus, Kms, Queues, Secrets, Table
from tests.doubles.executor import OneByOne
from tests.doubles.lambda_events import FIFO_QUEUE, QUEUE
from tests.doubles.lambda_events import batch as batch_of
from tests.doubles.lambda_events import record as record_of
from tests.doubles.receipts_table import InMemoryReceipts
from tests.doubles.secrets_manager import PARENT, Secret, place_of
from tests.doubles.sqs import DEAD_LETTERS, FIFO_DEAD_LETTERS, REFRESH_QUEUE
from tests.doubles.steps import Effects, in_words
from tests.doubles.token_endpoints import CLIENT, ENDPOINTS, SECRET, AuthorizationServer

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

#: what Lambda gives the functions
FUNCTION_TIMEOUT: Final = timedelta(seconds=90)
ANNA: Final = "anna@example.com"
BEN: Final = "ben@example.com"

_LOGGER: Final = Logger(service="night", stream=io.StringIO(), level="CRITICAL")


class Silence:
    """Metrics that nobody counts."""

    metric_set: Final[dict[str, object]] = {}

    def add_metric(self, **_: object) -> None:
        pass


@dataclass
class Message:
    """A message in a queue, until a function acknowledges it."""

    command: type[Command]
    body: dict[str, Any]
    id: str
    receives: int = 0
    first_received_at: datetime | None = None


class Lambda:
    """The context of one invocation."""

    def __init__(self, clock: Clock, aws_request_id: str) -> None:
        self.aws_request_id = aws_request_id
        self._clock = clock
        self._deadline = clock() + FUNCTION_TIMEOUT

    def get_remaining_time_in_millis(self) -> int:
        return int((self._deadline - self._clock()).total_seconds() * 1000)


class Shared:
    """What all connections of a deployment have in common: the time, AWS, and what lies in the queues."""

    def __init__(self, clock: Clock | None = None, there: Clock | None = None) -> None:
        """Take the functions' clock, and the providers' and Lambda's own, which is the same unless it is given."""
        self.effects = Effects()
        self.clock = clock or Clock()
        self.there = there or self.clock
        self.messages = count(1)
        self.table = Table(self.effects)
        self.secrets = Secrets()
        self.secrets.effects = self.effects
        self.kms = Kms(self.effects)
        self.secret_store = SecretStore(self.secrets.client, prefix="leaver")
        self.bus, self.sqs, self.receipts = Bus(self.effects), Queues(self.effects), InMemoryReceipts()
        self.queued: list[Message] = []
        self.parked: list[Message] = []

    def server(self, provider: str, grants: SimulatedGrants) -> AuthorizationServer:
        """Make the provider of one connection, whose app is nobody else's."""
        return AuthorizationServer(provider, grants, self.there, self.effects)


class Night:
    """A connection by refresh token that is due, and all who may want to change it."""

    def __init__(
        self,
        kind: Kind,
        provider: str = "zoom",
        *,
        expired: bool = False,
        role: Literal["service", "personal"] = "service",
        name: str | None = None,
        shared: Shared | None = None,
    ) -> None:
        shared = shared or Shared()
        self._shared: Final = shared
        self.effects, self.clock, self.table = shared.effects, shared.clock, shared.table
        self.secrets, self.secret_store = shared.secrets, shared.secret_store
        self.bus, self.sqs, self.receipts = shared.bus, shared.sqs, shared.receipts
        self.queued, self.parked = shared.queued, shared.parked
        self.name: Final = name or provider
        granted = SimulatedGrants(
            access_lifetime=timedelta(hours=1),
            refresh_lifetime=timedelta(days=90),
            grant_lifetime=None,
            rotation=kind,
            refresh_kills_access=provider == "venafi",
            # "until the new one is used", as some have it
            grace=timedelta(days=1),
        )
        self.server = shared.server(provider, granted)
        issued = self.server.authorized(ANNA)
        self.clock.passes(minutes=61 if expired else 48)
        self.table.records[self.name] = connection(
            self.name,
            provider=provider,
            owner=ANNA,
            role=role,
            expires_at=issued.access.expires_at,
            refresh_at=self.clock(),
            granted_at=NOW,
        )
        self.people = InMemoryPeople(effects=self.effects)
        self.secrets.secrets[f"leaver/tokens/{place_of(self.name)}"] = Secret(
            {PARENT: json.dumps(issued.token_set())}, {"AWSCURRENT": PARENT}
        )
        self._credentials: Final[type[AppCredentials]] = RENEWED[provider].credentials
        own = {"client_id": CLIENT, "client_secret": SECRET.get_secret_value()}
        credentials = {name: value for name, value in own.items() if name in self._credentials.model_fields}
        self.secrets.secrets[f"leaver/credentials/{place_of(self.name)}"] = Secret(
            {PARENT: json.dumps(credentials)}, {"AWSCURRENT": PARENT}
        )
        self.grants = ProviderGrants(RENEWED, {provider: ENDPOINTS[provider](self.server)}, self.secret_store)
        self._template = Consumer(
            function="night",
            command=Command,
            operation=lambda _: None,
            sqs=self.sqs.client,
            publisher=self._publisher(),
            receipts=None,
            give_up_after=timedelta(hours=24),
            clock=self.clock,
            logger=_LOGGER,
            metrics=cast("Metrics", Silence()),
            executor=OneByOne(),
            jitter=lambda _, longest: longest,
        )

    # -- what happens to it

    def refresh(self, **asked: Any) -> Callable[[], bool]:
        """Put a refresh into the FIFO queue; returns how a function carries it out."""
        return self._queue(Message(RefreshAccessToken, {"connection": self.name, **asked}, self._id()))

    def revoke(self) -> Callable[[], bool]:
        """Put a revocation into its queue; returns how a function carries it out."""
        return self._queue(
            Message(RevokeAccessToken, {"connection": self.name, "confirm": RevokeAccessToken.CONFIRMATION}, self._id())
        )

    def leave(self) -> Callable[[], object]:
        """Its owner leaves: a case raises the tombstone, and then sends the revocation of the personal connection."""
        revoke = self.revoke()

        def gone(found: Name) -> Name | None:
            return None if found.gone_since else found.model_copy(update={"gone_since": self.clock()})

        def do() -> None:
            self.people.change(ANNA, gone)
            revoke()

        return do

    def connect(self, owner: str = BEN) -> Callable[[], object]:
        """A person authorizes the connection anew, at the command line."""
        new = NewConnection(
            name=self.name,
            provider=self.server.provider,
            account="acme",
            grant_type="refresh_token",
            role="service",
            owner=owner,
            credentials=self._credentials.model_validate_json(
                self.secrets.secrets[f"leaver/credentials/{place_of(self.name)}"].versions[PARENT]
            ),
            obtain=lambda: self.server.obtain(owner),
        )
        setup = ConnectionSetup(
            connections=self.table,
            secret_store=self.secret_store,
            grants=self.grants,
            holder=f"connect#{self._id()}",
            clock=self.clock,
            pause=self._pause,
            jitter=lambda shortest, _: shortest,
        )
        return lambda: setup.establish(new)

    def disconnect(self) -> Callable[[], object]:
        """A person ends the connection: the revocation is sent, and its secrets go when it is done."""
        revoke = self.revoke()

        def do() -> None:
            revoke()
            if self.table.read(self.name).status is Status.REVOKED:
                self.secret_store.destroy(self.name)

        return do

    def passes(self, **time: float) -> None:
        self.clock.passes(**time)

    def morning(self) -> None:
        """Time passes, and everything that lies in a queue is tried until nothing is left."""
        self.effects.watch = lambda _name, _moment: None
        for _ in range(20):
            self._collect()
            is_cooling = self.record.status is Status.COOLING_DOWN
            if not self.queued and not is_cooling:
                return
            self.clock.passes(seconds=LEASE.total_seconds() + 60)
            if is_cooling and self.record.refresh_at <= self.clock():
                # As schedule_refreshes does, each minute.
                self.refresh()
            for message in list(self.queued):
                self.deliver(message)
        raise AssertionError(f"still in a queue: {[message.body for message in self.queued]}")

    def _collect(self) -> None:
        """Put what functions sent to the refresh queue where it is found."""
        for sent in self.sqs.to(REFRESH_QUEUE):
            self.queued.append(Message(RefreshAccessToken, json.loads(sent["MessageBody"]), self._id()))
        for queue in (DEAD_LETTERS, FIFO_DEAD_LETTERS):
            self.parked += [Message(Command, json.loads(sent["MessageBody"]), "parked") for sent in self.sqs.to(queue)]
        self.sqs.sent.clear()

    def _id(self) -> str:
        return f"message-{next(self._shared.messages)}"

    def _queue(self, message: Message) -> Callable[[], bool]:
        self.queued.append(message)
        return lambda: self.deliver(message)

    def deliver(self, message: Message) -> bool:
        """Let a function have the message; tells whether it acknowledged it."""
        message.receives += 1
        message.first_received_at = message.first_received_at or self.clock()
        refreshes = message.command is RefreshAccessToken
        received = record_of(
            message.body,
            message_id=message.id,
            queue=FIFO_QUEUE if refreshes else QUEUE,
            sent_at=self.clock(),
            first_received_at=message.first_received_at,
            receives=message.receives,
            group=self.name if refreshes else None,
        )
        context = Lambda(self._shared.there, f"{message.id}-{message.receives}")
        consumer = self._refresher(context) if refreshes else self._revoker(context)
        failures = self.effects.of("receive", lambda: None) or consumer.consume(batch_of(received), context)
        if failures["batchItemFailures"]:
            return False
        self.effects.of("acknowledge", lambda: self._acknowledged(message))
        return True

    def _acknowledged(self, message: Message) -> None:
        # A message that was delivered twice may be gone already.
        if message in self.queued:
            self.queued.remove(message)

    def _refresher(self, context: Lambda) -> Consumer[Any]:
        refresher = TokenRefresher(
            connections=self.table,
            has_left=self.people.gone,
            token_versions=TokenVersions(
                self.secret_store, TokenEncryption(cast("KMSClient", self._shared.kms), key_arn="key")
            ),
            grants=self.grants,
            publisher=self._publisher(),
            holder=f"refresh#{context.aws_request_id}",
            clock=self.clock,
            remaining=lambda: timedelta(milliseconds=context.get_remaining_time_in_millis()),
            pause=self._pause,
            jitter=lambda shortest, longest: (shortest + longest) / 2,
        )
        refresh: Any = refresher.refresh
        publisher = self._publisher(FIFO_DEAD_LETTERS)
        return replace(self._template, command=RefreshAccessToken, operation=refresh, publisher=publisher)

    def _revoker(self, context: Lambda) -> Consumer[Any]:
        def operation(command: RevokeAccessToken) -> Result:
            return revoke_access_token(
                command,
                grants=self.grants,
                connections=self.table,
                secret_store=self.secret_store,
                holder=f"revoke#{context.aws_request_id}",
                clock=self.clock,
            )

        return replace(
            self._template, command=RevokeAccessToken, operation=cast("Any", operation), receipts=self.receipts
        )

    def _publisher(self, dead_letters: str = DEAD_LETTERS) -> Publisher:
        return Publisher(
            events=self.bus.client,
            sqs=self.sqs.client,
            bus="leaver",
            dead_letter_queue_url=dead_letters,
            refresh_queue_url=REFRESH_QUEUE,
        )

    def _pause(self, seconds: float) -> None:
        self.clock.passes(seconds=seconds)

    # -- what became of it

    @property
    def record(self) -> Connection:
        return self.table.records[self.name]

    @property
    def live(self) -> dict[str, list[str]]:
        """The digests of what works at the provider."""
        return cast("dict[str, list[str]]", self.server.grants.live_tokens(self.clock()))

    def announced(self, name: str) -> set[str]:
        """The different announcements of that name: the same one twice counts once, as `announcement_id` promises."""
        return {each["announcement_id"] for each in self.bus.announced if each["detail_type"] == name}

    @property
    def stored(self) -> dict[str, Any]:
        secret = self.secrets.secrets[f"leaver/tokens/{place_of(self.name)}"]
        tokens: dict[str, Any] = json.loads(secret.versions[self.record.version])
        return tokens

    def state(self) -> str:
        """All that is outside of the runs, in words that are the same for the same."""
        secrets = {name: sorted(each.versions.values()) for name, each in sorted(self.secrets.secrets.items())}
        granted = [
            (each.subject, each.refresh_token, sorted(each.access_tokens), sorted(each.spent), each.superseded)
            for each in self.server.grants
        ]
        told = sorted(each["announcement_id"] for each in self.bus.announced)
        waiting = sorted((message.id, message.receives, message.first_received_at) for message in self.queued)
        queues = (waiting, len(self.sqs.sent), self.receipts.items)
        kept = (in_words(self.record), self.people.items.kept, secrets)
        return repr((self.clock.now, kept, granted, told, queues, self.server.most_in_flight))

    def fate(self) -> str:
        """In words: works, needs a person, revoked, or what is wrong."""
        record = self.record
        if record.lease_holder is not None:
            return f"held for ever by {record.lease_holder}"
        match record.status:
            case Status.REVOKED:
                left = sum(len(digests) for digests in self.live.values())
                return "revoked" if not left else f"revoked on record, and {left} tokens live"
            case Status.REVOKING:
                return "says what it cannot revoke" if record.orphaned_tokens else "neither revoked nor given up"
            case Status.NEEDS_REAUTHORIZATION:
                told = len(self.announced("ConnectionNeedsReauthorization"))
                return "needs a person" if told == 1 else f"needs a person, and {told} were told"
        return self._fate_in_use()

    def _fate_in_use(self) -> str:
        if digest(self.stored["refresh_token"]) not in self.live["refresh"]:
            return f"{self.record.status} on record, and its refresh token is dead"
        if len(self.live["refresh"]) > 1 + (self.server.grants.rotation is Kind.GRACE):
            return f"works, and {len(self.live['refresh'])} refresh tokens live"
        return "works"
