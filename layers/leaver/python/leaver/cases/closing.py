"""A person closes a step that no provider's word will end: the receipt is their word then, and never `revoked`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from leaver.cases.heard import Fate
from leaver.cases.receipts import WHILE_OPEN, Receipt, Receipts
from leaver.cases.record import DONE, Case, Step
from leaver.cases.start import COMMANDS
from leaver.cases.states import State
from leaver.cases.table import Cases
from leaver.errors import BadMessage
from leaver.messages.events import Announcement
from leaver.messages.publisher import Publisher
from leaver.outcomes import Outcome


@dataclass(frozen=True)
class StepClosing:
    """What it takes to write a person's word, and to have seal_case look at the case at once."""

    cases: Cases
    receipts: Receipts
    publisher: Publisher
    clock: Callable[[], datetime]

    def close(self, case_id: str, name: str, *, who: str, because: str) -> Fate:
        """Close an outstanding step of an open case, and announce it; raises BadMessage where there is no such case."""
        case = self.cases.read(case_id)
        if case is None:
            raise BadMessage("case: expected the id of a case that exists")
        step = next((step for step in case.steps if step.name == name), None)
        if step is None:
            return Fate("refused", case_id, "the case has no such step")
        before = self.receipts.read(open_receipt(case, step, self.clock()))
        if before is not None and before.outcome is Outcome.CLOSED:
            # Killed before it was announced, or said twice: the first word stands.
            self._tell(before)
            return Fate("repeated", case_id, "a person has closed the step")
        has_ended = before is not None and before.outcome in DONE
        if case.state is not State.OPEN or name not in case.outstanding or has_ended:
            return Fate("refused", case_id, "the step is not outstanding, or the case is not open")
        now = self.clock()
        standing = before or open_receipt(case, step, now)
        closed = self.receipts.close(standing, standing.closed_by(who, because, now=now))
        if closed is None:
            return self.close(case_id, name, who=who, because=because)
        self._tell(closed)
        return Fate("changed", case_id)

    def _tell(self, closed: Receipt) -> None:
        self.publisher.announce(_announcement(closed))
        self.publisher.request_seal(closed.case_id)


def open_receipt(case: Case, step: Step, now: datetime) -> Receipt:
    """The receipt of a step of which nothing was heard."""
    command = COMMANDS.get(step.command)
    return Receipt(
        case_id=case.case_id,
        entry=step.name,
        command=step.command,
        system=command.system if command else "connection",
        subject=step.identity,
        account=step.account,
        connection=None if step.provider else step.at,
        requested_at=max(case.requested_at, case.effective_at),
        first_attempt_at=now,
    )


def _announcement(closed: Receipt) -> Announcement:
    return Announcement(
        detail_type="StepClosed",
        announcement_id=f"{closed.case_id}/{closed.entry}/{closed.outcome}",
        **closed.model_dump(exclude={"partition", "entry", *WHILE_OPEN}),
    )
