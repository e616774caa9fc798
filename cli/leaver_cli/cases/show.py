"""`leaver case`: what one case ended, what a person does about the rest, and whether its seal holds."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated

import typer

from leaver.cases.receipts import Receipt
from leaver.cases.record import ENTRY, REPLACE, Case, Step
from leaver.cases.seal import Stored, UnknownSeal, head_of
from leaver.cases.states import State
from leaver.cases.table import receipts_of
from leaver.outcomes import Outcome
from leaver_cli.cases.to_do import about_the_case, about_the_steps
from leaver_cli.cases.which import CaseOrWho, find_case
from leaver_cli.connections.health import moment
from leaver_cli.deployment import describe, now
from leaver_cli.stack import Profile, Region, StackName
from leaver_cli.table import Cell, Column, Table
from leaver_cli.terminal import Terminal


def case(
    case_or_who: CaseOrWho,
    *,
    head: Annotated[
        str | None, typer.Option(metavar="HEX", help="The head that OffboardingCompleted announced, to compare with.")
    ] = None,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Show a case with its receipts, what to do about each step, and whether it is what was sealed.

    The exit status is 1 if it needs a person, or if a seal does not hold.
    """
    deployment, console = describe(stack, region, profile), Terminal()
    found = find_case(deployment, case_or_who)
    stored = deployment.cases.read_stored(found.case_id)
    needs_a_person = show_case(console, found, stored)
    if found.state is not State.COMPLETED:
        console.note("not sealed: only a completed case is")
        if head is not None or needs_a_person:
            raise typer.Exit(1)
        return
    if found.erased_at is not None:
        console.note(f"erased at {moment(found.erased_at)}: its seal is gone with the names; its evidence holds")
        return
    faults = find_faults(found, stored, head)
    console.tell(seal_holds=not faults, faults=faults)
    if faults:
        for fault in faults:
            console.note(f"THE SEAL DOES NOT HOLD: {fault}")
        raise typer.Exit(1)
    compared = "as it was announced" if head else "as the case says; compare it with the announced one by --head"
    console.note(f"the seal holds: head {found.head}, {compared}")
    if needs_a_person:
        raise typer.Exit(1)


def find_faults(case: Case, stored: Mapping[str, Stored], announced: str | None) -> list[str]:
    """What of a sealed case is not as it was sealed.

    Of the digests only the last is kept: what differs can be told where a receipt is missing, or was written after the
    seal.
    """
    steps, receipts = case.steps, receipts_of(case, stored)
    faults = [f"the receipt of {step.name} is missing" for step in steps if step.name not in receipts]
    for step in steps:
        receipt = receipts.get(step.name)
        if receipt and case.finished_at and receipt.finished_at and receipt.finished_at > case.finished_at:
            faults.append(f"the receipt of {step.name} was written after the seal, at {moment(receipt.finished_at)}")
    try:
        recomputed = head_of(stored[ENTRY], stored)
    except UnknownSeal as unknown:
        return [*faults, f"it is of version {unknown}, which this leaver does not know"]
    if recomputed != case.head:
        faults.append(f"the case and the receipts come to {recomputed}, and the case says {case.head}")
    if announced is not None and recomputed != announced.strip().lower():
        faults.append(f"the case and the receipts come to {recomputed}, and {announced} was announced")
    return faults


def show_case(console: Terminal, case: Case, stored: Mapping[str, Stored]) -> bool:
    """One case with what came of each step, and what to do; tells whether it needs a person."""
    receipts = receipts_of(case, stored)
    at = now()
    to_do = dict(about_the_steps(case, receipts, at))
    console.tell(case=case.model_dump(mode="json", exclude={"steps"}, exclude_none=True))
    for line in _told_of(case, at):
        console.note(line)
    columns = (
        Column("step"),
        Column("outcome"),
        Column("the provider's word", spare=1, prose=True),
        Column("whose", spare=2),
        Column("seconds", spare=3),
        Column("attempts", spare=4),
    )
    table = Table("steps", columns)
    for step in case.steps:
        needs = to_do.get(step.name)
        also = {"outstanding": step.name in case.outstanding, "what_to_do": needs}
        table.add(*_row(step, receipts.get(step.name), case), style="red" if needs else "", also=also)
    console.print(table)
    for entry in sorted(stored.keys() - receipts.keys() - {ENTRY}):
        said = stored[entry].get("outcome", "nothing"), stored[entry].get("subject", "nobody")
        beside = f"beside them: {entry} says {said[0]} of {said[1]}; it belongs to no step, and ends none"
        console.note(beside)
    for line in _remarks(case, receipts):
        console.note(line)
    if case.time_to_revoke is not None:
        seconds = f"{case.time_to_revoke} second{'' if case.time_to_revoke == 1 else 's'}"
        left = "" if case.residual else ", and nothing is left over"
        console.note(f"done {seconds} after it was to take effect{left}")
    for each in case.residual:
        console.note(_left_over(each))
    for name, needs in to_do.items():
        console.note(f"what to do: {name}: {needs}")
    needs_case = about_the_case(case, at)
    if needs_case and not to_do:
        console.note(f"what to do: {needs_case}")
    console.tell(needs_a_person=bool(to_do or needs_case), what_to_do=needs_case)
    return bool(to_do or needs_case)


