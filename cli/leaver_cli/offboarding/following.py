"""A case's steps as they happen, until it is completed or only a person can bring it further."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from leaver.cases.receipts import Receipt
from leaver.cases.record import DONE_WITH, REPLACE, Case, Step
from leaver.cases.states import State
from leaver.cases.table import receipts_of
from leaver_cli.connections.health import moment
from leaver_cli.deployment import Deployment

#: between two looks
PAUSE: Final = 0.5
#: how long what a person must do has to stand so: a step may go over another connection, or have another name
STANDS: Final = timedelta(seconds=5)
#: what a person reads: the step, what became of it, and why
Tell = Callable[[str, str, str], None]


def follow(deployment: Deployment, case_id: str, tell: Tell) -> bool:
    """Tell of each step when its last word changes; returns whether the case is completed, or waits for its time.

    False: it waits for a person, or is over otherwise.
    """
    told: dict[str, tuple[str, str]] = {}
    stuck_since: float | None = None
    while True:
        case = deployment.cases.require(case_id)
        receipts = receipts_of(case, deployment.cases.read_stored(case_id))
        words = {step.name: word_of(step, receipts.get(step.name), case) for step in case.steps}
        for name, word in words.items():
            if told.get(name, ("being tried", "")) != word:
                tell(name, *word)
        told = words
        if case.state is not State.OPEN:
            tell("case", case.state, how_it_stands(case))
            return case.state in {State.COMPLETED, State.SCHEDULED}
        # The case still names for up to a minute what has ended, where something else has not.
        left = [step for step in case.steps if step.name in case.outstanding and not _is_done(receipts.get(step.name))]
        stuck = bool(left) and all(needs_a_person(step, receipts.get(step.name), case) for step in left)
        stuck_since = (stuck_since or time.monotonic()) if stuck else None
        is_overdue = case.deadline_at is not None and case.deadline_at <= deployment.now()
        if is_overdue or (stuck_since and time.monotonic() - stuck_since > STANDS.total_seconds()):
            tell("case", "overdue" if is_overdue else "needs a person", f"`leaver case {case_id}` says what to do")
            return False
        time.sleep(PAUSE)


def _is_done(receipt: Receipt | None) -> bool:
    return receipt is not None and receipt.outcome in DONE_WITH


def how_it_stands(case: Case) -> str:
    """Say what comes next of a case."""
    match case.state:
        case State.COMPLETED:
            seconds = case.time_to_revoke
            return f"{seconds} second{'' if seconds == 1 else 's'} after it was to take effect"
        case State.SCHEDULED:
            return f"begins at {moment(case.effective_at)}"
        case State.HELD:
            return case.because or f"`leaver release {case.case_id}` lets it go on"
        case State.OPEN:
            return f"`leaver watch {case.case_id}` shows each step as it ends"
    return ""


def needs_a_person(step: Step, receipt: Receipt | None, case: Case) -> bool:
    """Whether an outstanding step stays so until somebody acts: its last word ended nothing, or nothing can be sent."""
    has_ended_nothing = receipt is not None and receipt.outcome is not None and receipt.outcome not in DONE_WITH
    return has_ended_nothing or bool(_obstacle(step, case))


def word_of(step: Step, receipt: Receipt | None, case: Case) -> tuple[str, str]:
    """What became of a step, and why."""
    if receipt is not None and receipt.outcome is not None:
        because = receipt.reason or str(receipt.details.get("because", ""))
        ends_nothing = receipt.outcome not in DONE_WITH and step.name in case.outstanding
        state = f"{receipt.outcome}, outstanding" if ends_nothing else str(receipt.outcome)
        return state, "; ".join(part for part in (str(receipt.response), because) if part)
    if step.name in case.outstanding and (obstacle := _obstacle(step, case)):
        return "needs a person", obstacle
    return "being tried", ""


def _obstacle(step: Step, case: Case) -> str:
    if step.refused is not None:
        return step.refused
    if step.command == REPLACE:
        return "Leaver works through this connection: leaver connect, with another owner"
    if step.lacks_account or step.name in case.waiting:
        return f"waits for a connection: leaver connect {step.provider}"
    return ""
