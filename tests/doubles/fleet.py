"""Many connections in one night, with faults that last a while, and runs that stand still halfway."""

import json
import random
from base64 import b64decode
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Literal

from greenlet import getcurrent
from pydantic import SecretStr

from functions.schedule_refreshes.app import plan
from leaver.connections.access_tokens import AccessTokens
from leaver.connections.record import LEASE, Connection, Status
from leaver.errors import (
    CredentialStale,
    InvalidClient,
    InvalidToken,
    LeaverError,
    NotSent,
    ProviderResponse,
    ProviderUnavailable,
    Throttled,
)
from leaver.outcomes import Result
from leaver.tokens import GrantedTokens
from leaver_cli.connections.setup import Established
from local.simulators.grants import Grant, TokenMint, digest
from local.simulators.grants import Grants as SimulatedGrants
from local.simulators.grants import Rotation as Kind
from tests.doubles.aws_errors import client_error
from tests.doubles.clock import NOW, Clock
from tests.doubles.effects import Kms
from tests.doubles.night import FUNCTION_TIMEOUT, Message, Night, Shared
from tests.doubles.secrets_manager import place_of
from tests.doubles.steps import Moment, Run
from tests.doubles.token_endpoints import SECRET, AuthorizationServer

Mood = Literal["well", "429", "5xx", "invalid_client", "unreachable"]

#: name → how its provider rotates, and which one it is
CONNECTIONS: Final[dict[str, tuple[Kind, str]]] = {
    "zoom-strict": (Kind.STRICT, "zoom"),
    "zoom-grace": (Kind.GRACE, "zoom"),
    "zoom-reuse": (Kind.REUSE_DETECTING, "zoom"),
    "venafi-strict": (Kind.STRICT, "venafi"),
    "venafi-reuse": (Kind.REUSE_DETECTING, "venafi"),
}
#: what may become of a connection; the last two only where a fault happened that no client can mend
WORKS: Final = "works"
REVOKED: Final = "revoked"
LOST: Final = "needs a person"
UNNAMED: Final = "says what it cannot revoke"
#: how far our clocks may be off: AWS accepts the signatures of two that are 9 min 20 s apart
SKEW: Final = 280


class OurClock(Clock):
    """The functions' clock: time passes there as it does at the providers, but somebody may set it."""

    def __init__(self, there: Clock) -> None:
        super().__init__(there.now)
        self.there = there

    def passes(self, **time: float) -> None:
        super().passes(**time)
        self.there.passes(**time)

    def is_off_by(self, seconds: float) -> None:
        self.now = self.there.now + timedelta(seconds=seconds)


class RefusingKms(Kms):
    """A key that can't be used for a while."""

    refuses = False

    def encrypt(self, **asked: Any) -> dict[str, bytes]:
        return (
            self.effects.of("encrypt", partial(self._refuse, "Encrypt")) if self.refuses else super().encrypt(**asked)
        )

    def decrypt(self, **asked: Any) -> dict[str, bytes]:
        return (
            self.effects.of("decrypt", partial(self._refuse, "Decrypt")) if self.refuses else super().decrypt(**asked)
        )

    @staticmethod
    def _refuse(operation: str) -> dict[str, bytes]:
        raise client_error(operation, "KMSInternalException")


@dataclass
class MoodyServer(AuthorizationServer):
    """A provider that is not always well."""

    ours: Clock = field(default_factory=Clock)
    mood: Mood = "well"
    #: answers that were lost after a refresh was done
    lost: int = 0
    #: refreshes that are under way now, by grant: who connects ends the old one beside the first use of the new
    under_way: Counter[Grant | None] = field(default_factory=Counter)
    at_once: int = 0

    def obtain(self, subject: str) -> GrantedTokens:
        return self._as_we_count(super().obtain(subject))

    def refresh(self, refresh_token: SecretStr) -> GrantedTokens:
        grant = self.grants.of_refresh_token(digest(refresh_token.get_secret_value()))
        self.under_way[grant] += 1
        self.at_once = max(self.at_once, self.under_way[grant])
        try:
            return self._as_we_count(super().refresh(refresh_token))
        finally:
            self.under_way[grant] -= 1

    def _as_we_count(self, granted: GrantedTokens) -> GrantedTokens:
        # Of an answer only the lifetime counts, and that from our own time on.
        return granted.model_copy(update={"expires_at": granted.expires_at + (self.ours() - self.clock())})

    def _refreshed(self, presented: SecretStr) -> GrantedTokens:
        self._is_well()
        before = self.loses
        try:
            return super()._refreshed(presented)
        finally:
            self.lost += before - self.loses

    def _revoked(self, token: SecretStr) -> Result:
        self._is_well()
        return super()._revoked(token)

    def _is_well(self) -> None:
        match self.mood:
            case "429":
                raise Throttled("slow down", ProviderResponse(429), until=self.ours() + timedelta(seconds=30))
            case "5xx":
                raise ProviderUnavailable("out of order", ProviderResponse(500))
            case "invalid_client":
                raise InvalidClient("no such client", ProviderResponse(400, "invalid_client"))
            case "unreachable":
                raise NotSent("nobody there")


