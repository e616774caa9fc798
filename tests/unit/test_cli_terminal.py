"""What an operator is shown, whatever it holds."""

from contextlib import suppress
from io import StringIO

import click
import pytest
import typer
from rich.console import Console
from rich.errors import MarkupError
from typer.testing import CliRunner

from leaver.errors import LeaverError
from leaver_cli import terminal
from leaver_cli.commands import Commands
from leaver_cli.connections import show
from leaver_cli.main import app
from leaver_cli.table import Column, Table
from leaver_cli.terminal import Terminal, confirm, counting, printable, show_json, waiting
from tests.doubles.clock import NOW
from tests.doubles.connections_table import connection

CONTROL = [chr(code) for code in (*range(32), *range(0x7F, 0xA0), 0x2028, 0x2029, 0x202E, 0x2066, 0xE0001, 0xD800)]


@pytest.mark.parametrize("control", CONTROL, ids=ascii)
def test_no_control_character_reaches_the_terminal(control: str) -> None:
    assert printable(f"a{control}b") == "a b"


def test_a_connection_can_not_clear_the_screen_of_who_looks_at_it() -> None:
    screen = StringIO()
    hostile = connection(account="\x9b2J[red]", owner="\x1b[2Jit", status="cooling_down", reason="\x9b3J")
    show._show(Terminal(file=screen, width=200), [hostile], [], NOW)
    assert not {"\x9b", "\x1b"} & set(screen.getvalue())
    assert " 2J[red]" in screen.getvalue()


HOSTILE = "\x9b2J\u202e[b]:x:[/]\nSEALED"


def screen(capsys: pytest.CaptureFixture[str]) -> str:
    """What is on the terminal when a hostile text was shown in every way."""
    console = Terminal(width=200)
    table = Table(HOSTILE, (Column(HOSTILE), Column(HOSTILE, prose=True)), title=HOSTILE)
    table.add(HOSTILE, [HOSTILE])
    console.say(HOSTILE)
    console.note(HOSTILE)
    for each in (console, Terminal(width=200, force_terminal=True, color_system=None)):
        each.print(table)
    with waiting(HOSTILE):
        assert list(counting([1], HOSTILE, 1)) == [1]
    show_json({HOSTILE: f"{HOSTILE}\x7f"})
    return "".join(capsys.readouterr())


def is_tame(shown: str) -> bool:
    commands = [each for each in shown if not each.isprintable() and each not in "\t\n"]
    return not commands and "[b]:x:[/]" in shown and not any(line.startswith("SEALED") for line in shown.splitlines())


def test_no_way_to_show_a_text_lets_it_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    shown = screen(capsys)
    assert is_tame(shown)
    assert shown.count("[b]:x:[/]") >= 7


@pytest.mark.parametrize(
    ("owner", "name", "instead"), [(Terminal, "render_str", Console.render_str), (terminal, "printable", str)]
)
def test_a_terminal_without_its_mend_is_found_out(
    owner: object, name: str, instead: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(owner, name, instead)
    with suppress(MarkupError):
        assert not is_tame(screen(capsys))


def test_a_question_and_an_error_do_not_command_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO("n\n"))
    with pytest.raises(typer.Abort):
        confirm(HOSTILE)
    assert is_tame("".join(capsys.readouterr()))


class Bug(Exception):
    """What no command knows of."""


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (Bug(f"token-{HOSTILE}"), "Error: unexpected Bug: "),
        (LeaverError(HOSTILE), "Error:  2J [b]:x:[/] SEALED"),
        (click.UsageError(HOSTILE), "Error:  2J [b]:x:[/] SEALED"),
    ],
)
def test_what_stops_a_command_is_shown_in_a_line_and_a_bug_without_its_words(error: Exception, shown: str) -> None:
    def fail() -> None:
        held = "token-in-a-local"
        raise error if held else AssertionError

    app = typer.Typer(cls=Commands, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(fail)
    app.command()(lambda: None)
    result = CliRunner().invoke(app, ["fail"])
    assert isinstance(result.exception, SystemExit)
    assert shown in result.output
    assert "token" not in result.output
    assert not any(line.startswith("SEALED") for line in result.output.splitlines())


def test_the_command_line_prints_no_variables_of_a_traceback() -> None:
    assert not app.pretty_exceptions_enable


def test_where_nobody_is_there_to_answer_it_is_said_how_not_to_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_: str) -> str:
        raise EOFError

    monkeypatch.setattr("click.termui.visible_prompt_func", nobody)
    with pytest.raises(click.ClickException, match="nobody is there to answer; with --yes nothing is asked"):
        confirm("End every access?")


@pytest.mark.parametrize(("no_color", "is_red"), [("", True), ("1", False)])
def test_who_wants_no_color_is_shown_none(no_color: str, is_red: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("TERM", "xterm-256color")
    screen, table = StringIO(), Table("rows", (Column("row"),))
    table.add("late", style="red")
    Terminal(file=screen, force_terminal=True, width=80).print(table)
    assert "late" in screen.getvalue()
    assert ("\x1b[31m" in screen.getvalue()) is is_red
