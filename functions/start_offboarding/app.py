"""Reservation an HR event into a case: everything that the leaver must lose, recorded, and then set going."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar, Final, Literal
from uuid import NAMESPACE_URL, uuid5

from pydantic import SecretStr

from leaver import bootstrap
from leaver.cases import identities
from leaver.cases.completion import CaseCompletion
from leaver.cases.people import Name, People, name_of
from leaver.cases.record import REPLACE, UNDER_WAY, Case, Cases, State, Step, sweep_of
from leaver.cases.start import CaseStart, recorded
from leaver.connections.access_tokens import AccessTokens
from leaver.connections.record import Connection, Connections, Status
from leaver.consuming.consumer import BatchFailures, Consumer, LambdaContext
from leaver.consuming.rate_limiter import Demand, RateLimiter
from leaver.errors import (
    BadMessage,
    CredentialStale,
    NeedsReauthorization,
    NoSlot,
    ProviderUnavailable,
    Rejected,
    Throttled,
)
from leaver.messages.commands import (
    CaseId,
    Command,
    DeactivateUser,
    Moment,
    PurgeUserTokens,
    RevokeAccessToken,
    RevokeGrants,
    RevokeSsoToken,
    parse,
)
from leaver.messages.envelope import Payload
from leaver.messages.events import OffboardingRequested
from leaver.messages.hr import HrChoices, offboarding_from
from leaver.outcomes import Outcome, Result
from leaver.providers.registry import PROVIDERS
from leaver.providers.zoom.api import Zoom, ZoomUser
from leaver.settings import StartOffboardingSettings

ZOOM: Final = "zoom"
VENAFI: Final = "venafi"
#: Two sources tell of one departure hours apart, and a case takes seconds. What comes later is another departure: it
#: is better to revoke twice than to take somebody who came back unannounced for somebody who is gone.
SAME_DEPARTURE: Final = timedelta(days=1)
#: how long after it heard of the event Zoom is waited for to say who is meant: for a refresh, or a limit per second
PATIENCE: Final = timedelta(minutes=2)
#: and how long for a slot, where many leave at once: a case without Zoom's own names might miss what is theirs
PATIENCE_WITH_OURSELVES: Final = timedelta(minutes=15)


class StartOffboarding(Command):
    """What an HR event asks for."""

    system: ClassVar[str] = "hr"
    announced_as: ClassVar[str] = "OffboardingStarted"

    request: OffboardingRequested | None = None
    #: when it was put on the bus, which may be long after it happened
    heard_at: Moment | None = None
    #: what a person decided about a case that is held
    held_case: CaseId | None = None
    decision: Literal["release", "discard"] | None = None

    @property
    def subject(self) -> str:
        """The leaver's e-mail address, or the held case."""
        return self.request.subject.email if self.request else self.held_case or "unknown"


class Decision(Command):
    """What `leaver release` sends, straight to the queue: a held case goes on, or is thrown away."""

    system: ClassVar[str] = "hr"
    announced_as: ClassVar[str] = "OffboardingStarted"

    held_case: CaseId
    decision: Literal["release", "discard"]


