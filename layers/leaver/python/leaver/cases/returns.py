"""Somebody stays, or is back: who took must give back, and nobody else; or a person decides."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from leaver.cases.announcing import CaseAnnouncer
from leaver.cases.departure import Departure
from leaver.cases.former import NOBODY_SAYS, FormerLeavers
from leaver.cases.heard import Fate
from leaver.cases.people import Name, People, who_says_leaves
from leaver.cases.proved import ids_of
from leaver.cases.record import STILL_THEIRS, Case, Said, deactivation_of, sweep_of
from leaver.cases.start import CaseStart
from leaver.cases.states import OVER, UNDER_WAY, WAITING, CaseEvent, State
from leaver.cases.table import Cases
from leaver.errors import Rejected
from leaver.messages.events import OffboardingRequested
from leaver.messages.names import name_of

#: why nothing is done about an event
LATER: Final = "a later event about this person has come before"
STAYS: Final = "this person stays already"
NOTHING_TAKEN: Final = (
    "the person stays already: a case of this kind takes nothing that could be given back, and what has begun goes on"
)
NEVER_SAID: Final = "this source never said that the person left"
BEGUN: Final = "the case has begun: what is back says reinstated, or a person does: leaver reinstate"
SAID_MEANWHILE: Final = "a source said meanwhile that this person leaves: decide again, or have it said again"
SOMEBODY_ELSE: Final = "it is somebody else at this address who loses access, by an id: ask HR who is back"
STAYS_ENDED: Final = (
    "whoever is back has the address of somebody who left, and another account: the account of who left stays ended"
)
ERASED: Final = "the person was erased since this happened, and was gone then"
ERASED_IS_BACK: Final = "the person was erased: what their name refused is lifted, and no case is there to give back"
RETURN_HELD: Final = "the return waits for a person: another source says that this person left"


@dataclass(frozen=True)
class Returns:
    """What it takes to stop cases, and to give back what they took."""

    cases: Cases
    people: People
    announcer: CaseAnnouncer
    case_start: CaseStart
    former: FormerLeavers
    clock: Callable[[], datetime]

    def keep_access(self, word: Departure) -> Fate:
        """Take back what this source, and no other, had begun; what was revoked stays revoked, and nobody denies it."""
        request, source = word.request, word.request.source
        case_ids: set[str] = set()
        for name in word.names:
            heard = self.people.change(name, partial(self._with_stay, word=word))
            if heard is None:
                return Fate("refused", because=LATER)
            if heard.case:
                case_ids.add(heard.case)
        if not case_ids and (erased := self._lift_erased(word)):
            return erased
        if not case_ids and not request.may_repeat:
            raise Rejected(f"{request.kind}: nobody of this name has a case, and HR believes that somebody's is undone")
        cases = [case for case_id in sorted(case_ids) if (case := self.cases.read(case_id))]
        if request.kind == "reinstated":
            cases = self._with_what_had_ended(cases, word)
        spoke = {each.source for case in cases for each in (*case.said, case.return_held) if each}
        if request.may_repeat and source not in spoke:
            return Fate("nothing_follows", because=NEVER_SAID)
        fates: list[Fate] = []
        for case in cases:
            if case.state in OVER and any(fate.because == RETURN_HELD for fate in fates):
                # The tombstones are those of the case before, of which a person decides.
                continue
            fates.append(self._take_back(case, word))
        # What waits for a person is told before what was refused, and that before what was done.
        fates.sort(key=_is_done_with)
        # Where nothing is recorded yet, whoever is about to record it finds that the person stays.
        return fates[0] if fates else Fate("changed", min(case_ids))

    def _with_what_had_ended(self, cases: Sequence[Case], word: Departure) -> list[Case]:
        """These, behind the completed cases that those of them follow which never began: their end still stands."""
        follow = {case.case_id for case in cases if case.started_at is None}
        found = [each for name in word.names if (each := self.people.read(name)) and each.case in follow]
        ended = sorted({each.finished for each in found if each.finished} - {case.case_id for case in cases})
        before = [case for case_id in ended if (case := self.cases.read(case_id)) and case.state is State.COMPLETED]
        return [*before, *cases]

    def _lift_erased(self, word: Departure) -> Fate | None:
        """Lift what erased names refuse, unless another source still says that they left; None where none was."""
        known = self.people.read_all(word.names)
        refusing = [name for name, found in known.items() if found and found.erased_at and found.gone_since]
        if not refusing:
            return None
        if word.request.kind != "reinstated" or who_says_leaves(known):
            return Fate("nothing_follows", because=ERASED)
        for name in refusing:
            self.people.change(name, lambda found: found.without_tombstone())
        return Fate("changed", because=ERASED_IS_BACK)

    def _with_stay(self, found: Name, *, word: Departure) -> Name | None:
        if found.was_erased_after(word.request.occurred_at):
            return None
        standing = self.cases.read(found.case) if found.case else None
        if standing is not None and standing.state in UNDER_WAY | {State.COMPLETED}:
            self._refuse_somebody_else(standing, word)
        source, at = word.request.source, word.request.occurred_at
        return None if found.comes_late(source, at, stays=True) else found.with_word(source, at, stays=True)

    def _refuse_somebody_else(self, standing: Case, word: Departure) -> None:
        """Raise Rejected where whoever is back may be another person than whose case it is, who must not be given back.

        Of a completed case an account's id says what is given back: whoever is back has the address in any case.
        """
        standing = self._with_ids_of_receipts(standing)
        is_another = word.is_of_somebody_else(standing) or word.is_at_lost(standing)
        if standing.state in UNDER_WAY and is_another:
            raise Rejected(SOMEBODY_ELSE)
        is_late = word.request.occurred_at > (standing.started_at or standing.requested_at) + STILL_THEIRS
        if is_late and self.former.cannot_tell(standing, word):
            raise Rejected(NOBODY_SAYS)

    def _take_back(self, case: Case, word: Departure) -> Fate:
        request = word.request
        if case.state is State.COMPLETED and word.is_at_lost(case):
            return Fate("nothing_follows", case.case_id, STAYS)
        stood = case.state in UNDER_WAY or self.people.gone(set(case.names) & set(word.names))
        kept = self.find_anothers(case, word)
        event = CaseEvent.CANCELLED if request.kind == "cancelled" else CaseEvent.REINSTATED
        # Also what is over: an earlier run may have been killed on its way.
        stopped = self._stop(case.case_id, event, keep=partial(self._with_return_held, request=request), kept=kept)
        if event is CaseEvent.CANCELLED and stopped.state in {State.OPEN, State.COMPLETED}:
            return self._refuse_to_cancel(case, request)
        if stopped.return_held is not None:
            return Fate("changed", case.case_id, RETURN_HELD)
        return (
            Fate("changed", case.case_id, STAYS_ENDED if kept else None)
            if stood
            else Fate("nothing_follows", case.case_id, STAYS)
        )

    def find_anothers(self, case: Case, word: Departure) -> frozenset[str]:
        """The ids of whoever left that the address leads to no more; none where no account says that it is another's.

        Where it leads nowhere, the account may have been deleted, or be given the address again.
        """
        if case.state is not State.COMPLETED:
            return frozenset()
        of_case = self._with_ids_of_receipts(case).identities
        theirs = {
            at: {name_of(id_) for where, id_ in of_case.items() if where.split(" ")[0] == at} for at in word.asked
        }
        others = {at: each for at, each in theirs.items() if name_of(word.ids.get(at, "")) not in each}
        return (
            frozenset().union(*others.values()) if any(others[at] for at in others.keys() & word.ids) else frozenset()
        )

    def _with_ids_of_receipts(self, case: Case) -> Case:
        """The case, also with the ids that accounts gave only when access ended."""
        ids = ids_of(case, self.cases.read_receipts(case.case_id))
        return case.model_copy(update={"identities": ids})

    def _refuse_to_cancel(self, case: Case, request: OffboardingRequested) -> Fate:
        # Then that source still says that the person left: it has to give back what another's return would end.
        if any(each.source == request.source for each in case.said):
            for name in case.names:
                self.people.change(
                    name, lambda found: found.with_word(request.source, request.occurred_at, stays=False)
                )
        return Fate("refused", case.case_id, BEGUN)

    def _with_return_held(self, case: Case, *, request: OffboardingRequested) -> Case | None:
        """With this return, which waits for a person; None where no other source says that the person left."""
        has_begun = case.state in {State.OPEN, State.COMPLETED}
        others = (self.people.who_says_leaves(case.names) or frozenset()) - {request.source}
        if case.state in OVER or not others or (request.kind == "cancelled" and has_begun):
            return None
        held = Said(
            source=request.source,
            event_id=request.event_id,
            kind=request.kind,
            at=request.occurred_at,
            effective_at=request.effective_at,
        )
        case = case.with_return_held(held)
        return case.with_look_at(max(case.effective_at, self.clock())) if case.state is State.SCHEDULED else case

    def give_back(self, case: Case, event: CaseEvent, at: datetime, *, kept: Collection[str] = ()) -> Fate:
        """Take a case back by a person's decision, whatever any source says; `kept` is as lift_tombstones() has it."""
        if case.kind != "departure":
            # No name points to it, and no source took anything.
            stopped = self.stop_one(case, event) if event is CaseEvent.CANCELLED else case
            is_stopped = stopped.state is State.CANCELLED
            return Fate("changed", case.case_id) if is_stopped else Fate("refused", case.case_id, NOTHING_TAKEN)
        if event is CaseEvent.CANCELLED and case.state in {State.OPEN, State.COMPLETED}:
            return Fate("refused", case.case_id, BEGUN)
        person = self.people.read(case.email)
        pointed = self._thrown_away_since(case, person) or case.case_id
        if person is None or person.given_back(pointed, at) is None:
            return Fate("refused", case.case_id, LATER)
        since = partial(as_it_is_after, at=at)
        # Also what is over: an earlier run may have been killed on its way. A cancellation comes before what it gives
        # back: where it is too late for it, the sources' words stand.
        if event is CaseEvent.CANCELLED:
            state = self._stop(case.case_id, event, keep=since).state
            if state not in OVER:
                return Fate("refused", case.case_id, LATER if state in WAITING else BEGUN)
        for name in (case.email, *(each for each in case.names if each not in kept)):
            decided = self.people.change(
                name, lambda found: found.given_back(pointed, at) or found.given_back(case.case_id, at)
            )
            if decided is None and name == case.email:
                raise Rejected(SAID_MEANWHILE)
        if event is CaseEvent.REINSTATED:
            self._stop_for_good(case, keep=since, kept=kept)
        return Fate("changed", case.case_id, STAYS_ENDED if kept else None)

    def _stop_for_good(self, case: Case, *, keep: Callable[[Case], Case | None], kept: Collection[str]) -> None:
        """Stop the case of whoever is back, and what had ended before it: a sweep of that would take from them again.

        Raises Rejected where a source said meanwhile that they leave.
        """
        if self._stop(case.case_id, CaseEvent.REINSTATED, keep=keep, kept=kept).state in UNDER_WAY:
            raise Rejected(SAID_MEANWHILE)
        if (ended := self.had_ended(case)) is not None and ended.case_id != case.case_id:
            self._stop(ended.case_id, CaseEvent.REINSTATED, keep=keep, kept=kept)

    def had_ended(self, case: Case) -> Case | None:
        """The completed case that this one is, or that it follows where it never began; None where nothing ended."""
        person = self.people.read(case.email) if case.started_at is None else None
        follows = person is not None and person.case == case.case_id
        ended = self.cases.read(person.finished) if person and person.finished and follows else case
        return ended if ended is not None and ended.state is State.COMPLETED else None

    def _thrown_away_since(self, case: Case, person: Name | None) -> str | None:
        """The case that a person's name has since this one, where that never began and is over."""
        since = self.cases.read(person.case) if person and person.case and person.finished == case.case_id else None
        return since.case_id if since and since.state in OVER and since.started_at is None else None

    def _stop(
        self, case_id: str, event: CaseEvent, *, keep: Callable[[Case], Case | None], kept: Collection[str] = ()
    ) -> Case:
        """Stop a case and its sweep, and lift the tombstones, but for those; returns the case as it is then."""
        case = self.stop_one(self.cases.require(case_id), event, keep=keep)
        is_back = event is CaseEvent.REINSTATED and case.state is State.COMPLETED and case.return_held is None
        if case.state in OVER or is_back:
            self.case_start.lift_tombstones(case, kept=kept)
            # After the tombstones: whoever opens a sweep looks at those once more when it is there.
            # One more than were counted: whoever opens a sweep counts it afterwards.
            sweeps = (sweep_of(case_id, number) for number in (None, *range(1, case.sweeps + 2)))
            for sweep in map(self.cases.read, (*sweeps, deactivation_of(case_id))):
                if sweep is not None:
                    self.stop_one(sweep, event)
        return case

    def stop_one(
        self, case: Case, event: CaseEvent, *, keep: Callable[[Case], Case | None] = lambda _standing: None
    ) -> Case:
        """Stop this case alone, and announce that; returns it as it is then.

        `keep` says what becomes of it instead: asked in the change itself, it hears who joins at this very moment.
        """
        now = self.clock()

        def stop(standing: Case) -> Case | None:
            if (stopped := keep(standing)) is None:
                stopped = standing.after(event, now) if standing.allows(event) else standing
                if stopped.state in OVER or event is CaseEvent.REINSTATED:
                    stopped = stopped.model_copy(update={"return_held": None})
            return stopped if stopped != standing else None

        stopped = self.cases.settle(case, stop)
        self.announcer.announce_pending(stopped)
        return stopped


def as_it_is_after(case: Case, *, at: datetime) -> Case | None:
    """The case as it is, where a source said after a person decided that somebody leaves; None where nobody did."""
    return case if case.state in UNDER_WAY and any(each.at > at for each in case.said) else None


def _is_done_with(fate: Fate) -> tuple[bool, bool, bool]:
    return (fate.because != RETURN_HELD, fate.name != "refused", fate.name == "nothing_follows")
