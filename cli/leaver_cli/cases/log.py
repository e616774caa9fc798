"""`leaver log`: every line that any function logged about a case, in their order."""

import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, NamedTuple

import typer

from leaver.cases.record import Case
from leaver.cases.states import UNDER_WAY
from leaver_cli.cases.which import CaseOrWho, find_case
from leaver_cli.deployment import Deployment, describe
from leaver_cli.stack import PLACES, Profile, Region, StackName
from leaver_cli.table import Column, Table, text_of, value_of
from leaver_cli.terminal import Terminal, say_under_way

#: how long before HR's event its case may have been logged about: clocks differ
_BEFORE: Final = timedelta(hours=1)
#: seconds between two looks
POLL_INTERVAL: Final = 2.0
#: by how many seconds CloudWatch may have a line late
LATE: Final = 10.0
#: what stands in a column of its own, or says nothing to a person
_NOT_TOLD_AGAIN: Final = frozenset(
    {"timestamp", "level", "message", "case_id", "service", "location", "logger", "requestId", "function_request_id"}
)
COLUMNS: Final = (
    Column("when"),
    Column("function"),
    Column("level", spare=1),
    Column("line", prose=True),
)


class Line(NamedTuple):
    """One line of a function's log."""

    at: datetime
    function: str
    text: str

    @property
    def fields(self) -> Mapping[str, Any]:
        """What it says, where it is JSON."""
        try:
            found = json.loads(self.text)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def level(self) -> str:
        """How grave it is."""
        return str(self.fields.get("level", ""))


def log(
    case_or_who: CaseOrWho,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show each further line as it comes, until the case is over.")
    ] = False,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Show every log line of every function that names a case, the oldest first; the exit status is 1 without any.

    With --follow and --json it prints one JSON object for each line, a line each.
    """
    deployment, console = describe(stack, region, profile), Terminal()
    case = find_case(deployment, case_or_who)
    if follow:
        say_under_way("the case goes on without this command")
        for line in _followed(deployment, case):
            _show(console, line)
        return
    table = Table("lines", COLUMNS)
    for line in _lines(deployment, case, set()):
        style = "red" if line.fields.get("level") in {"ERROR", "CRITICAL"} else ""
        table.add(line.at, line.function, line.level, _told(line), style=style, also=line.fields)
    console.print(table)
    if not table.rows:
        console.note(f"no function logged a line about {case.case_id}, or its log is kept no longer (LogRetentionDays)")
        raise typer.Exit(1)


def _show(console: Terminal, line: Line) -> None:
    also = {"when": value_of(line.at), "function": line.function, "level": line.level, "line": _told(line)}
    console.row(text_of(line.at), line.function, line.level, _told(line), also=also | dict(line.fields))


def _followed(deployment: Deployment, case: Case) -> Iterator[Line]:
    """Each line, as soon as CloudWatch has it; ends when the case is over and has brought no line for a while."""
    seen: set[str] = set()
    over_since: float | None = None
    while over_since is None or time.monotonic() < over_since + LATE:
        found = _lines(deployment, case, seen)
        yield from found
        is_over = deployment.cases.require(case.case_id).state not in UNDER_WAY
        over_since = (time.monotonic() if found or over_since is None else over_since) if is_over else None
        time.sleep(POLL_INTERVAL)


def _lines(deployment: Deployment, case: Case, seen: set[str]) -> list[Line]:
    """Every line that was not seen, the oldest first."""
    pages = deployment.logs.get_paginator("filter_log_events")
    since = round((case.requested_at - _BEFORE).timestamp() * 1000)
    lines = []
    for function in PLACES:
        if function == "unrouted":
            continue
        group = f"/aws/lambda/{deployment.stack.queue_of(function).removesuffix('.fifo')}"
        # In quotes: a pattern without would take the hyphens of an id for "but not".
        for page in pages.paginate(logGroupName=group, filterPattern=f'"{case.case_id}"', startTime=since):
            for each in page["events"]:
                if each["eventId"] not in seen:
                    seen.add(each["eventId"])
                    at = datetime.fromtimestamp(each["timestamp"] / 1000, tz=UTC)
                    lines.append(Line(at, function, each["message"].rstrip()))
    return sorted(lines, key=lambda each: each.at)


def _told(line: Line) -> str:
    """What it says, with the fields that no other column has; what is no JSON as it is."""
    fields = line.fields
    if "message" not in fields:
        return line.text
    more = (f"{name}={_short(value)}" for name, value in fields.items() if name not in _NOT_TOLD_AGAIN)
    return " ".join([str(fields["message"]), *more])


def _short(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
