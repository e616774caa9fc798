"""`leaver cases`: who leaves, who left, who is about to, and which of them need a person."""

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Final

import typer

from leaver.cases.states import OVER, State
from leaver.cases.table import Cases, ListedCase, UnreadableCase
from leaver.errors import Rejected
from leaver.messages.names import name_of
from leaver_cli.cases.to_do import about_the_case, about_the_steps
from leaver_cli.deployment import describe, now
from leaver_cli.stack import Profile, Region, StackName
from leaver_cli.table import Column, Table, value_of
from leaver_cli.terminal import Terminal

#: what is shown where nobody asks for more
NOT_DONE: Final = (State.OPEN, State.HELD, State.SCHEDULED)
#: open cases that are read side by side: as many connections as a client of boto3's keeps
AT_ONCE: Final = 10
DONE: Final = (State.COMPLETED, *sorted(OVER))
COLUMNS: Final = (
    # Every command on a case takes a person's name as well.
    Column("case", spare=3),
    Column("who"),
    Column("state"),
    Column("when", spare=2),
    Column("kind", spare=5),
    Column("source", spare=4),
    Column("what to do", spare=1, prose=True),
)


def cases(
    *,
    is_open: Annotated[bool, typer.Option("--open", help="What is under way.")] = False,
    overdue: Annotated[bool, typer.Option("--overdue", help="What is under way for too long.")] = False,
    held: Annotated[bool, typer.Option("--held", help="What waits for a person.")] = False,
    scheduled: Annotated[bool, typer.Option("--scheduled", help="What waits for its time.")] = False,
    done: Annotated[bool, typer.Option("--done", help="What is completed, or over otherwise.")] = False,
    person: Annotated[str | None, typer.Option(metavar="WHO", help="Only of whom this is a name.")] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only what something became of since then, in UTC.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="Only what this HR source began.")] = None,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Show the cases that are not done; with --person or --since all of them. Exit status 1 if one needs a person."""
    at = now()
    known = describe(stack, region, profile).cases
    wanted = {State.HELD: held, State.OPEN: is_open or overdue, State.SCHEDULED: scheduled, **dict.fromkeys(DONE, done)}
    usual = (*NOT_DONE, *DONE) if person or since else NOT_DONE
    states = [state for state, is_wanted in wanted.items() if is_wanted] or usual
    table, counts, people = Table("cases", COLUMNS), Counter[str](), 0
    with ThreadPoolExecutor(AT_ONCE) as side_by_side:
        for state in states:
            asked_for = []
            for each in known.find_in(state):
                if isinstance(each, UnreadableCase):
                    table.add(each.case_id, None, state, None, None, None, each.reason, style="red")
                    people += 1
                    continue
                late = each.is_overdue(at)
                if (overdue and not is_open and state is State.OPEN and not late) or not _is_asked_for(
                    each, person=person, since=since, source=source
                ):
                    continue
                counts[state] += 1
                counts["overdue"] += late
                asked_for.append(each)
            to_do = side_by_side.map(partial(_to_do, known, at=at), asked_for)
            people += sum(_add(table, each, told, at) for each, told in zip(asked_for, to_do, strict=True))
    console = Terminal()
    console.print(table)
    console.note(_summary(counts, states, people))
    if people:
        raise typer.Exit(1)


def _is_asked_for(case: ListedCase, *, person: str | None, since: datetime | None, source: str | None) -> bool:
    # The sweep of a case is that case's second look, and no leaver of its own, unless somebody has to look at it.
    if case.sweep_of and case.state not in NOT_DONE:
        return False
    if person is not None and name_of(person) not in {name_of(each) for each in (case.email, *case.names)}:
        return False
    last = max(filter(None, (case.requested_at, case.started_at, case.finished_at)))
    if since is not None and last < since.replace(tzinfo=UTC):
        return False
    return source in {None, case.source}


def _to_do(known: Cases, listed: ListedCase, at: datetime) -> str | None:
    """What a person does about it; of an open case the index tells neither its steps nor what came of them."""
    try:
        case = known.read(listed.case_id) if listed.state is State.OPEN else None
    except Rejected as unreadable:
        return unreadable.reason
    receipts = case.own_among(known.read_receipts(case.case_id)) if case else {}
    steps = list(about_the_steps(case, receipts, at)) if case else []
    for name, told in steps:
        more = f" (and {len(steps) - 1} more: `leaver case {listed.case_id}`)" if len(steps) > 1 else ""
        return f"{name}: {told}{more}"
    return about_the_case(listed, at)


def _add(table: Table, case: ListedCase, to_do: str | None, at: datetime) -> bool:
    late = case.is_overdue(at)
    when = case.effective_at if case.state in {State.SCHEDULED, State.HELD} else case.finished_at or case.started_at
    shown = "OVERDUE" if late else str(case.state)
    also = {
        "state": str(case.state),
        "overdue": late,
        "needs_a_person": to_do is not None,
        "urgency": case.urgency,
        "event_id": case.event_id,
        **{name: value_of(getattr(case, name)) for name in ("requested_at", "effective_at", "started_at")},
        "finished_at": value_of(case.finished_at),
        "outstanding": list(case.outstanding),
    }
    style = "red" if to_do else ""
    table.add(case.case_id, case.email, shown, when, case.kind, case.source, to_do, style=style, also=also)
    return to_do is not None


def _summary(counts: Counter[str], states: Iterable[State], people: int) -> str:
    late = {State.OPEN: f" ({counts['overdue']} overdue)"}
    shown = [state for state in states if counts[state] or state in NOT_DONE]
    told = ", ".join(f"{counts[state]} {state}{late.get(state, '')}" for state in shown)
    return f"{told or 'none'}; {people or 'none'} of them need{'s' if people == 1 else ''} a person"
