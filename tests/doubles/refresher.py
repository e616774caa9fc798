"""One connection, its tokens and its grant at the provider, and the refresher in front of them, all in memory."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from pydantic import SecretStr

from leaver.connections.record import Connection
from leaver.connections.refresh import TokenRefresher
from leaver.connections.token_versions import TokenVersions
from leaver.messages.commands import RefreshAccessToken
from leaver.messages.publisher import Publisher
from leaver.outcomes import Result
from leaver.providers.zoom.credentials import ZoomCredentials
from leaver.storage.encryption import TokenEncryption
from leaver.storage.secrets import next_version_id
from leaver_cli.connections.request import NewConnection
from tests.doubles.cases_table import InMemoryPeople
from tests.doubles.clock import NOW, Clock
from tests.doubles.connections_table import InMemoryConnections, connection
from tests.doubles.event_bus import FakeBus
from tests.doubles.kms import KEY, FakeKms
from tests.doubles.providers import FakeGrant, provider_grants
from tests.doubles.secrets_manager import PARENT, StrictSecretsManager, place_of, secret_store_of, tokens
from tests.doubles.sqs import FIFO_DEAD_LETTERS, FakeSqs

CHILD = next_version_id("zoom", PARENT)
GRANDCHILD = next_version_id("zoom", CHILD)
DUE = connection(refresh_at=NOW)
#: what Lambda gives the function
TIMEOUT = timedelta(seconds=90)


class Stage:
    """Everything that a refresh touches; waiting lets the clock go on."""

    def __init__(self, record: Connection = DUE) -> None:
        self.clock = Clock()
        self.grant = FakeGrant(self.clock)
        self.connections = InMemoryConnections(record)
        (self.name,) = self.connections.records
        self.secrets = StrictSecretsManager()
        self.secret_store = secret_store_of(self.secrets, self.name)
        self.people = InMemoryPeople()
        self.kms = FakeKms()
        self.bus = FakeBus()
        self.jitter: Callable[[float, float], float] = lambda shortest, longest: (shortest + longest) / 2
        self.time = TIMEOUT
        self._invocations = count(1)
        #: called while the refresher waits
        self.waiting: Callable[[], object] = lambda: None

    @property
    def record(self) -> Connection:
        return self.connections.records[self.name]

    def refresh(self, **asked: Any) -> Result | None:
        return self.run(self.refresher(), **asked)

    def run(self, refresher: TokenRefresher, **asked: Any) -> Result | None:
        return refresher.refresh(RefreshAccessToken(connection=self.name, **asked))

    def refresher(self) -> TokenRefresher:
        """One invocation of the function, that begins now."""
        deadline = self.clock() + self.time
        return TokenRefresher(
            connections=self.connections,
            has_left=self.people.gone,
            token_versions=TokenVersions(self.secret_store, TokenEncryption(self.kms.client, key_arn=KEY)),
            grants=provider_grants(self.grant, self.secret_store),
            publisher=Publisher(
                events=self.bus.client, sqs=FakeSqs().client, bus="leaver", dead_letter_queue_url=FIFO_DEAD_LETTERS
            ),
            holder=f"refresh#{next(self._invocations)}",
            clock=self.clock,
            remaining=lambda: deadline - self.clock(),
            pause=self._pause,
            jitter=self.jitter,
        )

    def alter(self, **to: Any) -> None:
        """Somebody else changes the record."""
        self.connections.alter(self.name, **to)

    def cools_off(self) -> None:
        """Time passes until the next attempt is due."""
        self.clock.now = max(self.clock(), self.record.refresh_at)

    def an_earlier_run_was_killed(self, expires_at: datetime = NOW + timedelta(minutes=50)) -> None:
        """It had refreshed and written, and not recorded."""
        self.grant.number = 2
        self.keep(CHILD, tokens("access-2", "refresh-2", expires_at))

    def keep(self, version: str, text: str) -> None:
        self.secrets.put_secret_value(
            SecretId=f"leaver/tokens/{place_of(self.name)}", ClientRequestToken=version, SecretString=text
        )

    def log_in_with(self, **credentials: str) -> None:
        """Store other credentials."""
        text = json.dumps({"client_id": "client-id"} | credentials)
        self.secrets.put_secret_value(SecretId=f"leaver/credentials/{place_of(self.name)}", SecretString=text)

    def new_connection(self, **other: Any) -> NewConnection:
        """What a person asks for who connects anew under the same name."""
        usual: dict[str, Any] = {
            "name": self.name,
            "provider": "zoom",
            "account": "acme",
            "grant_type": "refresh_token",
            "role": "service",
            "owner": "it@example.com",
            "credentials": ZoomCredentials(client_id="client-id", client_secret=SecretStr("client-secret")),
            "obtain": self.grant.minted,
        }
        return NewConnection(**usual | other)

    def stored(self, version: str = CHILD) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(
            self.secrets.secrets[f"leaver/tokens/{place_of(self.name)}"].versions[version]
        )
        return value

    @property
    def announced(self) -> list[str]:
        return [each["detail_type"] for each in self.bus.announced]

    def _pause(self, seconds: float) -> None:
        self.clock.passes(seconds=seconds)
        self.waiting()
