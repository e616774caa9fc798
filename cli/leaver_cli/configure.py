"""`leaver configure`: keep which stack, region and profile are meant, or show what holds and who says so."""

from typing import Annotated

import click
import typer

from leaver_cli.configuration import VARIABLES, keep, kept, path, source
from leaver_cli.table import Column, Table
from leaver_cli.terminal import Terminal


def configure(
    *,
    show: Annotated[bool, typer.Option("--show", help="Only show what holds, and who says so.")] = False,
    stack: Annotated[str | None, typer.Option(help="The CloudFormation stack; '' forgets it.")] = None,
    region: Annotated[str | None, typer.Option(help="The AWS region; '' forgets it.")] = None,
    profile: Annotated[str | None, typer.Option(help="The AWS profile; '' forgets it.")] = None,
) -> None:
    """Keep which stack is meant where no option and no variable says so; what is not given is asked for."""
    console = Terminal()
    given = {"stack": stack, "region": region, "profile": profile}
    told = {name: value.strip() for name, value in given.items() if value is not None}
    if show and told:
        raise click.UsageError("--show: changes nothing, so it takes no other option")
    if not show:
        before = kept()
        told = told or {name: _asked(name, before.get(name, "")) for name in VARIABLES}
        if wrong := [name for name, value in told.items() if not value.isprintable()]:
            raise click.UsageError(f"{', '.join(wrong)}: expected printable characters")
        keep(before | told)
        console.note(f"kept in {path()}")
    table = Table("settings", (Column("setting"), Column("value"), Column("from", spare=1)))
    for name in VARIABLES:
        value, whose = source(name)
        table.add(name, value, whose)
    console.print(table)


def _asked(name: str, before: str) -> str:
    answer: str = typer.prompt(f"{name.capitalize()} (- forgets it)", default=before, err=True)
    return "" if answer.strip() == "-" else answer.strip()
