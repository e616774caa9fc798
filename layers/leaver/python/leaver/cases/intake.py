"""From an HR event to a case: everything that the leaver must lose, recorded, and then set going."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import uuid4

from leaver.cases.announcing import CaseAnnouncer
from leaver.cases.finding import ZOOM, StepFinder
from leaver.cases.heard import Fate
from leaver.cases.kinds import Kind, is_ended_by, kind_of
from leaver.cases.people import NEVER, Name, People
from leaver.cases.record import Case, Cases, Policy, Step, new_case, sweep_of
from leaver.cases.start import CaseStart
from leaver.cases.states import OVER, UNDER_WAY, WAITING, CaseEvent, State
from leaver.errors import Rejected
from leaver.messages.events import OffboardingRequested
from leaver.messages.names import name_of
from leaver.providers.entry import Person

#: Two sources tell of one departure hours apart, and a case takes seconds. What comes later is another departure: it
#: is better to revoke twice than to take somebody who came back unannounced for somebody who is gone.
SAME_DEPARTURE: Final = timedelta(days=1)
LATER: Final = "a later event about this person has come before"


@dataclass(frozen=True)
class Departure:
    """Somebody leaves: what HR said of it, who that is, and what must end."""

    request: OffboardingRequested
    #: who that is at Zoom, where Zoom was asked and knew
    user: Person | None
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
    #: asks Zoom who is meant, by an event that was heard then; None where Zoom knows nobody or can't be asked
    find_person: Callable[[OffboardingRequested, datetime], Person | None]
    clock: Callable[[], datetime]
    #: routine cases an hour, beyond which one is held until a person has looked
    routine_limit: int
    policy: Policy

    def take_in(self, request: OffboardingRequested, heard_at: datetime) -> Fate:
        """Open, extend, cancel or reinstate the leaver's case."""
        user = self.find_person(request, heard_at)
        check_person(request, user)
        names = _names(request, user)
        if request.kind in {"cancelled", "reinstated"}:
            return self._keep_access(request, names)
        deactivates = self.policy.deactivate_users
        found = self.step_finder.find(request.subject, user.id if user else None, names, deactivates_users=deactivates)
        kind = kind_of(request.model_dump())
        steps = [step for step in found if is_ended_by(kind, step.command)]
        if not steps:
            raise Rejected("there is no connection to any provider: nothing can be ended")
        departure = Departure(request, user, names, steps)
        return self._end_access(departure) if kind == "departure" else self._contain(departure, kind)

    # -- somebody leaves

    def _end_access(self, departure: Departure) -> Fate:
        case_id = self._claim_person(departure)
        if case_id is None:
            return Fate("refused", because=LATER)
        case = self.cases.read(case_id)
        if case is None and (recorded := self._record(case_id, departure)):
            self.set_going(recorded)
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
            zoom_user_id=departure.user.id if departure.user else None,
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

    def set_going(self, case: Case) -> None:
        """Begin a case whose time has come, and announce what is pending."""
        self.announcer.announce_pending(self.case_start.begin(case))

    # -- somebody stays, and what may be in a thief's hands does not

    def _contain(self, theft: Departure, kind: Kind) -> Fate:
        """Open a case of its own, beside whatever is known of the person's leaving: neither moves the other."""
        case_id = self._claim_containment(theft, kind)
        case = self.cases.read(case_id)
        if case is None and (recorded := self._record(case_id, theft)):
            self.set_going(recorded)
            return Fate("opened", case_id)
        case = case or self.cases.require(case_id)
        if case.state in WAITING:
            return self._extend(case, theft)
        # What it lacks seal_case finds, and that alone which was there when it began.
        self.set_going(case)
        return Fate("repeated", case_id, "everything was ended after this, or is being ended")

    def _claim_containment(self, theft: Departure, kind: Kind) -> str:
        """Make this case the person's, or find the one that ends, after this event, what the event wants ended."""
        request, case_id = theft.request, f"c-{uuid4()}"

        def claim(found: Name) -> Name:
            standing = self._read_containment(found, kind)
            if kind in found.containments and (standing is None or _is_covered_by(standing, request)):
                return found
            return found.with_containment(kind, case_id)

        for name in theft.names:
            known = self.people.read(name)
            standing = self._read_containment(known, kind) if known else None
            if standing is not None and standing.state is State.OPEN and not _is_covered_by(standing, request):
                # What it has ended may be in a thief's hands again: the new one begins with everything.
                self._stop(standing.case_id, CaseEvent.CANCELLED)
            claimed = self.people.change(name, NEVER, claim)
            case_id = claimed.containments[kind] if claimed else case_id
        return case_id

    def _read_containment(self, found: Name, kind: Kind) -> Case | None:
        pointed = found.containments.get(kind)
        return self.cases.read(pointed) if pointed else None

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


def check_person(request: OffboardingRequested, user: Person | None) -> None:
    """Hold what HR says against Zoom; raises Rejected where it names two people, before anybody loses anything.

    `me` is whoever consented to the connection.
    """
    given = request.subject.identity(ZOOM, "id")
    if given is None:
        return
    if given.casefold() == "me":
        raise Rejected("subject.identities.zoom.id: me is whoever consented, and not the person of this event")
    if user is not None and name_of(user.email) != name_of(request.subject.email):
        raise Rejected("subject.identities.zoom.id: at Zoom this is somebody with another address than subject.email")


def _names(request: OffboardingRequested, user: Person | None) -> Sequence[str]:
    known = [request.subject.email, *((user.email, user.id) if user else ())]
    return sorted({name_of(name) for name in known})


def _is_same_departure(case: Case, occurred_at: datetime, found: Name) -> bool:
    finished = case.finished_at if case.state is State.COMPLETED else None
    return finished is not None and found.gone_since is not None and occurred_at - finished < SAME_DEPARTURE


def _is_of_same_event(case: Case, request: OffboardingRequested) -> bool:
    return (case.source, case.event_id) == (request.source, request.event_id)


def _is_covered_by(case: Case, request: OffboardingRequested) -> bool:
    """Whether a case of somebody who stays ends everything after this event happened, or is this event's own."""
    begins_later = case.started_at is None or request.occurred_at <= case.started_at
    return _is_of_same_event(case, request) or (case.state not in OVER and begins_later)


def _with_departure(case: Case, *, departure: Departure, now: datetime) -> Case | None:
    """With what the case lacks of this departure, and sooner or more urgent if that is so; None where it is no news."""
    if case.state not in UNDER_WAY:
        return None
    is_urgent = departure.request.urgency == "urgent"
    fields: dict[str, object] = {"urgency": "urgent"} if is_urgent else {}
    if departure.user is not None and case.zoom_user_id is None:
        fields["zoom_user_id"] = departure.user.id
    if case.state is not State.OPEN:
        fields["effective_at"] = min(departure.effective_at(now), case.effective_at)
    extended = case.with_steps(departure.steps, departure.names).model_copy(update=fields)
    if is_urgent and extended.allows(CaseEvent.MADE_URGENT):
        extended = extended.after(CaseEvent.MADE_URGENT, now)
    if extended.state is State.SCHEDULED:
        extended = extended.with_look_at(max(extended.effective_at, now))
    return extended if extended != case else None
