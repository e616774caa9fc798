"""Whoever left before: what a departure means of them, once more, under another name, or of somebody new."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from leaver.cases.departure import Departure
from leaver.cases.finding import MARK, StepFinder
from leaver.cases.people import Known, People
from leaver.cases.proved import REPEATS, find_ended_before, identity_of, ids_of
from leaver.cases.record import STILL_THEIRS, Case
from leaver.cases.states import UNDER_WAY, State
from leaver.cases.table import Cases
from leaver.errors import ProviderUnavailable
from leaver.messages.events import Subject
from leaver.messages.names import name_of
from leaver.providers.entry import Person

#: why a person has to look first
SOMEBODY_NEW: Final = "somebody new seems to have the address of somebody who left: their ids differ"
NOBODY_SAYS: Final = (
    "somebody new may have the address of somebody who left: an account that would tell can not be asked"
)
#: how long such an account is asked again before a person has to look
PATIENCE: Final = timedelta(minutes=15)
BEFORE_THE_RETURN: Final = (
    "it happened before another source said that the person is back: it may be the departure before"
)


@dataclass(frozen=True)
class FormerLeavers:
    """Those whose cases are completed."""

    cases: Cases
    people: People
    step_finder: StepFinder
    clock: Callable[[], datetime]

    def find_finished(self, names: Sequence[str], known: Known | None = None) -> Case | None:
        """The last completed case of whoever has one of these names, or had it; `known` is what was read of them."""
        known = self.people.read_all(names) if known is None else known
        case_ids = {case_id for each in known.values() if each for case_id in (each.case, each.finished) if case_id}
        found = [self.cases.read(case_id) for case_id in sorted(case_ids)]
        completed = [each for each in found if each and each.state is State.COMPLETED]
        return max(completed, key=lambda each: each.finished_at or each.requested_at, default=None)

    def after(self, finished: Case, departure: Departure) -> Departure:
        """What a departure means of somebody who had left before that: once more, or somebody new, or who can tell."""
        request = departure.request
        remembered = [each for each in map(self.people.read, finished.names) if each]
        if not self.is_gone(finished, departure):
            # Somebody said that they are back, and since then the address is theirs.
            returns = [(source, word) for each in remembered for source, word in each.said.items() if word.stays]
            late = any(source != request.source and word.at > request.occurred_at for source, word in returns)
            return replace(departure, because=BEFORE_THE_RETURN) if late else self.under_known_names(departure)
        has_another_name = not all(self._compare_names(finished, departure))
        doubt = SOMEBODY_NEW if has_another_name else self.find_doubt(finished, departure)
        if doubt is not None:
            return replace(departure, follows=finished, because=doubt)
        again = self.under_known_names(self.once_more(finished, departure), heard=departure)
        return replace(again, not_before=self._end_of_hour(finished, request.source))

    def is_gone(self, finished: Case, departure: Departure) -> bool:
        """Whether whoever this is about is gone since that case: an account's id alone stays so where they are back."""
        return self.people.gone(set(finished.names) & set(departure.names) or finished.names)

    def once_more(self, finished: Case, departure: Departure) -> Departure:
        """The same, of whom a completed case acted on, and under the names that this event adds."""
        first, *others = self._subjects_of(finished)
        ids = ids_of(finished, self.cases.read_receipts(finished.case_id))
        known = first.source_id if departure.request.source == finished.source else None
        first = first.model_copy(update={"source_id": departure.request.subject.source_id or known})
        aliases = self.find_aliases(finished, departure)
        first, *others = (self._as_known_before(each, finished, departure) for each in (first, *others))
        found = {at: Person(each, finished.email) for at, each in ids.items()}
        return replace(
            departure,
            request=departure.request.model_copy(update={"subject": first}),
            found=departure.found_for_another(finished.email) | found,
            names=sorted({*finished.names, *(name_of(each.email) for each in aliases)}),
            aliases=(*others, *aliases),
            follows=finished,
        )

    def under_known_names(
        self, departure: Departure, heard: Departure | None = None, known: Known | None = None
    ) -> Departure:
        """The same, also under the names that HR gave in other cases of this person's.

        Of somebody else, who has the address by now, no name is taken; where nobody can tell, a person is asked: by
        what is `heard` now, which is the departure itself where it is no repeat. `known` is as find_finished() has it.
        """
        heard = heard or departure
        known = self.people.read_all(departure.names) if known is None else known
        pointed = {case_id for each in known.values() if each for case_id in each.cases}
        cases = [case for case_id in sorted(pointed) if (case := self.cases.read(case_id))]
        if departure.kind == "departure":
            # A departure that is under way has its names itself.
            cases = [each for each in cases if each.state not in UNDER_WAY or each.kind != "departure"]
        # Of a case that was erased alone no name is left.
        named = [each for each in cases if each.state is not State.DISCARDED and not (each.because or each.erased_at)]
        for case in sorted(named, key=lambda each: each.requested_at):
            if not heard.is_of_somebody_else(case):
                departure = self._with_names_before(departure, case, heard)
        return departure

    def _with_names_before(self, departure: Departure, case: Case, heard: Departure) -> Departure:
        """With the names that HR gave in a case, and the ids that accounts gave for other addresses than this."""
        mine = [departure.request.subject, *departure.aliases]
        named = [self._as_known_before(self._as_given(each), case, heard) for each in case.subjects]
        aliases = [each for each in named if not any(self._names_all(one, each) for one in mine)]
        of_others = {at: Person(id_, case.email) for at, id_ in case.identities.items() if " " in at}
        return replace(departure, aliases=(*departure.aliases, *aliases), found=of_others | dict(departure.found))

    def _as_given(self, subject: Subject) -> Subject:
        """As HR gave the person, without how a provider had found them."""
        providers = self.step_finder.providers
        identities = {
            name: {key: text for key, text in each.items() if key in providers[name].identity_keys}
            for name, each in subject.identities.items()
            if name in providers
        }
        return Subject(email=subject.email, identities={name: each for name, each in identities.items() if each})

    def _names_all(self, one: Subject, other: Subject) -> bool:
        """Whether one names a person in each way in which the other does."""
        mine, others = self._as_given(one), self._as_given(other)
        is_same = name_of(mine.email) == name_of(others.email)
        return is_same and all(
            each.items() <= mine.identities.get(at, {}).items() for at, each in others.identities.items()
        )

    def _as_known_before(self, subject: Subject, case: Case, departure: Departure) -> Subject:
        """With a mark where nothing tells that the address still is that of the person whose case that was."""
        if departure.has_the_address(case) and name_of(subject.email) == name_of(departure.request.subject.email):
            return subject
        marked = {name: {**subject.identities.get(name, {}), **MARK} for name in self.step_finder.providers}
        return subject.model_copy(update={"identities": {**subject.identities, **marked}})

    def find_doubt(self, finished: Case, departure: Departure) -> str | None:
        """Why it can't be told whether this is of whom a completed case acted on; None where nothing speaks against it.

        An id that both have differs: the provider's own, or the source's own. Or an account knows whoever has the
        address now, and named nobody in the case. Or one that would tell can't be asked: raises ProviderUnavailable as
        long as it is worth asking that one again.
        """
        ids = ids_of(finished, self.cases.read_receipts(finished.case_id))
        proved = finished.model_copy(update={"identities": ids})
        if departure.is_of_somebody_else(proved) or departure.is_known_where_nobody_was(proved):
            return SOMEBODY_NEW
        return NOBODY_SAYS if self._is_untold(finished, departure, ids) else None

    def is_untold(self, case: Case, departure: Departure) -> bool:
        """Whether a departure may be of somebody new, and nothing tells.

        It may where a step of the case had ended before, or where the case has waited for days to begin. Raises
        ProviderUnavailable as find_doubt() does.
        """
        receipts, at = self.cases.read_receipts(case.case_id), departure.request.occurred_at
        if case.started_at is None:
            may_be_anothers = at > case.requested_at + STILL_THEIRS
        else:
            may_be_anothers = any(find_ended_before(case, receipts, self.step_finder.providers, at))
        return may_be_anothers and self._is_untold(case, departure, ids_of(case, receipts))

    def cannot_tell(self, case: Case, word: Departure) -> bool:
        """Whether no id tells that this is of the case's person; raises ProviderUnavailable as find_doubt() does."""
        return self._is_untold(case, word, ids_of(case, self.cases.read_receipts(case.case_id)))

    def _is_untold(self, case: Case, departure: Departure, ids: Mapping[str, str]) -> bool:
        proved = case.model_copy(update={"identities": ids})
        if not departure.cannot_be_told(proved) or any(self._compare_names(case, departure)):
            return False
        if departure.heard_at is not None and self.clock() < departure.heard_at + PATIENCE:
            raise ProviderUnavailable(NOBODY_SAYS)
        return True

    def _compare_names(self, finished: Case, departure: Departure) -> Iterator[bool]:
        """Whether each name that HR gives for a provider is one that it gave then, or that the provider said."""
        known = [*finished.subjects, *self._subjects_of(finished)]
        for provider, given in departure.request.subject.identities.items():
            for key, value in given.items():
                then = {name_of(each) for subject in known if (each := subject.identity(provider, key))}
                if then:
                    yield name_of(value) in then

    def find_aliases(self, finished: Case, departure: Departure) -> Sequence[Subject]:
        """Under which names of an event something may live that a completed case has not ended."""
        first, *others = self._subjects_of(finished)
        request = {**finished.request, "subject": first.model_dump(exclude_none=True)}
        # Under the names that it was given, and under the ids that providers gave for these.
        found = finished.model_copy(update={"request": request, "aliases": tuple(others), "steps": ()})
        given = (departure.request.subject, *departure.aliases)
        return [each for each in given if all(self._adds_steps(case, each) for case in (finished, found))]

    def had_ended_before(self, finished: Case, at: datetime) -> bool:
        """Whether a step of a completed case had ended when something happened before the case's own end."""
        receipts = self.cases.read_receipts(finished.case_id)
        return any(find_ended_before(finished, receipts, self.step_finder.providers, at))

    def _adds_steps(self, case: Case, subject: Subject) -> bool:
        named = case.with_names([name_of(subject.email)]).with_alias(subject)
        return any(step.alias == len(named.subjects) for step in self.step_finder.find_anew(named))

    def _subjects_of(self, finished: Case) -> Sequence[Subject]:
        """Whom a completed case acted on: as HR named them, and with the ids that providers then gave for them."""
        receipts = self.cases.read_receipts(finished.case_id)
        subjects = []
        for number, subject in enumerate(finished.subjects, 1):
            identities = {name: dict(each) for name, each in subject.identities.items()}
            for step in finished.steps:
                receipt, provider = receipts.get(step.name), self.step_finder.providers.get(step.provider or "")
                if receipt and provider and (step.alias or 1) == number:
                    named = identity_of(provider, step, receipt)
                    identities |= {receipt.system: named} if named else {}
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
