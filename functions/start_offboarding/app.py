"""Make a case of what HR says, and let a held case go on or throw it away, as a person decides."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import ClassVar, Final, Literal, Self

from aws_lambda_powertools import Logger
from pydantic import SecretStr, model_validator

from leaver import bootstrap
from leaver.cases import identities
from leaver.cases.accounts import TOLD, AccountEvents
from leaver.cases.closing import StepClosing
from leaver.cases.departure import Departure
from leaver.cases.finding import StepFinder
from leaver.cases.heard import Fate
from leaver.cases.intake import Intake
from leaver.cases.record import Case, Policy
from leaver.cases.returns import LATER, RETURN_HELD, as_it_is_after
from leaver.cases.start import COMMANDS
from leaver.cases.states import CaseEvent, State
from leaver.connections.access_tokens import AccessTokens
from leaver.connections.record import Connection, Connections
from leaver.consuming.consumer import Consumer
from leaver.consuming.previews import Previews
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
from leaver.messages.commands import CaseId, Command, Moment, Printable, parse
from leaver.messages.decisions import BEGIN, Begin
from leaver.messages.envelope import Payload
from leaver.messages.events import AccountEvent, AppRemoved, OffboardingRequested
from leaver.messages.hr import HrChoices, read_door, read_door_test, read_hr_event
from leaver.messages.look_up import LookUpNeeded, LookUpPerson
from leaver.messages.names import name_of
from leaver.messages.times import settle_times
from leaver.outcomes import Result
from leaver.providers.entry import Person
from leaver.providers.registry import PROVIDERS
from leaver.providers.zoom.api import Zoom, ZoomUser
from leaver.settings import (
    ActsOnPeople,
    BeginsCases,
    CallsZoom,
    CommaSeparated,
    EndsSteps,
    Flag,
    ServesProviders,
)
from leaver.storage.tables import Value

#: how long after it heard of the event Zoom is waited for to say who is meant: for a refresh, or a limit per second
PATIENCE: Final = timedelta(minutes=2)
#: and how long for a slot, where many leave at once: a case without Zoom's own names might miss what is theirs
PATIENCE_WITH_OURSELVES: Final = timedelta(minutes=15)
#: the metric that counts events of HR whose time was wrong
DATED_AHEAD: Final = "EventsDatedAhead"
#: the metric that counts returns that wait for a person
RETURNS_HELD: Final = "ReturnsHeld"
#: the metric that counts accounts of leavers' that live again, and that of Leaver's own app when it was removed
RESURRECTIONS: Final = "AccountsResurrected"
APPS_REMOVED: Final = "AppsRemoved"
APP_REMOVED: Final = "Leaver's app was removed from an account: nothing is ended there: connect it again"
#: why a held case is not let go on
ANOTHERS_BY_NOW: Final = (
    "somebody else has this address by now: discard the case, and have it said again under the address that the leaver "
    "has by now"
)
DECISIONS: Final = {
    "release": CaseEvent.RELEASED,
    "discard": CaseEvent.DISCARDED,
    "cancel": CaseEvent.CANCELLED,
    "reinstate": CaseEvent.REINSTATED,
}


class Settings(ActsOnPeople, CallsZoom, ServesProviders, BeginsCases, EndsSteps):
    """What `start_offboarding` reads from its environment."""

    #: whether the deployment wants leavers' Zoom accounts deactivated
    deactivate_users: Flag = False
    #: HR sources, as OffboardingRequested names them, whose every event is urgent
    urgent_sources: CommaSeparated = frozenset()
    #: what follows the @ where an Okta login is only what stands before it
    okta_email_domain: str = ""
    sailpoint_lifecycle_attribute: str
    #: what that attribute says of somebody who left, and of somebody who is here
    sailpoint_left_values: CommaSeparated = frozenset()
    sailpoint_active_values: CommaSeparated = frozenset()
    sailpoint_email_domain: str = ""
    #: whether an account that somebody ends at Zoom by hand is a departure, or waits for another word
    zoom_departures: Literal["held", "departure"] = "held"
    #: the queue of look_up_person
    look_up_queue_url: str
    #: the queue of seal_case
    seal_queue_url: str


class StartOffboarding(Command):
    """What an HR event asks for."""

    system: ClassVar[str] = "hr"
    announced_as: ClassVar[str] = "OffboardingStarted"

    request: OffboardingRequested
    #: when it was put on the bus, which may be long after it happened
    heard_at: Moment
    #: how far ahead of that a clock at HR dated it, before it was cut
    dated_ahead: timedelta = timedelta(0)

    @property
    def subject(self) -> str:
        """The leaver's e-mail address."""
        return self.request.subject.email


