"""`leaver`: the operator's commands, and in a sentence what stands in their way."""

import traceback
from typing import Any

import click
import typer
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError
from typer.core import TyperGroup

from leaver.errors import LeaverError
from leaver_cli.cases.close import close
from leaver_cli.cases.give_back import cancel, reinstate
from leaver_cli.cases.heard import heard
from leaver_cli.cases.release import release
from leaver_cli.cases.show import case
from leaver_cli.connections import connect
from leaver_cli.connections.consent import NoConsent
from leaver_cli.connections.disconnect import disconnect
from leaver_cli.connections.forms import FORMS
from leaver_cli.connections.refresh import refresh
from leaver_cli.connections.secret_input import NoSecret
from leaver_cli.connections.show import connections
from leaver_cli.deployment import NoSuchStack, WrongClock, describe
from leaver_cli.door.show import door
from leaver_cli.evidence.verify import verify
from leaver_cli.parked.redrive import redrive
from leaver_cli.parked.show import parked
from leaver_cli.stack import NoSuchQueue
from leaver_cli.terminal import printable

CLICKS_OWN = (click.ClickException, click.exceptions.Exit, click.Abort, EOFError, BrokenPipeError)
IN_A_SENTENCE = (NoConsent, NoSecret, NoSuchQueue, NoSuchStack, WrongClock)


class Commands(TyperGroup):
    """Tells an operator what AWS or a provider objects to, where Python would show a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; whatever stops it is shown as all other text is."""
        try:
            return self._run(ctx)
        except click.ClickException as error:
            error.message = printable(error.message)
            raise

    def _run(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CLICKS_OWN:
            raise
        except NoCredentialsError:
            raise click.ClickException("no AWS credentials: use --profile, or sign in (aws sso login)") from None
        except NoRegionError:
            raise click.ClickException("no AWS region: use --region, or set AWS_DEFAULT_REGION") from None
        except LeaverError as error:
            raise click.ClickException(_said(error)) from None
        except (BotoCoreError, ClientError, *IN_A_SENTENCE) as error:
            raise click.ClickException(str(error)) from None
        except Exception as error:  # noqa: BLE001 - see _unexpected
            raise click.ClickException(_unexpected(error)) from None


def _unexpected(error: Exception) -> str:
    # Of a bug only where it was: the message of a foreign exception may quote anything, a token included.
    frames = traceback.extract_tb(error.__traceback__)
    return f"unexpected {type(error).__name__}: " + " > ".join(f"{each.filename}:{each.lineno}" for each in frames)


def _said(error: LeaverError) -> str:
    response = str(error.response)
    return f"{error.reason} ({response})" if response else error.reason


app = typer.Typer(
    cls=Commands,
    help="Work with a deployed Leaver.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # an error is one line that can be searched for
    pretty_exceptions_enable=False,  # it would print what variables hold
)
app.add_typer(connect.commands(describe, FORMS), name="connect")
app.command()(connections)
app.command()(refresh)
app.command()(disconnect)
app.add_typer(door, name="door")
app.command()(case)
app.command()(heard)
app.command()(release)
app.command()(close)
app.command()(cancel)
app.command()(reinstate)
app.command()(parked)
app.command()(redrive)
app.command()(verify)

if __name__ == "__main__":
    app()
