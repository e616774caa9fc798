"""`leaver evidence`: write an auditor's folder about some cases, a person, or all of a time."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import click
import typer

from leaver.cases.days import told_of
from leaver.cases.heard import HeardEvents
from leaver.cases.table import ListedCase, UnreadableCase
from leaver.evidence.canonical_json import read_canonical
from leaver.evidence.population import heard_by_rule, opened_by
from leaver.evidence.verification import CaseFiles
from leaver_cli.connections.health import moment
from leaver_cli.deployment import Deployment, describe
from leaver_cli.evidence.counted import Counted, count
from leaver_cli.evidence.folder import Handed, write_folder
from leaver_cli.evidence.period_page import Period
from leaver_cli.evidence.source import folder_of, is_day, is_name, is_run
from leaver_cli.evidence.wanted import Span, Wanted
from leaver_cli.stack import Profile, Region, StackName
from leaver_cli.terminal import Terminal

Fetched = TypeVar("Fetched")

#: three objects and two queries for each case
AT_ONCE: Final = 16


def evidence(
    cases: Annotated[list[str] | None, typer.Argument(metavar="CASE", help="Cases' ids.")] = None,
    *,
    out: Annotated[Path, typer.Option(help="A folder that is empty, or not there yet.")],
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="What was over on this day or later, in UTC.")
    ] = None,
    until: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="And on this day at the latest.")] = None,
    person: Annotated[str | None, typer.Option(metavar="WHO", help="Only of whom this is a name.")] = None,
    redacted: Annotated[bool, typer.Option("--redacted", help="Pseudonyms instead of names.")] = False,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Write evidence for an auditor, with what checks it; the exit status is 1 where the check finds anything."""
    if not (cases or since or person):
        raise typer.BadParameter("name cases, --since or --person")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise typer.BadParameter(f"--out {out}: is not empty")
    deployment = describe(stack, region, profile)
    wanted = Wanted(tuple(cases or ()), Span.of(since, until or deployment.now()) if since else None, person)
    taken = take(deployment, wanted, stack=stack, is_redacted=redacted, count=count)
    verdict = write_folder(out, *taken, is_sample=not wanted.is_whole)
    console = Terminal()
    for line in verdict.lines:
        console.say(line)
    sample = "" if wanted.is_whole else " --sample"
    console.note(f"{out / 'index.html'}; an auditor runs: python3 {out / 'verify.py'} {out} --key KEY{sample}")
    raise typer.Exit(bool(verdict.findings))


def take(
    deployment: Deployment,
    wanted: Wanted,
    *,
    stack: str,
    is_redacted: bool,
    count: Callable[[Deployment, Sequence[str]], Counted],
) -> tuple[Handed, Period]:
    """Take from a deployment what is wanted; raises ClickException where there is nothing."""
    source = deployment.evidence
    found = wanted.choose(source)
    odd = [f"log: {each} is the name of no case, day or run" for each in found if not is_name(each)]
    chosen = [each for each in found if is_name(each)]
    if not chosen:
        raise click.ClickException("\n".join(odd) or "no case that is over, and no day, is what this asks for")
    leaves = list(source.leaves.values())
    handed = Handed(
        _at_once(
            partial(source.exhibit, is_redacted=is_redacted),
            [each for each in chosen if not is_day(each) and not is_run(each)],
        ),
        dict(_at_once(lambda day: (day, source.files_of(folder_of(day))), [each for each in chosen if is_day(each)])),
        _at_once(partial(source.run, is_redacted=is_redacted), [each for each in chosen if is_run(each)]),
        source.signing_key.public_key,
        [bytes.fromhex(each.hash) for each in leaves],
        source.checkpoint,
    )
    period = Period(
        asked=wanted.told(is_redacted=is_redacted),
        stack=stack,
        taken_at=moment(deployment.now()),
        log=f"{source.store.log_origin}, {len(leaves)} statements",
        is_redacted=is_redacted,
        beside=odd,
    )
    if not wanted.is_whole:
        return handed, period
    # Of what is no list any more, its own findings tell.
    days = {day: told for day, files in handed.days.items() if (told := _list_of(files))}
    health = Counter(str(getattr(each, "status", "unreadable")) for each in deployment.connections.read_all())
    under_way = [] if is_redacted else [_row(each) for each in source.find_under_way()]
    counted = count(deployment, sorted(days))
    beside = odd + [found for day, told in days.items() for found in _missing_by_now(day, told, deployment.heard)]
    beside += counted.findings(heard_by_rule(days.values()))
    beside += [
        f"population: {each}: was opened, and is neither in the log nor under way"
        for each in source.find_vanished(opened_by(days.values()))
    ]
    beside += [f"log: {each} is signed and stored, and not in the log any more" for each in source.find_unlogged()]
    return handed, replace(period, days=days, counted=counted, health=health, under_way=under_way, beside=beside)


def _at_once(fetch: Callable[[str], Fetched], names: Sequence[str]) -> list[Fetched]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(fetch, names))


def _list_of(files: CaseFiles) -> Mapping[str, Any] | None:
    try:
        return dict(read_canonical(files.bundle))
    except ValueError:
        return None


def _missing_by_now(day: str, told: Mapping[str, Any], heard: HeardEvents) -> Iterator[str]:
    """What a day was told of, and the ledger does not say any more."""
    at = datetime.fromisoformat(day).replace(tzinfo=UTC)
    standing = {(each["message"], each.get("fate")) for each in told_of(list(heard.read_day(at)))}
    known = {message for message, _ in standing}
    for each in told["heard"]:
        # What was heard on an earlier day lies there.
        if each["at"].startswith(day) and each["message"] not in known:
            yield f"ledger: {each['message']}, of {day}, is gone"
        elif each["at"].startswith(day) and "fate" in each and (each["message"], each["fate"]) not in standing:
            yield f"ledger: {each['message']}, of {day}, has another fate by now"


def _row(case: ListedCase | UnreadableCase) -> tuple[str, str, str, str]:
    if isinstance(case, UnreadableCase):
        return case.case_id, "", case.reason, ""
    return case.case_id, case.email, case.state, moment(case.started_at or case.effective_at)