class AccountHeard(Command):
    """What a provider itself tells of an account, or of Leaver's own app there."""

    system: ClassVar[str] = "hr"
    announced_as: ClassVar[str] = "OffboardingStarted"

    event: AccountEvent | AppRemoved
    heard_at: Moment

    @property
    def subject(self) -> str:
        """The provider's id of the account."""
        return self.event.user_id if isinstance(self.event, AccountEvent) else self.event.account or "an account"


class Decision(Command):
    """What a person decides of a case, straight to the queue; `close` is about one of its steps.

    And what `watch_deadlines` asks for: `begin` a planned case whose time has come.
    """

    system: ClassVar[str] = "hr"
    announced_as: ClassVar[str] = "OffboardingStarted"

    case: CaseId
    decision: Literal["release", "discard", "cancel", "reinstate", "close", "begin"]
    #: what is closed, and why
    step: Printable | None = None
    because: Printable | None = None
    #: SQS's own word for who decides; whatever a message says of that is not read
    who: str

    @model_validator(mode="after")
    def _check_what_is_closed(self) -> Self:
        told = [each is not None for each in (self.step, self.because)]
        if told != [self.decision == "close"] * 2:
            raise ValueError("step, because: expected with decision close, and only then")
        return self

    @property
    def subject(self) -> str:
        """The case."""
        return self.case


class Dismissal(Command):
    """What a person decides of a dead letter from which no case came: it is removed, and their word stands."""

    system: ClassVar[str] = "hr"
    announced_as: ClassVar[str] = "OffboardingStarted"

    decision: Literal["dismiss"]
    #: the dead letter, and with whose dead letters it lies
    message: Printable
    function: Printable
    because: Printable
    #: SQS's own word, as of every decision
    who: str

    @property
    def subject(self) -> str:
        """Nobody."""
        return ""

    @property
    def fate(self) -> Fate:
        """Their word, and whose it is."""
        return Fate("dismissed", because=f"{self.who}, of {self.function}: {self.because}")


class DoorTest(Command):
    """What `leaver door test` posted by a connection of the front door: it came as far as everything else comes."""

    system: ClassVar[str] = "hr"
    announced_as: ClassVar[str] = "OffboardingStarted"

    place: Printable
    test: Printable

    @property
    def subject(self) -> str:
        """Nobody."""
        return ""

    @property
    def fate(self) -> Fate:
        """Nothing, as was meant."""
        return Fate("nothing_follows", because="leaver door test")


#: what the queue brings
Asked = StartOffboarding | AccountHeard | Decision | Dismissal | LookUpPerson | DoorTest


def start_offboarding(
    command: Asked, *, intake: Intake, closing: StepClosing, hand_on: Callable[[LookUpPerson], None]
) -> Fate:
    """Do as HR or a person says, or as what a provider tells of an account wants it."""
    if isinstance(command, DoorTest | Dismissal):
        return command.fate
    if isinstance(command, LookUpPerson):
        return have_looked_up(command, connections=intake.step_finder.connections, hand_on=hand_on)
    if isinstance(command, AccountHeard):
        return hear_of_account(command, accounts=AccountEvents(intake, PROVIDERS))
    if isinstance(command, Decision):
        if command.step is not None and command.because is not None:
            return closing.close(command.case, command.step, who=command.who, because=command.because)
        return decide(command, intake=intake)
    return intake.take_in(command.request, command.heard_at)


def look_for_steps(command: Asked, *, intake: Intake) -> dict[str, Value]:
    """Find what would end for whom a person decides about, and which cases they have; nothing is recorded."""
    if not isinstance(command, StartOffboarding):
        raise BadMessage("of: expected a decision to offboard or to contain somebody")
    draft, standing = intake.look(command.request, command.heard_at)
    return {
        "steps": [
            {
                "name": step.name,
                "command": step.command,
                "at": step.at,
                "identity": step.identity,
                "found_by": step.found_by or "",
                "detail": step.detail,
                "refused": step.refused or "",
                "counts": COMMANDS[step.command].counts or "" if step.command in COMMANDS else "",
            }
            for step in draft.steps
        ],
        "cases": [
            {"case": each.case_id, "kind": each.kind, **each.model_dump(mode="json", include={"state"})}
            for each in standing
        ],
        "because": draft.because or "",
        "follows": draft.follows or "",
    }


