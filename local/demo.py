"""The main job on the local world, and the proof: what was expected, what was observed, and where."""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import requests
from rich.console import Console
from rich.table import Table

from local import stage
from local.memory import PeakMemory
from local.world import World

EVENTS = Path(__file__).parents[1] / "events"
#: seconds that an expectation has to come true while there is still work under way
PATIENCE = 12.0
REVOKED = "zoom/204-token-deleted"


@dataclass(frozen=True)
class Before:
    """The tokens as they were before anything happened."""

    rotating_refresh_token: str
    retired_access_token: str


@dataclass(frozen=True)
class Row:
    """One thing that must be so afterwards: asked of whoever knows it at first hand, never of Leaver's own receipts."""

    name: str
    story: str
    expected: str
    where: str
    observe: Callable[[World, Before], str]
    #: plants the fault that must make this row fail
    sabotage: Callable[[World], None]


def _token(world: World, connection: str, field: str) -> str:
    kept = world.client("secretsmanager").get_secret_value(
        SecretId=f"leaver/tokens/{connection}", VersionStage="AWSCURRENT"
    )
    return str(json.loads(kept["SecretString"])[field])


def _session(person: stage.Person) -> Callable[[World, Before], str]:
    return lambda world, _: "signed in" if world.zoom.has_session(person.email) else "no session"


def _grants(person: stage.Person) -> Callable[[World, Before], str]:
    return lambda world, _: f"{world.venafi.live_grants(person.venafi_id)} grants"