class Deployment(Shared):
    """Everything in common, and in moods."""

    def __init__(self) -> None:
        there = Clock()
        self.ours = OurClock(there)
        super().__init__(self.ours, there)
        self.kms: RefusingKms = RefusingKms(self.effects)
        self._seeds = iter(range(1000))

    def server(self, provider: str, grants: SimulatedGrants) -> MoodyServer:
        mint = TokenMint("night-", random.Random(next(self._seeds)))  # noqa: S311 - the same each time
        return MoodyServer(provider, grants, self.there, self.effects, _mint=mint, ours=self.ours)


@dataclass
class Going(Run):
    """A run that is under way: whose, since when, and how often the provider's answers to it were lost."""

    connection: str = ""
    since: datetime = NOW
    #: what a person was told by `leaver connect`
    told: list[Established] = field(default_factory=list)


class Fleet:
    """The connections, who is at work on them, and what the outside knows that no run does."""

    def __init__(self) -> None:
        self.shared = Deployment()
        self.nights = {
            name: Night(kind, provider, name=name, shared=self.shared) for name, (kind, provider) in CONNECTIONS.items()
        }
        self.runs: list[Going] = []
        #: connections whose tokens may be lost, because one of the two faults happened that no client can mend
        self.excused: set[str] = set()
        #: grants that nobody can reach any more, and that somebody was told of
        self.abandoned: set[Grant] = set()
        #: connections of which a run was killed, or could not tell the bus
        self.interrupted: set[str] = set()
        self.revisions: dict[str, int] = {}
        self.figures: Counter[str] = Counter()
        #: connections that somebody worked on while such a fault happened
        self._unmendable: set[str] = set()
        self._lost = dict.fromkeys(self.nights, 0)
        self._main = getcurrent()
        self.shared.effects.watch = self._stop
        self.shared.effects.seen = self._seen

    # -- who is at work

    def deliver(self, message: Message) -> Going:
        night = self.nights[message.body["connection"]]
        return self._begin(f"{message.command.__name__} {message.id}", night, lambda: night.deliver(message))

    def connect(self, name: str, owner: str) -> Going:
        night = self.nights[name]
        establish = night.connect(owner)
        told: list[Established] = []
        going = self._begin("connect", night, lambda: told.append(establish()), mortal=False)  # type: ignore[arg-type]  # what the night calls object
        going.told = told
        return going

    def _begin(self, name: str, night: Night, do: Callable[[], object], *, mortal: bool = True) -> Going:
        going = Going(name, do, mortal, connection=night.name, since=self.shared.there())
        self.runs.append(going)
        self.figures["runs"] += 1
        return going

    def advance(self, run: Going, effects: int | None = None) -> None:
        """Let it go on for so many effects, or to its end."""
        while not run.over and (effects is None or effects > 0):
            run.step()
            self.figures["effects"] += 1
            effects = None if effects is None else effects - 1
        if run.over:
            self._ended(run, killed=False)

    def kill(self, run: Going) -> None:
        run.kill()
        self.figures["killed"] += 1
        self._ended(run, killed=True)

    def passes(self, **time: float) -> None:
        self.shared.clock.passes(**time)
        for run in list(self.runs):
            # Lambda ends a function that takes too long; a laptop only sleeps.
            if run.mortal and self.shared.there() - run.since > FUNCTION_TIMEOUT:
                self.kill(run)

    def _stop(self, name: str, moment: Moment) -> None:
        if moment == "before" and (run := self._running()):
            run.next = name
            self._main.switch()

    def _seen(self, name: str, result: object) -> None:
        if run := self._running():
            run.past.append(f"{name}: {type(result).__name__}")

    def _running(self) -> Going | None:
        return next((run for run in self.runs if run.is_running()), None)

    # -- what else happens

    def plan(self) -> None:
        night = next(iter(self.nights.values()))
        plan(connections=self.shared.table, publisher=night._publisher(), now=self.shared.clock())
        night._collect()

    def read(self, name: str, *, refused: bool) -> None:
        """Somebody works through a connection, and asks for a refresh where its token is refused."""
        night = self.nights[name]

        def call(_: Connection, token: SecretStr) -> None:
            held = night.server.grants.of_access_token(digest(token.get_secret_value()))
            if refused or held is None or held[1].expires_at <= self.shared.there():
                raise InvalidToken("refused")

        try:
            AccessTokens(self.shared.table, self.shared.secret_store, self.shared.clock, "zoom").with_token(name, call)
        except CredentialStale as stale:
            night._publisher().request_refresh(stale.connection, stale.version, now=self.shared.clock())
            night._collect()
        except LeaverError:
            return

    # -- what is known outside

    def current(self, night: Night) -> Grant | None:
        """The grant that the stored tokens are of; None once it was revoked."""
        return night.server.grants.of_refresh_token(digest(night.stored["refresh_token"]))

    def alive(self, night: Night) -> list[Grant]:
        return [grant for grant in night.server.grants if grant.is_alive(self.shared.there())]

    def durable(self, night: Night) -> set[str]:
        """The digests of all refresh tokens that outlive a process: in Secrets Manager, or encrypted in the record."""
        secret = self.shared.secrets.secrets[f"leaver/tokens/{place_of(night.name)}"]
        kept = {digest(json.loads(text)["refresh_token"]) for text in secret.versions.values()}
        if sealed := night.record.encrypted_refresh_token:
            backwards, _ = json.loads(b64decode(sealed))
            kept.add(digest(backwards[::-1]))
        return kept

    def _ended(self, run: Going, *, killed: bool) -> None:
        self.runs.remove(run)
        assert run.failure is None or isinstance(run.failure, LeaverError), repr(run.failure)
        night = self.nights[run.connection]
        if killed:
            self.interrupted.add(night.name)
        nowhere_to_keep = self.shared.secrets.read_only and self.shared.kms.refuses
        if killed or nowhere_to_keep or self._answers_lost(night):
            self._unmendable.add(night.name)
        if not run.mortal:
            self._connected(night, run)
        if not any(each.connection == night.name for each in self.runs):
            self._look_after_the_newest(night)

    def _look_after_the_newest(self, night: Night) -> None:
        """With nobody at work, what the provider issued last must lie somewhere, unless a fault took it."""
        unmendable = night.name in self._unmendable
        self._unmendable.discard(night.name)
        current = self.current(night)
        if current in self.alive(night):
            lost = current.refresh_token not in self.durable(night)
        else:
            # We have ended it, or a provider that takes reuse for theft has.
            lost = unmendable or night.record.status not in {Status.REVOKING, Status.REVOKED}
        if lost and night.name not in self.excused:
            assert unmendable, f"{night.name}: its newest token lies nowhere"
            self.figures["tokens lost"] += 1
            self.excused.add(night.name)

    def _answers_lost(self, night: Night) -> int:
        server = self._server(night)
        lost, self._lost[night.name] = server.lost - self._lost[night.name], server.lost
        return lost

    @staticmethod
    def _server(night: Night) -> MoodyServer:
        assert isinstance(night.server, MoodyServer)
        return night.server

    def _connected(self, night: Night, run: Going) -> None:
        """A person was told how it ended; where it did not work, that may have cost the grant that was there."""
        current, alive = self.current(night), self.alive(night)
        if not run.told or not run.told[0].old_grant_ended:
            self.abandoned |= {grant for grant in alive if grant is not current}
        if run.told:
            self.excused.discard(night.name)
        elif current not in alive:
            self.excused.add(night.name)

    def check(self) -> None:
        """What holds at every moment."""
        for name, night in self.nights.items():
            assert night.record.item_version >= self.revisions.get(name, 0), name
            self.revisions[name] = night.record.item_version
            assert self._server(night).at_once <= 1, f"{name}: two calls at once"
        everywhere = self.everywhere()
        for secret in ("night-access", "night-refresh", SECRET.get_secret_value()):
            assert secret not in everywhere, secret

    def everywhere(self) -> str:
        """All that is neither in Secrets Manager nor encrypted."""
        shared = self.shared
        # as JSON, since `repr` of a record takes twenty times as long
        records = [each.model_dump_json(exclude={"encrypted_refresh_token"}) for each in shared.table.records.values()]
        return repr((shared.queued, shared.parked, shared.sqs.sent, shared.bus.put, shared.receipts.items, records))

    # -- and in the morning

    def settle(self) -> None:
        """All is well again, and everything that lies somewhere is tried until nothing is left."""
        self.all_is_well()
        for run in list(self.runs):
            self.advance(run)
        for _ in range(6):
            self.passes(minutes=20)
            self.plan()
            self._redrive()
            self._deliver_all()
        for _ in range(20):
            if not self.shared.queued:
                return
            self.passes(seconds=LEASE.total_seconds() + 60)
            self._deliver_all()
        raise AssertionError(f"still in a queue: {[message.body for message in self.shared.queued]}")

    def all_is_well(self) -> None:
        self.shared.ours.is_off_by(0)
        self.shared.secrets.read_only = self.shared.secrets.unreadable = self.shared.kms.refuses = False
        self.shared.bus.refuses = 0
        for night in self.nights.values():
            server = self._server(night)
            server.mood, server.loses = "well", 0

    def _redrive(self) -> None:
        """A person puts back what was parked because its time was over."""
        for night in self.nights.values():
            if night.record.status is Status.REVOKING and not night.record.orphaned_tokens:
                night.revoke()

    def _deliver_all(self) -> None:
        for message in list(self.shared.queued):
            self.advance(self.deliver(message))
        next(iter(self.nights.values()))._collect()

    def judge(self) -> None:
        """What must have become of every connection, once the dust has settled."""
        for night in self.nights.values():
            fate = self._fate(night)
            self.figures[fate] += 1
            may_be = {WORKS, REVOKED, LOST, UNNAMED} if night.name in self.excused else {WORKS, REVOKED}
            assert fate in may_be, f"{night.name}: {fate}"
            self._hear(night)
        lost = [night for night in self.nights.values() if night.record.status is Status.NEEDS_REAUTHORIZATION]
        asked = [list(night.server.asked) for night in lost]
        for night in lost:
            night.refresh(force=True)
        self.plan()
        self._deliver_all()
        assert [night.server.asked for night in lost] == asked, "a dead grant was asked for again"

    def _fate(self, night: Night) -> str:
        record = night.record
        # On a connection that only a person can change, whoever connects next takes over what a dead laptop left.
        out_of_use = record.status in {Status.NEEDS_REAUTHORIZATION, Status.REVOKED}
        waits = out_of_use and record.has_expired_lease(self.shared.clock())
        if record.lease_holder is not None and not waits:
            return f"{record.status}, and held for ever by {record.lease_holder}"
        match record.status:
            case Status.ACTIVE:
                works = digest(night.stored["refresh_token"]) in night.live["refresh"]
                return WORKS if works else "active on record, and its refresh token is dead"
            case Status.NEEDS_REAUTHORIZATION:
                return LOST
            case Status.REVOKED:
                left = [grant for grant in self.alive(night) if grant not in self.abandoned]
                return f"revoked on record, and {len(left)} grants live" if left else REVOKED
            case Status.REVOKING if record.orphaned_tokens:
                return UNNAMED
        return f"{record.status}: {record.reason}"

    def _hear(self, night: Night) -> None:
        """Every trouble was told of, and its end, once each, in turns.

        The bus keeps no order, and says the same thing twice now and then: what belongs together has the same `since`.
        """
        told = {
            (each["since"], each["detail_type"].removeprefix("Connection"))
            for each in night.bus.announced
            if each["detail_type"].startswith("Connection") and each["connection"] == night.name
        }
        troubles = sorted({since for since, _ in told})
        ended = [since for since in troubles if (since, "Recovered") in told]
        heard = [since for since in troubles if told & {(since, "Failing"), (since, "NeedsReauthorization")}]
        words = f"{night.name} is {night.record.status}: {sorted(told)}"
        # A run that dies between bus and table can't know whether anybody heard of the trouble, and tells of its end.
        assert heard == troubles or night.name in self.interrupted, words
        match night.record.status:
            case Status.ACTIVE:
                assert ended == troubles, words
            case Status.NEEDS_REAUTHORIZATION:
                assert ended == troubles[:-1], words
                assert (troubles[-1], "NeedsReauthorization") in told, words
            case _:
                assert ended in (troubles, troubles[:-1]), words