def hear_of_account(command: AccountHeard, *, accounts: AccountEvents) -> Fate:
    """Say what follows from it."""
    if isinstance(command.event, AppRemoved):
        return Fate("nothing_follows", because=APP_REMOVED)
    return accounts.hear(command.event, command.heard_at)


def decide(command: Decision, *, intake: Intake) -> Fate:
    """Let a held case go on, or throw it away; cancel one that has not begun, or give back whatever was taken.

    Or begin one whose time has come.
    """
    now = intake.clock()
    case = intake.cases.read(command.case)
    if case is None:
        raise BadMessage("case: expected the id of a case that exists")
    if command.decision == "begin":
        return intake.begin_due(case)
    event, at = DECISIONS[command.decision], command.requested_at or now
    if event in {CaseEvent.CANCELLED, CaseEvent.REINSTATED}:
        ended = intake.returns.had_ended(case) if event is CaseEvent.REINSTATED else None
        kept = intake.returns.find_anothers(ended, intake.ask_of_address(ended, ended.email)) if ended else ()
        return intake.returns.give_back(case, event, at, kept=kept)
    return _decide_of_held(case, event, at, intake=intake)


def _decide_of_held(case: Case, event: CaseEvent, at: datetime, *, intake: Intake) -> Fate:
    now = intake.clock()
    # A sweep acts on ids that receipts prove, whoever has the address.
    is_released = event is CaseEvent.RELEASED and case.state is State.HELD and case.sweep_of is None
    meant = _ask_who_is_meant(case, intake=intake) if is_released else None
    if meant is not None and meant.is_of_somebody_else(case):
        # An account says that somebody else has the address since the case was recorded.
        return Fate("refused", case.case_id, ANOTHERS_BY_NOW)

    def follow(standing: Case) -> Case | None:
        if event is CaseEvent.DISCARDED and as_it_is_after(standing, at=at):
            return None
        return standing.after(event, now).model_copy(update={"asked_at": None}) if standing.allows(event) else None

    decided = intake.cases.change(case, follow)
    if decided is None and intake.cases.require(case.case_id).state is State.HELD:
        return Fate("refused", case.case_id, LATER)
    if decided is None:
        return Fate("refused", case.case_id, "the case is not held")
    if decided.kind == "departure" and case.sweep_of is None and decided.is_due(now):
        # As of a planned one: where no account can say, the watch asks again, and begins the case in the end.
        return replace(intake.begin_due(decided), name="changed")
    intake.set_going(decided)
    return Fate("changed", case.case_id)


def _ask_who_is_meant(case: Case, *, intake: Intake) -> Departure:
    """The case's event, as accounts say by now who that is."""
    request = OffboardingRequested.model_validate(case.request, strict=False)
    answers = intake.find_person(request, intake.clock())
    found = {at: each for at, each in answers.items() if each is not None}
    return Departure(request, found, case.names, asked=answers.keys())


def have_looked_up(command: LookUpPerson, *, connections: Connections, hand_on: Callable[[LookUpPerson], None]) -> Fate:
    """Let somebody be looked up whom an event names by an id alone; raises Rejected where nobody can be asked."""
    if not connections.usable_at([command.unnamed.source]):
        raise Rejected(command.missing)
    hand_on(command)
    return Fate("handed_on", because="the person is looked up")


def name(command: Asked) -> tuple[str, str | None]:
    """Who said it, and how it is called there."""
    if isinstance(command, DoorTest):
        return command.place, command.test
    if isinstance(command, Dismissal):
        return "operator", command.message
    if isinstance(command, LookUpPerson):
        return command.unnamed.source, command.unnamed.event_id
    if isinstance(command, Decision):
        return "leaver" if command.decision == "begin" else "operator", None
    if isinstance(command, AccountHeard):
        return command.event.provider, command.event.event_id
    return command.request.source, command.request.event_id


class AnotherPerson(Rejected):
    """The event names two people: nobody may lose anything by it."""