def _kept_token(world: World, _: Before) -> str:
    minted = [token.digest for token in world.zoom.user_tokens(stage.GRACE.email)]
    name = f"leaver/user-tokens/zoom/{stage.GRACE.zoom_id}/zak"
    vault = world.client("secretsmanager")
    try:
        kept = json.loads(vault.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")["SecretString"])["token"]
    except vault.exceptions.ResourceNotFoundException:
        return "nothing in the vault"
    return "the one that Zoom minted" if hashlib.sha256(kept.encode()).hexdigest() in minted else "another token"


def _old_refresh_token(world: World, before: Before) -> str:
    if _token(world, "zoom-rotating", "refresh_token") == before.rotating_refresh_token:
        return "still the current one"
    # Asked before it is tried: a token that still works would rotate by the trying.
    if world.zoom.live_token_kind(_digest(before.rotating_refresh_token)):
        return "still works"
    answer = requests.post(
        f"{world.zoom.url}/oauth/token",
        data={"grant_type": "refresh_token", "refresh_token": before.rotating_refresh_token},
        auth=("zoom-rotating", stage.zoom_secret("zoom-rotating")),
        timeout=10,
    )
    return f"{answer.status_code} {answer.json().get('error')}"


def _new_refresh_token(world: World, before: Before) -> str:
    new = _token(world, "zoom-rotating", "refresh_token")
    if new == before.rotating_refresh_token:
        return "still the old one"
    user = requests.get(
        f"{world.zoom.api_url}/users/{stage.ADA.zoom_id}",
        headers={"Authorization": f"Bearer {_token(world, 'zoom-rotating', 'access_token')}"},
        timeout=10,
    )
    return f"live: {world.zoom.live_token_kind(_digest(new))}, its access token gets {user.status_code}"


def _revoked_access_token(world: World, before: Before) -> str:
    answer = requests.get(
        f"{world.zoom.api_url}/users/{stage.ADA.zoom_id}",
        headers={"Authorization": f"Bearer {before.retired_access_token}"},
        timeout=10,
    )
    return str(answer.status_code)


def _parked(world: World, _: Before) -> str:
    peeked = world.client("sqs").receive_message(
        QueueUrl=world.dead_letter_queue_url("revoke_sso_token"), MessageAttributeNames=["All"], VisibilityTimeout=0
    )
    for message in peeked.get("Messages", []):
        return str(message["MessageAttributes"]["reason"]["StringValue"])
    return "nothing parked"


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _lie(path: str, *, times: int | None = None) -> Callable[[World], None]:
    """Let Zoom claim success for the next requests with such a path, and do nothing."""
    return lambda world: world.zoom.inject(path, times=times, handling="pretend")


ROWS = (
    Row(
        "okta-session",
        "Okta deactivates John Doe",
        "no session",
        "Zoom: who is signed in",
        _session(stage.JOHN),
        _lie("/v2/users/john.*/token"),
    ),
    Row(
        "okta-grants",
        "the same event",
        "0 grants",
        "Venafi: grants that live",
        _grants(stage.JOHN),
        lambda world: world.venafi.inject("/vedsdk/oauth/revokegrants", times=None, handling="pretend"),
    ),
    Row(
        "sso-token",
        "RevokeSsoToken for O'Brien, by queue",
        "no session",
        "Zoom: who is signed in",
        _session(stage.OBRIEN),
        _lie("/v2/users/o.*brien.*/token"),
    ),
    Row(
        "grants",
        "RevokeGrants for Grace, by bus",
        "0 grants",
        "Venafi: grants that live",
        _grants(stage.GRACE),
        lambda world: world.venafi.answer_result(9, times=None),
    ),
    Row(
        "user-token",
        "RetrieveUserToken for Grace",
        "the one that Zoom minted",
        "the vault, by digest",
        _kept_token,
        _lie(f"/v2/users/{stage.GRACE.zoom_id}/token"),
    ),
    Row(
        "old-refresh-token",
        "RefreshAccessToken, forced",
        "400 invalid_grant",
        "Zoom: the old refresh token tried again",
        _old_refresh_token,
        _lie("/oauth/token", times=1),
    ),
    Row(
        "new-refresh-token",
        "the same refresh",
        "live: refresh, its access token gets 200",
        "Zoom: asked by digest, and called",
        _new_refresh_token,
        _lie("/oauth/token", times=1),
    ),
    Row(
        "access-token",
        "RevokeAccessToken",
        "401",
        "Zoom: called with the revoked token",
        _revoked_access_token,
        _lie("/oauth/revoke"),
    ),
    Row(
        "parked",
        "RevokeSsoToken for Alan, scope missing",
        "missing scopes: user:delete:token, user:delete:token:admin",
        "the dead-letter queue",
        _parked,
        lambda world: world.zoom.inject("/v2/users/alan.*/token", handling="skip", reply=REVOKED),
    ),
)

REDRIVEN = Row(
    "redriven",
    "scope granted, then `leaver redrive`",
    "no session",
    "Zoom: who is signed in",
    _session(stage.ALAN),
    # The first attempt is refused before anything could be pretended.
    _lie("/v2/users/alan.*/token"),
)
NAMES = tuple(row.name for row in (*ROWS, REDRIVEN))


def run(broken: str | None) -> int:
    """Play the whole story and print the table; returns 0 only if every row was observed."""
    # Wide enough for the table where there is no terminal to ask.
    console = Console(width=None if sys.stdout.isatty() else 150)
    if broken is not None and broken not in NAMES:
        console.print(f"BREAK takes the name of one row: {', '.join(NAMES)}")
        return 2
    began = time.monotonic()
    with PeakMemory() as memory, console.status("The local world starts …") as status, World() as world:
        stage.set_up(world)
        before = Before(_token(world, "zoom-rotating", "refresh_token"), _token(world, "zoom-retired", "access_token"))
        for row in (*ROWS, REDRIVEN):
            if row.name == broken:
                row.sabotage(world)
        status.update("Okta's event and the commands go in …")
        _act(world)
        observed = {}
        for row in ROWS:
            status.update(f"{row.name}: {row.where} …")
            observed[row.name] = _observed(row, world, before)
        status.update("The missing scope is granted, and the parked message put back …")
        _mend_and_redrive(world)
        observed[REDRIVEN.name] = _observed(REDRIVEN, world, before)
        status.update("The local world ends …")
    console.print(_table(observed))
    failed = [row.name for row in (*ROWS, REDRIVEN) if observed[row.name] != row.expected]
    seconds = time.monotonic() - began
    console.print(f"{seconds:.1f} s, at most {memory.peak / 2**20:.0f} MiB (PSS, all processes)")
    if failed:
        console.print(f"[bold red]Not observed: {', '.join(failed)}[/]")
        return 1
    console.print("[bold green]Every row was observed.[/]")
    return 0


def _act(world: World) -> None:
    """Send Okta's deactivation of John, and each of the five commands by hand: by the bus and by the queue."""
    leaves = json.loads((EVENTS / "okta.json").read_text())["detail"]
    world.okta_event({**leaves, "published": datetime.now(UTC).isoformat()})
    world.put_command("RevokeGrants", {"grantee_prefixed_universal": stage.GRACE.venafi_id})
    world.put_command("RetrieveUserToken", {"user_id": stage.GRACE.email, "ttl": 600})
    world.put_command("RefreshAccessToken", {"connection": "zoom-rotating", "force": True})
    by_queue = {
        "revoke_sso_token": [
            {"user_id": stage.OBRIEN.email},
            {"user_id": stage.ALAN.email, "connection": "zoom-narrow"},
        ],
        "revoke_access_token": [{"connection": "zoom-retired"}],
    }
    for function, details in by_queue.items():
        for detail in details:
            world.client("sqs").send_message(QueueUrl=world.queue_url(function), MessageBody=json.dumps(detail))


def _mend_and_redrive(world: World) -> None:
    """Do what the administrator does: grant the scope, get a token that has it, put back what was parked."""
    world.zoom.set_scopes("zoom-narrow", [stage.READ_USER, stage.END_SESSION])
    narrow = _token(world, "zoom-narrow", "access_token")
    world.put_command("RefreshAccessToken", {"connection": "zoom-narrow", "force": True})
    world.wait_until(lambda: _token(world, "zoom-narrow", "access_token") != narrow, PATIENCE)
    subprocess.run(
        [sys.executable, "-m", "leaver_cli.main", "redrive", "revoke_sso_token", "--yes"],
        env={**os.environ, **world.environment()},
        check=True,
        capture_output=True,
    )


def _observed(row: Row, world: World, before: Before) -> str:
    """Look until it is as expected, or until nothing happens any more that could make it so."""
    with suppress(TimeoutError):
        world.wait_until(lambda: row.observe(world, before) == row.expected or not world.work(), PATIENCE)
    return row.observe(world, before)


def _table(observed: dict[str, str]) -> Table:
    table = Table(title="What was observed", title_justify="left")
    for column in ("row", "what happened", "expected", "observed", "where"):
        table.add_column(column, overflow="fold")
    for row in (*ROWS, REDRIVEN):
        seen = observed[row.name]
        colour = "green" if seen == row.expected else "bold red"
        table.add_row(row.name, row.story, row.expected, f"[{colour}]{seen}[/]", row.where)
    return table