@dataclass(frozen=True)
class Intake:
    """What it takes to make a case of an event."""

    cases: Cases
    people: People
    completion: CaseCompletion
    case_start: CaseStart
    connections: Connections
    tokens: AccessTokens
    zoom: Zoom
    rate_limiter: RateLimiter
    clock: Callable[[], datetime]
    #: routine cases an hour, beyond which one is held until a person has looked
    routine_limit: int
    deactivates_users: bool

    def take_in(self, command: StartOffboarding) -> Result | None:
        """Open, extend, cancel or reinstate the leaver's case; None where that was done, REFUSED if that is no news."""
        if command.held_case and command.decision:
            return self._decided(command.held_case, command.decision)
        if command.request is None:
            raise BadMessage("request: is missing")
        request = command.request
        user = self._zoom_user(request, max(request.occurred_at, command.heard_at or request.occurred_at))
        names = _names(request, user)
        if request.kind in {"cancelled", "reinstated"}:
            return self._stays(request, names)
        return self._leaves(request, names, user)

    # -- somebody leaves

    def _leaves(self, request: OffboardingRequested, names: Sequence[str], user: ZoomUser | None) -> Result | None:
        steps = self._steps(request, names, user)
        if not steps:
            raise Rejected("there is no connection to any provider: nothing can be ended")
        own = f"c-{uuid5(NAMESPACE_URL, f'leaver:{name_of(request.subject.email)}:{request.event_id}')}"
        case_id = own
        for name in names:
            claimed = self.people.change(
                name, request.occurred_at, partial(self._claimed, request=request, case_id=case_id)
            )
            if claimed is None:
                return Result(Outcome.REFUSED, details={"because": "a later event about this person has come before"})
            case_id = claimed.case or case_id
        if self.cases.read(case_id) is None and self._opened(case_id, request, names, steps, user):
            return None
        return self._extended(case_id, request, names, steps, user)

    def _claimed(self, found: Name, *, request: OffboardingRequested, case_id: str) -> Name | None:
        """Make the person's case this one, but for somebody who has one; None for an event that comes too late."""
        late = found.occurred_at > request.occurred_at.replace(microsecond=0)
        heard = {"stays": found.stays and late, "occurred_at": max(found.occurred_at, request.occurred_at)}
        standing = self.cases.read(found.case) if found.case else None
        if standing is not None and (standing.state in UNDER_WAY or _is_same_departure(standing, request, found)):
            return found.model_copy(update=heard)
        if late:
            return None
        if standing is None and found.case:
            # Another run is about to record that one, or was killed: whoever comes first records it.
            return found.model_copy(update=heard)
        return found.model_copy(update={"case": case_id} | heard)

    def _opened(
        self,
        case_id: str,
        request: OffboardingRequested,
        names: Sequence[str],
        steps: Sequence[Step],
        user: ZoomUser | None,
    ) -> bool:
        """Record the case and set it going where it is due; False where another run was faster."""
        now = self.clock()
        case = recorded(
            case_id,
            State.SCHEDULED,
            steps,
            names,
            email=request.subject.email,
            zoom_user_id=user.id if user else None,
            event_id=request.event_id,
            source=request.source,
            actor=request.actor,
            urgency=request.urgency,
            requested_at=request.occurred_at,
            effective_at=_takes_effect(request, now),
        )
        if not self.cases.add(self._guarded(case.watched(max(case.effective_at, now)), now)):
            return False
        self._goes_on(case_id)
        return True

    def _guarded(self, case: Case, now: datetime) -> Case:
        """Hold a routine case above the hour's limit: a broken feed must not log a whole company out."""
        if case.urgency == "urgent":
            self.cases.count_urgent(now, case_id=case.case_id)
            return case
        opened = self.cases.count_routine(now, case_id=case.case_id)
        if opened <= self.routine_limit:
            return case
        held = case.model_copy(update={"state": State.HELD, "watch": "held"})
        return held.owing("OffboardingHeld") if opened == self.routine_limit + 1 else held

    def _extended(
        self,
        case_id: str,
        request: OffboardingRequested,
        names: Sequence[str],
        steps: Sequence[Step],
        user: ZoomUser | None,
    ) -> Result | None:
        """Give a leaver who is a case already what the case lacks, and never a second set."""
        now = self.clock()

        def more(case: Case) -> Case | None:
            if case.state not in UNDER_WAY:
                return None
            extended = case.extended(steps, names)
            if user is not None and case.zoom_user_id is None:
                extended = extended.model_copy(update={"zoom_user_id": user.id})
            if request.urgency == "urgent":
                extended = extended.model_copy(update={"urgency": "urgent"})
            if case.state is not State.OPEN:
                effective_at = min(_takes_effect(request, now), case.effective_at)
                extended = extended.model_copy(update={"effective_at": effective_at})
                if case.state is State.HELD and request.urgency == "urgent":
                    extended = extended.model_copy(update={"state": State.SCHEDULED})
                if extended.state is State.SCHEDULED:
                    extended = extended.watched(max(effective_at, now))
            return extended if extended != case else None

        after = self.cases.change(case_id, more)
        self._goes_on(case_id)
        if after is None:
            return Result(Outcome.REFUSED, details={"because": "this departure is a case already", "case": case_id})
        return None

    def _goes_on(self, case_id: str) -> None:
        """Set going what is due, and tell what is owed: also where an earlier run was killed on the way."""
        case = self.cases.read(case_id)
        due = case is not None and case.watch_at is not None and case.watch_at <= self.clock()
        if case is not None and (due or case.state is State.OPEN):
            self.case_start.begin(case_id)
        self.completion.tell(case_id)

    # -- somebody stays

    def _stays(self, request: OffboardingRequested, names: Sequence[str]) -> Result | None:
        """Stop what is not done and lift the tombstones; what was revoked stays revoked, and nobody says otherwise."""
        state = State.CANCELLED if request.kind == "cancelled" else State.REINSTATED
        stopped: set[str] = set()
        for name in names:
            heard = self.people.change(name, request.occurred_at, partial(_heard, at=request.occurred_at))
            if heard is None:
                return Result(Outcome.REFUSED, details={"because": "a later event about this person has come before"})
            if heard.case:
                stopped.add(heard.case)
        for case_id in stopped:
            self._stopped(case_id, state)
        for name in names:
            self.people.change(name, request.occurred_at, _lifted)
        # After the tombstones: whoever opens a sweep looks at those once more when it is there.
        for case_id in stopped:
            self._stopped(sweep_of(case_id), state)
        return None

    def _stopped(self, case_id: str, state: State) -> None:
        case = self.cases.read(case_id)
        if case is None:
            return
        now = self.clock()
        self.cases.change(case_id, lambda standing: standing.over(state, now) if standing.state in UNDER_WAY else None)
        self.case_start.lift_tombstones(case)
        self.completion.tell(case_id)

    # -- a person decides about a held case

    def _decided(self, case_id: str, decision: Literal["release", "discard"]) -> Result | None:
        now = self.clock()

        def to(case: Case) -> Case | None:
            if case.state is not State.HELD:
                return None
            if decision == "discard":
                return case.over(State.DISCARDED, now)
            return case.model_copy(update={"state": State.SCHEDULED}).watched(max(case.effective_at, now))

        if self.cases.read(case_id) is None:
            raise BadMessage("held_case: expected the id of a case that exists")
        if self.cases.change(case_id, to) is None:
            return Result(Outcome.REFUSED, details={"because": "the case is not held"})
        self._goes_on(case_id)
        return None

    # -- who it is, and what there is to end

    def _zoom_user(self, request: OffboardingRequested, heard_at: datetime) -> ZoomUser | None:
        """Ask Zoom who is meant; None where it knows nobody, or can't be asked: then the case goes by the event alone.

        A Zoom that is out of order must not keep a leaver's grants at Venafi alive.
        """
        if self._connection(ZOOM) is None:
            return None
        wanted = request.subject.identity(ZOOM, "id") or request.subject.email

        def ask(_: Connection, access_token: SecretStr) -> ZoomUser | Result:
            return self.zoom.get_user(wanted, access_token)

        (reservation,) = self.rate_limiter.reserve([Demand(ZOOM, 1, urgent=request.urgency == "urgent")])
        try:
            self.rate_limiter.wait(reservation)
            found = self.tokens.with_token(ZOOM, ask)
        except (CredentialStale, Throttled) as error:
            now = self.clock()
            if isinstance(error, Throttled):
                self.rate_limiter.record_throttle(reservation, error)
            # Our own queue passes; what the provider will not answer until tomorrow must not be waited for at all.
            patience = PATIENCE_WITH_OURSELVES if isinstance(error, NoSlot) else PATIENCE
            back_at = max(error.until, now) if isinstance(error, Throttled) else now
            if back_at < heard_at + patience:
                raise
            return None
        except (ProviderUnavailable, NeedsReauthorization, Rejected, BadMessage):
            return None
        return found if isinstance(found, ZoomUser) else None

    def _steps(self, request: OffboardingRequested, names: Sequence[str], user: ZoomUser | None) -> list[Step]:
        leaver = request.subject
        who = {"user_id": user.id if user else leaver.identity(ZOOM, "id") or leaver.email}
        zoom = self._connection(ZOOM) is not None
        steps = [_step(RevokeSsoToken, ZOOM, who)] if zoom else []
        owned = [record for name in names for record in self._owned_by(name)]
        steps += [_step(RevokeAccessToken, record.connection, {}) for record in owned if record.role == "personal"]
        if self._connection(VENAFI) is not None:
            identity = (
                {"grantee_prefixed_universal": universal}
                if (universal := leaver.identity(VENAFI, "prefixed_universal"))
                else {"identity": leaver.identity(VENAFI, "name") or leaver.email}
            )
            steps.append(_step(RevokeGrants, VENAFI, identity))
        if zoom:
            steps.append(_step(PurgeUserTokens, ZOOM, who))
        if zoom and self.deactivates_users:
            steps.append(_step(DeactivateUser, ZOOM, who))
        # Leaver must not be switched off by somebody's leaving: a person replaces what it works through.
        return steps + [
            Step(command=REPLACE, connection=record.connection, detail={"owner": record.owner})
            for record in owned
            if record.role == "service"
        ]

    def _owned_by(self, name: str) -> list[Connection]:
        records = [self.connections.read(each) for each in self.connections.owned_by(name)]
        return [record for record in records if record.status is not Status.REVOKED]

    def _connection(self, name: str) -> Connection | None:
        try:
            record = self.connections.read(name)
        except BadMessage:
            return None
        return None if record.status is Status.REVOKED else record


