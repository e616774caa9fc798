"""What a program gets by `--json`: docs/commands.md names what stands in the object of each command that shows."""

import json
import re

import pytest

from leaver_cli.cases import erase
from leaver_cli.connections import show
from leaver_cli.connections.misfits import Misfit
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
    "connections": ("connections",),
    "configure": ("configure", "--show"),
    "erase": ("erase", "over", "--yes"),
    "redrive --dry-run": ("redrive", "revoke_sso_token", "--dry-run"),
}


#: what needs an installation, a run that is done, or a sender: tests/unit/test_cli_hostile_rows.py, test_cli_door.py
ELSEWHERE = {"doctor", "reconcile", "door"}
#: whose rows keep the fields that a function or a record gave them
OPEN = {"log", "connections"}


def documented() -> dict[str, list[set[str]]]:
    """By command, what stands in the object, and what in each of its rows."""
    page = (ROOT / "docs" / "commands.md").read_text()
    rows = re.findall(r"^\| `([a-z A-Z-]+)` \| (.*) \| (.*) \|$", page.partition("### As JSON")[2], re.MULTILINE)
    return {command: [set(re.findall(r"`(\w+)`", cell)) for cell in cells] for command, *cells in rows}


def test_each_object_has_what_the_page_says_and_nothing_else(
    filled: Stack,  # noqa: ARG001 - it is shown
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = documented()
    assert page.keys() == SHOWS.keys() | ELSEWHERE
    monkeypatch.setattr(erase, "_ask", lambda *_: [])
    monkeypatch.setattr(show, "find_misfits", lambda _: [Misfit("zoom has no connection", "leaver connect zoom")])
    for command, call in SHOWS.items():
        said_as_documented(command, leaver(*call, "--json", mix_stderr=False).stdout)


def said_as_documented(command: str, printed: str) -> None:
    told = json.loads(printed)
    names, columns = documented()[command]
    assert told.keys() - {"error"} <= names, command
    rows = [row for value in told.values() if isinstance(value, list) for row in value if isinstance(row, dict)]
    found = {name for row in rows for name in row}
    assert columns <= found if command in OPEN else found == columns, (command, found, told.keys())
