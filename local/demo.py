"""`make demo`: the main job on the local world, and a table of what was before, what is now, and where that is seen."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import requests
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from leaver.cases.receipts import Receipt
from leaver.cases.record import Case
from leaver.cases.states import State
from leaver.messages.commands import RevokeAccessToken
from local import acme, demo_evidence, demo_reconciliation
from local.demo_reconciliation import FORGOTTEN, PARAMETERS
from local.demo_rows import JOHNS, NAMES, OF_JOHN, REDRIVEN, ROWS, Before, Row, case_of_john, receipts_of, token
from local.peak_memory import PeakMemory
from local.world import World

#: seconds that an expectation has to come true while there is still work under way
PATIENCE = 12.0
ALL = (*ROWS, REDRIVEN, FORGOTTEN)
STORY = (
    "HiBob's signed webhook says that somebody left, and names an id only. Leaver asks HiBob who that is: John Doe. He "
    "has an account at each of Acme's two Zoom accounts, and Venafi knows him by another name than his address. Then "
    "each command is sent by hand. The providers are asked what lives, not Leaver."
)

#: in fewer columns than that a table would break words: what belongs together stands in one cell then
NARROW = 120

#: beside `zoom`, in the same account: name → scopes of the app behind it
MORE_CONNECTIONS: Mapping[str, tuple[str, ...]] = {
    "zoom-rotating": (acme.READ_USER, acme.READ_TOKEN, acme.END_SESSION),
    "zoom-retired": (acme.READ_USER,),
    "zoom-narrow": (acme.READ_USER,),
}


def run(broken: str | None) -> int:
    """Play the whole story and print the table; returns 0 only if every row was observed."""
    # Wide enough for the table where there is no terminal to ask.
    console = Console(width=None if sys.stdout.isatty() else 150)
    names = (*NAMES, FORGOTTEN.name, demo_evidence.NAME)
    if broken is not None and broken not in names:
        console.print(f"BREAK takes the name of one row: {', '.join(names)}")
        return 0 if broken == "help" else 2
    with TemporaryDirectory() as folder:
        return _play(broken, console, Path(folder))


def _play(broken: str | None, console: Console, folder: Path) -> int:
    began = time.monotonic()
    with (
        PeakMemory() as memory,
        console.status("The local world starts …") as status,
        World(parameters=PARAMETERS) as world,
    ):
        acme.set_up(world)
        acme.connect_hibob(world)
        world.hr.leaves("hibob", acme.JOHNS_HIBOB_ID)
        for name, scopes in MORE_CONNECTIONS.items():
            acme.connect_zoom(world, name, scopes)
        acme.connect_zoom(world, JOHNS, (acme.READ_USER,), personal_to=acme.JOHN)
        acme.buy_company(world, acme.JOHN_THERE)
        demo_reconciliation.plant(world)
        for connection in ("zoom", "zoom-bought"):
            world.put_command("RetrieveUserToken", {"user_id": acme.JOHN.email, "connection": connection})
        world.wait_until_idle()
        before = Before(
            rotating_refresh_token=token(world, "zoom-rotating", "refresh_token"),
            retired_access_token=token(world, "zoom-retired", "access_token"),
            johns_access_token=token(world, JOHNS, "access_token"),
            johns_user_tokens=len(world.zoom.user_tokens(acme.JOHN.zoom_id)),
        )
        earlier = {row.name: row.observe(world, before) for row in ALL}
        for row in ALL:
            if row.name == broken:
                row.sabotage(world)
        status.update("HiBob's webhook and the commands go in …")
        _act(world)
        observed = {}
        checks = []
        whole_case, *others = ROWS
        # What the first row tells comes true last: looked at first, it would need the patience of all.
        for row in (*others, whole_case):
            status.update(f"{row.name}: {row.where} …")
            observed[row.name] = _observe(row, world, before)
        case = case_of_john(world)
        receipts = receipts_of(world, case) if case is not None and case.head else []
        status.update("The missing scope is granted, and the parked message put back …")
        _mend_and_redrive(world)
        observed[REDRIVEN.name] = _observe(REDRIVEN, world, before)
        status.update("The roster is compared with who has something …")
        demo_reconciliation.run(world)
        observed[FORGOTTEN.name] = _observe(FORGOTTEN, world, before)
        if case is not None and case.evidence:
            status.update("An auditor is handed evidence …")
            checks.append(demo_evidence.hand_over(world, folder))
        status.update("The local world ends …")
    console.print(STORY)
    console.print(_rows_table(earlier, observed, narrow=console.width < NARROW))
    failed = [row.name for row in ALL if not row.holds(earlier[row.name], observed[row.name])]
    if case is not None and case.head is not None:
        console.print(_receipts_table(receipts, narrow=console.width < NARROW))
        took = f"the last receipt {case.time_to_revoke} s after the webhook"
        console.print(f"John Doe's case: {len(receipts)} things ended, {took}; sealed with {case.head}")
    if broken == demo_evidence.NAME:
        demo_evidence.forge(folder)
    failed += [] if _is_evident(console, [*checks, *demo_evidence.checks(folder)]) else [demo_evidence.NAME]
    seconds = time.monotonic() - began
    console.print(f"{seconds:.1f} s, at most {memory.peak / 2**20:.0f} MiB (PSS, all processes)")
    if failed:
        console.print(f"[bold red]Not observed: {', '.join(failed)}[/]")
        return 1
    console.print("[bold green]Every row was observed.[/]")
    return 0


def _is_evident(console: Console, checks: Sequence[demo_evidence.Check]) -> bool:
    """Print what each program says of the evidence, that has no world any more to ask."""
    console.print(f"{demo_evidence.NAME}: what was signed of his case, checked without AWS")
    for each in checks:
        console.print(f"  {each.by}: [{'green' if each.holds else 'bold red'}]{escape(each.said)}[/]")
    return all(each.holds for each in checks)


def _act(world: World) -> None:
    """Post HiBob's webhook about John, and send each of the five commands by hand: by the bus and by the queue."""
    headers, body = acme.hibob_webhook(acme.JOHNS_HIBOB_ID, datetime.now(UTC))
    # A row shows whether the door took it.
    requests.post(f"{world.api_url}/hibob/main", data=body, headers=headers, timeout=PATIENCE)
    world.put_command("RevokeGrants", {"grantee_prefixed_universal": acme.GRACE.venafi_id})
    world.put_command("RetrieveUserToken", {"user_id": acme.GRACE.email, "ttl": 600, "connection": "zoom"})
    world.put_command("RefreshAccessToken", {"connection": "zoom-rotating", "force": True})
    by_queue = {
        "revoke_sso_token": [
            {"user_id": acme.OBRIEN.email, "connection": "zoom"},
            {"user_id": acme.ALAN.email, "connection": "zoom-narrow"},
        ],
        "revoke_access_token": [{"connection": "zoom-retired", "confirm": RevokeAccessToken.CONFIRMATION}],
    }
    for function, details in by_queue.items():
        for detail in details:
            world.client("sqs").send_message(QueueUrl=world.queue_url(function), MessageBody=json.dumps(detail))
    with suppress(TimeoutError):
        # Asked for any sooner, Zoom would mint a token, and Leaver destroy it: that is right, and not what is shown.
        world.wait_until(lambda: _has_begun(case_of_john(world)) or not world.work(), 5 * PATIENCE)
    world.put_command("RetrieveUserToken", {"user_id": acme.JOHN.zoom_id, "connection": "zoom"})


