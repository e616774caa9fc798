"""Whoever left before: what a departure means of them, once more, under another name, or of somebody new."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from leaver.cases.departure import Departure
from leaver.cases.finding import StepFinder
from leaver.cases.people import People
from leaver.cases.record import Case
from leaver.cases.states import State
from leaver.cases.table import Cases
from leaver.messages.events import Subject
from leaver.messages.names import name_of
from leaver.providers.entry import Person

#: somebody who is gone and has access again loses it again, for one source so often
REPEATS: Final = timedelta(hours=1)

#: why a person has to look first
SOMEBODY_NEW: Final = "somebody new seems to have the address of somebody who left: their ids differ"
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

    def find_finished(self, names: Sequence[str]) -> Case | None:
        """The last completed case of whoever has one of these names, or had it."""
        known = [each for each in map(self.people.read, names) if each]
        found = [self.cases.read(case_id) for each in known for case_id in (each.case, each.finished) if case_id]
        completed = [each for each in found if each and each.state is State.COMPLETED]
        return max(completed, key=lambda each: each.finished_at or each.requested_at, default=None)

    def after(self, finished: Case, departure: Departure) -> Departure:
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
        again = self.once_more(finished, departure)
        return replace(again, not_before=self._end_of_hour(finished, request.source))

    def once_more(self, finished: Case, departure: Departure) -> Departure:
        """The same, of whom a completed case acted on, and under the names that this event adds."""
        first, *others = self._subjects_of(finished)
        known = first.source_id if departure.request.source == finished.source else None
        first = first.model_copy(update={"source_id": departure.request.subject.source_id or known})
        aliases = self.find_aliases(finished, departure)
        return Departure(
            departure.request.model_copy(update={"subject": first}),
            {at: Person(each, finished.email) for at, each in finished.identities.items()},
            sorted({*finished.names, *(name_of(each.email) for each in aliases)}),
            aliases=(*others, *aliases),
            follows=finished,
            because=departure.because,
        )

    def _is_somebody_new(self, finished: Case, departure: Departure) -> bool:
        """Whether an id that both have differs: the provider's own, the source's own, or what HR gives for a provider.

        Of an account that knows whoever has the address now, and knew nobody when the case was made, nobody can tell.
        """
        if departure.is_of_somebody_else(finished) or departure.is_known_where_nobody_was(finished):
            return True
        known = [*finished.subjects, *self._subjects_of(finished)]
        for provider, given in departure.request.subject.identities.items():
            for key, value in given.items():
                then = {name_of(each) for subject in known if (each := subject.identity(provider, key))}
                if then and name_of(value) not in then:
                    return True
        return False

    def find_aliases(self, finished: Case, departure: Departure) -> Sequence[Subject]:
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
                    # Whom the provider had found by the address is the leaver, whoever has the address by now.
                    by_address = step.identity == subject.email and receipt.details.get("found_by")
                    if way := step.detail.get("found_by") or by_address:
                        identities[receipt.system]["found_by"] = str(way)
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