@dataclass(frozen=True)
class PersonFinder:
    """Asks Zoom who is meant, at the rate that Zoom allows."""

    connections: Connections
    tokens: AccessTokens
    zoom: Zoom
    rate_limiter: RateLimiter
    clock: Callable[[], datetime]
    #: asks several accounts at the same time
    executor: Executor

    def find(self, request: OffboardingRequested, heard_at: datetime) -> dict[str, Person | None]:
        """Ask every account of Zoom's who is meant; returns whom each that answers knows, by `provider/account`.

        An account that is out of order, or has no connection, must keep nothing alive anywhere else: there the case
        goes by the event alone. Raises Rejected where HR's id is another person's than its address.
        """
        provider = self.tokens.provider
        given = request.subject.identity(provider, "id")
        if given is not None and given.casefold() == "me":
            raise Rejected(f"subject.identities.{provider}.id: me is whoever consented, and nobody else")
        accounts = dict(sorted(self.connections.usable_at([provider]).items()))

        def ask(twins: Sequence[Connection]) -> ZoomUser | Result | None:
            # One that can't say may lack a scope that its twin has.
            answers = (self._ask(connection, given, request, heard_at) for connection in twins)
            return next((each for each in answers if each is not None), None)

        answers = zip(accounts, self.executor.map(ask, accounts.values()), strict=True)
        return {
            at: Person(answer.id, answer.email) if isinstance(answer, ZoomUser) else None
            for at, answer in answers
            if answer is not None
        }

    def _ask(
        self, connection: Connection, given: str | None, request: OffboardingRequested, heard_at: datetime
    ) -> ZoomUser | Result | None:
        """The user, or that nobody there is meant; None where this connection can't say."""
        email = request.subject.email

        def ask(_: Connection, access_token: SecretStr) -> ZoomUser | Result:
            if given is not None and isinstance(user := self.zoom.get_user(given, access_token), ZoomUser):
                if name_of(user.email) != name_of(email):
                    raise AnotherPerson(
                        f"subject.identities.{self.tokens.provider}.id: there this is somebody with another address "
                        "than subject.email"
                    )
                return user
            # An id that this account does not know is another account's: here the address is all that is known.
            return self.zoom.get_user(email, access_token)

        calls = 1 if given is None else 2
        demand = Demand(connection.connection, calls, urgent=request.urgency == "urgent")
        (reservation,) = self.rate_limiter.reserve([demand])
        try:
            self.rate_limiter.wait(reservation)
            return self.tokens.with_token(connection.connection, ask)
        except (CredentialStale, Throttled) as error:
            if isinstance(error, Throttled):
                self.rate_limiter.record_throttle(reservation, error)
            if self._is_worth_waiting(error, heard_at):
                raise
            return None
        except AnotherPerson:
            raise
        except (ProviderUnavailable, NeedsReauthorization, Rejected, BadMessage):
            return None

    def _is_worth_waiting(self, error: CredentialStale | Throttled, heard_at: datetime) -> bool:
        # Our own queue passes; what the provider will not answer until tomorrow must not be waited for at all.
        patience = PATIENCE_WITH_OURSELVES if isinstance(error, NoSlot) else PATIENCE
        now = self.clock()
        back_at = max(error.until, now) if isinstance(error, Throttled) else now
        return back_at < heard_at + patience


def understand(payload: Payload, *, choices: HrChoices) -> Asked:
    """Read a decision, a test, or an HR event of any source that Leaver knows; which it is shows in its fields.

    An event that names only an id becomes the look-up of that person. Raises BadMessage, or Rejected where the event
    opens no case.
    """
    if payload.event is None and "decision" in payload.detail:
        return _decided(payload)
    if (tested := read_door_test(payload)) is not None:
        return parse(DoorTest, dict(zip(("place", "test"), tested, strict=True)), direct=False)
    try:
        understood = read_hr_event(payload, choices)
    except LookUpNeeded as needed:
        return LookUpPerson(unnamed=needed.unnamed, missing=needed.reason, door=read_door(payload))
    if not isinstance(understood, OffboardingRequested):
        return AccountHeard(event=understood, requested_at=understood.occurred_at, heard_at=payload.heard_at)
    return _settled(understood, payload)


def _decided(payload: Payload) -> Asked:
    if payload.detail["decision"] in BEGIN:
        begin = parse(Begin, payload.detail, direct=True)
        return _settled(begin.as_heard(payload.id, payload.heard_at, sender=payload.sender), payload)
    decided = {**payload.detail, "who": payload.sender, "requested_at": payload.heard_at.isoformat()}
    if payload.detail["decision"] == "dismiss":
        return parse(Dismissal, decided, direct=True)
    return parse(Decision, decided, direct=True)


