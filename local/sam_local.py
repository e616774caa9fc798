"""`make sam-local`: invoke every function by `sam local invoke`, and check its effect."""

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import requests
from docker.errors import DockerException
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from local import acme
from local.container_engine import Failed, Missing, find_engine
from local.sam_cli import SamCli, make_invoke_image
from local.sample_events import sample_event
from local.simulators.grants import digest
from local.world_in_container import NAME, PORTS, WorldInContainer

#: AWS's own; a machine without a way to it names another of the same shape
BASE_IMAGE = "public.ecr.aws/lambda/python:3.13"

#: the tokens of the connection `zoom` as they were before a function ran
Tokens = Mapping[str, str]


@dataclass(frozen=True)
class Row:
    """One effect of a function, observed before and after, at the provider or in AWS."""

    function: str
    expected: str
    where: str
    observe: Callable[[WorldInContainer, Tokens], str]
    #: a consumer returns the messages that failed; a scheduled function returns nothing
    answer: str = '{"batchItemFailures": []}'


@dataclass(frozen=True)
class Observed:
    """What became of a row."""

    row: Row
    answer: str
    before: str
    after: str

    @property
    def holds(self) -> bool:
        """Whether it is as expected, and was not so already."""
        return self.answer == self.row.answer and self.after == self.row.expected != self.before


def _session(world: WorldInContainer, _: Tokens) -> str:
    return "signed in" if world.zoom.ask("has_session", user=acme.JOHN.email) else "no session"


def _status(world: WorldInContainer, _: Tokens) -> str:
    (status,) = (user["status"] for user in world.zoom.ask("users") if user["email"] == acme.JOHN.email)
    return str(status)


def _grants(world: WorldInContainer, _: Tokens) -> str:
    return f"{world.venafi.ask('live_grants', prefixed_universal=acme.JOHN.venafi_id)} grants"


def _kept_token(world: WorldInContainer, _: Tokens) -> str:
    kept = world.secret(f"leaver/user-tokens/{acme.JOHN.zoom_id}/zoom/zak")
    if kept is None:
        return "no token kept"
    minted = [token["digest"] for token in world.zoom.ask("user_tokens", user=acme.JOHN.email)]
    return "the one that Zoom minted" if digest(kept["token"]) in minted else "another token"


def _dead_token(world: WorldInContainer, _: Tokens) -> str:
    kept = world.secret(f"leaver/user-tokens/{acme.ALAN.zoom_id}/zoom/zak")
    return "no token kept" if kept is None else "a dead token"


def _old_refresh_token(world: WorldInContainer, before: Tokens) -> str:
    # Asked before it is tried: a token that still works would rotate by the trying.
    if world.zoom.ask("live_token_kind", digest=digest(before["refresh_token"])):
        return "still works"
    answer = requests.post(
        f"{world.zoom_url}/oauth/token",
        data={"grant_type": "refresh_token", "refresh_token": before["refresh_token"]},
        auth=("zoom", acme.zoom_secret("zoom")),
        timeout=10,
    )
    return f"{answer.status_code} {answer.json()['error']}"


def _new_refresh_token(world: WorldInContainer, before: Tokens) -> str:
    held = _tokens(world)
    if held["refresh_token"] == before["refresh_token"]:
        return "still the old one"
    kind = world.zoom.ask("live_token_kind", digest=digest(held["refresh_token"]))
    return f"live: {kind}, its access token gets {_status_with(world, held['access_token'])}"


def _completed_event(world: WorldInContainer, _: Tokens) -> str:
    events = [f"{each['kind']} {each['subject']['email']}" for each in world.messages("start-offboarding")]
    return ", ".join(events) or "no message"


def _refresh_asked_for(world: WorldInContainer, _: Tokens) -> str:
    return ", ".join(message["connection"] for message in world.messages("refresh-access-token.fifo")) or "no message"


def _command(queue: str) -> Callable[[WorldInContainer, Tokens], str]:
    def observe(world: WorldInContainer, _: Tokens) -> str:
        commands = [
            f"{event['detail-type']} {event['detail'].get('user_id') or event['detail'].get('identity')}"
            for event in world.messages(queue)
        ]
        return ", ".join(commands) or "no message"

    return observe


def _heard(world: WorldInContainer, _: Tokens) -> str:
    heard = [f"{event['detail-type']} {event['detail']['type']}" for event in world.messages("start-offboarding")]
    return ", ".join(heard) or "no message"


def _reconciled(world: WorldInContainer, _: Tokens) -> str:
    said = [event["detail-type"] for event in world.messages("notify-people")]
    return ", ".join(each for each in said if each.startswith("Reconcil")) or "nothing"


def _told(world: WorldInContainer, _: Tokens) -> str:
    return ", ".join(notice["subject"] for notice in world.told()) or "nobody is told"


def _revoked_access_token(world: WorldInContainer, before: Tokens) -> str:
    return str(_status_with(world, before["access_token"]))


def _tokens(world: WorldInContainer) -> Tokens:
    held: Tokens = world.secret("leaver/tokens/zoom/zoom")
    return held


def _status_with(world: WorldInContainer, access_token: str) -> int:
    return requests.get(
        f"{world.zoom_url}/v2/users/{acme.ADA.zoom_id}",
        headers={"Authorization": f"Bearer {access_token}"},
        timeout=10,
    ).status_code


#: the case of events/seal_case.json
_CASE = "c-6f2b1c9e-53a7-4d6c-9a55-0d7f3f1f2f6e"

