"""A company that is reconciled in memory: its roster, its accounts page by page, its cases, each call an effect."""

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from aws_lambda_powertools import Logger
from pydantic import SecretStr

from functions.reconcile.app import Accounts, Leavers, Reconcile, Reconciliation, Rosters, Settings
from leaver.connections.access_tokens import AccessTokens
from leaver.connections.record import Connection
from leaver.errors import LeaverError, NotRead
from leaver.messages.events import OffboardingRequested, ReconciliationAnnouncement
from leaver.providers.listing import Ask, Cursor, Holding, Lists, Page, Person
from leaver.providers.registry import PROVIDERS
from leaver.reconcile.record import Documents, Runs, State, canonical, digest_of
from leaver.storage.user_token_secrets import FoundUserToken, UserTokenSecrets
from tests.doubles.cases_table import InMemoryCases, InMemoryItems, InMemoryPeople
from tests.doubles.clock import NOW, Clock
from tests.doubles.connections_table import InMemoryConnections, connection
from tests.doubles.rate_limiter import NoLimit
from tests.doubles.steps import Effects

Told = TypeVar("Told")
Found = TypeVar("Found")


class InMemoryRuns(Runs):
    """The one state."""

    def __init__(self, effects: Effects) -> None:
        self._items = InMemoryItems(State, key=("delivery",), effects=effects)


class InMemoryDocuments(Documents):
    """Documents by name, as JSON keeps them."""

    def __init__(self, effects: Effects) -> None:
        self.kept: dict[str, str] = {}
        self._effects = effects

    def put(self, name: str, document: object, kept: timedelta) -> str:
        text = canonical(document)
        assert kept > timedelta(0)
        self._effects.of("put document", lambda: self.kept.__setitem__(name, text))
        return digest_of(text)

    def read(self, name: str) -> Any:
        if name not in self.kept:
            raise NotRead(name)
        return self._effects.of("read document", lambda: json.loads(self.kept[name]))


@dataclass
class Listing(Lists[Found]):
    """What is there, in pages; from page `fails_at` on it raises."""

    there: Sequence[Found]
    effects: Effects
    size: int = 2
    fails_at: int | None = None
    error: LeaverError | None = None

    def read_page(self, cursor: Cursor, ask: Ask) -> Page[Found]:
        start = cursor.get("start", 0)
        if self.error is not None and self.fails_at is not None and start >= self.fails_at * self.size:
            raise self.error
        found = ask(lambda _: self.effects.of("list", lambda: tuple(self.there[start : start + self.size])))
        end = start + self.size
        return Page(found, {"start": end} if end < len(self.there) else None)


class OpenTokens(AccessTokens):
    """Tokens for whoever asks."""

    def with_token(self, name: str | None, call: Callable[[Connection, SecretStr], Told]) -> Told:
        return call(self.connections.read(str(name)), SecretStr("token"))


class Kept(UserTokenSecrets):
    """The names of kept user tokens."""

    def __init__(self) -> None:
        self.found: list[FoundUserToken] = []

    def find_all(self, *, most_pages: int | None = None) -> Iterator[FoundUserToken]:
        assert most_pages is None
        yield from self.found


def roster_of(people: Sequence[Person], as_of: datetime, said: int | None = None) -> bytes:
    """A roster as a file."""
    lines = [f"# as_of={as_of.isoformat()} count={len(people) if said is None else said}"]
    lines.append("email,aliases,employee_id,status,any:id")
    for each in people:
        status = "gone" if each.is_gone else ""
        fields = (each.email, " ".join(each.aliases), each.employee_id or "", status, " ".join(each.ids))
        lines.append(",".join(fields))
    return "\n".join(lines).encode()


@dataclass
class Reconciled:
    """Everything around runs of reconciliation."""

    people: list[Person] = field(default_factory=list)
    zoom: list[Holding] = field(default_factory=list)
    venafi: list[Holding] = field(default_factory=list)
    effects: Effects = field(default_factory=Effects)
    clock: Clock = field(default_factory=Clock)
    settings: Mapping[str, object] = field(default_factory=dict)
    #: None: as many as there are
    said: int | None = None
    as_of: datetime | None = None

    def __post_init__(self) -> None:
        self.runs = InMemoryRuns(self.effects)
        self.documents = InMemoryDocuments(self.effects)
        self.cases = InMemoryCases(effects=self.effects)
        self.known = InMemoryPeople(effects=self.effects)
        self.connections = InMemoryConnections(
            connection("zoom", expires_at=NOW + timedelta(days=99)),
            connection("venafi", provider="venafi", account="tpp", expires_at=NOW + timedelta(days=99)),
        )
        self.kept = Kept()
        self.said_words: list[OffboardingRequested] = []
        self.announced: list[ReconciliationAnnouncement] = []
        self.gauges: list[Mapping[str, int]] = []
        self.told_to_seal: list[Mapping[str, Any]] = []
        self.going_on: list[Reconcile] = []
        self.listings: dict[str, Listing[Holding]] = {
            "zoom/acme": Listing(self.zoom, self.effects),
            "venafi/tpp": Listing(self.venafi, self.effects),
        }
        self.by_system: Listing[Person] = Listing(self.people, self.effects)

    @property
    def reconciliation(self) -> Reconciliation:
        """A run's own process: nothing of it outlives the run."""
        usual: dict[str, object] = {
            "event_bus_name": "leaver",
            "dead_letter_queue_url": "dead-letters",
            "give_up_after": "86400",
            "cases_table": "Cases",
            "connections_table": "Connections",
            "secret_prefix": "leaver",
            "refresh_queue_url": "refresh",
            "providers": "zoom,venafi",
            "deliveries_table": "Deliveries",
            "pace_table": "Pace",
            "roster": "csv",
            "roster_bucket": "rosters",
            "roster_key": "roster.csv",
            "roster_may_shrink": "5",
            "start_offboarding_queue_url": "intake",
            "reconcile_queue_url": "reconcile",
            "seal_queue_url": "seal",
        }
        settings = Settings.model_validate(usual | dict(self.settings))

        def tokens_of(provider: str) -> AccessTokens:
            return OpenTokens(self.connections, None, self.clock, provider)  # type: ignore[arg-type]  # nothing is read

        return Reconciliation(
            runs=self.runs,
            documents=self.documents,
            accounts=Accounts(PROVIDERS, self.connections, self.listings.__getitem__, tokens_of, lambda _: NoLimit()),
            rosters=Rosters(self.connections, lambda _: self.by_system, tokens_of, self._read_file),
            leavers=Leavers(self.known, self.cases),
            kept=self.kept,
            say=lambda word: self.effects.of("say", lambda: self.said_words.append(word)),
            announce=lambda each: self.effects.of("announce", lambda: self.announced.append(each)),
            gauge=self.gauges.append,
            request_run=lambda each: self.effects.of("ask for a seal", lambda: self.told_to_seal.append(each)),
            go_on=self.going_on.append,
            clock=self.clock,
            logger=Logger(service="reconcile", stream=io.StringIO(), level="CRITICAL"),
            settings=settings,
        )

    def run(self, name: str = "run-1", **asked: object) -> dict[str, Any]:
        """One run to its end; returns its result."""
        command = Reconcile.model_validate({"run": name, **asked})
        self.reconciliation.work(command, lambda: True)
        return self.result(name)

    def result(self, name: str) -> dict[str, Any]:
        """What a run found."""
        found: dict[str, Any] = json.loads(self.documents.kept[f"{name}#result"])
        return found

    def _read_file(self, _: str) -> bytes:
        return roster_of(self.people, self.as_of or self.clock(), self.said)