def _told_of(case: Case, at: datetime) -> Iterator[str]:
    """Who it is about, and how far it is."""
    since = case.started_at or max(case.requested_at, case.effective_at)
    late = "OVERDUE" if _is_late(case, at) else case.state
    yield f"case {case.case_id}: {case.email}, {case.kind}, {case.urgency}, {late}"
    yield f"since {moment(since)}, {_lasting(since, at)}; {case.source} said so in {case.event_id}"
    if case.state is State.OPEN:
        yield _how_far(case)


def _remarks(case: Case, receipts: Mapping[str, Receipt]) -> Iterator[str]:
    """What the table of steps does not say."""
    if case.because:
        yield f"a person has to look: {case.because}"
    if case.follows:
        yield f"access is ended once more after case {case.follows}"
    for word in case.said:
        yield f"{word.source} said {word.kind} at {moment(word.at)}, to take effect at {moment(word.effective_at)}"
    if held := case.return_held:
        yield (
            f"RETURN HELD: {held.source} said {held.kind} at {moment(held.at)}, and another source that they left:"
            f" `leaver reinstate {case.case_id}`, if they are back"
        )
    if case.searched:
        looked = ", ".join(f"{what} {name}" for each in case.searched for what, name in list(each.items())[:1])
        yield f"before the seal it was searched by: {looked}"
    for seen in case.seen:
        by = f" by {seen.actor}" if seen.actor else ""
        follows = f": {seen.follows}" if seen.follows else ""
        yield f"{seen.name} of {seen.user_id}{by} at {moment(seen.at)}{follows}"
    if case.sweep_of:
        yield f"looked once more after case {case.sweep_of}"
    for name, receipt in receipts.items():
        if receipt.outcome is Outcome.CLOSED:
            before = receipt.details.get("before", "nothing")
            yield f"{name}: closed by the word of {receipt.details['who']}; the last word before that was {before}"


def _left_over(residual: Mapping[str, str]) -> str:
    """What no API can end, or what ended by a person's word alone."""
    about = residual.get("step") or residual.get("system", "")
    further = "".join(f", {name} {residual[name]}" for name in ("until", "because") if name in residual)
    return f"left over: {about}: {residual.get('what', '')}{further}"


def _row(step: Step, receipt: Receipt | None, case: Case) -> tuple[Cell, ...]:
    outcome = outcome_of(step, receipt, case)
    if step.refused is not None:
        return (step.name, outcome, step.refused, step.identity, None, None)
    if receipt is None:
        waits = step.name in case.waiting or step.lacks_account
        why = "waiting for a connection" if waits else "nothing heard of it yet"
        why = "a person: leaver connect" if step.command == REPLACE else why
        return (step.name, outcome, why, step.identity, None, None)
    because = str(receipt.details.get("because", ""))
    took = (receipt.finished_at - receipt.requested_at).total_seconds() if receipt.finished_at else None
    return (
        step.name,
        outcome,
        "; ".join(part for part in (str(receipt.response), receipt.reason or "", because) if part),
        receipt.subject,
        None if took is None else max(0, int(took)),
        receipt.attempts,
    )


def outcome_of(step: Step, receipt: Receipt | None, case: Case) -> str:
    """What came of a step so far, in a few words."""
    if step.refused is not None:
        return "failed, outstanding"
    if receipt is None:
        return "outstanding"
    waits = ", waiting for a connection" if step.name in case.waiting or step.lacks_account else ""
    outstanding = ", outstanding" if step.name in case.outstanding else ""
    return f"{receipt.outcome or 'being tried'}{waits}{outstanding}"


def _how_far(case: Case) -> str:
    if case.state is not State.OPEN:
        return ""
    waiting = f"; waiting for a connection: {', '.join(case.waiting)}" if case.waiting else ""
    return f"outstanding: {', '.join(case.outstanding) or 'the seal'}{waiting}"


def _is_late(case: Case, at: datetime) -> bool:
    return case.state is State.OPEN and case.deadline_at is not None and case.deadline_at <= at


def _lasting(since: datetime, at: datetime) -> str:
    minutes, seconds = divmod(max(0, int((at - since).total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02} ago"
