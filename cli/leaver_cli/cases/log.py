"""`leaver log`: every line that any function logged about a case, in their order."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import typer

from leaver.cases.record import Case
from leaver_cli.cases.which import CaseOrWho, find_case
from leaver_cli.deployment import Deployment, describe
from leaver_cli.stack import PLACES, Profile, Region, StackName
from leaver_cli.table import Column, Table
from leaver_cli.terminal import Terminal

#: how long before HR's event its case may have been logged about: clocks differ
_BEFORE: Final = timedelta(hours=1)
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


def log(case_or_who: CaseOrWho, *, stack: StackName = "leaver", region: Region = None, profile: Profile = None) -> None:
    """Show every log line of every function that names a case, the oldest first; the exit status is 1 without any."""
    deployment, console = describe(stack, region, profile), Terminal()
    case = find_case(deployment, case_or_who)
    table = Table("lines", COLUMNS)
    for line in sorted(_lines(deployment, case), key=lambda each: each.at):
        fields = _fields(line.text)
        style = "red" if fields.get("level") in {"ERROR", "CRITICAL"} else ""
        table.add(
            line.at, line.function, str(fields.get("level", "")), _told(line.text, fields), style=style, also=fields
        )
    console.print(table)
    if not table.rows:
        console.note(f"no function logged a line about {case.case_id}, or its log is kept no longer (LogRetentionDays)")
        raise typer.Exit(1)


def _lines(deployment: Deployment, case: Case) -> Iterator[Line]:
    pages = deployment.logs.get_paginator("filter_log_events")
    since = round((case.requested_at - _BEFORE).timestamp() * 1000)
    for function in PLACES:
        if function == "unrouted":
            continue
        group = f"/aws/lambda/{deployment.stack.queue_of(function).removesuffix('.fifo')}"
        # In quotes: a pattern without would take the hyphens of an id for "but not".
        for page in pages.paginate(logGroupName=group, filterPattern=f'"{case.case_id}"', startTime=since):
            for each in page["events"]:
                at = datetime.fromtimestamp(each["timestamp"] / 1000, tz=UTC)
                yield Line(at, function, each["message"].rstrip())


def _fields(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _told(text: str, fields: Mapping[str, Any]) -> str:
    """What it says, with the fields that no other column has; what is no JSON as it is."""
    if "message" not in fields:
        return text
    more = (f"{name}={_short(value)}" for name, value in fields.items() if name not in _NOT_TOLD_AGAIN)
    return " ".join([str(fields["message"]), *more])


def _short(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
