"""`python -m local up`: the local world in the foreground, until Ctrl-C."""

import json
import shlex
import signal
import time
from datetime import UTC, datetime
from typing import Annotated, NoReturn
from uuid import uuid4

import typer
from rich.console import Console
from rich.table import Table

from local import acme, demo, sam_local, surroundings
from local.http_server import LOOPBACK
from local.world import OKTA_BUS, Ports, World

app = typer.Typer(add_completion=False, no_args_is_help=True)

#: how often the functions' logs are looked at, seconds
_LOOK_S = 0.3


@app.callback()
def local() -> None:
    """Leaver on one machine: AWS emulated, Zoom and Venafi simulated."""


@app.command("demo")
def play(
    broken: Annotated[str | None, typer.Option("--break", help="Plant the fault behind this row.")] = None,
) -> None:
    """Run the main job, and show what was expected, what was observed, and where."""
    raise typer.Exit(demo.run(broken))


@app.command()
def up(
    *,
    bind: Annotated[str, typer.Option(help="Where to listen; in a container 0.0.0.0.")] = LOOPBACK,
    advertise: Annotated[str, typer.Option(help="The host name by which functions call this machine.")] = LOOPBACK,
    aws_port: Annotated[int, typer.Option(help="0: any free port, as for the others.")] = 0,
    zoom_port: int = 0,
    venafi_port: int = 0,
    hr_port: int = 0,
    control_port: int = 0,
    door_port: int = 0,
    without_functions: Annotated[
        bool, typer.Option("--without-functions", help="Leave the queues and schedules to `sam local invoke`.")
    ] = False,
) -> None:
    """Keep the local world running, show its addresses, and print what the functions print."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    console = Console()
    ports = Ports(aws=aws_port, zoom=zoom_port, venafi=venafi_port, hr=hr_port, control=control_port, door=door_port)
    works = not without_functions
    with World(
        parameters=surroundings.PARAMETERS, bind=bind, advertise=advertise, ports=ports, ticking=works, consuming=works
    ) as world:
        surroundings.surround(world)
        acme.set_up(world)
        acme.hire_an_office(world)
        acme.connect_hibob(world)
        console.print(_not_built(world), _addresses(world))
        # Not in the table, which a narrow terminal cuts: what is to be pasted must be whole.
        doors = (f"front door: {each.replace('{connection}', 'main')}" for each in world.api_urls())
        console.print("\n".join(doors), markup=False, highlight=False, soft_wrap=True)
        connecting = surroundings.offer_connections(world)
        console.print(_how_to(world), markup=False, highlight=False, soft_wrap=True)
        console.print(f"To connect:\n{connecting}\n", markup=False, highlight=False, soft_wrap=True)
        _follow(world, console)


@app.command(name="sam-local")
def run_sam_local() -> None:
    """Run every function by `sam local invoke` against a local world, and check its effect; needs Docker or Podman."""
    raise typer.Exit(sam_local.run())


def _leave(number: int, _frame: object) -> NoReturn:
    # A second Ctrl-C would interrupt the tidying up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(0 if number == signal.SIGINT else 128 + number)


def _addresses(world: World) -> Table:
    table = Table("what", "where", title="Leaver's local world")
    table.add_row("AWS", world.aws.url)
    table.add_row("Zoom", world.zoom_url)
    table.add_row("Venafi TPP", world.venafi_url)
    table.add_row("BambooHR, HiBob, Gusto, Okta", world.hr_url)
    table.add_row("control", world.control_url)
    return table


def _how_to(world: World) -> str:
    variables = {name: value for name, value in world.environment().items() if name.startswith("AWS_")}
    variables |= addresses(world)
    variables["CONNECTIONS_TABLE"] = world.resource("Connections").ref
    variables |= {
        f"{name.upper()}{'_URGENT' if lane == 'urgent' else ''}_QUEUE_URL": url
        for name in world.functions
        for lane, url in world.queue_urls(name).items()
    }
    exports = "\n".join(f"export {name}={value}" for name, value in variables.items())
    command = [
        {
            "EventBusName": "leaver",
            "Source": "leaver.command",
            "DetailType": "RevokeSsoToken",
            "Detail": json.dumps({"user_id": acme.ADA.email}),
        }
    ]
    deactivation = {
        "uuid": str(uuid4()),
        "eventType": "user.lifecycle.deactivate",
        "outcome": {"result": "SUCCESS"},
        "published": datetime.now(UTC).isoformat(),
        "actor": {"id": "00u2", "type": "User", "alternateId": acme.ADMIN.email},
        "target": [{"id": "00u1", "type": "User", "alternateId": acme.JOHN.email}],
    }
    partner = {
        "bus": OKTA_BUS,
        "source": "aws.partner/okta.com/acme/leaver",
        "detail-type": "SystemLog",
        "detail": deactivation,
    }
    headers, body = acme.standard_webhook(acme.OBRIEN, datetime.now(UTC))
    sent = " ".join(f"-H '{name}: {value}'" for name, value in headers.items())
    identity = json.dumps({"identity": acme.GRACE.email})
    # AWS CLI 1 does not look into AWS_ENDPOINT_URL for SQS.
    aws = "aws --endpoint-url $AWS_ENDPOINT_URL"
    return f"""
In another shell:
{exports}
{aws} events put-events --entries '{json.dumps(command)}'
{aws} sqs send-message --queue-url $REVOKE_GRANTS_QUEUE_URL --message-body '{identity}'
curl $CONTROL_URL/partner-events -d '{json.dumps(partner)}'
curl $DOOR_URL/standard/main {sent} -d {shlex.quote(body)}    # signed; within five minutes
curl -X POST $CONTROL_URL/schedules/schedule_refreshes
curl -X POST $CONTROL_URL/schedules/watch_deadlines
curl $CONTROL_URL/environments    # each function's variables, for sam local invoke
"""


def addresses(world: World) -> dict[str, str]:
    """What the pages that play with the world call its addresses."""
    return {
        "ZOOM_URL": world.zoom_url,
        "VENAFI_URL": world.venafi_url,
        "CONTROL_URL": world.control_url,
        "DOOR_URL": world.api_url,
    }


def _not_built(world: World) -> Table:
    table = Table("type", "how many", "not as in AWS, because", title="What differs from AWS")
    for kind, names, why in world.stack.not_built():
        table.add_row(kind, str(len(names)), why)
    return table


def _follow(world: World, console: Console) -> NoReturn:
    shown, told = dict.fromkeys(world.functions, 0), 0
    while True:
        for name in shown:
            printed = world.logs(name)
            for line in printed[shown[name] :].splitlines():
                console.print(f"{name}: {line}", markup=False, highlight=False, soft_wrap=True)
            shown[name] = len(printed)
        for notice in (notices := world.told())[told:]:
            sentence = notice["default"].partition("\n")[0]
            console.print(f"people are told: {sentence}", markup=False, highlight=False, soft_wrap=True)
        told = len(notices)
        time.sleep(_LOOK_S)


if __name__ == "__main__":
    app()
