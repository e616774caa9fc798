"""What a program gets by `--json`: docs/commands.md names what stands in the object of each command that shows."""

import json
import re

from tests.contract.stack import ROOT
from tests.integration.parked_stack import leaver
from tests.integration.test_cli_cases import Stack, stack
from tests.integration.test_cli_hostile_text import filled

__all__ = ["filled", "stack"]  # fixtures

#: what shows things, and how it is called; what decides asks first, and says what became of it as its page tells
SHOWS = {
    "cases": ("cases",),
    "case": ("case", "done"),
    "log": ("log", "c-1"),
    "release": ("release",),
    "parked": ("parked",),
    "parked FUNCTION": ("parked", "revoke_sso_token", "--show-body"),
    "heard": ("heard",),
    "redrive --dry-run": ("redrive", "revoke_sso_token", "--dry-run"),
}


def documented() -> dict[str, list[set[str]]]:
    """By command, what stands in the object, and what in each of its rows."""
    page = (ROOT / "docs" / "commands.md").read_text()
    rows = re.findall(r"^\| `([a-z A-Z-]+)` \| (.*) \| (.*) \|$", page.partition("### As JSON")[2], re.MULTILINE)
    return {command: [set(re.findall(r"`(\w+)`", cell)) for cell in cells] for command, *cells in rows}


def test_each_object_has_what_the_page_says_and_nothing_else(filled: Stack) -> None:  # noqa: ARG001 - it is shown
    page = documented()
    assert page.keys() == SHOWS.keys()
    for command, call in SHOWS.items():
        told = json.loads(leaver(*call, "--json", mix_stderr=False).stdout)
        names, columns = page[command]
        assert told.keys() - {"error"} <= names, command
        rows = [row for value in told.values() if isinstance(value, list) for row in value if isinstance(row, dict)]
        # A line of a log keeps the fields that its function gave it.
        found = {name for row in rows for name in row}
        assert columns <= found if command == "log" else found == columns, (command, found, told.keys())
