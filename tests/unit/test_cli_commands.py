"""What holds for every command: -h, --version, --json, a late import, did-you-mean, completion, Ctrl-C, its hints."""

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
import typer
from typer.testing import CliRunner

import leaver_cli
from leaver_cli.commands import Commands, InASentence
from leaver_cli.main import COMMANDS, app
from leaver_cli.terminal import confirm, say_under_way

HELP = """
import sys
from leaver_cli.main import app
try:
    app(["--help"])
finally:
    print("imported:", *sorted({"boto3", "botocore", "pydantic", "requests"} & sys.modules.keys()))
"""
SOURCES = sorted(Path(leaver_cli.__file__).parent.rglob("*.py"))


def run(*arguments: str, **environ: str) -> click.testing.Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "80", **environ})


def test_to_ask_for_help_imports_neither_aws_nor_pydantic() -> None:
    called = [sys.executable, "-c", HELP]
    shown = subprocess.run(called, capture_output=True, text=True, check=True).stdout  # noqa: S603 - ours
    assert "Show who leaves" in shown
    assert shown.splitlines()[-1] == "imported:"


@pytest.mark.parametrize("name", [each.name for each in COMMANDS])
def test_every_command_has_help_examples_and_json(name: str) -> None:
    short, long = run(name, "-h"), run(name, "--help")
    assert short.exit_code == long.exit_code == 0
    assert short.output == long.output
    assert f"  leaver {name}" in short.output.partition("Examples:")[2]
    assert "--json" in short.output or name == "connect"


def test_says_its_version() -> None:
    assert re.fullmatch(r"leaver \d+\.\d+\.\d+\n", run("--version").output)


def test_asks_whether_another_word_was_meant() -> None:
    result = run("offbord") if "offboard" in {each.name for each in COMMANDS} else run("conections")
    assert result.exit_code == 2
    assert "Did you mean" in result.output


@pytest.mark.parametrize(("typed", "found"), [("ca", "cases"), ("cases --ov", "--overdue")])
def test_a_shell_completes_commands_and_options(typed: str, found: str) -> None:
    asked = {
        "_LEAVER_COMPLETE": "complete_bash",
        "COMP_WORDS": f"leaver {typed}",
        "COMP_CWORD": f"{typed.count(' ') + 1}",
    }
    result = CliRunner().invoke(app, [], env=asked, prog_name="leaver")
    assert found in result.output.split()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_whatever_a_hint_tells_to_run_is_a_command(path: Path) -> None:
    named = re.findall(r"`leaver ([a-z]+)", path.read_text())
    assert set(named) <= {each.name for each in COMMANDS}


def interrupted(before: str | None = None) -> click.testing.Result:
    def work() -> None:
        if before:
            say_under_way(before)
        raise KeyboardInterrupt

    made = typer.Typer(cls=Commands, rich_markup_mode=None)
    made.command()(work)
    made.command("other")(lambda: None)
    return CliRunner(mix_stderr=False).invoke(made, ["work"])


def test_an_interruption_ends_with_130_and_says_what_goes_on() -> None:
    alone, sent = interrupted(), interrupted("what was decided goes on")
    assert (alone.exit_code, alone.stderr) == (130, "interrupted\n")
    assert (sent.exit_code, sent.stderr) == (130, "interrupted: what was decided goes on\n")


@pytest.mark.parametrize("command", ["offboard", "contain"])
def test_what_stops_a_command_that_has_json_of_its_own_is_an_object_too(command: str) -> None:
    result = CliRunner(mix_stderr=False).invoke(app, [command, "nobody", "--stack", "", "--region", "\x9b", "--json"])
    assert result.exit_code
    assert "error" in json.loads(result.stdout)


def test_what_stops_a_command_is_part_of_its_json() -> None:
    def work() -> None:
        raise InASentence("no such thing")

    made = typer.Typer(cls=Commands, rich_markup_mode=None)
    made.command()(work)
    made.command("other")(lambda: confirm("?"))
    result = CliRunner(mix_stderr=False).invoke(made, ["work", "--json"])
    assert (result.exit_code, result.stdout) == (1, '{\n  "error": "no such thing"\n}\n')
