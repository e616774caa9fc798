"""`leaver case`: which cases there are, what one of them ended, and whether its seal holds."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated

import click
import typer
from rich.table import Table

from leaver.cases.receipts import Receipt
from leaver.cases.record import ENTRY, REPLACE, Case, Step
from leaver.cases.seal import Stored, UnknownSeal, head_of
from leaver.cases.states import State
from leaver.cases.table import Cases, receipts_of
from leaver.outcomes import Outcome
from leaver_cli.connections.health import moment
from leaver_cli.deployment import describe, now
from leaver_cli.stack import Profile, Region, StackName
from leaver_cli.terminal import Terminal, stacked

CaseIdArgument = Annotated[str | None, typer.Argument(metavar="[CASE_ID]", help="One case; else those not done.")]


def case(
    case_id: CaseIdArgument = None,
    *,
    head: Annotated[
        str | None, typer.Option(metavar="HEX", help="The head that OffboardingCompleted announced, to compare with.")
    ] = None,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Show the cases that are not done, or one with its receipts and whether they are what was sealed.

    The exit status is 1 if a seal does not hold.
    """
    cases = describe(stack, region, profile).cases
    console = Terminal()
    if case_id is None:
        if head is not None:
            raise click.UsageError("--head is one case's: say which")
        _list(console, cases)
        return
    found = read_existing(cases, case_id)
    stored = cases.read_stored(case_id)
    show_case(console, found, stored)
    if found.state is not State.COMPLETED:
        console.say("not sealed: only a completed case is")
        if head is not None:
            raise typer.Exit(1)
        return
    if faults := find_faults(found, stored, head):
        for fault in faults:
            console.say(f"THE SEAL DOES NOT HOLD: {fault}")
        raise typer.Exit(1)
    compared = "as it was announced" if head else "as the case says; compare it with the announced one by --head"
    console.say(f"the seal holds: head {found.head}, {compared}")


def read_existing(cases: Cases, case_id: str) -> Case:
    """Read a case; raises ClickException for one that is not there."""
    if (found := cases.read(case_id)) is None:
        raise click.ClickException(f"there is no case {case_id}")
    return found


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


def table_of(cases: Sequence[Case], *, title: str) -> Table:
    """One row for each case: who, since when, how far."""
    at = now()
    table = Table(title=title)
    for column in ("case, event", "who", "since", "how far"):
        table.add_column(column, overflow="fold")
    for each in cases:
        since = each.started_at or max(each.requested_at, each.effective_at)
        table.add_row(
            stacked(each.case_id, f"{each.source} {each.event_id}"),
            stacked(each.email, f"{each.kind}, {each.urgency}"),
            stacked(moment(since), _lasting(since, at)),
            _how_far(each, at),
            style="red" if _is_late(each, at) else "",
        )
    return table


def _list(console: Terminal, cases: Cases) -> None:
    summaries = list(cases.read_summaries())
    wanted = [each.case_id for each in summaries if each.state in {State.OPEN, State.HELD}]
    # The index is behind the table: what is done meanwhile is shown as that.
    found = [each for case_id in wanted if (each := cases.read(case_id)) is not None]
    if found:
        console.print(table_of(sorted(found, key=lambda each: each.requested_at), title="Cases that are not done"))
    scheduled = sum(each.state is State.SCHEDULED for each in summaries)
    counts = {state: sum(each.state is state for each in found) for state in (State.OPEN, State.HELD)}
    overdue = sum(_is_late(each, now()) for each in found)
    console.say(f"{counts[State.OPEN]} open ({overdue} overdue), {counts[State.HELD]} held, {scheduled} scheduled")


def show_case(console: Terminal, case: Case, stored: Mapping[str, Stored]) -> None:
    """One case with what came of each step."""
    receipts = receipts_of(case, stored)
    console.print(table_of([case], title=f"Case {case.case_id}"))
    table = Table()
    for column in ("step", "whose", "outcome", "the provider's word", "attempts", "seconds"):
        table.add_column(column, overflow="fold")
    for step in case.steps:
        table.add_row(*_row(step, receipts.get(step.name), case))
    console.print(table)
    for entry in sorted(stored.keys() - receipts.keys() - {ENTRY}):
        said = stored[entry].get("outcome", "nothing"), stored[entry].get("subject", "nobody")
        beside = f"beside them: {entry} says {said[0]} of {said[1]}; it belongs to no step, and ends none"
        console.say(beside)
    for line in _remarks(case, receipts):
        console.say(line)
    if case.time_to_revoke is not None:
        residual = json.dumps(case.residual)
        console.say(f"done {case.time_to_revoke} seconds after it was to take effect; residual: {residual}")


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


def _row(step: Step, receipt: Receipt | None, case: Case) -> tuple[str, ...]:
    outstanding = step.name in case.outstanding
    waits = step.name in case.waiting or step.lacks_account
    if step.refused is not None:
        return (step.name, step.identity, "failed, outstanding", step.refused, "", "")
    if receipt is None:
        why = "waiting for a connection" if waits else "nothing heard of it yet"
        why = "a person: leaver connect" if step.command == REPLACE else why
        return (step.name, step.identity, "outstanding", why, "", "")
    outcome = str(receipt.outcome) if receipt.outcome else "being tried"
    if waits:
        outcome = f"{outcome}, waiting for a connection"
    because = str(receipt.details.get("because", ""))
    took = (receipt.finished_at - receipt.requested_at).total_seconds() if receipt.finished_at else None
    return (
        step.name,
        receipt.subject,
        f"{outcome}, outstanding" if outstanding else outcome,
        "; ".join(part for part in (str(receipt.response), receipt.reason or "", because) if part),
        str(receipt.attempts),
        "" if took is None else str(max(0, int(took))),
    )


def _how_far(case: Case, at: datetime) -> str:
    if case.state is not State.OPEN:
        return case.state
    late = "OVERDUE, " if _is_late(case, at) else ""
    waiting = f"; waiting for a connection: {', '.join(case.waiting)}" if case.waiting else ""
    return f"{late}outstanding: {', '.join(case.outstanding) or 'the seal'}{waiting}"


def _is_late(case: Case, at: datetime) -> bool:
    return case.state is State.OPEN and case.deadline_at is not None and case.deadline_at <= at


def _lasting(since: datetime, at: datetime) -> str:
    minutes, seconds = divmod(max(0, int((at - since).total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02} ago"
