"""`leaver`: the operator's commands, and in a sentence what stands in their way."""

from typing import Any

import click
import typer
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError
from typer.core import TyperGroup

from leaver_cli.parked import parked
from leaver_cli.redrive import redrive
from leaver_cli.stack import NoSuchQueue


class Commands(TyperGroup):
    """Tells an operator what AWS objects to, where Python would show a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except NoCredentialsError:
            raise click.ClickException("no AWS credentials: use --profile, or sign in (aws sso login)") from None
        except NoRegionError:
            raise click.ClickException("no AWS region: use --region, or set AWS_DEFAULT_REGION") from None
        except (BotoCoreError, ClientError, NoSuchQueue) as error:
            raise click.ClickException(str(error)) from None


app = typer.Typer(
    cls=Commands,
    help="Work with a deployed Leaver.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # an error is one line that can be searched for
    pretty_exceptions_enable=False,  # it would print what variables hold
)
app.command()(parked)
app.command()(redrive)

if __name__ == "__main__":
    app()
