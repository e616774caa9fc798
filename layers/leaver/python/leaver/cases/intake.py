"""From an HR event to a case: everything that the leaver must lose, recorded, and then set going."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import uuid4

from leaver.cases.announcing import CaseAnnouncer
from leaver.cases.finding import StepFinder
from leaver.cases.heard import Fate
from leaver.cases.kinds import Kind, kind_of
from leaver.cases.people import Name, People
from leaver.cases.record import Case, Cases, Policy, Said, new_case, sweep_of
from leaver.cases.start import CaseStart
from leaver.cases.states import OVER, UNDER_WAY, CaseEvent, State
from leaver.errors import Rejected
from leaver.messages.events import OffboardingRequested, Subject
from leaver.messages.names import name_of
from leaver.providers.entry import Person

#: somebody who is gone and has access again loses it again, for one source so often
REPEATS: Final = timedelta(hours=1)

#: why nothing is done about an event, or why a person has to look first
LATER: Final = "a later event about this person has come before"
HEARD: Final = "this departure is a case already"
STAYS: Final = "this person stays already"
NOTHING_TAKEN: Final = (
    "the person stays already: a case of this kind takes nothing that could be given back, and what has begun goes on"
)
NEVER_SAID: Final = "this source never said that the person left"
BEGUN: Final = "the case has begun: what is back says reinstated, or a person does: leaver reinstate"
RETURN_HELD: Final = "the return waits for a person: another source says that this person left"
SOMEBODY_NEW: Final = "somebody new seems to have the address of somebody who left: their ids differ"
BEFORE_THE_RETURN: Final = (
    "it happened before another source said that the person is back: it may be the departure before"
)


@dataclass(frozen=True)
class Departure:
    """Somebody leaves: what HR said of it, who that is, and what must end."""

    request: OffboardingRequested
    #: who that is at each account that was asked and knew, by `provider/account`
    found: Mapping[str, Person]
    names: Sequence[str]
    #: how else the person is named
    aliases: Sequence[Subject] = ()
    #: the completed case that it repeats
    follows: Case | None = None
    #: a repeat begins no earlier
    not_before: datetime | None = None
    #: why a person has to look first
    because: str | None = None

    @property
    def kind(self) -> Kind:
        """Whether they leave, or stay."""
        return kind_of(self.request.model_dump())

    def said(self, now: datetime) -> Said:
        """The word of its source: what is not planned ends at once."""
        request, planned = self.request, self.request.effective_at
        effective_at = planned if request.kind == "scheduled" else min(planned, now)
        return Said(
            source=request.source,
            event_id=request.event_id,
            kind=request.kind,
            at=request.occurred_at.replace(microsecond=0),
            effective_at=max(effective_at, self.not_before or effective_at).replace(microsecond=0),
        )


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
    policy: Policy

    def take_in(self, request: OffboardingRequested, heard_at: datetime) -> Fate:
        """Open, extend, cancel or reinstate the leaver's case."""
        found = self.find_person(request, heard_at)
        names = _names(request, found.values())
        if request.kind in {"cancelled", "reinstated"}:
            return self._keep_access(request, names)
        return self._take_access(Departure(request, found, names))

    def _take_access(self, departure: Departure) -> Fate:
        if departure.kind != "departure":
            return self._contain(departure, departure.kind)
        finished = self._find_finished(departure.names)
        if finished is None:
            return self._end_access(departure)
        if is_before_its_end(finished, departure.request.occurred_at):
            return self._hear_again(finished, departure)
        return self._end_access(self._after(finished, departure))

    # -- somebody left before

    def _find_finished(self, names: Sequence[str]) -> Case | None:
        """The last completed case of whoever has one of these names, or had it."""
        known = [each for each in map(self.people.read, names) if each]
        found = [self.cases.read(case_id) for each in known for case_id in (each.case, each.finished) if case_id]
        completed = [each for each in found if each and each.state is State.COMPLETED]
        return max(completed, key=lambda each: each.finished_at or each.requested_at, default=None)

    def _hear_again(self, finished: Case, departure: Departure) -> Fate:
        """Remember who else said so, as long as the person is gone; whoever has the address now is not touched."""
        request = departure.request

        def hear(found: Name) -> Name | None:
            return found.with_word(request.source, request.occurred_at, stays=False) if found.gone_since else None

        for name in finished.names:
            self.people.change(name, hear)
        self.set_going(finished)
        if not self.people.gone(finished.names) or not self._find_aliases(finished, departure):
            return Fate("repeated", finished.case_id, HEARD)
        if is_somebody_else(finished, departure) or _is_found_where_nobody_was(finished, departure):
            return self._end_access(replace(departure, follows=finished, because=SOMEBODY_NEW))
        return self._end_access(self._once_more(finished, departure))

    def _after(self, finished: Case, departure: Departure) -> Departure:
        """What a departure means of somebody who had left before that: once more, or somebody new, or who can tell."""
        request = departure.request
        remembered = [each for each in map(self.people.read, finished.names) if each]
        if not any(each.gone_since for each in remembered):
            # Somebody said that they are back, and since then the address is theirs.
            returns = [(source, word) for each in remembered for source, word in each.said.items() if word.stays]
            late = any(source != request.source and word.at > request.occurred_at for source, word in returns)
            return replace(departure, because=BEFORE_THE_RETURN) if late else departure
        if self._is_somebody_new(finished, departure):
            return replace(departure, follows=finished, because=SOMEBODY_NEW)
        again = self._once_more(finished, departure)
        return replace(again, not_before=self._end_of_hour(finished, request.source))

    def _once_more(self, finished: Case, departure: Departure) -> Departure:
        """The same, of whom a completed case acted on, and under the names that this event adds."""
        first, *others = self._subjects_of(finished)
        if departure.request.source == finished.source:
            first = first.model_copy(update={"source_id": departure.request.subject.source_id or first.source_id})
        else:
            first = first.model_copy(update={"source_id": departure.request.subject.source_id})
        aliases = self._find_aliases(finished, departure)
        return Departure(
            departure.request.model_copy(update={"subject": first}),
            {at: Person(each, finished.email) for at, each in finished.identities.items()},
            sorted({*finished.names, *(name_of(each.email) for each in aliases)}),
            aliases=(*others, *aliases),
            follows=finished,
        )

    def _is_somebody_new(self, finished: Case, departure: Departure) -> bool:
        """Whether an id that both have differs: the provider's own, the source's own, or what HR gives for a provider.

        Of an account that knows whoever has the address now, and knew nobody when the case was made, nobody can tell.
        """
        if is_somebody_else(finished, departure) or _is_found_where_nobody_was(finished, departure):
            return True
        known = [*finished.subjects, *self._subjects_of(finished)]
        for provider, given in departure.request.subject.identities.items():
            for key, value in given.items():
                then = {name_of(each) for subject in known if (each := subject.identity(provider, key))}
                if then and name_of(value) not in then:
                    return True
        return False

    def _find_aliases(self, finished: Case, departure: Departure) -> Sequence[Subject]:
        """Under which names of an event something may live that a completed case has not ended."""
        first, *others = self._subjects_of(finished)
        request = {**finished.request, "subject": first.model_dump(exclude_none=True)}
        # Under the names that it was given, and under the ids that providers gave for these.
        found = finished.model_copy(update={"request": request, "aliases": tuple(others), "steps": ()})
        given = (departure.request.subject, *departure.aliases)
        return [each for each in given if all(self._adds_steps(case, each) for case in (finished, found))]

    def _adds_steps(self, case: Case, subject: Subject) -> bool:
        named = case.with_alias(subject)
        return any(step.alias == len(named.subjects) for step in self.step_finder.find_anew(named))

    def _subjects_of(self, finished: Case) -> Sequence[Subject]:
        """Whom a completed case acted on: as HR named them, and with the ids that providers then gave for them."""
        receipts = self.cases.read_receipts(finished.case_id)
        subjects = []
        for number, subject in enumerate(finished.subjects, 1):
            identities = {name: dict(each) for name, each in subject.identities.items()}
            for step in finished.steps:
                receipt, provider = receipts.get(step.name), self.step_finder.providers.get(step.provider or "")
                keys = provider.identity_keys & receipt.details.keys() if provider and receipt else frozenset()
                if receipt and keys and (step.alias or 1) == number:
                    identities[receipt.system] = {key: str(receipt.details[key]) for key in keys}
            subjects.append(subject.model_copy(update={"identities": identities}))
        return subjects

    def _end_of_hour(self, finished: Case, source: str) -> datetime | None:
        """When a source may have somebody's access ended again; None where that is now."""
        case: Case | None = finished
        while case and case.follows and case.started_at and case.started_at + REPEATS > self.clock():
            if any(each.source == source for each in case.said):
                return case.started_at + REPEATS
            case = self.cases.read(case.follows)
        return None

    # -- somebody leaves

    def _end_access(self, departure: Departure) -> Fate:
        case_id = self._claim_person(departure)
        if case_id is None:
            return Fate("refused", because=LATER)
        case = self.cases.read(case_id)
        if case is None and (recorded := self._record(case_id, departure)):
            self.set_going(recorded, anew=False)
            return Fate("opened", case_id, departure.because)
        return self._extend(case or self.cases.require(case_id), departure)

    def _claim_person(self, departure: Departure) -> str | None:
        """Make this case the person's, or find the one that they have; None for an event that comes too late."""
        # Random, so that nobody can send a command of the case before it is there; the same event finds the pointer.
        case_id = f"c-{uuid4()}"
        for name in departure.names:
            claim = partial(self._claim, departure=departure, case_id=case_id)
            claimed = self.people.change(name, claim)
            if claimed is None:
                return None
            case_id = claimed.case or case_id
        return case_id

    def _claim(self, found: Name, *, departure: Departure, case_id: str) -> Name | None:
        source, at = departure.request.source, departure.request.occurred_at
        if found.comes_late(source, at, stays=False):
            return None
        standing = self.cases.read(found.case) if found.case else None
        if standing is not None and standing.state in UNDER_WAY:
            _refuse_somebody_else(standing, departure)
        heard = found.with_word(source, at, stays=False)
        if found.case and (standing is None or _is_told_of(standing, departure, self.clock())):
            # Where that one is not recorded, another run is about to, or was killed: whoever comes first records it.
            return heard
        is_completed = standing is not None and standing.state is State.COMPLETED
        return heard.with_case(case_id, found.case if is_completed else None)

    def _record(self, case_id: str, departure: Departure) -> Case | None:
        """Record the case before anything of it is begun; None where another run was faster."""
        now, request = self.clock(), departure.request
        said = departure.said(now)
        case = new_case(
            case_id,
            (),
            departure.names,
            aliases=tuple(departure.aliases),
            email=request.subject.email,
            identities=_ids(departure.found),
            event_id=request.event_id,
            source=request.source,
            actor=request.actor,
            said=(said,),
            follows=departure.follows.case_id if departure.follows else None,
            because=departure.because,
            urgency=request.urgency,
            requested_at=request.occurred_at,
            effective_at=said.effective_at,
            request=request.model_dump(mode="json", exclude_none=True),
            policy=self.policy,
        )
        steps = self.step_finder.find_anew(case)
        if not steps:
            raise Rejected("at none of the company's providers is there anything of this kind to end")
        case = case.with_steps(steps)
        waits = case.after(CaseEvent.DOUBTED, now) if case.because else case.with_look_at(max(case.effective_at, now))
        return self.cases.add(waits)

    def _extend(self, case: Case, departure: Departure) -> Fate:
        """Give a leaver who is a case already what the case lacks, and never a second set."""
        extended = self.cases.change(case, partial(self._with_departure, departure=departure, now=self.clock()))
        standing = extended or self.cases.require(case.case_id)
        # Also where it lacks nothing: an earlier run may have been killed on its way.
        self.set_going(standing)
        if standing.state is State.COMPLETED and case.state is not State.COMPLETED:
            # It was sealed at this very moment, and may lack a name.
            return self._take_access(departure)
        if extended is None or not _is_news(case, extended):
            return Fate("repeated", case.case_id, HEARD)
        return Fate("changed", case.case_id)

    def _with_departure(self, case: Case, *, departure: Departure, now: datetime) -> Case | None:
        """With what the case lacks of this departure, and sooner or more urgent; None where that is no news."""
        if case.state not in UNDER_WAY:
            return None
        is_urgent = departure.request.urgency == "urgent"
        fields: dict[str, object] = {"identities": _ids(departure.found) | case.identities}
        if is_urgent:
            fields["urgency"] = "urgent"
        extended = case.with_said(departure.said(now)).with_names(departure.names).model_copy(update=fields)
        for subject in (departure.request.subject, *departure.aliases):
            named = extended.with_alias(subject)
            found = self.step_finder.find_anew(named)
            is_another_name = any(step.alias == len(named.subjects) for step in found)
            extended = (named if is_another_name else extended).with_steps(found)
        if is_urgent and not extended.because and extended.allows(CaseEvent.MADE_URGENT):
            extended = extended.after(CaseEvent.MADE_URGENT, now)
        if extended.state is State.SCHEDULED:
            extended = extended.with_look_at(max(extended.effective_at, now))
        return extended if extended != case else None

    def set_going(self, case: Case, *, anew: bool = True) -> None:
        """Begin a case whose time has come, and announce what is pending; `anew` as CaseStart.begin() has it."""
        self.announcer.announce_pending(self.case_start.begin(case, anew=anew))

    # -- somebody stays, and what may be in a thief's hands does not

    def _contain(self, theft: Departure, kind: Kind) -> Fate:
        """Open a case of its own, beside whatever is known of the person's leaving: neither moves the other."""
        case_id = self._claim_containment(theft, kind)
        case = self.cases.read(case_id)
        if case is None and (recorded := self._record(case_id, theft)):
            self.set_going(recorded)
            return Fate("opened", case_id)
        case = case or self.cases.require(case_id)
        if case.state in UNDER_WAY:
            return self._extend(case, theft)
        self.set_going(case)
        return Fate("repeated", case_id, "everything was ended after this, or is being ended")

    def _claim_containment(self, theft: Departure, kind: Kind) -> str:
        """Make this case the person's, or find the one that ends, after this event, what the event wants ended."""
        request, case_id = theft.request, f"c-{uuid4()}"

        def claim(found: Name) -> Name:
            standing = self._read_containment(found, kind)
            if kind in found.containments and (standing is None or _is_covered_by(standing, request)):
                if standing is not None and standing.state in UNDER_WAY:
                    _refuse_somebody_else(standing, theft)
                return found
            return found.with_containment(kind, case_id)

        for name in theft.names:
            known = self.people.read(name)
            standing = self._read_containment(known, kind) if known else None
            if standing is not None and standing.state is State.OPEN and not _is_covered_by(standing, request):
                # What it has ended may be in a thief's hands again: the new one begins with everything.
                self._stop_one(standing, CaseEvent.SUPERSEDED)
            claimed = self.people.change(name, claim)
            case_id = claimed.containments[kind] if claimed else case_id
        return case_id

    def _read_containment(self, found: Name, kind: Kind) -> Case | None:
        pointed = found.containments.get(kind)
        return self.cases.read(pointed) if pointed else None

    # -- somebody stays

    def _keep_access(self, request: OffboardingRequested, names: Sequence[str]) -> Fate:
        """Take back what this source, and no other, had begun; what was revoked stays revoked, and nobody denies it."""
        source, at = request.source, request.occurred_at
        case_ids: set[str] = set()
        for name in names:
            heard = self.people.change(name, partial(_with_stay, source=source, at=at))
            if heard is None:
                return Fate("refused", because=LATER)
            if heard.case:
                case_ids.add(heard.case)
        if not case_ids and not request.may_repeat:
            raise Rejected(f"{request.kind}: nobody of this name has a case, and HR believes that somebody's is undone")
        cases = [case for case_id in sorted(case_ids) if (case := self.cases.read(case_id))]
        spoke = {each.source for case in cases for each in (*case.said, case.return_held) if each}
        if request.may_repeat and source not in spoke:
            return Fate("nothing_follows", because=NEVER_SAID)
        # What waits for a person is told before what was refused, and that before what was done.
        fates = sorted((self._take_back(case, request) for case in cases), key=_is_done_with)
        # Where nothing is recorded yet, whoever is about to record it finds that the person stays.
        return fates[0] if fates else Fate("changed", min(case_ids))

    def _take_back(self, case: Case, request: OffboardingRequested) -> Fate:
        if request.kind == "cancelled" and case.state in {State.OPEN, State.COMPLETED}:
            return self._refuse_to_cancel(case, request)
        if case.state not in OVER and (self.people.who_says_leaves(case.names) or frozenset()) - {request.source}:
            return self._hold_return(case, request)
        stood = case.state in UNDER_WAY or self.people.gone(case.names)
        event = CaseEvent.CANCELLED if request.kind == "cancelled" else CaseEvent.REINSTATED
        # Also what is over: an earlier run may have been killed on its way.
        if self._stop(case.case_id, event).state is State.OPEN:
            # It began at this very moment.
            return self._refuse_to_cancel(case, request)
        return Fate("changed", case.case_id) if stood else Fate("nothing_follows", case.case_id, STAYS)

    def _refuse_to_cancel(self, case: Case, request: OffboardingRequested) -> Fate:
        # Then that source still says that the person left: it has to give back what another's return would end.
        if any(each.source == request.source for each in case.said):
            for name in case.names:
                self.people.change(
                    name, lambda found: found.with_word(request.source, request.occurred_at, stays=False)
                )
        return Fate("refused", case.case_id, BEGUN)

    def _hold_return(self, case: Case, request: OffboardingRequested) -> Fate:
        held = Said(
            source=request.source,
            event_id=request.event_id,
            kind=request.kind,
            at=request.occurred_at,
            effective_at=request.effective_at,
        )
        now = self.clock()

        def hold(standing: Case) -> Case:
            case = standing.with_return_held(held)
            return case.with_look_at(max(case.effective_at, now)) if case.state is State.SCHEDULED else case

        self.cases.change(case, hold)
        return Fate("changed", case.case_id, RETURN_HELD)

    def give_back(self, case: Case, event: CaseEvent, at: datetime) -> Fate:
        """Take a case back by a person's decision, whatever any source says."""
        if case.kind != "departure":
            # No name points to it, and no source took anything.
            stopped = self._stop_one(case, event) if event is CaseEvent.CANCELLED else case
            is_stopped = stopped.state is State.CANCELLED
            return Fate("changed", case.case_id) if is_stopped else Fate("refused", case.case_id, NOTHING_TAKEN)
        if event is CaseEvent.CANCELLED and case.state in {State.OPEN, State.COMPLETED}:
            return Fate("refused", case.case_id, BEGUN)
        person = self.people.read(case.email)
        if person is None or person.given_back(case.case_id, at) is None:
            return Fate("refused", case.case_id, LATER)
        # Also what is over: an earlier run may have been killed on its way. A cancellation comes before what it gives
        # back: where it is too late for it, the sources' words stand.
        if event is CaseEvent.CANCELLED and self._stop(case.case_id, event).state in {State.OPEN, State.COMPLETED}:
            return Fate("refused", case.case_id, BEGUN)
        for name in (case.email, *case.names):
            decided = self.people.change(name, lambda found: found.given_back(case.case_id, at))
            if decided is None and name == case.email:
                raise Rejected("a source said meanwhile that this person leaves: decide again, or have it said again")
        if event is CaseEvent.REINSTATED:
            self._stop(case.case_id, event)
        return Fate("changed", case.case_id)

    def _stop(self, case_id: str, event: CaseEvent) -> Case:
        """Stop a case and its sweep, and lift the tombstones; returns the case as it is then."""
        case = self._stop_one(self.cases.require(case_id), event)
        if case.state in OVER or event is CaseEvent.REINSTATED:
            self.case_start.lift_tombstones(case)
            # After the tombstones: whoever opens a sweep looks at those once more when it is there.
            if sweep := self.cases.read(sweep_of(case_id)):
                self._stop_one(sweep, event)
        return case

    def _stop_one(self, case: Case, event: CaseEvent) -> Case:
        now = self.clock()

        def stop(standing: Case) -> Case | None:
            stopped = standing.after(event, now) if standing.allows(event) else standing
            if stopped.state in OVER or event is CaseEvent.REINSTATED:
                stopped = stopped.model_copy(update={"return_held": None})
            return stopped if stopped != standing else None

        stopped = self.cases.change(case, stop) or self.cases.require(case.case_id)
        self.announcer.announce_pending(stopped)
        return stopped


