"""When a case is completed: what is outstanding by its receipts, what has come since, and then the seal."""

from collections.abc import Callable, Container, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from leaver.cases.announcing import CaseAnnouncer
from leaver.cases.proved import with_what_may_be_back
from leaver.cases.receipts import Receipt
from leaver.cases.record import DONE, DONE_WITH, Case, Step
from leaver.cases.start import CaseStart
from leaver.cases.states import CaseEvent, State
from leaver.cases.table import Cases, receipts_of
from leaver.outcomes import Outcome
from leaver.providers.entry import Providers

Searched = tuple[dict[str, str], ...]

#: as whom a provider named somebody whose access has ended
NAMED: Final = ("prefixed_universal", "user_id")
#: and whom it named where nobody can tell whether that is the leaver
DOUBTED: Final = ("name_is_of", "address_is_of")


@dataclass(frozen=True)
class CaseCompletion:
    """What it takes to complete a case; seal_case alone has it."""

    cases: Cases
    announcer: CaseAnnouncer
    case_start: CaseStart
    providers: Providers
    clock: Callable[[], datetime]
    #: signs and stores what the case came to, if it is over; repeated, it changes nothing
    keep_evidence: Callable[[Case], Case]
    #: where somebody who is not known is done with, although it is not certain who is meant: `provider/account`, or
    #: a whole provider
    done_where_missing: AbstractSet[str] = frozenset()
    #: takes the name of what is measured, and seconds or a count
    measure: Callable[[str, int], None] = field(default=lambda _name, _value: None, repr=False)

    def complete(self, case: Case) -> Case:
        """Count a case's receipts, and complete it if nothing is outstanding; returns the case as it is then.

        Repeated, it changes nothing. Announces what is pending, of a case that is over once its evidence is stored;
        raises NotKept and Undelivered.
        """
        receipts: Mapping[str, Receipt] = {}
        if case.is_being_begun:
            # Who closed its steps by hand, or gave their accounts up, raised no tombstone.
            case = self.case_start.raise_tombstones_again(case, self.clock())
        if case.allows(CaseEvent.SEALED):
            receipts = self.cases.read_receipts(case.case_id)
            case = self._count(case, receipts)
        searched: Searched = ()
        if case.allows(CaseEvent.SEALED) and not self._counted(case, receipts).awaited:
            case = self._add_names(case, receipts)
            if case.allows(CaseEvent.SEALED) and not self._counted(case, receipts).awaited:
                case, searched = self._add_what_came_since(case, receipts)
        counted = self._counted(case, receipts)
        if case.allows(CaseEvent.SEALED) and counted.outstanding and not counted.awaited:
            # The purges, of somebody who stays; one that was heard of is not sent again.
            heard = self.cases.read_receipts(case.case_id)
            self.case_start.send(case, set(counted.outstanding) - heard.keys())
        if case.allows(CaseEvent.SEALED) and not counted.outstanding:
            # A person may have closed the purge, which the cutoff goes before.
            self.case_start.raise_cutoffs(case)
            case = self._seal(case, searched)
        return self.announcer.announce_pending(self.keep_evidence(case))

    def _count(self, case: Case, receipts: Mapping[str, Receipt]) -> Case:
        """Write what is outstanding by the receipts alone; that nothing is, the seal writes, with all the rest."""

        def with_outstanding(standing: Case) -> Case | None:
            counted = self._counted(standing, receipts)
            return counted if standing.state is State.OPEN and counted != standing else None

        outstanding = self._outstanding(case, receipts)
        if set(outstanding) - set(case.outstanding):
            # Somebody's hand: the record says more than the receipts. The case stays open, and its step is sent anew.
            self.measure("CasesAtOddsWithReceipts", 1)
        return self.cases.settle(case, with_outstanding) if outstanding else case

    def _counted(self, case: Case, receipts: Mapping[str, Receipt]) -> Case:
        """The case with what is outstanding by these receipts alone."""
        return case.model_copy(update={"outstanding": self._outstanding(case, receipts)})

    def _outstanding(self, case: Case, receipts: Mapping[str, Receipt]) -> tuple[str, ...]:
        own = {name: each for name, each in case.own_among(receipts).items() if each.case_id == case.case_id}
        done = [(step, receipt) for step in case.steps if (receipt := own.get(step.name)) and receipt.outcome in DONE]
        known: set[tuple[str, object]] = {(step.command, step.at) for step, _ in done}
        known |= {(step.command, step.alias) for step, _ in done if step.alias}
        known |= {(step.at, who) for step, receipt in done for key in NAMED if (who := receipt.details.get(key))}
        return tuple(step.name for step in case.steps if not self._is_ended(step, own.get(step.name), known))

    def _is_ended(self, step: Step, receipt: Receipt | None, known: Container[tuple[str, object]]) -> bool:
        """Whether a step is done with; `known` are who was found where, under which number, and as whom."""
        said = receipt.outcome if receipt else None
        if receipt is None or said in DONE_WITH:
            return receipt is not None
        if said is not Outcome.USER_NOT_FOUND:
            # Whose that name or address is could not be proved; but it may be whose access another step has ended.
            return any((step.at, receipt.details.get(key)) in known for key in DOUBTED)
        # An address may be misspelt, or another account's: that nobody has it there says nothing of the person. But
        # whoever was found there, under another of their names, is not missing.
        if step.is_added:
            # A later name may be misspelt, whoever was found under another: it has to be somebody's at some account.
            is_certain = (step.command, step.alias) in known
        else:
            is_certain = step.found_by in {"account", "hr"} or (step.command, step.at) in known
        return is_certain or not self.done_where_missing.isdisjoint({step.at, step.provider or step.at})

    def _add_names(self, case: Case, receipts: Mapping[str, Receipt]) -> Case:
        """Take how providers named the person when their access ended for names of theirs, under tombstones too.

        A sweep raises none: where they are gone, the person is here again.
        """
        proved = {name for receipt in case.own_among(receipts).values() for name in receipt.names}
        if case.sweep_of is not None or not proved:
            return case

        def with_names(standing: Case) -> Case | None:
            more = standing.with_names(proved)
            return more if standing.state is State.OPEN and more != standing else None

        named = self.cases.settle(case, with_names)
        # Also where none is new: an earlier run may have been killed before the last tombstone.
        return self.case_start.raise_tombstones_again(named, self.clock())

    def _add_what_came_since(self, case: Case, receipts: Mapping[str, Receipt]) -> tuple[Case, Searched]:
        """Add the steps that the case lacks by now, and set them going; tells where these were looked for."""
        found, searched = self.case_start.search(case)

        def with_found(standing: Case) -> Case | None:
            counted = self._counted(standing, receipts)
            more = with_what_may_be_back(counted.with_steps(found), receipts, self.providers)
            return more if standing.state is State.OPEN and more != counted else None

        extended = self.cases.change(case, with_found)
        if extended is None:
            return self.cases.require(case.case_id), searched
        self.case_start.send(extended, extended.outstanding)
        return extended, searched

    def _seal(self, case: Case, searched: Searched) -> Case:
        stored = self.cases.read_stored(case.case_id)
        by_entry = receipts_of(case, stored)
        receipts = [by_entry[step.name] for step in case.steps]
        # Nothing ended after the case did: whoever wrote a receipt may have a clock that is ahead of ours.
        now = max((self.clock(), *(each.finished_at for each in receipts if each.finished_at)))

        def with_seal(standing: Case) -> Case | None:
            counted = self._counted(standing, by_entry)
            if not standing.allows(CaseEvent.SEALED) or counted.outstanding or standing.steps != case.steps:
                return None
            if self._may_be_back(counted, by_entry) or not self._is_searched(standing, by_entry, searched):
                return None
            applied = self._with_applied_policy(counted).model_copy(update={"searched": searched})
            return applied.after_seal(stored, _residual(receipts), now)

        sealed = self.cases.change(case, with_seal)
        if sealed is None:
            return self.cases.require(case.case_id)
        # A sweep is no leaver's wait.
        if sealed.sweep_of is None and sealed.time_to_revoke is not None:
            self.measure("CaseTimeToRevoke", sealed.time_to_revoke)
        return sealed

    def _may_be_back(self, case: Case, receipts: Mapping[str, Receipt]) -> bool:
        """Whether somebody joined at this very moment, who says that the person leaves when a step had ended."""
        return with_what_may_be_back(case, receipts, self.providers) != case

    def _is_searched(self, case: Case, receipts: Mapping[str, Receipt], searched: Searched) -> bool:
        """Whether it was looked for what has to end under every name by now: another run may have counted a receipt.

        A sweep has no names of its own to look for.
        """
        proved = {name for receipt in receipts.values() for name in receipt.names}
        names = {each.get("owner of connections") for each in searched}
        return case.sweep_of is not None or proved.union(case.names) <= names

    def _with_applied_policy(self, case: Case) -> Case:
        # The deployment may have changed its mind since the case was recorded: what is sealed is what was applied.
        applied = {"done_where_missing": tuple(sorted(self.done_where_missing))}
        return case.model_copy(update={"policy": case.policy.model_copy(update=applied)}) if case.policy else case


def _residual(receipts: Sequence[Receipt]) -> list[dict[str, str]]:
    """What the receipts say that no API can end, and until when it lives; and what ended by a person's word alone."""
    handed_out = [
        {"what": "user tokens that were handed out", "system": receipt.system, "until": str(until)}
        for receipt in receipts
        if (until := receipt.details.get("handed_out_until"))
    ]
    return handed_out + [
        {
            "what": "a step that a person closed",
            "step": receipt.entry,
            "system": receipt.system,
            "who": str(receipt.details["who"]),
            "because": str(receipt.details["because"]),
        }
        for receipt in receipts
        if receipt.outcome is Outcome.CLOSED
    ]
