"""`leaver offboard` and `leaver contain`: a person decides that somebody leaves, or that a thief gets nothing more."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import click
import typer

from leaver.cases.heard import Heard
from leaver.cases.record import Case
from leaver.cases.states import State
from leaver.messages.decisions import Begin
from leaver_cli.deployment import Deployment, describe
from leaver_cli.fates import BAD, SAID, decide
from leaver_cli.offboarding.decision import BadDecision, read_decision, read_identities
from leaver_cli.offboarding.following import follow, how_it_stands
from leaver_cli.offboarding.list import CAP, offboard_list
from leaver_cli.offboarding.people_csv import Defaults
from leaver_cli.offboarding.preview import look, show
from leaver_cli.offboarding.when import NotATime, read_time, told
from leaver_cli.stack import Profile, Region, StackName
from leaver_cli.terminal import Terminal, confirm, say_under_way, show_json, waiting, wants_json

Who = Annotated[str, typer.Argument(metavar="WHO", help="The person's e-mail address.")]
Urgent = Annotated[bool, typer.Option("--urgent", help="By the urgent lane, before everybody else.")]
Because = Annotated[str | None, typer.Option("--because", help="Why, in a sentence: it is kept in the case.")]
Identities = Annotated[
    list[str] | None,
    typer.Option(
        "--identity",
        metavar="PROVIDER:KEY=VALUE",
        help="Who that is at a provider, if the address does not say; as often as you like.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would end, and stop.")]
Wait = Annotated[bool, typer.Option("--wait", help="Show the steps as they happen, until all is done.")]
Yes = Annotated[bool, typer.Option("--yes", help="Don't ask.")]
AsJson = Annotated[
    bool, typer.Option("--json", is_eager=True, callback=wants_json, help="Say what became of it as JSON.")
]


def offboard(
    who: Annotated[str | None, typer.Argument(metavar="[WHO]", help="The person's e-mail address.")] = None,
    *,
    people: Annotated[
        Path | None, typer.Option("--from", metavar="people.csv", help="Everybody in this list; see docs/commands.md.")
    ] = None,
    cap: Annotated[int, typer.Option("--cap", min=1, help="How many people a list may have, on purpose.")] = CAP,
    result: Annotated[
        Path | None, typer.Option("--result", help="Where it is written what became of each; else people.result.csv.")
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help='When access ends, as "2026-12-04 17:00"; else now.')
    ] = None,
    tz: Annotated[
        str | None, typer.Option("--tz", metavar="ZONE", help="On which clocks that is, as Europe/Berlin or UTC.")
    ] = None,
    urgent: Urgent = False,
    because: Because = None,
    identity: Identities = None,
    dry_run: DryRun = False,
    wait: Wait = False,
    yes: Yes = False,
    as_json: AsJson = False,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """End all access of somebody who leaves, now or at a time to come: shows what would end, asks, prints the case.

    The exit status is 1 if a person has to do something, and 2 if the command says nothing that could be done.

    leaver offboard ada@example.com --at "2026-12-04 17:00" --tz Europe/Berlin

    leaver offboard --from people.csv --cap 25
    """
    if (who is None) == (people is None):
        raise click.UsageError("say WHO, or --from people.csv")
    if people is None and result is not None:
        raise click.UsageError("--result is of a list: only with --from")
    if people is not None:
        if wait or identity:
            raise click.UsageError("--wait and --identity are about one person: not with --from")
        defaults = Defaults(at, tz, urgent=urgent, because=because)
        deployment = describe(stack, region, profile)
        offboard_list(deployment, people, defaults, result=result, cap=cap, dry_run=dry_run, yes=yes, as_json=as_json)
        return
    if tz is not None and at is None:
        raise click.UsageError("--tz says on which clocks --at is: say when")
    deployment = describe(stack, region, profile)
    effective_at = None if at is None else _ask_for_time(at, tz, deployment.now(), yes=yes)
    begin = read_decision(
        decision="offboard",
        who=who,
        effective_at=effective_at,
        urgency="urgent" if urgent else "routine",
        because=because,
        identities=read_identities(identity or []),
    )
    when = "now" if effective_at is None else told(effective_at, tz, deployment.now())
    question = f"End every access of {begin.who}, {when}? What is revoked stays revoked"
    _begin(deployment, begin, question, dry_run=dry_run, wait=wait, yes=yes, as_json=as_json)


def contain(
    who: Who,
    *,
    urgent: Urgent = False,
    because: Because = None,
    identity: Identities = None,
    dry_run: DryRun = False,
    wait: Wait = False,
    yes: Yes = False,
    as_json: AsJson = False,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """End what a thief may have of somebody who stays: sessions, grants, kept tokens, their own connections.

    The exit status is 1 if a person has to do something, and 2 if the command says nothing that could be done.
    """
    deployment = describe(stack, region, profile)
    begin = read_decision(
        decision="contain",
        who=who,
        urgency="urgent" if urgent else "routine",
        because=because,
        identities=read_identities(identity or []),
    )
    question = f"End every session, grant and kept token of {begin.who} now? They stay, and sign in anew"
    _begin(deployment, begin, question, dry_run=dry_run, wait=wait, yes=yes, as_json=as_json)


def _ask_for_time(at: str, tz: str | None, now: datetime, *, yes: bool) -> datetime:
    """Read when access ends; what names no moment to come is asked for again, if somebody is there to answer."""
    while True:
        try:
            return read_time(at, tz, now)
        except NotATime as error:
            if yes:
                raise BadDecision(str(error)) from None
            Terminal(stderr=True).say(str(error))
            if tz is None:
                tz = typer.prompt("On which clocks", err=True)
            at = typer.prompt("When", err=True)


def _begin(
    deployment: Deployment, begin: Begin, question: str, *, dry_run: bool, wait: bool, yes: bool, as_json: bool
) -> None:
    if dry_run or not yes:
        _show_outlook(deployment, begin, dry_run=dry_run, as_json=as_json)
    if dry_run:
        return
    if not yes:
        confirm(question)
    heard = decide(deployment, begin.as_message(), urgent=begin.urgency == "urgent")
    case = deployment.cases.read(heard.case_id) if heard and heard.case_id else None
    if not as_json:
        _say(begin, heard, case, wait=wait)
    is_well = is_begun(heard, case)
    if wait and is_well and case is not None:
        is_well = _wait(deployment, case.case_id, quietly=as_json)
        case = deployment.cases.require(case.case_id)
    if as_json:
        show_json(as_record(begin, heard, case))
    if not is_well:
        raise typer.Exit(1)


def _show_outlook(deployment: Deployment, begin: Begin, *, dry_run: bool, as_json: bool) -> None:
    """Show what would end: as the answer where nothing is to be done, and else beside it."""
    with waiting("the functions are asked what would end"):
        outlook = look(deployment, begin)
    if dry_run and as_json:
        show_json({"who": begin.who, "decision": begin.decision} | outlook.as_record())
    else:
        show(Terminal(stderr=not dry_run), begin, outlook)


def is_begun(heard: Heard | None, case: Case | None) -> bool:
    """Whether access ends as it was decided, as far as one can tell: no case waits for a person."""
    return heard is not None and heard.fate not in BAD and case is not None and case.state is not State.HELD


def as_record(begin: Begin, heard: Heard | None, case: Case | None) -> dict[str, object]:
    """What became of a decision, for programs."""
    return {
        "who": begin.who,
        "decision": begin.decision,
        "fate": heard.fate if heard else None,
        "case": heard.case_id if heard else None,
        "because": heard.because if heard else None,
        "state": case.state if case else None,
        "effective_at": case.effective_at.isoformat() if case else None,
        "outstanding": list(case.outstanding) if case else [],
    }


def _say(begin: Begin, heard: Heard | None, case: Case | None, *, wait: bool) -> None:
    fate = heard.fate if heard else None
    console = Terminal()
    rows = [
        ("case", heard.case_id if heard and heard.case_id else ""),
        ("who", begin.who),
        ("fate", SAID.get(fate, str(fate))),
        ("because", (heard.because if heard else None) or ""),
        ("state", case.state if case else ""),
        ("next", how_it_stands(case) if case else ""),
    ]
    # What has begun is watched from now on, and how it ends is said there.
    is_watched = wait and case is not None and case.state in {State.OPEN, State.COMPLETED}
    for name, text in rows:
        if text and not (is_watched and name in {"state", "next"}):
            console.row(name, text, widths=[7])


def _wait(deployment: Deployment, case_id: str, *, quietly: bool) -> bool:
    console = Terminal()

    def tell(what: str, state: str, why: str) -> None:
        at = f"{deployment.now():%H:%M:%SZ}"
        if not quietly:
            console.row(at, what, state, why, widths=[9])

    say_under_way(f"the case goes on without you: `leaver case {case_id}`")
    return follow(deployment, case_id, tell)