def _names(request: OffboardingRequested, found: Iterable[Person]) -> Sequence[str]:
    known = [request.subject.email, *(name for each in found for name in (each.email, each.id))]
    return sorted({name_of(name) for name in known})


def _ids(found: Mapping[str, Person]) -> dict[str, str]:
    return {at: each.id for at, each in found.items()}


def is_before_its_end(finished: Case, at: datetime) -> bool:
    """Whether that departure is the one that this case completed: a late word, and no word of whoever is there now."""
    return finished.finished_at is not None and at.replace(microsecond=0) <= finished.finished_at


def is_somebody_else(case: Case, departure: Departure) -> bool:
    """Whether the event is of another person than the case: an account's own id differs, or the source's own."""
    pairs: list[tuple[str | None, str | None]] = [
        (case.identities.get(at), each.id) for at, each in departure.found.items()
    ]
    if departure.request.source == case.source:
        pairs.append((case.subjects[0].source_id, departure.request.subject.source_id))
    return any(one and other and one.casefold() != other.casefold() for one, other in pairs)


def _is_found_where_nobody_was(finished: Case, departure: Departure) -> bool:
    """Whether an account knows somebody now, and knew nobody when the case was made: nobody can tell who that is."""
    return not departure.found.keys() <= finished.identities.keys()


