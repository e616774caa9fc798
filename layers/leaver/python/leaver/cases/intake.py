"""From an HR event to a case: everything that the leaver must lose, recorded, and then set going."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import uuid4

from leaver.cases.announcing import CaseAnnouncer
from leaver.cases.finding import StepFinder
from leaver.cases.heard import Fate
from leaver.cases.people import Name, People
from leaver.cases.record import Case, Cases, Policy, Step, new_case, sweep_of
from leaver.cases.start import CaseStart
from leaver.cases.states import UNDER_WAY, CaseEvent, State
from leaver.errors import Rejected
from leaver.messages.events import OffboardingRequested
from leaver.messages.names import name_of
from leaver.providers.entry import Person

#: Two sources tell of one departure hours apart, and a case takes seconds. What comes later is another departure: it
#: is better to revoke twice than to take somebody who came back unannounced for somebody who is gone.
SAME_DEPARTURE: Final = timedelta(days=1)
#: what ends, and nothing else, for somebody who stays
ENDS: Final[Mapping[str, frozenset[str]]] = {
    "contain": frozenset({"RevokeSsoToken", "RevokeGrants", "PurgeUserTokens", "RevokeAccessToken"}),
    "sessions": frozenset({"RevokeSsoToken", "PurgeUserTokens"}),
}


LATER: Final = "a later event about this person has come before"


@dataclass(frozen=True)
class Departure:
    """Somebody leaves: what HR said of it, who that is, and what must end."""

    request: OffboardingRequested
    #: who that is at each account that was asked and knew, by `provider/account`
    found: Mapping[str, Person]
    names: Sequence[str]
    steps: Sequence[Step]

    def effective_at(self, now: datetime) -> datetime:
        """When access ends: what is not planned ends at once."""
        planned = self.request.effective_at
        return planned if self.request.kind == "scheduled" else min(planned, now)


@dataclass(frozen=True)
class Intake:
    """What it takes to make a case of an event."""

    cases: Cases
    people: People
    announcer: CaseAnnouncer
    case_start: CaseStart
    step_finder: StepFinder
    #: asks every account that can be asked who is meant, by an event that was heard then; whoever knows them, by
    #: `provider/account`. Raises Rejected where the event names two people
    find_person: Callable[[OffboardingRequested, datetime], Mapping[str, Person]]
    clock: Callable[[], datetime]
    #: routine cases an hour, beyond which one is held until a person has looked
    routine_limit: int
    policy: Policy

    def take_in(self, request: OffboardingRequested, heard_at: datetime) -> Fate:
        """Open, extend, cancel or reinstate the leaver's case."""
        found = self.find_person(request, heard_at)
        names = _names(request, found.values())
        if request.kind in {"cancelled", "reinstated"}:
            return self._keep_access(request, names)
        deactivates = self.policy.deactivate_users
        steps = self.step_finder.find(request.subject, _ids(found), names, deactivates_users=deactivates)
        if request.kind in ENDS:
            self._contain(request, steps)
            return Fate("nothing_follows", because="its commands were sent, without a case")
        return self._end_access(Departure(request, found, names, steps))

    # -- somebody leaves

    def _end_access(self, departure: Departure) -> Fate:
        case_id = self._claim_person(departure)
        if case_id is None:
            return Fate("refused", because=LATER)
        case = self.cases.read(case_id)
        if case is None and (recorded := self._record(case_id, departure)):
            self.set_going(recorded, anew=False)
            return Fate("opened", case_id)
        return self._extend(case or self.cases.require(case_id), departure)

    def _claim_person(self, departure: Departure) -> str | None:
        """Make this case the person's, or find the one that they have; None for an event that comes too late."""
        # Random, so that nobody can send a command of the case before it is there; the same event finds the pointer.
        case_id = f"c-{uuid4()}"
        for name in departure.names:
            claim = partial(self._claim, departure=departure, case_id=case_id)
            claimed = self.people.change(name, departure.request.occurred_at, claim)
            if claimed is None:
                return None
            case_id = claimed.case or case_id
        return case_id

    def _claim(self, found: Name, *, departure: Departure, case_id: str) -> Name | None:
        at = departure.request.occurred_at
        late = found.has_later_event(at)
        heard = {"stays": found.stays and late, "occurred_at": max(found.occurred_at, at)}
        standing = self.cases.read(found.case) if found.case else None
        if standing is not None and (standing.state in UNDER_WAY or _is_same_departure(standing, at, found)):
            return found.model_copy(update=heard)
        if late:
            return None
        if found.case and (standing is None or _is_of_same_event(standing, departure.request)):
            # Where that one is not recorded, another run is about to, or was killed: whoever comes first records it.
            return found.model_copy(update=heard)
        return found.model_copy(update={"case": case_id} | heard)

    def _record(self, case_id: str, departure: Departure) -> Case | None:
        """Record the case before anything of it is begun; None where another run was faster."""
        now, request = self.clock(), departure.request
        effective_at = departure.effective_at(now)
        case = new_case(
            case_id,
            departure.steps,
            departure.names,
            email=request.subject.email,
            identities=_ids(departure.found),
            event_id=request.event_id,
            source=request.source,
            actor=request.actor,
            urgency=request.urgency,
            requested_at=request.occurred_at,
            effective_at=effective_at,
            request=request.model_dump(mode="json", exclude_none=True),
            policy=self.policy,
        )
        return self.cases.add(self._hold_above_limit(case.with_look_at(max(effective_at, now)), now))

    def _hold_above_limit(self, case: Case, now: datetime) -> Case:
        """Hold a routine case above the hour's limit: a broken feed must not log a whole company out."""
        if case.urgency == "urgent":
            self.cases.count_urgent(now, case_id=case.case_id)
            return case
        opened = self.cases.count_routine(now, case_id=case.case_id)
        if opened <= self.routine_limit:
            return case
        return case.after(CaseEvent.HELD_FIRST if opened == self.routine_limit + 1 else CaseEvent.HELD, now)

    def _extend(self, case: Case, departure: Departure) -> Fate:
        """Give a leaver who is a case already what the case lacks, and never a second set."""
        extended = self.cases.change(case, partial(_with_departure, departure=departure, now=self.clock()))
        # Also where it lacks nothing: an earlier run may have been killed on its way.
        self.set_going(extended or self.cases.require(case.case_id))
        if extended is None:
            return Fate("repeated", case.case_id, "this departure is a case already")
        return Fate("changed", case.case_id)

    def set_going(self, case: Case, *, anew: bool = True) -> None:
        """Begin a case whose time has come, and announce what is pending; `anew` as CaseStart.begin() has it."""
        self.announcer.announce_pending(self.case_start.begin(case, anew=anew))

    # -- somebody stays, and what may be in a thief's hands does not

    def _contain(self, request: OffboardingRequested, steps: Sequence[Step]) -> None:
        """Send the commands without a case: no tombstone, nothing deactivated or replaced, nothing looked at again.

        Raises Rejected above the hour's limit: the event then waits for a person, who looks and sends it back.
        """
        heard = f"{request.source}/{request.event_id}"
        if request.urgency == "urgent":
            self.cases.count_urgent(self.clock(), case_id=heard)
        elif self.cases.count_routine(self.clock(), case_id=heard) > self.routine_limit:
            raise Rejected(f"{request.kind}: more began in this hour than RoutineCasesAnHour: look, then redrive it")
        ends = [step for step in steps if step.command in ENDS[request.kind]]
        told = {"urgency": request.urgency, "requested_at": request.occurred_at.isoformat()}
        commands = self.case_start.commands(ends, told)
        self.case_start.publisher.send_commands(commands)
        if len(commands) < len(ends):
            # Without a case no step waits, so the event does: what is sent once more then ends nothing twice.
            missing = len(ends) - len(commands)
            raise Rejected(
                f"{request.kind}: {missing} of {len(ends)} commands could not be sent: "
                "their account has no connection, or their provider takes no such name"
            )

    # -- somebody stays

    def _keep_access(self, request: OffboardingRequested, names: Sequence[str]) -> Fate:
        """Stop what is not done and lift the tombstones; what was revoked stays revoked, and nobody says otherwise."""
        event = CaseEvent.CANCELLED if request.kind == "cancelled" else CaseEvent.REINSTATED
        case_ids: set[str] = set()
        for name in names:
            heard = self.people.change(name, request.occurred_at, lambda found: found.with_stay(request.occurred_at))
            if heard is None:
                return Fate("refused", because=LATER)
            if heard.case:
                case_ids.add(heard.case)
        for case_id in case_ids:
            self._stop(case_id, event)
        for name in names:
            self.people.change(name, request.occurred_at, Name.without_tombstone)
        # After the tombstones: whoever opens a sweep looks at those once more when it is there.
        for case_id in case_ids:
            self._stop(sweep_of(case_id), event)
        if not case_ids:
            return Fate("nothing_follows", because="this person has no case")
        return Fate("changed", min(case_ids))

    def _stop(self, case_id: str, event: CaseEvent) -> None:
        case = self.cases.read(case_id)
        if case is None:
            return
        now = self.clock()

        def stop(standing: Case) -> Case | None:
            return standing.after(event, now) if standing.allows(event) else None

        stopped = self.cases.change(case, stop) or case
        self.case_start.lift_tombstones(stopped)
        self.announcer.announce_pending(stopped)


