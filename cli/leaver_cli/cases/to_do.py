"""What a person does about a case, and about each of its steps: one line, or nothing where it goes on by itself."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from leaver.cases.receipts import Receipt
from leaver.cases.record import REPLACE, Case, Step
from leaver.cases.states import State
from leaver.cases.table import ListedCase
from leaver.outcomes import Outcome


def about_the_case(case: Case | ListedCase, now: datetime) -> str | None:
    """What a person does about a case, as far as the case itself tells; None where nothing is to be done."""
    if case.state is State.HELD:
        why = f"{case.because}: look, then " if case.because else ""
        return f"{why}`leaver release {case.case_id}`, with --discard to throw it away"
    if case.return_held:
        return f"{case.return_held.source} says that they are back: ask HR, then `leaver reinstate {case.case_id}`"
    if case.state is not State.OPEN:
        return None
    if any(each.startswith(f"{REPLACE}#") for each in case.outstanding):
        return "a connection of the leaver's needs another owner: `leaver connect`"
    if case.waiting:
        return "an account has no connection: `leaver connect`"
    is_overdue = case.deadline_at is not None and case.deadline_at <= now
    return f"overdue: `leaver case {case.case_id}` names the step" if is_overdue else None


def about_the_steps(case: Case, receipts: Mapping[str, Receipt], now: datetime) -> Iterator[tuple[str, str]]:
    """Each step that needs a person, and what that person does."""
    is_late = case.deadline_at is not None and case.deadline_at <= now
    for step in case.steps if case.state is State.OPEN else ():
        if step.name in case.outstanding and (told := _about(case, step, receipts.get(step.name), is_late=is_late)):
            yield step.name, told


def _about(case: Case, step: Step, receipt: Receipt | None, *, is_late: bool) -> str | None:
    close = f'`leaver close {case.case_id} {step.name} --because "…"`'
    if step.refused is not None:
        return f"{step.refused}: end it there by hand, then {close}"
    if step.command == REPLACE:
        return f"Leaver works through {step.at}: `leaver connect PROVIDER {step.at}` with another owner"
    if step.name in case.waiting or step.lacks_account:
        return f"no connection to {step.at} works: `leaver connect {step.provider}`"
    if receipt is None or receipt.outcome is None:
        return f"it is tried again by itself, and is late: `leaver log {case.case_id}` says why" if is_late else None
    reason = f" ({receipt.reason})" if receipt.reason else ""
    return {
        Outcome.FAILED: f"mend what its reason says{reason}, then `leaver retry {case.case_id}`",
        Outcome.USER_NOT_FOUND: f"nobody of that name is known there: look by hand, then {close}",
        Outcome.NOT_SEARCHABLE: f"nobody can tell whether it is theirs: mend what its reason says, or {close}",
        Outcome.REFUSED: f"it was not carried out: look at {step.at} by hand, then {close}",
    }.get(receipt.outcome)
