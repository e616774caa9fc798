"""What happens to a case when one of its steps is done: less is outstanding, and with the last receipt it is sealed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from leaver.cases.receipts import Receipt
from leaver.cases.record import DONE, Case, Cases, receipts_of
from leaver.cases.states import WAITING, AnnouncementName, CaseEvent, State
from leaver.errors import BadMessage
from leaver.messages.commands import Command
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

    def read_case(self, case_id: str, command: Command) -> Case:
        """Read the case whose step this command is; raises BadMessage where no such case asks for this very command."""
        case = self.cases.read(case_id)
        if case is None:
            raise BadMessage("case_id: expected the id of a case that exists")
        if not any(step.asks_for(command) for step in case.steps):
            raise BadMessage("case_id: expected the id of a case of which this very command is a step")
        if case.state in WAITING:
            raise BadMessage("case_id: expected the id of a case that has begun")
        return case

    def count_receipt(self, receipt: Receipt) -> None:
        """Count a receipt into its case, and seal the case if it was the last; repeating it changes nothing."""
        case = self.cases.read(receipt.case_id)
        if case is None:
            # Its command was parked for just that.
            return

        def without_step(standing: Case) -> Case | None:
            if standing.state is not State.OPEN or not self._ends(receipt, standing):
                return None
            ended = [step.name for step in standing.steps if step.is_reported_by(receipt)]
            counts = ended and ended[0] in standing.outstanding
            return standing.after_step(ended[0]) if counts else None

        # Where it was counted before, a run may have been killed before the seal or the announcement.
        self.seal(self.cases.change(case, without_step) or self.cases.require(case.case_id))

    def seal(self, case: Case) -> Case:
        """Close a case that has nothing outstanding, and announce what is pending; returns the case as it is then."""
        if case.allows(CaseEvent.SEALED) and not case.outstanding:
            case = self._seal(case)
        return self.announce_pending(case)

    def announce_pending(self, case: Case) -> Case:
        """Announce what is pending until the bus has taken it; returns the case as it is then. Raises Undelivered."""
        for name in case.pending_announcements:
            self.publisher.announce(_announcement(case, name))

            def without(standing: Case, name: AnnouncementName = name) -> Case | None:
                return standing.without_pending(name) if name in standing.pending_announcements else None

            case = self.cases.change(case, without) or case
        return case

    def _seal(self, case: Case) -> Case:
        stored = self.cases.read_stored(case.case_id)
        by_entry = receipts_of(case, stored)
        receipts = [by_entry[step.name] for step in case.steps]
        now = self.clock()

        def with_seal(standing: Case) -> Case | None:
            if not standing.allows(CaseEvent.SEALED) or standing.outstanding or standing.steps != case.steps:
                return None
            return standing.after_seal(stored, _residual(receipts), now)

        sealed = self.cases.change(case, with_seal)
        if sealed is None:
            return self.cases.require(case.case_id)
        # A sweep is no leaver's wait.
        if sealed.sweep_of is None and sealed.time_to_revoke is not None:
            self.measure("CaseTimeToRevoke", sealed.time_to_revoke)
        return sealed

    def _ends(self, receipt: Receipt, case: Case) -> bool:
        if receipt.outcome is Outcome.USER_NOT_FOUND:
            # An id that was confirmed after the command had gone out under another name proves nothing of that name.
            asked_by_it = case.id_at(receipt.system) in {None, receipt.subject}
            return (case.zoom_user_id is not None and asked_by_it) or self.missing_user_is_done
        return receipt.outcome in DONE


def _residual(receipts: Iterable[Receipt]) -> list[dict[str, str]]:
    """What the receipts say that no API can end, and until when it lives."""
    return [
        {"what": "user tokens that were handed out", "system": receipt.system, "until": str(until)}
        for receipt in receipts
        if (until := receipt.details.get("handed_out_until"))
    ]


def _announcement(case: Case, name: AnnouncementName) -> CaseAnnouncement:
    return CaseAnnouncement(
        detail_type=name,
        # Of each kind one, but a case can be put back: then it is another time that it ended.
        announcement_id=f"{case.case_id}/{name}",
        case_id=case.case_id,
        state=case.state,
        subject=case.email,
        source=case.source,
        event_id=case.event_id,
        urgency=case.urgency,
        requested_at=case.requested_at,
        effective_at=case.effective_at,
        finished_at=case.finished_at,
        steps=[step.name for step in case.steps],
        outstanding=list(case.outstanding),
        time_to_revoke=case.time_to_revoke if name == "OffboardingCompleted" else None,
        head=case.head,
        residual=list(case.residual),
        sweep_of=case.sweep_of,
    )
