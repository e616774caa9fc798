"""What happens to a case when one of its steps is done: less is outstanding, and with the last receipt it is sealed."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from leaver.cases.receipts import Receipt
from leaver.cases.record import DONE, OVER, Case, Cases, Owed, State, chain
from leaver.errors import BadMessage
from leaver.messages.events import CaseAnnouncement
from leaver.messages.publisher import Publisher
from leaver.outcomes import Outcome


@dataclass(frozen=True)
class CaseCompletion:
    """The cases, as far as the functions that carry out their steps have to do with them."""

    cases: Cases
    publisher: Publisher
    clock: Callable[[], datetime]
    #: whether somebody whom the provider does not know is done with, although it is not certain who is meant
    missing_user_is_done: bool = False
    #: takes the name of a time, and seconds
    measure: Callable[[str, int], None] = field(default=lambda _name, _seconds: None, repr=False)

    def state_of(self, case_id: str) -> State:
        """Read how far a case is, as of now; raises BadMessage for one that is not there."""
        case = self.cases.read(case_id)
        if case is None:
            raise BadMessage("case_id: expected the id of a case that exists")
        return case.state

    def is_over(self, case_id: str) -> bool:
        """Whether the case was cancelled, reinstated or thrown away: its commands are not carried out any more."""
        return self.state_of(case_id) in OVER

    def done(self, receipt: Receipt) -> None:
        """Count a receipt into its case, and seal the case if it was the last; repeating it changes nothing."""
        step = receipt.entry.removeprefix("receipt#")

        def less(case: Case) -> Case | None:
            if case.state is not State.OPEN or not self._ends(receipt, case):
                return None
            return case.without(step) if step in case.all_outstanding() else None

        try:
            case = self.cases.change(receipt.case_id, less)
        except LookupError:
            # There is no such case: its command was parked for just that.
            return
        if case is None or case.all_owed() or not case.all_outstanding():
            self.seal(receipt.case_id)

    def seal(self, case_id: str) -> None:
        """Close a case that has nothing outstanding, and announce what is owed."""
        case = self.cases.read(case_id)
        if case is not None and case.state is State.OPEN and not case.all_outstanding():
            self._seal(case)
        self.tell(case_id)

    def _seal(self, case: Case) -> None:
        kept = self.cases.receipts(case.case_id)
        receipts = [kept[step.receipt] for step in case.all_steps()]
        now = self.clock()

        def closed(standing: Case) -> Case | None:
            if standing.state is not State.OPEN or standing.all_outstanding() or standing.steps != case.steps:
                return None
            head = chain(receipts)[-1] if receipts else "0" * 64
            return standing.sealed(head, _residual(receipts), now)

        sealed = self.cases.change(case.case_id, closed)
        # A sweep is no leaver's wait.
        if sealed is not None and sealed.sweep_of is None and sealed.time_to_revoke is not None:
            self.measure("CaseTimeToRevoke", sealed.time_to_revoke)

    def tell(self, case_id: str) -> Case:
        """Announce what a case owes; it stays owed until the bus has taken it. Raises Undelivered."""
        case = self.cases.read(case_id)
        if case is None:
            raise BadMessage("case_id: expected the id of a case that exists")
        for owed in case.all_owed():
            self.publisher.announce(_announcement(case, owed))
            case = self.cases.change(case_id, lambda standing, owed=owed: _told(standing, owed)) or case  # type: ignore[misc]
        return case

    def _ends(self, receipt: Receipt, case: Case) -> bool:
        if receipt.outcome is Outcome.USER_NOT_FOUND:
            # An id that was confirmed after the command had gone out under another name proves nothing of that name.
            asked_by_it = case.id_at(receipt.system) in {None, receipt.subject}
            return (case.zoom_user_id is not None and asked_by_it) or self.missing_user_is_done
        return receipt.outcome in DONE


def _told(standing: Case, owed: Owed) -> Case | None:
    return standing.told(owed) if owed in standing.all_owed() else None


def _residual(receipts: list[Receipt]) -> list[dict[str, str]]:
    """What the receipts say that no API can end, and until when it lives."""
    found: list[dict[str, str]] = []
    for receipt in receipts:
        details: dict[str, Any] = json.loads(receipt.details)
        if until := details.get("handed_out_until"):
            found.append({"what": "user tokens that were handed out", "system": receipt.system, "until": str(until)})
    return found


def _announcement(case: Case, owed: Owed) -> CaseAnnouncement:
    return CaseAnnouncement(
        detail_type=owed,
        # Of each kind one, but a case can be put back: then it is another time that it ended.
        announcement_id=f"{case.case_id}/{owed}",
        case_id=case.case_id,
        state=case.state,
        subject=case.email,
        source=case.source,
        event_id=case.event_id,
        urgency=case.urgency,
        requested_at=case.requested_at,
        effective_at=case.effective_at,
        finished_at=case.finished_at,
        steps=[step.name for step in case.all_steps()],
        outstanding=case.all_outstanding(),
        time_to_revoke=case.time_to_revoke if owed == "OffboardingCompleted" else None,
        head=case.head,
        residual=json.loads(case.residual),
        sweep_of=case.sweep_of,
    )
