"""What a run of reconciliation found, as people and programs read it."""

import csv
import io
from collections.abc import Mapping
from typing import Any, Final

from leaver_cli.table import Column, Table
from leaver_cli.terminal import Terminal, printable

#: each list, and what it is called
LISTS: Final[Mapping[str, str]] = {
    "gone_and_alive": "gone and alive",
    "alive_again": "ended and alive again",
    "owners_gone": "owners of service connections who are gone",
    "unknown": "alive and unknown to the roster",
    "gone_and_clean": "gone and clean",
}
COLUMNS: Final = ("who", "at", "what", "last_seen_at", "because", "case")
#: in a file, what every row has besides
_WHOLE: Final = ("list", *COLUMNS, "kind", "id", "email")
_SHOWN: Final = (
    Column("who"),
    Column("at", spare=1),
    Column("what", spare=2, prose=True),
    Column("last seen at", spare=3),
    Column("because", spare=1, prose=True),
    Column("case", spare=2),
)
#: a spreadsheet would take it for a formula
_FORMULA: Final = tuple("=+-@\t\r")


def show(result: Mapping[str, Any], digest: str, console: Terminal, *, as_csv: bool) -> None:
    """Show a result: as CSV every row, else the lists one after the other, and of those who are clean how many."""
    if as_csv:
        for line in as_csv_lines(result):
            console.say(line)
        return
    console.tell(result=dict(result), digest=digest)
    for name, title in LISTS.items():
        rows = result["lists"][name]
        if not rows:
            continue
        if name == "gone_and_clean" and console.is_terminal:
            continue
        table = Table(name, _SHOWN, title=f"\n{title}")
        for row in rows:
            table.add(
                *(row.get(each) for each in COLUMNS), style="" if name in {"unknown", "gone_and_clean"} else "red"
            )
        console.print(table)
    for line in summary_of(result):
        console.note(line)


def summary_of(result: Mapping[str, Any]) -> list[str]:
    """What is said beside the lists."""
    roster = result["roster"]
    lines = [
        f"roster: {roster['from']} as of {roster['as_of']}, {roster['here']} of {roster['people']} people are here"
    ]
    lines.append("; ".join(f"{title}: {result['counts'][name]}" for name, title in LISTS.items()))
    lines += [f"STOPPED: {each}" for each in result["stopped"]]
    for name, word in (("held", "held, leaver release"), ("begun", "begun"), ("would_hold", "would be held")):
        if result[name]:
            lines.append(f"{word}: {', '.join(result[name])}")
    lines += [f"not told by {name}: {what}" for name, what in sorted(result["not_told"].items())]
    return lines


def as_csv_lines(result: Mapping[str, Any]) -> list[str]:
    """A header, and a line for each row of each list."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_WHOLE)
    for name in LISTS:
        for row in result["lists"][name]:
            writer.writerow([_cell(str(each)) for each in (name, *(row.get(key) or "" for key in _WHOLE[1:]))])
    return out.getvalue().splitlines()


def _cell(text: str) -> str:
    text = printable(text)
    return f"'{text}" if text.startswith(_FORMULA) else text
