"""What a person sees of `leaver offboard --from`: the list, the question, a bar, and what became of everybody."""

from collections import Counter
from pathlib import Path
from typing import Final

import click
import typer

from leaver_cli.connections.health import moment
from leaver_cli.deployment import Deployment
from leaver_cli.fates import BAD
from leaver_cli.offboarding.many import UNHEARD, Run, in_words, outcome_of
from leaver_cli.offboarding.people_csv import BadList, Defaults, Line, read_people
from leaver_cli.offboarding.results import NoResult, Results
from leaver_cli.terminal import Terminal, confirm, printable, progress_of, say_under_way, show_json

#: how many people a list may have of which nobody said that it may have more
CAP: Final = 10


def offboard_list(
    deployment: Deployment,
    path: Path,
    defaults: Defaults,
    *,
    result: Path | None,
    cap: int,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Decide on everybody of a list.

    Raises typer.Exit: 2 where a line is wrong, 1 where a person has to do something.
    """
    run = _read(deployment, path, defaults, result or path.with_suffix(".result.csv"), as_json=as_json)
    if len(run.lines) > cap:
        raise click.UsageError(f"{path} has {len(run.lines)} people: if that is meant, say --cap {len(run.lines)}")
    if (dry_run and not as_json) or not (dry_run or yes):
        _show(Terminal(stderr=not dry_run), run)
    if not dry_run:
        _decide(run, yes=yes)
    if as_json:
        show_json(as_record(run))
    elif not dry_run:
        _say(run)
    if not (dry_run or run.is_well):
        raise typer.Exit(1)


def _read(deployment: Deployment, path: Path, defaults: Defaults, result: Path, *, as_json: bool) -> Run:
    try:
        results = Results.open(result)
        return Run(deployment, results, read_people(path, defaults, deployment.now(), is_known=results.knows))
    except NoResult as error:
        raise click.UsageError(str(error)) from None
    except BadList as bad:
        stopped = f"{path}: nobody is decided on before every line is right"
        if as_json:
            show_json({"error": printable(stopped), "faults": [printable(each) for each in bad.faults]})
        else:
            for each in (*bad.faults, stopped):
                Terminal(stderr=True).say(each)
        raise typer.Exit(2) from None


def _decide(run: Run, *, yes: bool) -> None:
    if not (left := run.left):
        return
    if not yes:
        now = sum(each.begin.effective_at is None for each in left)
        people = "1 person" if len(left) == 1 else f"{len(left)} people"
        confirm(f"End every access of {people}, {now} of them now? What is revoked stays revoked")
    _go(run)


def _go(run: Run) -> None:
    with progress_of(len(run.lines)) as show:

        def tell(outcomes: Counter[str]) -> None:
            known = in_words(outcomes) or "nobody"
            say_under_way(f"{known}; of {run.unheard} nothing is known yet: run the same again, and nobody is repeated")
            show(outcomes.total(), in_words(outcomes))

        run.tell = tell
        try:
            run.go()
            run.results.tidy()
        except NoResult as error:
            raise click.ClickException(str(error)) from None


def as_record(run: Run) -> dict[str, object]:
    """What became of a list, for programs."""
    return {
        "result": str(run.results.path),
        "outcomes": dict(run.outcomes) | ({UNHEARD: run.unheard} if run.unheard else {}),
        "people": [
            {
                "line": each.number,
                "who": each.begin.who,
                "effective_at": each.begin.effective_at.isoformat() if each.begin.effective_at else None,
                "case": row.case or None,
                "fate": row.fate or None,
                "state": row.state or None,
                "because": row.because or None,
            }
            for each in run.lines
            for row in [run.row_of(each)]
        ],
    }


def _show(console: Terminal, run: Run) -> None:
    width = max(len(each.begin.who) for each in run.lines)
    for each in run.lines:
        console.row(str(each.number), each.begin.who, _plan(run, each), widths=[5, width])


def _plan(run: Run, line: Line) -> str:
    row = run.row_of(line)
    if row.fate:
        again = ", once more" if row.fate in BAD else ""
        return f"{outcome_of(row)} before{again}".replace("_", " ")
    when = "now" if line.begin.effective_at is None else moment(line.begin.effective_at)
    return f"{when}, urgent" if line.begin.urgency == "urgent" else when


def _say(run: Run) -> None:
    console = Terminal()
    outcomes = run.outcomes + Counter({UNHEARD: run.unheard})
    for name, number in sorted((+outcomes).items()):
        console.row(name.replace("_", " "), str(number), widths=[12])
    console.row("result", str(run.results.path), widths=[12])
    if run.unheard:
        Terminal(stderr=True).say("run the same again: nobody is repeated")