def _has_begun(case: Case | None) -> bool:
    return case is not None and case.state is not State.SCHEDULED


def _mend_and_redrive(world: World) -> None:
    """Do what the administrator does: grant the scope, get a token that has it, put back what was parked."""
    world.zoom.set_scopes("zoom-narrow", [acme.READ_USER, acme.END_SESSION])
    narrow = token(world, "zoom-narrow", "access_token")
    world.put_command("RefreshAccessToken", {"connection": "zoom-narrow", "force": True})
    # A new token is kept first and in use then: what is put back in between is refused, and parked, once more.
    world.wait_until(
        lambda: token(world, "zoom-narrow", "access_token") != narrow and "refresh_access_token" not in world.work(),
        PATIENCE,
    )
    subprocess.run(
        [sys.executable, "-m", "leaver_cli.main", "redrive", "revoke_sso_token", "--yes"],
        env={**os.environ, **world.environment()},
        check=True,
        capture_output=True,
    )


def _observe(row: Row, world: World, before: Before) -> str:
    """Look until it is as expected, or until nothing happens any more that could make it so."""
    with suppress(TimeoutError):
        world.wait_until(lambda: row.observe(world, before) == row.expected or not world.work(), PATIENCE)
    return row.observe(world, before)


def _receipts_table(receipts: Sequence[Receipt], *, narrow: bool) -> Table:
    table = Table(title="John Doe's receipts", title_justify="left")
    if narrow:
        table.add_column("step", no_wrap=True)
        table.add_column("what was answered")
        for each in receipts:
            who = f"{each.details.get('prefixed_name', each.subject)}{f' at {each.account}' if each.account else ''}"
            table.add_row(each.command, f"{who}: {each.outcome} at {each.finished_at:%H:%M:%S}")
        return table
    for column in ("step", "account", "who", "outcome", "HTTP", "tries", "finished", "took, s"):
        table.add_column(column, no_wrap=column in {"step", "outcome", "finished"}, overflow="fold")
    for each in receipts:
        table.add_row(
            each.command,
            each.account or "",
            str(each.details.get("prefixed_name", each.subject)),
            str(each.outcome),
            str(each.provider_status or ""),
            str(each.attempts),
            f"{each.finished_at:%H:%M:%S}",
            "" if each.time_to_revoke is None else str(each.time_to_revoke),
        )
    return table


def _rows_table(earlier: Mapping[str, str], observed: Mapping[str, str], *, narrow: bool) -> Table:
    table = Table(title="What was observed", title_justify="left")
    # BREAK takes it as it stands.
    table.add_column("row", no_wrap=True)
    for column in ("what was seen, and where",) if narrow else ("what", "before", "now", "where"):
        table.add_column(column, overflow="fold")
    for row in ALL:
        before, now = earlier[row.name], observed[row.name]
        seen = f"[green]{now}[/]" if row.holds(before, now) else f"[bold red]{now}[/] (expected: {row.expected})"
        cells = [f"{row.story}: {before} → {seen} ({row.where})"] if narrow else [row.story, before, seen, row.where]
        table.add_row(row.name, *cells, end_section=row is OF_JOHN[-1])
    return table
