"""A departure, or a theft: what HR said of it, and whom at which account that means."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from leaver.cases.kinds import Kind, kind_of
from leaver.cases.record import Case, Said
from leaver.messages.events import OffboardingRequested, Subject
from leaver.messages.names import name_of
from leaver.providers.entry import Person


@dataclass(frozen=True)
class Departure:
    """Somebody leaves: what HR said of it, who that is, and what must end."""

    request: OffboardingRequested
    #: who that is at each account that was asked and knew, by `provider/account`
    found: Mapping[str, Person]
    names: Sequence[str]
    #: the accounts that could be asked, whoever is there
    asked: Collection[str] = ()
    #: when it was heard
    heard_at: datetime | None = None
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

    @property
    def ids(self) -> dict[str, str]:
        """The ids that accounts confirmed, by `provider/account`."""
        return {at: each.id for at, each in self.found.items()}

    def found_for_another(self, email: str) -> dict[str, Person]:
        """Who that is by `provider/account address`, as Case.identities has it, where this address is another."""
        address = name_of(self.request.subject.email)
        of_this = {at: each for at, each in self.found.items() if " " not in at}
        return {f"{at} {address}": each for at, each in of_this.items()} if address != name_of(email) else {}

    def with_names_of(self, case: Case) -> Self:
        """The same, under the names that others gave for this person as well."""
        if self.is_of_somebody_else(case):
            return self
        mine = (self.request.subject, *self.aliases)
        aliases = (*self.aliases, *(each for each in case.subjects if each not in mine))
        return replace(self, aliases=aliases, names=sorted({*self.names, *case.names}))

    def is_of_somebody_else(self, case: Case) -> bool:
        """Whether it is about another person than the case: an account's own id differs, or the source's own."""
        return any(one != other for one, other in self._ids_of_both(case))

    def is_of_the_same(self, case: Case) -> bool:
        """Whether an id says that it is about the person of the case: an account's own, or the source's own."""
        return any(one == other for one, other in self._ids_of_both(case))

    def has_the_address(self, case: Case) -> bool:
        """Whether an account says that the address still is that of the person of the case: HR's own may be old."""
        return any(case.identities.get(at) == id_ for at, id_ in self.ids.items())

    def is_at_lost(self, case: Case) -> bool:
        """Whether its address is one that the person of the case has lost, as far as any account says."""
        return name_of(self.request.subject.email) in case.lost_addresses and not self.has_the_address(case)

    def _ids_of_both(self, case: Case) -> list[tuple[str, str]]:
        pairs: list[tuple[str | None, str | None]] = [(case.identities.get(at), id_) for at, id_ in self.ids.items()]
        if self.request.source == case.source:
            pairs.append((case.subjects[0].source_id, self.request.subject.source_id))
        return [(one.casefold(), other.casefold()) for one, other in pairs if one and other]

    def cannot_be_told(self, case: Case) -> bool:
        """Whether no id says that it is about the person of the case, and an account that knew them can't be asked."""
        gave = {at: id_ for at, id_ in case.identities.items() if " " not in at}
        is_given = any(self.request.subject.identity(at.split("/")[0], "id") == id_ for at, id_ in gave.items())
        return not (gave.keys() <= set(self.asked) or is_given or self.is_of_the_same(case))

    def is_known_where_nobody_was(self, finished: Case) -> bool:
        """Whether an account knows somebody now, and knew nobody when the case was made: nobody can tell who it is."""
        return not self.found.keys() <= finished.identities.keys()