def understood(payload: Payload, *, choices: HrChoices) -> StartOffboarding:
    """Read an HR event of any source that Leaver knows; raises BadMessage, or Rejected where it opens no case."""
    if payload.event is None and "held_case" in payload.detail:
        decided = parse(Decision, payload.detail, direct=True)
        return StartOffboarding(held_case=decided.held_case, decision=decided.decision)
    request = offboarding_from(payload, choices)
    identities.check(request.subject, PROVIDERS)
    return StartOffboarding(
        request=request, requested_at=request.occurred_at, urgency=request.urgency, heard_at=payload.said_at
    )


def _step(command: type[Command], connection: str, detail: dict[str, str]) -> Step:
    """A step whose command can be sent; raises BadMessage while nothing is recorded and a person can still mend it."""
    parse(command, detail | {"connection": connection}, direct=False)
    return Step(command=command.__name__, connection=connection, detail=detail)


def _names(request: OffboardingRequested, user: ZoomUser | None) -> list[str]:
    told = [request.subject.email, request.subject.identity(ZOOM, "id"), *((user.email, user.id) if user else ())]
    return sorted({name_of(name) for name in told if name})


def _is_same_departure(case: Case, request: OffboardingRequested, found: Name) -> bool:
    finished = case.finished_at if case.state is State.COMPLETED else None
    return finished is not None and found.gone_since is not None and request.occurred_at - finished < SAME_DEPARTURE