def _refuse_somebody_else(standing: Case, departure: Departure) -> None:
    """Raise Rejected where the event may mean another person than whose case is under way."""
    if bool(standing.because) != bool(departure.because) or is_somebody_else(standing, departure):
        raise Rejected("it can not be told who is meant: a case of somebody else at this address is under way")


def _is_done_with(fate: Fate) -> tuple[bool, bool]:
    return (fate.because != RETURN_HELD, fate.name != "refused")


def _is_told_of(case: Case, departure: Departure, now: datetime) -> bool:
    if case.state is State.COMPLETED:
        # What follows a case is not that one.
        follows = departure.follows is not None and departure.follows.case_id == case.case_id
        return not follows and is_before_its_end(case, departure.request.occurred_at)
    return case.state in UNDER_WAY or case.has_heard(departure.said(now))


def _with_stay(found: Name, *, source: str, at: datetime) -> Name | None:
    return None if found.comes_late(source, at, stays=True) else found.with_word(source, at, stays=True)


def _is_news(case: Case, extended: Case) -> bool:
    """Whether more of a case changed than who said so."""
    return extended.model_copy(update={"said": case.said, "item_version": case.item_version}) != case


def _is_covered_by(case: Case, request: OffboardingRequested) -> bool:
    """Whether a case of somebody who stays ends everything after this event happened, or is this event's own."""
    begins_later = case.started_at is None or request.occurred_at <= case.started_at
    at = request.occurred_at.replace(microsecond=0)
    is_its_own = (case.source, case.event_id, case.requested_at) == (request.source, request.event_id, at)
    return is_its_own or (case.state not in OVER and begins_later)