def _settled(heard: OffboardingRequested, payload: Payload) -> StartOffboarding:
    request, dated_ahead = settle_times(heard, payload.heard_at)
    identities.check(request.subject, PROVIDERS)
    return StartOffboarding(
        request=request,
        requested_at=request.occurred_at,
        urgency=request.urgency,
        heard_at=payload.heard_at,
        dated_ahead=dated_ahead,
    )


def tell_of_wrong_clock(command: Asked, *, count: Callable[[str, int], None], logger: Logger) -> None:
    """Say that a clock at HR is wrong: the event is acted on, and its source orders its own events wrongly."""
    if isinstance(command, StartOffboarding) and command.dated_ahead:
        request = command.request
        seconds = int(command.dated_ahead.total_seconds())
        told = {"source": request.source, "event_id": request.event_id, "kind": request.kind, "seconds": seconds}
        logger.warning("dated ahead", extra=told)
        count(DATED_AHEAD, 1)


def tell_of_app(command: Asked, *, count: Callable[[str, int], None], logger: Logger) -> None:
    """Say that Leaver's own app was removed from an account: whatever goes by it fails from now on."""
    if isinstance(command, AccountHeard) and isinstance(command.event, AppRemoved):
        logger.warning("app removed", extra={"provider": command.event.provider, "account": command.event.account})
        count(APPS_REMOVED, 1)


def consumer() -> Consumer[Asked]:
    """What works through the queue `start-offboarding`."""
    settings = bootstrap.settings_of(Settings)
    publisher = bootstrap.publisher(
        settings.event_bus_name, settings.dead_letter_queue_url, settings.refresh_queue_url, settings.seal_queue_url
    )
    connections = bootstrap.connections(settings.connections_table)
    tokens = bootstrap.access_tokens(settings.connections_table, settings.secret_prefix, provider="zoom")
    person_finder = PersonFinder(
        connections=connections,
        tokens=tokens,
        zoom=bootstrap.api(Zoom, settings.zoom_api_url),
        rate_limiter=bootstrap.rate_limiter(settings.pace_table, settings.requests_per_second, tokens),
        clock=bootstrap.now,
        executor=bootstrap.beside(),
    )
    step_finder = StepFinder(connections, settings.served(PROVIDERS))
    intake = Intake(
        cases=bootstrap.cases(settings.cases_table),
        people=bootstrap.people(settings.cases_table),
        announcer=bootstrap.announcer(settings.cases_table, publisher),
        case_start=bootstrap.case_start(
            settings.cases_table,
            step_finder,
            publisher,
            case_deadline=settings.case_deadline,
            ceiling=bootstrap.ceiling(
                settings.cases_table, settings.most_an_hour, routine=settings.routine_cases_an_hour
            ),
        ),
        step_finder=step_finder,
        find_person=person_finder.find,
        clock=bootstrap.now,
        policy=Policy(
            done_where_missing=tuple(sorted(settings.done_where_missing(PROVIDERS))),
            deactivate_users=settings.deactivate_users,
            deadline=settings.case_deadline,
        ),
    )

    hand_on = partial(publisher.hand_on, queue_url=settings.look_up_queue_url)
    closing = StepClosing(intake.cases, bootstrap.receipts(settings.cases_table), publisher, bootstrap.now)

    def operation(command: Asked) -> Fate:
        tell_of_app(command, count=bootstrap.measure, logger=bootstrap.logger())
        tell_of_wrong_clock(command, count=bootstrap.measure, logger=bootstrap.logger())
        fate = start_offboarding(command, intake=intake, closing=closing, hand_on=hand_on)
        if fate.because == RETURN_HELD:
            bootstrap.measure(RETURNS_HELD, 1)
        if fate.because in TOLD:
            bootstrap.measure(RESURRECTIONS, 1)
        return fate

    return bootstrap.consumer(
        StartOffboarding,
        operation,
        settings,
        refresh_queue_url=settings.refresh_queue_url,
        read=partial(understand, choices=settings),
        journal=bootstrap.journal(settings.cases_table, name),
        previews=Previews(partial(look_for_steps, intake=intake), bootstrap.preview_answers(settings.deliveries_table)),
    )


lambda_handler = bootstrap.serve(consumer)
