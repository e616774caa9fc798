"""What holds for every command: its options, its examples, one sentence for what stops it, Ctrl-C, and a late import.

No command's code is imported before somebody calls that command: `leaver --help` needs neither boto3 nor pydantic.
"""

import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

import click
import typer
from typer.core import TyperGroup
from typer.main import get_command_from_info, get_group_from_info
from typer.models import CommandInfo, TyperInfo

from leaver_cli.terminal import begin_json, end_json, printable, say_interrupted

#: as a shell says of a program that Ctrl-C ended
INTERRUPTED: Final = 130
_CLICKS_OWN: Final = (click.ClickException, click.exceptions.Exit, click.Abort, EOFError, BrokenPipeError)


class InASentence(Exception):
    """What an operator has to know, in a sentence: it is shown as it is."""


class Commands(TyperGroup):
    """Tells an operator what AWS or a provider objects to, where Python would show a traceback."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command by its name, with what every command has."""
        found = super().get_command(ctx, cmd_name)
        return found and equipped(found)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is called, and only then import its code."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, found.load() if isinstance(found, Deferred) else found, rest

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; whatever stops it is shown as all other text is."""
        try:
            done = self._run(ctx)
        except click.exceptions.Exit:
            end_json()
            raise
        except click.ClickException as error:
            error.message = printable(error.message)
            end_json(error.message)
            raise
        except (KeyboardInterrupt, click.Abort) as stopped:
            # Of a question that is answered with no, click makes the same as of one that is interrupted.
            if isinstance(stopped, click.Abort) and not isinstance(stopped.__context__, KeyboardInterrupt):
                raise
            say_interrupted()
            raise click.exceptions.Exit(INTERRUPTED) from None
        end_json()
        return done

    def _run(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except _CLICKS_OWN:
            raise
        except InASentence as error:
            raise click.ClickException(str(error)) from None
        except Exception as error:  # noqa: BLE001 - see _unexpected
            raise click.ClickException(_of_aws_or_leaver(error) or _unexpected(error)) from None


def _of_aws_or_leaver(error: Exception) -> str | None:
    """What AWS or Leaver's own code objects to; both are imported by now, if they do."""
    botocore, ours = sys.modules.get("botocore.exceptions"), sys.modules.get("leaver.errors")
    if ours is not None and isinstance(error, ours.LeaverError):
        response = str(error.response)
        return f"{error.reason} ({response})" if response else str(error.reason)
    if botocore is None:
        return None
    if isinstance(error, botocore.NoCredentialsError):
        return "no AWS credentials: use --profile, or sign in (aws sso login)"
    if isinstance(error, botocore.NoRegionError):
        return "no AWS region: use --region, or set AWS_DEFAULT_REGION"
    return str(error) if isinstance(error, botocore.BotoCoreError | botocore.ClientError) else None


def _unexpected(error: Exception) -> str:
    # Of a bug only where it was: the message of a foreign exception may quote anything, a token included.
    frames = traceback.extract_tb(error.__traceback__)
    return f"unexpected {type(error).__name__}: " + " > ".join(f"{each.filename}:{each.lineno}" for each in frames)


class Deferred(click.Command):
    """A command whose code is imported when it is called, and not to be listed."""

    def __init__(self, name: str, target: str, help: str, examples: Sequence[str] = ()) -> None:  # noqa: A002 - click's
        """Take where the code is, as `module:function`, one sentence for the list of commands, and examples."""
        super().__init__(name, help=help)
        self.examples = tuple(examples)
        self._target = target

    def load(self) -> click.Command:
        """Import the code, and make the command of it."""
        module, _, attribute = self._target.partition(":")
        found = getattr(import_module(module), attribute)
        command = _made_of(found, self.name)
        command.name, command.short_help = self.name, self.help
        if self.examples:
            command.epilog = "\b\nExamples:\n" + "\n".join(f"  {each}" for each in self.examples)
        return equipped(command)


def _made_of(found: Any, name: str | None) -> click.Command:
    plain: dict[str, Any] = {"pretty_exceptions_short": False, "rich_markup_mode": None}
    if isinstance(found, typer.Typer):
        return get_group_from_info(TyperInfo(found), suggest_commands=True, **plain)
    return get_command_from_info(CommandInfo(name=name, callback=found), **plain)


def equipped(command: click.Command) -> click.Command:
    """Give a command, and each below it, what all of them have: `--json`."""
    if isinstance(command, TyperGroup):
        for each in command.commands.values():
            equipped(each)
    runs = not isinstance(command, TyperGroup) or command.invoke_without_command
    if runs and not isinstance(command, Deferred) and all("--json" not in each.opts for each in command.params):
        told = "Print one JSON object, for programs."
        how: dict[str, Any] = {"is_flag": True, "is_eager": True, "expose_value": False}
        command.params.append(click.Option(["--json"], callback=begin_json, help=told, **how))
    return command
