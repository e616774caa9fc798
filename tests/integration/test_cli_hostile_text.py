"""Hostile text in every stored field that a command prints: it commands no terminal, is no markup, stops nothing."""

import ast
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import Result
from pydantic import BaseModel, ValidationError

import leaver_cli
from leaver.cases.heard import Heard, heard
from leaver.cases.people import Name
from leaver.cases.receipts import Receipt
from leaver.cases.record import Case
from leaver.cases.states import CaseEvent, State
from leaver.connections.record import Connection
from leaver.storage.tables import columns, item, values
from leaver_cli.main import COMMANDS
from tests.doubles.connections_table import connection
from tests.doubles.deployed import Clients
from tests.field import Field
from tests.integration.parked_stack import leaver
from tests.integration.test_cli_cases import BEGAN, GRANTS, SSO, Stack, stack
from tests.integration.test_cli_log import log_lines
from tests.length import some

__all__ = ["stack"]  # a fixture

#: clears the screen (C1), sets the title (OSC), turns the writing around, is markup (one bad), and a line of its own
HOSTILE = "\x9b2J\x1b]0;t\x07\u202e\u2066[b]:x:[/]\r\nSEALED\x7f"
#: what of it SQS takes
SENT = "".join(each for each in HOSTILE if each in "\t\n\r" or each >= " ")

#: the ways to call each command, none of which is answered with yes; those that change something come last
CALLS: tuple[tuple[str, ...], ...] = (
    ("connections",),
    ("cases",),
    ("case", "c-1"),
    ("case", "done", "--head", HOSTILE),
    ("watch", "done"),
    ("log", "c-1"),
    ("heard", "--day", f"{BEGAN:%Y-%m-%d}"),
    ("connections", "--json"),
    ("refresh", "zoom"),
    ("case", HOSTILE),
    ("release",),
    ("release", "h-1"),
    ("offboard", "ada@example.com", "--identity", HOSTILE),
    ("contain", "ada@example.com", "--identity", HOSTILE),
    ("close", "c-1", SSO.name, "--because", HOSTILE),
    ("close", "c-1", HOSTILE, "--because", HOSTILE),
    ("cancel", "h-1"),
    ("cancel", HOSTILE),
    ("reinstate", "ada@example.com"),
    ("parked", "revoke_sso_token", "--show-body"),
    ("parked", "unrouted", "--show-body"),
    ("parked", HOSTILE),
    ("dismiss", "unrouted", HOSTILE, "--because", HOSTILE),
    ("retry", "c-1"),
    ("redrive", "revoke_sso_token", "--dry-run"),
    ("redrive", "revoke_sso_token", "--yes", "--message-id", HOSTILE),
    ("erase", "over"),
    ("disconnect", "zoom"),
    ("disconnect", "zoom", "--yes", "--without-provider"),
)
#: in so many places at least a record may not hold any text
REFUSED = 40
#: those that show a case's receipts
SHOW_RECEIPTS = (("case", "c-1"), ("case", "done"), ("close", "c-1", SSO.name, "--because", "done"))