#: in the order of the invocations: the connection that the others need is revoked last
ROWS = (
    # Without a roster it says that it has none; before the others, whose announcements wait there too.
    Row("reconcile", "ReconciliationStopped", "the queue of notify_people", _reconciled),
    Row("revoke_sso_token", "no session", "Zoom: who is signed in", _session),
    Row("revoke_grants", "0 grants", "Venafi: grants that live", _grants),
    Row("retrieve_user_token", "the one that Zoom minted", "Secrets Manager, by digest", _kept_token),
    Row("purge_user_tokens", "no token kept", "Secrets Manager", _kept_token),
    Row("deactivate_user", "inactive", "Zoom: the account's status", _status),
    Row("refresh_access_token", "400 invalid_grant", "Zoom: the old refresh token tried", _old_refresh_token),
    Row(
        "refresh_access_token",
        "live: refresh, its access token gets 200",
        "Zoom: asked by digest, and called",
        _new_refresh_token,
    ),
    Row("schedule_refreshes", "venafi", "the refresh queue: for whom", _refresh_asked_for, answer="null"),
    Row("seal_case", "completed", "Cases: the state", lambda world, _: world.case_state(_CASE)),
    Row("watch_deadlines", "no token kept", "Secrets Manager", _dead_token, answer="null"),
    Row(
        "receive_webhook",
        "HiBobWebhook employee.left",
        "the queue of start_offboarding",
        _heard,
        answer='{"statusCode": 200, "headers": {"cache-control": "no-store"}, "body": ""}',
    ),
    Row(
        "start_offboarding",
        f"RevokeSsoToken {acme.JOHN.zoom_id}",
        "the queue of revoke_sso_token",
        _command("revoke-sso-token"),
    ),
    Row(
        "start_offboarding",
        f"RevokeGrants {acme.JOHN.email}",
        "the queue of revoke_grants",
        _command("revoke-grants"),
    ),
    Row("look_up_person", f"immediate {acme.JOHN.email}", "the queue of start_offboarding", _completed_event),
    Row("notify_people", "Leaver: a case is completed", "the topic: what people are told", _told),
    Row("revoke_access_token", "401", "Zoom: called with the revoked token", _revoked_access_token),
)

FUNCTIONS = tuple(dict.fromkeys(row.function for row in ROWS))


def run() -> int:
    """Run every function and print the table; 0 only if every row was observed, 3 if something needed is missing."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    # Wide enough for the table where there is no terminal to ask.
    console = Console(width=None if sys.stdout.isatty() else 160, emoji=False)
    try:
        return _run(console)
    except Missing as missing:
        console.print(f"`make sam-local` needs {missing}.", markup=False, soft_wrap=True)
        return 3
    except (Failed, DockerException) as failed:
        console.print(str(failed), markup=False)
        return 1


def _leave(number: int, _frame: object) -> NoReturn:
    # A second Ctrl-C would interrupt the tidying up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _run(console: Console) -> int:
    if sys.platform != "linux":
        raise Missing("Linux, because the world's container borrows the packages of .venv")
    engine = find_engine()
    base = os.environ.get("SAM_LOCAL_BASE_IMAGE", BASE_IMAGE)
    network = f"leaver-{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="leaver-sam-local-") as folder:
        sam = SamCli(engine, Path(folder))
        with _step(console, f"image for the functions, from {base}"):
            make_invoke_image(engine, base, NAME, PORTS["aws"])
        with _step(console, "sam build"):
            sam.build()
        with engine.network(network):
            with _step(console, "the local world, in a container"):
                world = WorldInContainer(engine, base, network)
            observed = [each for function in FUNCTIONS for each in _invoke(console, function, sam, world, network)]
    console.print(_table(observed))
    if not all(each.holds for each in observed):
        console.print("[bold red]Not every row was observed.[/]")
        return 1
    console.print("[bold green]Every row was observed.[/]")
    return 0


def _invoke(console: Console, function: str, sam: SamCli, world: WorldInContainer, network: str) -> Iterable[Observed]:
    """Run one function and look at its effects; what it printed is shown if one is not there."""
    rows = [row for row in ROWS if row.function == function]
    if function == "schedule_refreshes":
        world.make_due("venafi")
    if function == "look_up_person":
        world.hr.ask("leaves", system="hibob", person=acme.JOHNS_HIBOB_ID)
    if function == "seal_case":
        world.keep_done_case(_CASE)
    if function == "watch_deadlines":
        world.keep_dead_token(acme.ALAN.zoom_id)
    tokens = _tokens(world)
    before = [row.observe(world, tokens) for row in rows]
    logical_id = "".join(word.capitalize() for word in function.split("_")) + "Function"
    with _step(console, f"sam local invoke {logical_id} --event events/{function}.json"):
        answer, printed = sam.invoke(
            logical_id,
            sample_event(function, datetime.now(UTC)),
            environments=world.environments(),
            network=network,
            aws_url=world.aws_url,
        )
    observed = [Observed(row, answer, was, row.observe(world, tokens)) for row, was in zip(rows, before, strict=True)]
    if not all(each.holds for each in observed):
        console.print(printed, markup=False, highlight=False)
    return observed


@contextmanager
def _step(console: Console, what: str) -> Iterator[None]:
    """Show what is under way, and how long it took."""
    began = time.monotonic()
    with console.status(f"{what} …"):
        yield
    console.print(f"{time.monotonic() - began:6.1f} s  {what}", markup=False, highlight=False)


def _table(observed: Sequence[Observed]) -> Table:
    table = Table(title="What was observed", title_justify="left")
    for column in ("function", "answered", "before", "expected", "observed", "where"):
        table.add_column(column, overflow="fold", no_wrap=column == "answered")
    for each in observed:
        answer, after = (
            f"[{'green' if seen == expected else 'bold red'}]{escape(seen)}[/]"
            for seen, expected in ((each.answer, each.row.answer), (each.after, each.row.expected))
        )
        table.add_row(each.row.function, answer, each.before, each.row.expected, after, each.row.where)
    return table