def _names(request: OffboardingRequested, found: Iterable[Person]) -> Sequence[str]:
    known = [request.subject.email, *(name for each in found for name in (each.email, each.id))]
    return sorted({name_of(name) for name in known})


def _ids(found: Mapping[str, Person]) -> dict[str, str]:
    return {at: each.id for at, each in found.items()}


def _is_same_departure(case: Case, occurred_at: datetime, found: Name) -> bool:
    finished = case.finished_at if case.state is State.COMPLETED else None
    return finished is not None and found.gone_since is not None and occurred_at - finished < SAME_DEPARTURE


def _is_of_same_event(case: Case, request: OffboardingRequested) -> bool:
    return (case.source, case.event_id) == (request.source, request.event_id)


def _with_departure(case: Case, *, departure: Departure, now: datetime) -> Case | None:
    """With what the case lacks of this departure, and sooner or more urgent if that is so; None where it is no news."""
    if case.state not in UNDER_WAY:
        return None
    is_urgent = departure.request.urgency == "urgent"
    fields: dict[str, object] = {"identities": _ids(departure.found) | case.identities}
    if is_urgent:
        fields["urgency"] = "urgent"
    if case.state is not State.OPEN:
        fields["effective_at"] = min(departure.effective_at(now), case.effective_at)
    extended = case.with_steps(departure.steps, departure.names).model_copy(update=fields)
    if is_urgent and extended.allows(CaseEvent.MADE_URGENT):
        extended = extended.after(CaseEvent.MADE_URGENT, now)
    if extended.state is State.SCHEDULED:
        extended = extended.with_look_at(max(extended.effective_at, now))
    return extended if extended != case else None
