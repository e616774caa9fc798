"""From an HR event to a case: everything that the leaver must lose, recorded, and then set going."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, partial
from types import MappingProxyType
from typing import Final, NamedTuple
from uuid import uuid4

from leaver.cases.announcing import CaseAnnouncer
from leaver.cases.departure import Departure
from leaver.cases.finding import StepFinder
from leaver.cases.former import NOBODY_SAYS, FormerLeavers
from leaver.cases.heard import Fate
from leaver.cases.kinds import Kind
from leaver.cases.people import Known, Name, People
from leaver.cases.proved import ids_of, with_ids_before
from leaver.cases.record import STILL_THEIRS, Case, Policy, new_case
from leaver.cases.returns import ERASED, LATER, Returns
from leaver.cases.start import CaseStart
from leaver.cases.states import OVER, UNDER_WAY, CaseEvent, State
from leaver.cases.table import Cases
from leaver.errors import Rejected
from leaver.messages.events import OffboardingRequested, Subject
from leaver.messages.names import name_of
from leaver.messages.speakers import OPERATOR
from leaver.providers.entry import Person

#: why nothing is done about an event
HEARD: Final = "this departure is a case already"
ENDED: Final = "everything was ended after this, or is being ended"
BEGUN: Final = "the case has begun, waits for its time or for a person, or is over"
HEARD_LATE: Final = (
    "the event was heard more than three days ago, and the address may be somebody else's by now: see whose it is, and "
    "release or discard the case"
)
BEFORE_ERASURE: Final = (
    "it happened before somebody who had this address was erased, and may be of them or of whoever has it by now: see "
    "who is meant, and release or discard the case"
)
TAKEN_BACK: Final = "this very decision was taken back since: decide anew, by `leaver offboard WHO`, if it is meant"


class Whose(NamedTuple):
    """Whose the addresses of a case are, as accounts say by now."""

    #: those that are another id's
    lost: Sequence[str]
    #: an account that had given an id can't be asked
    is_untold: bool
    #: an account gives an id that gave none when the case's event came, days ago
    is_in_doubt: bool


@dataclass(frozen=True)
class Intake:
    """What it takes to make a case of an event."""

    cases: Cases
    people: People
    announcer: CaseAnnouncer
    case_start: CaseStart
    step_finder: StepFinder
    #: asks every account that can be asked who is meant, by an event that was heard then; whom each knows, by
    #: `provider/account`, or None. Raises Rejected where the event names two people
    find_person: Callable[[OffboardingRequested, datetime], Mapping[str, Person | None]]
    clock: Callable[[], datetime]
    policy: Policy

    @cached_property
    def former(self) -> FormerLeavers:
        """Those who left before."""
        return FormerLeavers(self.cases, self.people, self.step_finder, self.clock)

    @cached_property
    def returns(self) -> Returns:
        """What stops cases."""
        return Returns(self.cases, self.people, self.announcer, self.case_start, self.former, self.clock)

    def take_in(self, request: OffboardingRequested, heard_at: datetime) -> Fate:
        """Open, extend, cancel or reinstate the leaver's case."""
        return self.take(request, self.find_person(request, heard_at), heard_at)

    def take(self, request: OffboardingRequested, answers: Mapping[str, Person | None], heard_at: datetime) -> Fate:
        """The same, where accounts have answered already who that is."""
        if request.source == OPERATOR and (decided := self._find_decided(request)):
            return self._fate_of_repetition(decided)
        departure = replace(_as_answered(request, answers), heard_at=heard_at)
        if request.kind in {"cancelled", "reinstated"}:
            return self.returns.keep_access(departure)
        return self._take_access(replace(departure, because=request.doubt))

    def _find_decided(self, request: OffboardingRequested) -> Case | None:
        """The case of this very decision, where a person has sent it before: a list of people is run again as a whole.

        The same message, delivered twice, goes its usual way: the first run may have been killed.
        """
        person = self.people.read(request.subject.email)
        for case in map(self.cases.read, sorted(person.cases) if person else ()):
            for said in case.said if case else ():
                is_same = (said.source, said.event_id, said.kind) == (OPERATOR, request.event_id, request.kind)
                if is_same and said.at < request.occurred_at.replace(microsecond=0):
                    return case
        return None

    def _fate_of_repetition(self, case: Case) -> Fate:
        is_back = case.state is State.COMPLETED and case.kind == "departure" and not self.people.gone([case.email])
        if is_back or case.state in OVER:
            return Fate("refused", case.case_id, TAKEN_BACK)
        return Fate("repeated", case.case_id, HEARD)

    def _take_access(self, departure: Departure) -> Fate:
        known = self.people.read_all(departure.names)
        if self._was_erased(departure, known):
            return Fate("refused", because=ERASED)
        finished = self.former.find_finished(departure.names, known)
        at = departure.request.occurred_at
        if finished is None and any(found and found.may_be_of_erased(at) for found in known.values()):
            departure = replace(departure, because=departure.because or BEFORE_ERASURE)
        if departure.kind != "departure":
            return self._take_back_from_a_thief(finished, departure)
        if finished is None:
            return self._end_access(self.former.under_known_names(departure, known=known), known)
        if is_before_its_end(finished, departure.request.occurred_at):
            doubt = self.former.find_doubt(finished, departure) if departure.is_at_lost(finished) else None
            if doubt is not None:
                # Whoever has the address had it before the end.
                return self._end_access(replace(departure, follows=finished, because=doubt))
            return self._hear_again(finished, departure)
        return self._end_access(self.former.after(finished, departure))

    def _was_erased(self, departure: Departure, known: Known) -> bool:
        """Whether this happened before the person was erased, under no name but those that were, as an account says."""
        at, given = departure.request.occurred_at, departure.request.subject.identities.values()
        if not departure.asked or not all(found and found.was_erased_after(at) for found in known.values()):
            return False
        return all((found := self.people.read(name)) and found.erased_at for each in given for name in each.values())

    def _hear_again(self, finished: Case, departure: Departure) -> Fate:
        """Remember who else said so, as long as the person is gone; whoever has the address now is not touched."""
        request = departure.request

        def hear(found: Name) -> Name | None:
            return found.with_word(request.source, request.occurred_at, stays=False) if found.gone_since else None

        for name in finished.names:
            self.people.change(name, hear)
        self.set_going(finished)
        if not self._may_live(finished, departure) or not self.former.is_gone(finished, departure):
            return Fate("repeated", finished.case_id, HEARD)
        return self._end_access(self._under_more_names(finished, departure))

    def _may_live(self, finished: Case, departure: Departure) -> bool:
        """Whether a completed case left something alive of what happened before its end."""
        had_ended = self.former.had_ended_before(finished, departure.request.occurred_at)
        return had_ended or bool(self.former.find_aliases(finished, departure))

    def _under_more_names(self, finished: Case, departure: Departure) -> Departure:
        if (doubt := self.former.find_doubt(finished, departure)) is not None:
            return replace(departure, follows=finished, because=doubt)
        return self.former.once_more(finished, departure)

    # -- somebody leaves

    def _end_access(self, departure: Departure, known: Known = MappingProxyType({})) -> Fate:
        # Random, so that nobody can send a command of the case before it is there; the same event finds the pointer.
        own = f"c-{uuid4()}"
        claimed = self._claim_person(departure, own, known)
        if claimed is None:
            return Fate("refused", because=LATER)
        case_id, known = claimed
        case = None if case_id == own else self.cases.read(case_id)
        if case is None and (recorded := self._record(case_id, departure)):
            self.set_going(recorded, known)
            return Fate("opened", case_id, recorded.because)
        return self._extend(case or self.cases.require(case_id), departure)

    def _claim_person(self, departure: Departure, case_id: str, known: Known) -> tuple[str, Known] | None:
        """Make this case the person's, or find the one that they have; None for an event that comes too late.

        Returns also what is remembered of the person's names then.
        """
        written: dict[str, Name | None] = {}
        for name in departure.names:
            claim = partial(self._claim, departure=departure, case_id=case_id)
            claimed = self.people.change(name, claim, known)
            if claimed is None:
                return None
            written[name] = claimed
            case_id = claimed.case or case_id
        return case_id, written

    def _claim(self, found: Name, *, departure: Departure, case_id: str) -> Name | None:
        source, at = departure.request.source, departure.request.occurred_at
        if found.comes_late(source, at, stays=False):
            return None
        standing = self.cases.read(found.case) if found.case else None
        if standing is not None and standing.state in UNDER_WAY:
            self._refuse_somebody_else(standing, departure)
            if self.former.is_untold(standing, departure):
                raise Rejected(NOBODY_SAYS)
        heard = found.with_word(source, at, stays=False)
        if found.case and (standing is None or _is_told_of(standing, departure, self.clock())):
            # Where that one is not recorded, another run is about to, or was killed: whoever comes first records it.
            return heard
        is_completed = standing is not None and standing.state is State.COMPLETED
        return heard.with_case(case_id, found.case if is_completed else None)

    def _refuse_somebody_else(self, standing: Case, departure: Departure) -> None:
        """Raise Rejected where the event may mean another person than whose case is under way."""
        if self._may_be_of_somebody_else(standing, departure):
            raise Rejected("it can not be told who is meant: a case of somebody else at this address is under way")

    def _may_be_of_somebody_else(self, standing: Case, departure: Departure) -> bool:
        known = standing
        if not departure.found.keys() <= standing.identities.keys():
            # An account may have said only when access ended who that was.
            ids = ids_of(
                standing, self.cases.read_receipts(standing.case_id), but_for=departure.request.subject.identities
            )
            known = standing.model_copy(update={"identities": ids})
        if departure.is_at_lost(known):
            return True
        is_doubted = standing.because is not None and not standing.waits_for_confirmation
        return is_doubted != bool(departure.because) or departure.is_of_somebody_else(known)

    def look(self, request: OffboardingRequested, heard_at: datetime) -> tuple[Case, Sequence[Case]]:
        """Tell which case this would open, and which the person has under way; nothing is recorded.

        Raises what take_in() raises.
        """
        departure = _as_answered(request, self.find_person(request, heard_at))
        finished = self.former.find_finished(departure.names) if departure.kind == "departure" else None
        meant = self.former.after(finished, departure) if finished else self.former.under_known_names(departure)
        known = (self.people.read(name) for name in departure.names)
        pointed = sorted({case_id for each in known if each for case_id in each.cases})
        standing = [case for case in map(self.cases.read, pointed) if case and case.state in UNDER_WAY]
        return self._draft("c-none", meant), standing

    def _record(self, case_id: str, departure: Departure) -> Case | None:
        """Record the case before anything of it is begun; None where another run was faster."""
        now = self.clock()
        if departure.follows is None and departure.heard_at and now > departure.heard_at + STILL_THEIRS:
            departure = replace(departure, because=departure.because or HEARD_LATE)
        case = self._draft(case_id, departure)
        if case.because:
            return self.cases.add(case.after(CaseEvent.DOUBTED, now))
        return self.cases.add(self.case_start.as_begun(case.with_look_at(max(case.effective_at, now))))

    def _draft(self, case_id: str, departure: Departure) -> Case:
        """The case with all that must end; raises Rejected where nothing does."""
        now, request = self.clock(), departure.request
        said = departure.said(now)
        case = new_case(
            case_id,
            (),
            departure.names,
            aliases=tuple(departure.aliases),
            email=request.subject.email,
            identities=departure.ids,
            event_id=request.event_id,
            source=request.source,
            actor=request.actor,
            said=(said,),
            follows=departure.follows.case_id if departure.follows else None,
            because=departure.because or request.held,
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
        if departure.follows is None or departure.because:
            return case
        receipts = self.cases.read_receipts(departure.follows.case_id)
        return with_ids_before(case, departure.follows, receipts, self.step_finder.providers)

    def _extend(self, case: Case, departure: Departure) -> Fate:
        """Give a leaver who is a case already what the case lacks, and never a second set."""
        extended = self.cases.change(case, partial(self._with_departure, departure=departure, now=self.clock()))
        standing = extended or self.cases.require(case.case_id)
        # Also where it lacks nothing: an earlier run may have been killed on its way.
        self._go_on_with(standing)
        is_stopped_unheard = standing.state in OVER and not standing.has_heard(departure.said(self.clock()))
        if standing.state is State.COMPLETED or is_stopped_unheard:
            # At this very moment: it may lack a name, or whoever stopped it did not know of this departure.
            return self._take_access(departure)
        if extended is None or not _is_news(case, extended):
            return Fate("repeated", case.case_id, HEARD)
        return Fate("changed", case.case_id)

    def _with_departure(self, standing: Case, *, departure: Departure, now: datetime) -> Case | None:
        """With what the case lacks of this departure, and sooner or more urgent; None where that is no news."""
        if standing.state not in UNDER_WAY or departure.request.held:
            # What waits for another word is no word of its own: it brings nothing forward.
            return None
        is_confirmed = standing.waits_for_confirmation and standing.allows(CaseEvent.CONFIRMED)
        case = standing.after_confirmation(now) if is_confirmed else standing
        is_urgent = departure.request.urgency == "urgent"
        of_address = {at: each.id for at, each in departure.found_for_another(case.email).items()}
        fields: dict[str, object] = {"identities": departure.ids | of_address | case.identities}
        if is_urgent:
            fields["urgency"] = "urgent"
        extended = case.with_said(departure.said(now)).with_names(departure.names).model_copy(update=fields)
        for subject in (departure.request.subject, *departure.aliases):
            named = extended.with_alias(subject)
            found = self.step_finder.find_anew(named)
            is_another_name = any(step.provider and step.alias == len(named.subjects) for step in found)
            extended = (named if is_another_name else extended).with_steps(found)
        if is_urgent and not extended.because and extended.allows(CaseEvent.MADE_URGENT):
            extended = extended.after(CaseEvent.MADE_URGENT, now)
        if departure.request.source == OPERATOR and not extended.because and extended.allows(CaseEvent.RELEASED):
            extended = extended.after(CaseEvent.RELEASED, now)
        if extended.state is State.SCHEDULED:
            extended = extended.with_look_at(max(extended.effective_at, now))
        return extended if extended != standing else None

    # -- a case whose time has come

    def begin_due(self, case: Case) -> Fate:
        """Begin a planned case once the accounts that gave an id have said who has the person's addresses by now.

        An address that is another id's leaves the case's names. Where an account can't say, nothing is done: the watch
        asks again, and begins the case itself in the end. What goes by an address waits then until this says whose.
        """
        if not case.is_due(self.clock()) and not (case.state is State.OPEN and case.is_untold):
            return Fate("nothing_follows", case.case_id, BEGUN)
        asked = self._ask_of_addresses(case)

        def told(standing: Case) -> Case | None:
            if standing.state not in {State.SCHEDULED, State.OPEN}:
                return None
            fields: dict[str, object] = {}
            if asked.is_in_doubt and standing.started_at is None:
                fields = {"told_at": standing.requested_at}
            elif not (asked.is_untold or asked.is_in_doubt or (asked.lost and standing.started_at)):
                fields = {"told_at": self.clock() if standing.started_at else None}
            # Also where nobody tells of another: the watch may have to begin the case.
            after = standing.without_names(asked.lost).model_copy(update=fields)
            return after if after != standing else None

        case = self.cases.settle(case, told)
        if case.state is State.OPEN:
            for address in asked.lost:
                self.people.change(address, lambda found: found.without_tombstone(case.case_id))
        if asked.is_untold:
            return Fate("nothing_follows", case.case_id, NOBODY_SAYS)
        self.set_going(case)
        return Fate("changed", case.case_id)

    def _ask_of_addresses(self, case: Case) -> Whose:
        lost, is_untold, is_in_doubt = [], False, False
        is_old = case.is_old(self.clock())
        for address, subject in {name_of(each.email): each for each in case.subjects}.items():
            meant = self.ask_of_address(case, address)
            known = case.model_copy(update={"identities": dict(case.ids_of(subject))})
            if meant.is_of_somebody_else(known):
                lost.append(address)
            else:
                is_untold = is_untold or meant.cannot_be_told(known)
                is_in_doubt |= is_old and meant.is_known_where_nobody_was(known) and not meant.has_the_address(known)
        return Whose(lost, is_untold=is_untold, is_in_doubt=is_in_doubt)

    def _go_on_with(self, case: Case) -> None:
        """Begin it where it is due by now; an address that it was recorded with may be somebody else's since."""
        now, addresses = self.clock(), {name_of(each.email) for each in case.subjects}
        if case.kind == "departure" and case.is_due(now) and (case.is_old(now) or len(addresses) > 1):
            self.begin_due(case)
        else:
            self.set_going(case)

    def ask_of_address(self, case: Case, address: str) -> Departure:
        """The case's event, as accounts say by now who has this address."""
        # An id that HR gave beside it may have another address since.
        asked = {"subject": Subject(email=address), "urgency": case.urgency}
        request = OffboardingRequested.model_validate(case.request, strict=False).model_copy(update=asked)
        return _as_answered(request, self.find_person(request, case.effective_at))

    def set_going(self, case: Case, known: Known = MappingProxyType({})) -> None:
        """Begin a case whose time has come, and announce what is pending; `known` is as CaseStart.begin() has it."""
        self.announcer.announce_pending(self.case_start.begin(case, known))

    # -- somebody stays, and what may be in a thief's hands does not

    def _take_back_from_a_thief(self, left: Case | None, theft: Departure) -> Fate:
        """Contain it; of somebody who left after it, only what had ended before it, or has another name."""
        if left is None or not is_before_its_end(left, theft.request.occurred_at):
            return self._contain(self.former.under_known_names(theft), theft.kind)
        if not self._may_live(left, theft):
            # Whoever has the address now is not touched.
            return Fate("repeated", left.case_id, ENDED)
        return self._contain(self._under_more_names(left, theft), theft.kind)

    def _contain(self, theft: Departure, kind: Kind) -> Fate:
        """Open a case of its own, beside whatever is known of the person's leaving: neither moves the other."""
        case_id, theft = self._claim_containment(theft, kind)
        case = self.cases.read(case_id)
        if case is None and (recorded := self._record(case_id, theft)):
            self.set_going(recorded)
            return Fate("opened", case_id, recorded.because)
        case = case or self.cases.require(case_id)
        if case.state in UNDER_WAY and not self._may_be_of_somebody_else(case, theft):
            return self._extend(case, theft)
        self.set_going(case)
        if case.state is State.COMPLETED and self.former.find_aliases(case, theft):
            return self._contain(self._under_more_names(case, theft), kind)
        return Fate("repeated", case_id, ENDED)

    def _claim_containment(self, theft: Departure, kind: Kind) -> tuple[str, Departure]:
        """Make this case the person's, or find the one that ends, after this event, what the event wants ended.

        The theft has then, as well, the names of an older one that it supersedes. One of somebody else goes on beside
        it: whoever has the address now is contained in any case.
        """
        case_id = f"c-{uuid4()}"

        def claim(found: Name) -> Name:
            standing = self._read_containment(found, kind)
            if standing is not None and standing.state in UNDER_WAY and theft.because:
                self._refuse_somebody_else(standing, theft)
            if kind in found.containments and (standing is None or self._is_contained_by(standing, theft)):
                return found
            return found.with_containment(kind, case_id)

        for name in theft.names:
            known = self.people.read(name)
            standing = self._read_containment(known, kind) if known else None
            if standing is not None and standing.state is State.OPEN and self._supersedes(theft, standing):
                # What it has ended may be in a thief's hands again: the new one begins with everything.
                theft = theft.with_names_of(self.returns.stop_one(standing, CaseEvent.SUPERSEDED))
            claimed = self.people.change(name, claim)
            case_id = claimed.containments[kind] if claimed else case_id
        return case_id, theft

    def _supersedes(self, theft: Departure, case: Case) -> bool:
        return not self._is_contained_by(case, theft) and not self._may_be_of_somebody_else(case, theft)

    def _is_contained_by(self, case: Case, theft: Departure) -> bool:
        """Whether a case ends everything after this event happened; of whoever got the address since it ends nothing.

        What happened before that case's own event was of whom that case is about.
        """
        is_newer = theft.request.occurred_at.replace(microsecond=0) > case.requested_at
        may_be_anothers = case.state in UNDER_WAY and is_newer and self._may_be_of_somebody_else(case, theft)
        return _is_covered_by(case, theft) and not may_be_anothers

    def _read_containment(self, found: Name, kind: Kind) -> Case | None:
        pointed = found.containments.get(kind)
        return self.cases.read(pointed) if pointed else None


def _as_answered(request: OffboardingRequested, answers: Mapping[str, Person | None]) -> Departure:
    found = {at: each for at, each in answers.items() if each is not None}
    names = [request.subject.email, *(name for each in found.values() for name in (each.email, each.id))]
    return Departure(request, found, sorted({name_of(name) for name in names}), asked=answers.keys())


def is_before_its_end(finished: Case, at: datetime) -> bool:
    """Whether that departure is the one that this case completed: a late word, and no word of whoever is there now."""
    return finished.finished_at is not None and at.replace(microsecond=0) <= finished.finished_at


def _is_told_of(case: Case, departure: Departure, now: datetime) -> bool:
    if case.state is State.COMPLETED:
        # What follows a case is not that one.
        follows = departure.follows is not None and departure.follows.case_id == case.case_id
        return not follows and is_before_its_end(case, departure.request.occurred_at)
    return case.state in UNDER_WAY or case.has_heard(departure.said(now))


def _is_news(case: Case, extended: Case) -> bool:
    """Whether more of a case changed than who said so."""
    return extended.model_copy(update={"said": case.said, "item_version": case.item_version}) != case


def _is_covered_by(case: Case, theft: Departure) -> bool:
    """Whether a case of somebody who stays ends everything after this event happened, or is this event's own."""
    if theft.follows is not None and theft.follows.case_id == case.case_id:
        return False
    request = theft.request
    begins_later = case.started_at is None or request.occurred_at <= case.started_at
    at = request.occurred_at.replace(microsecond=0)
    is_its_own = (case.source, case.event_id, case.requested_at) == (request.source, request.event_id, at)
    return is_its_own or (case.state not in OVER and begins_later)
