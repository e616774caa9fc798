"""`leaver doctor`: look at everything, and say what to do."""

from collections.abc import Callable
from typing import Annotated, Final

import typer
from botocore.exceptions import BotoCoreError, ClientError

from leaver.errors import LeaverError
from leaver_cli.commands import InASentence
from leaver_cli.deployment import NoSuchStack
from leaver_cli.doctor import connections, installation, messages, probing, storage, telling, trail
from leaver_cli.doctor.row import Row, Trouble
from leaver_cli.doctor.seat import Seat, take_seat
from leaver_cli.stack import Profile, Region, StackName
from leaver_cli.table import Column, Table
from leaver_cli.terminal import Terminal, waiting

#: by the name of its row, what looks
ROWS: Final[tuple[tuple[str, Callable[[Seat], Row]], ...]] = (
    ("stack", installation.look_at_stack),
    ("you", installation.look_at_you),
    ("clock", installation.look_at_clock),
    ("versions", installation.look_at_versions),
    ("providers", connections.look_at_providers),
    ("connections", connections.look_at_connections),
    ("owners", connections.look_at_owners),
    ("scopes and roles", connections.look_at_scopes),
    ("searches", connections.look_at_searches),
    ("secrets and tables", storage.look_at_storage),
    ("dead letters", messages.look_at_queues),
    ("rules", messages.look_at_rules),
    ("partner buses", messages.look_at_partner_buses),
    ("sources", messages.look_at_sources),
    ("alarms", telling.look_at_alarms),
    ("notices", telling.look_at_notices),
    ("dashboard", telling.look_at_dashboard),
    ("trail", trail.look_at_trail),
)
PROBES: Final = ("probes", probing.look_at_probes)


def doctor(
    *,
    probe: Annotated[bool, typer.Option("--probe", help="Send a probe through every queue, and wait for it.")] = False,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Look at an installation, row by row; the exit status is 1 where a person has to do something."""
    try:
        seat = take_seat(stack, region, profile)
    except NoSuchStack as missing:
        rows = [Row("stack", stack, (Trouble(str(missing), "docs/deploy.md, or leaver configure"),))]
    else:
        with waiting("looking at everything, and asking the functions …"):
            rows = [looked_at(name, look, seat) for name, look in (*ROWS, *([PROBES] if probe else []))]
    _show(rows)
    if any(row.troubles for row in rows):
        raise typer.Exit(1)


def looked_at(name: str, look: Callable[[Seat], Row], seat: Seat) -> Row:
    """Look; whatever keeps one row from being looked at is that row's trouble, and no other's."""
    try:
        return look(seat)
    except ClientError as error:
        to_do = "give yourself that right: docs/doctor.md#what-you-must-be-allowed-to-do"
        return Row(name, "not looked at", (Trouble(str(error), to_do),))
    except (BotoCoreError, LeaverError, InASentence) as error:
        what = str(error.reason) if isinstance(error, LeaverError) else str(error)
        return Row(name, "not looked at", (Trouble(what, "mend that, and look again"),))


def _show(rows: list[Row]) -> None:
    columns = (Column("row"), Column("well"), Column("says", prose=True), Column("to do", prose=True))
    table = Table("rows", columns)
    for row in rows:
        if not row.troubles:
            table.add(row.name, True, row.says, "")  # noqa: FBT003 - a cell, under its column's name
        for each in row.troubles:
            table.add(row.name, False, each.what, each.to_do, style="red")  # noqa: FBT003 - see above
    console = Terminal()
    console.print(table)
    wrong = sum(bool(row.troubles) for row in rows)
    told = f"{wrong} need{'s' if wrong == 1 else ''} a person" if wrong else "all is well"
    console.note(f"{len(rows)} rows, {told}")