class Spoiler:
    """Puts hostile text into an item, wherever its model lets it stand."""

    #: by these the item is found; and what an index's own model reads, which lets nothing else stand there
    KEYS = frozenset(
        {"partition", "entry", "connection", "state", "status", "watch", "command", "case", "case_id", "kind"}
    )

    def __init__(self, model: type[BaseModel]) -> None:
        self._model = model

    def spoil(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        spoilt = dict(stored)
        for path in list(_texts(spoilt)):
            changed = _with(spoilt, path)
            spoilt = changed if path[0] not in self.KEYS and self._takes(changed) else spoilt
        for name in self._model.model_fields.keys() - stored.keys() - self.KEYS:
            for value in (HOSTILE, [HOSTILE], {HOSTILE: HOSTILE}, [{HOSTILE: HOSTILE}]):
                if self._takes({**spoilt, name: value}):
                    spoilt[name] = value
                    break
        return spoilt

    def refused(self, stored: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Spoil it in one place, for each place where the model does not let that stand."""
        for path in _texts(stored):
            changed = _with(stored, path)
            if path[0] not in {"partition", "entry", "connection"} and not self._takes(changed):
                yield changed

    def _takes(self, stored: Mapping[str, Any]) -> bool:
        try:
            self._model.model_validate(stored)
        except ValidationError:
            return False
        return True


def _texts(thing: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where texts stand in an item."""
    match thing:
        case str():
            yield path
        case Mapping():
            for name, each in thing.items():
                yield from _texts(each, (*path, name))
        case list():
            for place, each in enumerate(thing):
                yield from _texts(each, (*path, place))


def _with(thing: Any, path: tuple[Any, ...]) -> Any:
    if not path:
        return HOSTILE
    changed = thing.copy()
    changed[path[0]] = _with(thing[path[0]], path[1:])
    return changed


@pytest.fixture
def filled(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A stack with something of everything that a command prints."""
    monkeypatch.setattr(boto3, "Session", lambda **_: Clients)
    stack.has("c-1", SSO, GRANTS)
    stack.receives("c-1", SSO)
    stack.has("h-1", SSO, state=State.HELD)
    planned = stack.has("over", SSO, state=State.SCHEDULED)
    over = planned.after(CaseEvent.CANCELLED, BEGAN).with_look_at(None).without_pending("OffboardingCancelled")
    stack.cases.change(planned, lambda _: over)
    stack.seals("done", {"what": "a token", "until": "noon"})
    record = columns(connection(reason="because", status="needs_reauthorization", role="personal"))
    stack.dynamodb.put_item(TableName="Connections", Item=item(record))
    told = heard("message", BEGAN, source="okta", event_id="event-1")
    name = Name(partition="person#ada@example.com", case="c-1")
    for each in (told, name):
        stack.dynamodb.put_item(TableName="Cases", Item=item(columns(each)))
    stack.world.park(f'{{"{SENT}": "{SENT}"}}', reason=SENT, error=SENT, message_id=SENT)
    stack.world.park('{"case_id": "c-1"}', function="revoke-grants", reason=SENT, error=SENT, message_id=SENT)
    log_lines(("seal-case", 1, json.dumps({"message": HOSTILE, "case_id": "c-1", HOSTILE: HOSTILE})))
    stack.world.put("leaver-unrouted", {"detail-type": SENT, "source": SENT}, {"ERROR_MESSAGE": SENT, "RULE_ARN": SENT})
    return stack


def kept(stack: Stack) -> list[tuple[str, dict[str, Any]]]:
    return [
        (table, values(found))
        for table in ("Cases", "Connections")
        for found in stack.dynamodb.scan(TableName=table)["Items"]
    ]


def rewrite(stack: Stack, change: Callable[[str, Mapping[str, Any]], Mapping[str, Any]]) -> None:
    for table, stored in kept(stack):
        stack.dynamodb.put_item(TableName=table, Item=item(dict(change(table, stored))))


def model_of(table: str, stored: Mapping[str, Any]) -> type[BaseModel]:
    if table == "Connections":
        return Connection
    kinds: dict[str, type[BaseModel]] = {"case": Case, "receipts": Receipt, "heard": Heard, "person": Name}
    return kinds[str(stored["partition"]).partition("#")[0]]


def check(result: Result) -> str:
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert not [each for each in result.output if not each.isprintable() and each not in "\t\n"], result.output
    assert not any(line.startswith("SEALED") for line in result.output.splitlines()), result.output
    return result.output


def spoilt(table: str, stored: Mapping[str, Any], *, receipts: bool) -> Mapping[str, Any]:
    model = model_of(table, stored)
    return Spoiler(model).spoil(stored) if receipts is (model is Receipt) else stored


def test_hostile_text_is_shown_as_it_is_and_commands_nothing(filled: Stack) -> None:
    rewrite(filled, partial(spoilt, receipts=False))
    assert [call for call in CALLS if "[/]" not in shown(call)] == []


def test_hostile_text_in_receipts_is_shown_as_it_is_and_commands_nothing(filled: Stack) -> None:
    rewrite(filled, partial(spoilt, receipts=True))
    assert [call for call in SHOW_RECEIPTS if "[/]" not in shown(call)] == []


def shown(call: Sequence[str]) -> str:
    output = check(leaver(*call, answer="n\n"))
    assert "unexpected" not in output, output
    return output


def stops(call: Sequence[str]) -> bool:
    """Whether a command ends in a bug, or lets a text command the terminal."""
    try:
        check(leaver(*call))
    except AssertionError:
        return True
    return False


def test_what_a_record_may_not_hold_is_told_without_a_traceback(filled: Stack, field: Field) -> None:
    kept = [
        (table, values(each))
        for table in ("Cases", "Connections")
        for each in filled.dynamodb.scan(TableName=table)["Items"]
    ]
    refused = [
        (table, stored, bad) for table, stored in kept for bad in Spoiler(model_of(table, stored)).refused(stored)
    ]
    assert len(refused) >= REFUSED
    stopped: list[tuple[str, Sequence[str]]] = []
    tried = some(refused, short=2)
    for table, stored, bad in tried:
        filled.dynamodb.put_item(TableName=table, Item=item(bad))
        calls = (("connections",), ("cases",), ("case", "c-1"), ("heard", "--day", f"{BEGAN:%Y-%m-%d}"))
        stopped += [(table, call) for call in calls if stops(call)]
        filled.dynamodb.put_item(TableName=table, Item=item(dict(stored)))
    field("hostile text", "where a record may not hold it, shown by the command line", len(tried), crashed=stopped)


def test_every_command_is_tried() -> None:
    # In test_cli_door.py, test_cli_verify.py, test_cli_evidence.py and tests/unit/test_cli_hostile_rows.py.
    elsewhere = {"connect", "door", "verify", "evidence", "doctor", "reconcile", "configure"}
    shows_nothing_from_outside = {"schema"}
    assert {call[0] for call in CALLS} == {each.name for each in COMMANDS} - elsewhere - shows_nothing_from_outside


#: what shows something past `terminal.py`
SHOWERS = {
    *("Console", "Text", "Panel", "Live", "Progress", "Status", "track", "Group", "Markdown", "escape"),
    *("print", "echo", "secho", "confirm", "pprint", "rprint", "stdout", "stderr", "write"),
}


@pytest.mark.parametrize("path", sorted(Path(leaver_cli.__file__).parent.rglob("*.py")), ids=lambda path: path.name)
def test_all_output_passes_one_place(path: Path) -> None:
    # What runs without our package has a terminal of its own; test_cli_verify.py tries it.
    if path.name in {"terminal.py", "offline.py"}:
        return
    used: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in {"rich", "typer", "click", "sys"}:
                used |= {each.name for each in node.names}
            case ast.Attribute(attr=name, value=ast.Name(id="typer" | "click" | "sys" | "rich")):
                used.add(name)
            case ast.Call(func=ast.Name(id="print")):
                used.add("print")
    assert used & SHOWERS == set()
