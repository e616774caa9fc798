"""`leaver cancel` and `leaver reinstate`: a person decides that somebody stays, whatever any source says."""

from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple

import click
import typer

from leaver.cases.heard import Heard
from leaver.cases.receipts import Receipt
from leaver.cases.record import Case, deactivation_of, sweep_of
from leaver.cases.returns import NOTHING_TAKEN
from leaver.cases.states import OVER, WAITING
from leaver.cases.table import receipts_of
from leaver.outcomes import Outcome
from leaver_cli.cases.which import CaseOrWho, find_case, the_departure
from leaver_cli.connections.health import moment
from leaver_cli.deployment import Deployment, describe
from leaver_cli.fates import BAD, SAID, decide
from leaver_cli.stack import Profile, Region, StackName
from leaver_cli.terminal import Terminal, confirm, show_json, wants_json

Yes = Annotated[bool, typer.Option("--yes", help="Don't ask.")]
AsJson = Annotated[
    bool, typer.Option("--json", is_eager=True, callback=wants_json, help="Say what became of it as JSON.")
]
#: what was ended for good, and what a person gives back at the provider
GONE = frozenset({Outcome.REVOKED, Outcome.PURGED})
TAKEN = GONE | {Outcome.DEACTIVATED}


class Taken(NamedTuple):
    """What was ended, by a step."""

    case_id: str
    step: str
    receipt: Receipt

    @property
    def in_words(self) -> str:
        """What became of it, and whether a person can give it back at the provider."""
        remains = "can not be given back" if self.receipt.outcome in GONE else "activate it at the provider"
        return f"{self.receipt.outcome}, {remains}"


def cancel(
    case_or_who: CaseOrWho,
    *,
    yes: Yes = False,
    as_json: AsJson = False,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Stop a case that has not begun; the exit status is 1 if there is none."""
    deployment = describe(stack, region, profile)
    _decide("cancel", find_case(deployment, case_or_who, WAITING), deployment, yes=yes, as_json=as_json)


def reinstate(
    case_or_who: CaseOrWho,
    *,
    yes: Yes = False,
    as_json: AsJson = False,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Say that somebody is back: what is outstanding stops, the tombstones go; the exit status is 1 without a case.

    What was revoked stays revoked: it is shown by name.
    """
    deployment = describe(stack, region, profile)
    _decide("reinstate", find_case(deployment, case_or_who, of=the_departure), deployment, yes=yes, as_json=as_json)


def _decide(
    decision: Literal["cancel", "reinstate"], case: Case, deployment: Deployment, *, yes: bool, as_json: bool
) -> None:
    if not as_json:
        _say_what_is_taken(deployment, case)
    stays = case.kind != "departure"
    if case.state in OVER or (decision == "cancel" and case.state not in WAITING) or (stays and decision != "cancel"):
        gives_back = NOTHING_TAKEN if stays else "leaver reinstate gives back what it took"
        raise click.ClickException(f"{case.case_id} is {case.state}{'' if case.state in OVER else f': {gives_back}'}")
    if not yes:
        confirm("Whatever any source said, this person stays? What was revoked stays revoked")
    heard = decide(deployment, {"case": case.case_id, "decision": decision})
    case = deployment.cases.require(case.case_id)
    if as_json:
        show_json(as_record(decision, case, heard, list(find_taken(deployment, case))))
    else:
        _say(case, heard)
    if heard is None or heard.fate in BAD:
        raise typer.Exit(1)


def find_taken(deployment: Deployment, case: Case) -> Iterator[Taken]:
    """Find what a case, and whatever looked once more after it, has ended."""
    later = (sweep_of(case.case_id, number) for number in (None, *range(1, case.sweeps + 1)))
    for each in (case, *map(deployment.cases.read, (*later, deactivation_of(case.case_id)))):
        if each is None:
            continue
        for name, receipt in receipts_of(each, deployment.cases.read_stored(each.case_id)).items():
            if receipt.outcome in TAKEN and receipt.details.get("destroyed") != 0:
                yield Taken(each.case_id, name, receipt)


def as_record(decision: str, case: Case, heard: Heard | None, taken: list[Taken]) -> dict[str, object]:
    """What became of a decision, for programs."""
    return {
        "case": case.case_id,
        "who": case.email,
        "decision": decision,
        "fate": heard.fate if heard else None,
        "because": heard.because if heard else None,
        "state": case.state,
        "taken": [
            {
                "case": each.case_id,
                "step": each.step,
                "of": each.receipt.subject,
                "outcome": each.receipt.outcome,
                "at": each.receipt.finished_at.isoformat() if each.receipt.finished_at else None,
            }
            for each in taken
        ],
    }


def _say_what_is_taken(deployment: Deployment, case: Case) -> None:
    console = Terminal()
    rows = [
        ("case", case.case_id),
        ("who", case.email),
        ("kind", f"{case.kind}, said by {case.source} ({case.event_id}) at {moment(case.requested_at)}"),
        ("state", f"{case.state}, to take effect at {moment(case.effective_at)}"),
    ]
    for name, text in rows:
        console.row(name, text, widths=[7])
    taken = list(find_taken(deployment, case))
    width = max((len(each.step) for each in taken), default=0)
    for each in taken:
        if console.is_terminal:
            # An id of Venafi's takes half of a line.
            console.row("ended", each.step, each.in_words, widths=[7, width])
            console.row("", each.receipt.subject, widths=[7])
        else:
            console.row("ended", each.step, each.receipt.subject, each.in_words)


def _say(case: Case, heard: Heard | None) -> None:
    console = Terminal()
    fate = heard.fate if heard else None
    done = heard is not None and heard.fate == "changed"
    for name, text in [
        ("fate", f"{case.email} stays" if done else SAID.get(fate, str(fate))),
        ("because", (heard.because if heard else None) or ""),
        ("now", case.state),
    ]:
        if text:
            console.row(name, text, widths=[7])
