"""Erase a person: what is personal in their cases gives way to a mark, and their names to keyed hashes that refuse on.

The order is what a killed run leaves right: a name refuses under its hash before it goes in the clear, and a case goes
last, because it alone knows the names.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from leaver.cases.evidence import CommitmentKeys
from leaver.cases.people import People
from leaver.cases.record import ENTRY, Case, deactivation_of, sweep_of
from leaver.cases.states import UNDER_WAY
from leaver.cases.table import Cases
from leaver.errors import Rejected
from leaver.evidence.bundle import CLEAR, Clear
from leaver.messages.names import name_of
from leaver.storage.tables import columns, timestamp

#: what stands where somebody's name was; an address, since records have one, that can be nobody's
MARK: Final = "erased@leaver.invalid"
#: what the tables go by, beside what evidence shows: none of it is about the person
_KEPT: Final = dict.fromkeys(
    (
        *("partition", "entry", "item_version", "evidence", "connection", "outstanding", "waiting"),
        *("kind", "asked_at", "told_at", "sweeps", "swept_at", "activated_at", "deactivated_again_by"),
    ),
    True,
)
_SHOWN: Final[Any] = CLEAR
_RECEIPT: Final[Clear] = _SHOWN["receipts"][0] | _KEPT
_CASE: Final[Clear] = (
    _SHOWN["case"]
    | _KEPT
    | {
        "request": _SHOWN["case"]["request"] | {"subject": {}},
        "steps": [_SHOWN["case"]["steps"][0] | {"at": True, "detail": {}}],
        "return_held": _SHOWN["case"]["said"][0],
    }
)


def is_at_rest(case: Case) -> bool:
    """Whether nothing follows any more, neither a step nor an announcement nor a second look."""
    return case.state not in UNDER_WAY and case.watch is None and not case.pending_announcements


def marked(value: Any, clear: Clear) -> Any:
    """A stored value with marks for personal text; None of personal numbers, lists and maps, which are left out."""
    match clear, value:
        case True, _:
            return value
        case Mapping(), Mapping():
            each = {name: marked(one, clear.get(name)) for name, one in value.items()}
            return {name: one for name, one in each.items() if one is not None}
        case [each_clear], list() | tuple():
            return [marked(one, each_clear) for one in value]
        case _, str():
            return MARK
    return None


def without_person(case: Case, now: datetime) -> Case:
    """The case as it was, about nobody."""
    stored = marked(columns(case), _CASE) | {"names": [], "erased_at": timestamp(now)}
    # A digest over what was personal would confirm a guess for ever.
    return Case.model_validate({name: one for name, one in stored.items() if name != "head"})


@dataclass(frozen=True)
class Erasure:
    """What it takes to erase somebody; seal_case alone has it."""

    cases: Cases
    people: People
    keys: CommitmentKeys
    clock: Callable[[], datetime]

    def erase(self, case_ids: Collection[str]) -> None:
        """Erase whom these cases are about, from these cases; once more, it does nothing.

        Raises Rejected, and nothing is erased, while one of them is under way, or a sweep of one.
        """
        found = [case for each in sorted(case_ids) if (case := self.cases.read(each))]
        if going := [each.case_id for each in (*found, *self._sweeps_of(found)) if not is_at_rest(each)]:
            raise Rejected(f"under way: {', '.join(going)}")
        standing = [case for case in found if case.erased_at is None]
        for case in standing:
            for name in sorted(self._names_of(case)):
                self.people.erase(name, case_ids, self.clock())
        for case in standing:
            self.keys.delete(case.case_id)
            for entry, stored in self.cases.read_stored(case.case_id).items():
                if entry != ENTRY:
                    self.cases.write_receipt(marked(stored, _RECEIPT))
            self.cases.change(case, partial(self._without_person, asked=case_ids))

    def _sweeps_of(self, cases: Collection[Case]) -> Iterator[Case]:
        """The sweeps of cases: who comes back while one is under way stops it by the case."""
        for case in cases:
            ids = [sweep_of(case.case_id, number) for number in (None, *range(1, case.sweeps + 1))]
            yield from (each for case_id in (*ids, deactivation_of(case.case_id)) if (each := self.cases.read(case_id)))

    def _without_person(self, case: Case, *, asked: Collection[str]) -> Case | None:
        if not is_at_rest(case):
            raise Rejected(f"under way: {case.case_id}")
        return without_person(case, self.clock()) if case.erased_at is None and case.case_id in asked else None

    def _names_of(self, case: Case) -> set[str]:
        """Every name under which the person may be remembered, and every id that HR gave."""
        given = {each for subject in case.subjects for ids in subject.identities.values() for each in ids.values()}
        addresses = {case.email, *(subject.email for subject in case.subjects)}
        proved = {name for receipt in self.cases.read_receipts(case.case_id).values() for name in receipt.names}
        return set(map(name_of, given | addresses | {*case.names, *case.identities.values()} | proved))
