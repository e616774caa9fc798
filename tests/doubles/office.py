"""Everything around a leaver's case in memory, each call an effect: HR, the functions' queues, and two providers."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import Any, Final, Literal, TypeVar, cast

from aws_lambda_powertools import Logger, Metrics
from pydantic import SecretStr

from functions.deactivate_user.app import deactivate_user
from functions.look_up_person.app import look_up_person
from functions.look_up_person.app import name as name_of_look_up
from functions.purge_user_tokens.app import purge_user_tokens
from functions.revoke_access_token.app import revoke_access_token
from functions.revoke_grants.app import revoke_grants
from functions.revoke_sso_token.app import revoke_sso_token
from functions.seal_case.app import SealCase, read_case, seal_case
from functions.start_offboarding.app import PersonFinder, StartOffboarding, name, start_offboarding, understand
from functions.watch_deadlines.app import Watch
from leaver.cases.announcing import CaseAnnouncer
from leaver.cases.ceiling import Ceiling
from leaver.cases.closing import StepClosing
from leaver.cases.completion import CaseCompletion
from leaver.cases.finding import StepFinder
from leaver.cases.heard import Fate
from leaver.cases.intake import Intake
from leaver.cases.late import tell_age
from leaver.cases.receipts import Receipt
from leaver.cases.record import Case, Policy
from leaver.cases.reporting import StepReports
from leaver.cases.start import CaseStart
from leaver.connections.access_tokens import AccessTokens
from leaver.connections.grants import ProviderGrants
from leaver.consuming.consumer import Consumer
from leaver.consuming.journal import EventJournal
from leaver.errors import AnswerLost, LeaverError, ProviderResponse
from leaver.messages.commands import (
    Command,
    DeactivateUser,
    PurgeUserTokens,
    RevokeAccessToken,
    RevokeGrants,
    RevokeSsoToken,
)
from leaver.messages.look_up import LookUpPerson
from leaver.messages.publisher import Publisher
from leaver.outcomes import Outcome, Result
from leaver.providers.registry import PROVIDERS
from leaver.providers.venafi.api import Application, Grantee, Identity
from leaver.providers.zoom.api import ZoomUser
from leaver.storage.user_token_secrets import UserTokenPlace
from tests.doubles.cases_table import InMemoryCases, InMemoryHeard, InMemoryPeople, InMemoryPeopleAnHour
from tests.doubles.clock import NOW, Clock
from tests.doubles.connections_table import connection
from tests.doubles.effects import Table
from tests.doubles.event_bus import FakeBus
from tests.doubles.evidence import Evidence
from tests.doubles.executor import OneByOne
from tests.doubles.hr_events import CHOICES, webhook
from tests.doubles.hr_system import FakeHrSystem
from tests.doubles.lambda_events import Context
from tests.doubles.lambda_events import batch as batch_of
from tests.doubles.lambda_events import record as record_of
from tests.doubles.night import Silence
from tests.doubles.providers import FakeGrant, FakeVenafi, FakeZoom, FakeZoomOAuth, proved_search
from tests.doubles.rate_limiter import NoLimit
from tests.doubles.receipts_table import InMemoryReceipts
from tests.doubles.secrets_manager import StrictSecretsManager, place_of, secret_store_of, tokens
from tests.doubles.sqs import DEAD_LETTERS, INTAKE_QUEUE, LOOK_UP_QUEUE, REFRESH_QUEUE, SEAL_QUEUE, FakeSqs
from tests.doubles.steps import Effects
from tests.doubles.user_tokens import KeptTokens

T = TypeVar("T")

ADA: Final = "ada@example.com"
ADA_ID: Final = "KDcuGIm1QgePTO8WbOqwIQ"
ADA_UNIVERSAL: Final = "local:{ada}"
DEADLINE: Final = timedelta(minutes=15)
#: nothing is refreshed here
LASTING: Final = NOW + timedelta(days=1000)
GIVE_UP_AFTER: Final = timedelta(hours=24)
#: what functions hand on straight to another's queue
HANDED_ON: Final = {LOOK_UP_QUEUE: "LookUpPerson", INTAKE_QUEUE: "StartOffboarding"}

_LOGGER: Final = Logger(service="office", stream=io.StringIO(), level="CRITICAL")


@dataclass
class Weather:
    """What goes wrong at a provider: the next calls fail, one after the other, or their answers are lost."""

    effects: Effects
    #: by the start of the call's name; None where only the answer is lost, after the provider did it
    to_come: list[tuple[str, LeaverError | None]] = field(default_factory=list)
    #: calls that fail until somebody mends it
    out_of_order: dict[str, LeaverError] = field(default_factory=dict)
    faults: int = 0

    def call(self, name: str, do: Callable[[], T]) -> T:
        def act() -> T:
            for start, error in self.out_of_order.items():
                if name.startswith(start):
                    self.faults += 1
                    raise error
            if not self.to_come or not name.startswith(self.to_come[0][0]):
                return do()
            self.faults += 1
            if (fault := self.to_come.pop(0)[1]) is not None:
                raise fault
            do()
            raise AnswerLost("the answer never came")

        return self.effects.of(name, act)


@dataclass
class Zoom(FakeZoom):
    """Zoom, each call an effect."""

    weather: Weather = field(default_factory=lambda: Weather(Effects()))
    deactivated: set[str] = field(default_factory=set)

    def get_user(self, user_id: str, access_token: SecretStr) -> ZoomUser | Result:
        do = super().get_user
        return self.weather.call("zoom: who is it", lambda: do(user_id, access_token))

    def delete_user_token(self, user_id: str, access_token: SecretStr) -> Result:
        do = super().delete_user_token
        return self.weather.call("zoom: end session", lambda: do(user_id, access_token))

    def deactivate_user(self, user_id: str, access_token: SecretStr) -> Result:
        def do() -> Result:
            found = self._find("deactivate_user", user_id, access_token)
            if found is None:
                return Result(Outcome.USER_NOT_FOUND, ProviderResponse(404, "1001"))
            self.deactivated.add(found)
            return Result(Outcome.DEACTIVATED, ProviderResponse(204))

        return self.weather.call("zoom: deactivate", do)


@dataclass
class Venafi(FakeVenafi):
    """Venafi, each call an effect."""

    weather: Weather = field(default_factory=lambda: Weather(Effects()))

    def revoke_grants(self, target: Grantee | Application, access_token: SecretStr) -> Result:
        do = super().revoke_grants
        return self.weather.call("venafi: revoke grants", lambda: do(target, access_token))

    def remaining_grants(self, target: Grantee | Application, access_token: SecretStr, *, at_once: bool = False) -> int:
        do = super().remaining_grants
        return self.weather.call("venafi: count grants", lambda: do(target, access_token, at_once=at_once))

    def browse(self, searched: str, access_token: SecretStr) -> list[Identity]:
        do = super().browse
        return self.weather.call("venafi: who is it", lambda: do(searched, access_token))

    def validate(
        self, key: Literal["PrefixedUniversal", "PrefixedName"], value: str, access_token: SecretStr
    ) -> Identity | None:
        do = super().validate
        return self.weather.call("venafi: who is it", lambda: do(key, value, access_token))

    def read_attribute(self, identity: Identity, attribute: str, access_token: SecretStr) -> list[str]:
        do = super().read_attribute
        return self.weather.call("venafi: who is it", lambda: do(identity, attribute, access_token))


class Bus(FakeBus):
    """The bus, each call an effect."""

    effects: Effects

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - AWS's name
        put = super().put_events
        return self.effects.of("put events", lambda: put(Entries=Entries))


class Sqs(FakeSqs):
    """The queues; what is told to seal_case is an effect."""

    effects: Effects

    def send_message(self, **message: Any) -> None:
        send = super().send_message
        if message["QueueUrl"] == SEAL_QUEUE:
            self.effects.of("tell seal_case", lambda: send(**message))
        else:
            send(**message)

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - AWS's names
        send = super().send_message_batch
        if QueueUrl == SEAL_QUEUE:
            return self.effects.of("tell seal_case", lambda: send(QueueUrl=QueueUrl, Entries=Entries))
        return send(QueueUrl=QueueUrl, Entries=Entries)


class Receipts(InMemoryReceipts):
    """Receipts, each call an effect."""

    effects: Effects

    def read(self, receipt: Receipt) -> Receipt | None:
        read = super().read
        return self.effects.of("read receipt", lambda: read(receipt))

    def _put(self, receipt: Receipt, *, failures: int = 1) -> Receipt | None:
        put = super()._put
        return self.effects.of("write receipt", lambda: put(receipt, failures=failures))


@dataclass
class Message:
    """A message in a queue, until a function acknowledges it."""

    command: str
    body: dict[str, Any]
    id: str
    sent_at: datetime
    receives: int = 0
    first_received_at: datetime | None = None
    #: the id it had before it was parked and somebody sent it back
    before_parking: str | None = None


class Office:
    """An organisation with a Zoom and a Venafi, and Leaver in it. Ada works there."""

    def __init__(
        self,
        *,
        routine_limit: int = 100,
        most: int = 2000,
        deactivates: bool = False,
        missing_is_done: bool = False,
        sweep_after: timedelta | None = None,
        zoom_departures: Literal["held", "departure"] = "held",
    ) -> None:
        self.effects = Effects()
        self._choices = replace(CHOICES, zoom_departures=zoom_departures)
        done_where_missing = frozenset(PROVIDERS) if missing_is_done else frozenset[str]()
        self.weather = Weather(self.effects)
        self.clock = Clock()
        self._ids = count(1)
        self.zoom, self.venafi = Zoom(weather=self.weather), Venafi(weather=self.weather)
        self.table = Table(
            self.effects,
            connection("zoom", expires_at=LASTING),
            connection("venafi", provider="venafi", expires_at=LASTING),
        )
        self.secrets = StrictSecretsManager()
        self.secret_store = secret_store_of(self.secrets, "zoom", tokens(expires_at=LASTING))
        secret_store_of(self.secrets, "venafi")
        #: personal connections' grants at Zoom
        self.grants: dict[str, FakeGrant] = {}
        self.bus, self.sqs, self.receipts = Bus(), Sqs(), Receipts()
        self.bus.effects = self.sqs.effects = self.receipts.effects = self.effects
        self.cases = InMemoryCases(receipts=self.receipts, effects=self.effects)
        self.people = InMemoryPeople(effects=self.effects)
        self.counted = InMemoryPeopleAnHour(self.effects)
        self.ceiling = Ceiling(self.counted, most, routine_limit)
        self.kept_tokens = KeptTokens(self.secrets, self.clock)
        self.kept = self.kept_tokens.stored
        self.heard = InMemoryHeard(self.effects)
        self.queued: list[Message] = []
        self.parked: list[Message] = []
        self._heard = self._told = self._handed_on = 0
        #: the HR systems that can be asked, as soon as Leaver is connected
        self.hr = {name: FakeHrSystem() for name in ("bamboohr", "hibob", "gusto", "okta")}
        self._outbox = Publisher(
            events=self.bus.client,
            sqs=self.sqs.client,
            bus="leaver",
            dead_letter_queue_url=DEAD_LETTERS,
            refresh_queue_url=REFRESH_QUEUE,
            seal_queue_url=SEAL_QUEUE,
        )
        announcer = CaseAnnouncer(self.cases, self._outbox)
        step_finder = StepFinder(self.table, PROVIDERS)
        self.reports = StepReports(self.cases)
        self.case_start = CaseStart(
            cases=self.cases,
            people=self.people,
            connections=self.table,
            publisher=self._outbox,
            clock=self.clock,
            deadline=DEADLINE,
            search=step_finder.search,
            ceiling=self.ceiling,
        )
        self.measured: list[tuple[str, int]] = []
        self.evidence = Evidence(self.cases, self.clock, self.effects)
        self.completion = CaseCompletion(
            cases=self.cases,
            announcer=replace(announcer, says_completed=True),
            case_start=self.case_start,
            providers=PROVIDERS,
            clock=self.clock,
            keep_evidence=self.evidence.keep,
            done_where_missing=done_where_missing,
            measure=lambda name, value: self.measured.append((name, value)),
        )
        self.watch = Watch(
            cases=self.cases,
            people=self.people,
            announcer=announcer,
            request_seal=self._outbox.request_seal,
            request_begin=lambda case: self._outbox.request_begin(case.case_id, INTAKE_QUEUE),
            case_start=self.case_start,
            receipts=self.receipts,
            connections=self.table,
            kept=self.kept,
            providers=PROVIDERS,
            clock=self.clock,
            give_up_after=GIVE_UP_AFTER,
            sweep_after=sweep_after,
        )
        access_tokens = AccessTokens(self.table, self.secret_store, self.clock, "zoom")
        venafi_tokens = AccessTokens(self.table, self.secret_store, self.clock, "venafi")
        self._tokens = {"zoom": access_tokens, "venafi": venafi_tokens}
        person_finder = PersonFinder(
            connections=self.table,
            tokens=access_tokens,
            zoom=self.zoom,
            rate_limiter=NoLimit(),
            clock=self.clock,
            executor=OneByOne(),
        )
        self.intake = Intake(
            cases=self.cases,
            people=self.people,
            announcer=announcer,
            case_start=self.case_start,
            step_finder=step_finder,
            find_person=person_finder.find,
            clock=self.clock,
            policy=Policy(
                done_where_missing=tuple(sorted(done_where_missing)),
                deactivate_users=deactivates,
                deadline=int(DEADLINE.total_seconds()),
            ),
        )
        age_of = partial(tell_age, cases=self.cases, clock=self.clock)
        self._operations: dict[type[Command], Callable[..., Result | Fate | None]] = {
            StartOffboarding: partial(
                start_offboarding,
                intake=self.intake,
                closing=StepClosing(self.cases, self.receipts, self._outbox, self.clock),
                hand_on=partial(self._outbox.hand_on, queue_url=LOOK_UP_QUEUE),
            ),
            LookUpPerson: partial(
                look_up_person,
                systems=self.hr,
                connections=self.table,
                tokens_of=partial(AccessTokens, self.table, self.secret_store, self.clock),
                hand_on=partial(self._outbox.hand_on, queue_url=INTAKE_QUEUE),
            ),
            RevokeSsoToken: partial(revoke_sso_token, zoom=self.zoom, tokens=access_tokens, age_of=age_of),
            RevokeGrants: partial(
                revoke_grants,
                venafi=self.venafi,
                tokens=venafi_tokens,
                search=proved_search(self.venafi, self.clock),
                age_of=age_of,
            ),
            PurgeUserTokens: partial(
                purge_user_tokens, zoom=self.zoom, tokens=access_tokens, kept=self.kept, age_of=age_of
            ),
            SealCase: self._seal,
            DeactivateUser: partial(deactivate_user, zoom=self.zoom, tokens=access_tokens, age_of=age_of),
            RevokeAccessToken: self._revoke_connection,
        }
        self.hire(ADA, ADA_ID, ADA_UNIVERSAL)

    # -- who works there

    def hire(self, email: str, zoom_id: str, universal: str, *, kept: bool = True) -> None:
        """Somebody with an account at both providers, and everything that can be had there."""
        self.zoom.users[zoom_id] = email
        self.venafi.people[email] = [universal]
        self.logs_in(email, kept=kept)

    def installs(self, name: str, account: str = "acme", **fields: Any) -> None:
        """Somebody connects Leaver to one of the company's accounts at Zoom."""
        token = f"access-{account}" if account != "acme" else "access-1"
        if account != "acme":
            self.zoom.elsewhere[token] = account
        self.table.put(connection(name, account=account, expires_at=LASTING, granted_at=self.clock(), **fields))
        secret_store_of(self.secrets, name, tokens(access_token=token, expires_at=LASTING))

    def asks(self, system: str, name: str | None = None, account: str = "hr", **fields: Any) -> None:
        """Somebody connects Leaver to an HR system, which says who people are."""
        name = name or system
        self.table.put(connection(name, provider=system, account=account, expires_at=LASTING, **fields))
        secret_store_of(self.secrets, name, tokens(refresh_token=None, expires_at=LASTING), place=f"{system}/{name}")

    def joins(self, email: str, zoom_id: str, account: str) -> None:
        """Somebody is in another account at Zoom as well, under the same address, and logged in."""
        self.zoom.users[zoom_id], self.zoom.accounts[zoom_id] = email, account
        self.zoom.sessions.add(zoom_id)

    def logs_in(self, email: str, *, kept: bool = True) -> None:
        zoom_id = self.zoom_id(email)
        self.zoom.sessions.add(zoom_id)
        self.venafi.grants[self.venafi.people[email][0]] = 2
        if not kept:
            return
        place, until = UserTokenPlace(zoom_id, "zoom", "zak"), self.clock() + timedelta(hours=1)
        self.kept.reserve(place, names=(email,), expires_at=until)
        self.kept.keep(place, SecretStr("zak-canary"), expires_at=until, expires_at_assumed=True)

    def sessions_of(self, email: str) -> set[str]:
        """The accounts at Zoom that somebody is logged in to."""
        ids = {zoom_id for zoom_id, each in self.zoom.users.items() if each == email} & self.zoom.sessions
        return {self.zoom.accounts.get(each) or "acme" for each in ids}

    def zoom_id(self, email: str) -> str:
        return next(zoom_id for zoom_id, each in self.zoom.users.items() if each == email)

    def connects(self, name: str, owner: str, role: str = "personal", **fields: Any) -> None:
        """Somebody gave Leaver a connection to Zoom, for themselves or for all."""
        self.grants[name] = FakeGrant(self.clock)
        self.table.put(connection(name, owner=owner, role=role, expires_at=LASTING, **fields))
        secrets = self.secrets.secrets
        secrets[f"leaver/tokens/{place_of(name)}"] = secrets["leaver/tokens/zoom/zoom"]
        secrets[f"leaver/credentials/{place_of(name)}"] = secrets["leaver/credentials/zoom/zoom"]

    def access_of(self, email: str) -> set[str]:
        """What somebody still has, as the providers and Secrets Manager say."""
        zoom_id = self.zoom_id(email)
        found = {"session"} if self.sessions_of(email) else set()
        found |= {"grants"} if self.venafi.grants.get(self.venafi.people[email][0]) else set()
        found |= {"user token"} if f"leaver/user-tokens/{zoom_id}/zoom/zak" in self.secrets.secrets else set()
        owned = [each for each in self.table.records.values() if each.owner == email and each.role == "personal"]
        return found | {each.connection for each in owned if self.grants[each.connection].alive}

    # -- what happens

    def hears(self, kind: str = "immediate", email: str = ADA, **fields: Any) -> Message:
        """HR says something of somebody; it lies in the queue."""
        number = next(self._ids)
        subject = {"email": email} | fields.pop("subject", {})
        usual: dict[str, Any] = {
            "event_id": f"hr-{number}",
            "source": "hr-system",
            "kind": kind,
            "subject": subject,
            "effective_at": self.clock().isoformat(),
            "occurred_at": self.clock().isoformat(),
        }
        return self.queue("StartOffboarding", usual | fields)

    def zoom_tells(self, event: str, user_id: str = ADA_ID, email: str = ADA, **fields: Any) -> Message:
        """Zoom's webhook tells of an account, now; it lies in the queue."""
        user = {"id": user_id, "email": email, "type": 1}
        told = {
            "event": event,
            "event_ts": int(self.clock().timestamp() * 1000),
            "payload": {"account_id": "acme", "operator": "admin@example.com", "object": user},
        }
        sent = webhook("ZoomWebhook", told | fields, "source:zoom/main")
        return self.queue("StartOffboarding", sent | {"time": self.clock().isoformat()})

    def queue(self, command: str, body: dict[str, Any]) -> Message:
        message = Message(command, body, f"m-{next(self._ids)}", self.clock())
        self.queued.append(message)
        return message

    def deliver(self, message: Message) -> bool:
        """Lambda takes a message; tells whether it was acknowledged. What it put on the bus lies in its queues then."""
        message.first_received_at = message.first_received_at or self.clock()
        message.receives += 1
        received = record_of(
            message.body,
            message_id=message.id,
            sent_at=message.sent_at,
            first_received_at=message.first_received_at,
            receives=message.receives,
            before_parking=message.before_parking,
        )
        parked = len(self.sqs.to(DEAD_LETTERS))
        try:
            failures = self.consumer(message.command).consume(batch_of(received), Context())
        finally:
            self.route()
        if failures["batchItemFailures"]:
            return False
        if message in self.queued:
            self.queued.remove(message)
        if len(self.sqs.to(DEAD_LETTERS)) > parked:
            before = message.before_parking or message.id
            new_id, now = f"m-{next(self._ids)}", self.clock()
            self.parked.append(Message(message.command, message.body, new_id, now, before_parking=before))
        return True

    def route(self) -> None:
        """The bus's rules put every command into its queue."""
        for entry in self.bus.put[self._heard :]:
            if entry["Source"] == "leaver.command":
                self.queue(entry["DetailType"], json.loads(entry["Detail"]))
        self._heard = len(self.bus.put)
        asked = self.sqs.to(SEAL_QUEUE)
        for each in asked[self._told :]:
            self.queue("SealCase", json.loads(each["MessageBody"]))
        self._told = len(asked)
        handed_on = [each for each in self.sqs.sent if each["QueueUrl"] in HANDED_ON]
        for each in handed_on[self._handed_on :]:
            self.queue(HANDED_ON[each["QueueUrl"]], json.loads(each["MessageBody"]))
        self._handed_on = len(handed_on)

    def works(self, rounds: int = 30) -> None:
        """The functions work through their queues, as often as it takes."""
        for _ in range(rounds):
            if not self.queued:
                return
            for message in list(self.queued):
                self.deliver(message)
        raise AssertionError(f"{len(self.queued)} messages come back again and again")

    def hears_and_works(self, kind: str = "immediate", email: str = ADA, **fields: Any) -> Message:
        message = self.hears(kind, email, **fields)
        self.works()
        return message

    def redrive(self) -> None:
        """A person sends back what is parked."""
        self.queued, self.parked = self.queued + self.parked, []

    def minute(self) -> None:
        """watch_deadlines runs."""
        for case_id in list(self.cases.find_due(self.clock())):
            self.watch.look_at(case_id)
        self.route()

    def begins(self) -> None:
        """The same, and start_offboarding begins what the watch asks for."""
        self.minute()
        for message in [each for each in self.queued if each.body.get("decision") == "begin"]:
            self.deliver(message)

    # -- what came of it

    @property
    def case(self) -> Case:
        return self.cases.only

    def commands(self, source: str = "leaver.command") -> list[dict[str, Any]]:
        """What was put on the bus as commands: details with their name."""
        sent = [each for each in self.bus.put if each["Source"] == source]
        return [{"command": each["DetailType"], **json.loads(each["Detail"])} for each in sent]

    def announced(self, name: str) -> list[dict[str, Any]]:
        return [each for each in self.bus.announced if each["detail_type"] == name]

    def reasons(self) -> list[str]:
        return [each["MessageAttributes"]["reason"]["StringValue"] for each in self.sqs.to(DEAD_LETTERS)]

    def consumer(self, function: str) -> Consumer[Any]:
        command = next(each for each in self._operations if each.__name__ == function)
        hr, seals = command in {StartOffboarding, LookUpPerson}, command is SealCase
        consumer: Consumer[Any] = Consumer(
            function="office",
            command=command,
            operation=self._operations[command],
            resumes=command is RevokeGrants,
            sqs=self.sqs.client,
            publisher=self._outbox,
            receipts=None if hr or seals else self.receipts,
            give_up_after=GIVE_UP_AFTER,
            read_case=None if hr else partial(read_case, cases=self.cases) if seals else self.reports.read_case,
            request_seals=None if hr or seals else self._outbox.request_seals,
            ceiling=None if hr or seals else self.ceiling,
            clock=self.clock,
            logger=_LOGGER,
            metrics=cast("Metrics", Silence()),
            executor=OneByOne(),
            name_connection=self._tokens.get(command.system, self._tokens["zoom"]).connection_for
            if command.calls
            else None,
            jitter=lambda _, longest: longest,
        )
        if command is LookUpPerson:
            return replace(consumer, journal=EventJournal(self.heard, name_of_look_up, _LOGGER))
        journal = EventJournal(self.heard, name, _LOGGER)
        return replace(consumer, read=partial(understand, choices=self._choices), journal=journal) if hr else consumer

    def _seal(self, command: SealCase) -> None:
        measure = self.completion.measure
        seal_case(command, cases=self.cases, completion=self.completion, measure=measure, logger=_LOGGER)

    def _revoke_connection(self, command: RevokeAccessToken) -> Result:
        oauth = FakeZoomOAuth(self.grants[command.connection])
        return revoke_access_token(
            command,
            grants=ProviderGrants(PROVIDERS, {"zoom": oauth}, self.secret_store),
            connections=self.table,
            secret_store=self.secret_store,
            holder=f"revoke#{next(self._ids)}",
            clock=self.clock,
        )