def _takes_effect(request: OffboardingRequested, now: datetime) -> datetime:
    return request.effective_at if request.kind == "scheduled" else min(request.effective_at, now)


def _heard(found: Name, *, at: datetime) -> Name | None:
    if found.occurred_at > at.replace(microsecond=0):
        return None
    return found.model_copy(update={"occurred_at": at, "stays": True})


def _lifted(found: Name) -> Name | None:
    return found.model_copy(update={"gone_since": None}) if found.gone_since else None


def consumer() -> Consumer[StartOffboarding]:
    """What works through the queue `start-offboarding`."""
    settings = bootstrap.settings_of(StartOffboardingSettings)
    publisher = bootstrap.publisher(settings.event_bus_name, settings.dead_letter_queue_url, settings.refresh_queue_url)
    tokens = bootstrap.access_tokens(settings.connections_table, settings.secret_prefix, usual=ZOOM)
    cases, people = bootstrap.cases(settings.cases_table), bootstrap.people(settings.cases_table)
    intake = Intake(
        cases=cases,
        people=people,
        completion=bootstrap.completion(settings.cases_table, publisher),
        case_start=bootstrap.case_start(settings.cases_table, publisher, case_deadline=settings.case_deadline),
        connections=bootstrap.connections(settings.connections_table),
        tokens=tokens,
        zoom=bootstrap.api(Zoom, settings.zoom_api_url),
        rate_limiter=bootstrap.rate_limiter(settings.pace_table, settings.requests_per_second, tokens),
        clock=bootstrap.now,
        routine_limit=settings.routine_cases_an_hour,
        deactivates_users=settings.deactivate_users == "true",
    )
    read = partial(understood, choices=settings)
    return bootstrap.consumer(
        StartOffboarding,
        intake.take_in,
        settings,
        refresh_queue_url=settings.refresh_queue_url,
        read=read,
    )


def lambda_handler(event: Mapping[str, Any], context: LambdaContext) -> BatchFailures:
    """Consume the queue `start-offboarding`."""
    return consumer().consume(event, context)


bootstrap.in_init(consumer)
