"""`leaver reconcile`: compare who should be here with who has something, now, or show what the last run found."""

import time
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import boto3
import click
import typer

from leaver.evidence.reconciled import RUN_PREFIX
from leaver.providers.sources import SOURCES
from leaver.reconcile.record import State, result_name
from leaver.reconcile.roster import read_csv
from leaver_cli.commands import InASentence
from leaver_cli.deployment import Deployment, describe
from leaver_cli.reconcile.show import show
from leaver_cli.stack import AWS, Profile, Region, StackName
from leaver_cli.terminal import Terminal, say_under_way, waiting

#: how long a run is waited for; it goes on without anybody
PATIENCE: Final = timedelta(minutes=30)
PAUSE: Final = 1.0
#: the setting that says that there is no roster, and that it is a file
NONE: Final = "none"
CSV: Final = "csv"


class NotReconciled(InASentence):
    """There is no result, and why."""


def reconcile(
    *,
    roster: Annotated[
        str | None, typer.Option(metavar="FILE|SYSTEM", help="Who should be here; else as the deployment has it.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be held, and hold nothing.")] = False,
    last: Annotated[bool, typer.Option("--last", help="Show what the last run found.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the lists as CSV.")] = False,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Find who left and still has something. Nothing ends; exit status 1 if somebody was found, or the run stopped."""
    deployment = describe(stack, region, profile)
    if not last:
        asked = _roster_of(roster, deployment, region, profile)
        run = deployment.send_to("reconcile", asked | {"dry_run": dry_run})
        _wait_for(run, deployment)
    state = deployment.reconciliations.read()
    if state is None or state.last is None:
        raise NotReconciled("nothing was reconciled yet: leaver reconcile --dry-run")
    result: dict[str, Any] = deployment.documents.read(result_name(state.last))
    console = Terminal()
    show(result, str(state.digest), console, as_csv=as_csv)
    if not as_csv:
        _tell_whether_signed(result, state.last, deployment, console)
    found = result["counts"]["gone_and_alive"] + result["counts"]["alive_again"] + result["counts"]["owners_gone"]
    if found or result["stopped"]:
        raise typer.Exit(1)


def _tell_whether_signed(result: dict[str, Any], run: str, deployment: Deployment, console: Terminal) -> None:
    signed_at = None
    if result["dry_run"]:
        said = "a dry run is not signed"
    else:
        try:
            signed_at = deployment.evidence.signed_at(f"{RUN_PREFIX}{run}")
            said = "not signed yet: seal_case does that next; if it stays so, leaver parked says why"
        except click.ClickException as error:
            # Who may compare people need not be allowed to read evidence.
            said = f"it is not known whether it is signed: {error.message}"
    console.tell(signed_at=signed_at)
    console.note(f"signed at {signed_at}: leaver evidence --since hands it over" if signed_at else said)


def _roster_of(named: str | None, deployment: Deployment, region: str | None, profile: str | None) -> dict[str, object]:
    """What the function is told of the roster; a file goes into the deployment's bucket first."""
    if named is None:
        if deployment.parameters.get("Roster", NONE) == NONE:
            raise NotReconciled("the deployment has no roster: deploy with Roster, or give one by --roster")
        return {}
    if (source := SOURCES.get(named)) is not None:
        if source.roster is None:
            raise NotReconciled(f"{named} can not say who is here: give a file")
        return {"roster": named}
    bucket = deployment.parameters.get("RosterBucket", "")
    if not bucket:
        raise NotReconciled("a file needs a place: deploy with RosterBucket, the name of a bucket of yours")
    try:
        body = Path(named).read_bytes()
    except OSError as error:
        raise NotReconciled(f"{named}: {error.strerror}") from None
    # What is wrong with it is said before it leaves this machine.
    read_csv(body)
    key = f"by-hand/{Path(named).name}"
    session = boto3.Session(region_name=region, profile_name=profile)
    session.client("s3", config=AWS).put_object(Bucket=bucket, Key=key, Body=body)
    return {"roster": CSV, "key": key}


def _wait_for(run: str, deployment: Deployment) -> None:
    say_under_way("the run goes on: leaver reconcile --last shows what it found")
    until = time.monotonic() + PATIENCE.total_seconds()
    other = deployment.reconciliations.read()
    with waiting("listing who has something"):
        while time.monotonic() < until:
            state = deployment.reconciliations.read()
            if state is not None and state.last == run:
                return
            if state is not None and _is_anothers(state, run) and (other is None or state.run == other.run):
                raise NotReconciled(
                    f"another run is under way since {state.started_at:%H:%M} UTC: leaver reconcile --last"
                )
            time.sleep(PAUSE)
    raise NotReconciled("the run is not done yet, and goes on by itself: leaver reconcile --last shows what it found")


def _is_anothers(state: State, run: str) -> bool:
    return state.run != run and not state.is_done
