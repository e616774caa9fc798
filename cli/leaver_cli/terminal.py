"""All that an operator is shown passes here: what came from outside does not command the terminal, and is no markup."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import typer
from rich.console import Console, Group
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
    track,
)
from rich.table import Column
from rich.text import Text

Counted = TypeVar("Counted")


def printable(text: str) -> str:
    """Show text as it is, but for what a terminal would obey: control characters (C0, C1), bidirectional ones, lines.

    A line break too: what follows it would pass for a line of ours.
    """
    return "".join(each if each.isprintable() else " " for each in text)


class Terminal(Console):
    """Shows every text literally, in lines, cells and titles alike; two lines in a cell are `stacked`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, **options)

    def render_str(self, text: str, **how: Any) -> Text:
        """Make the text that is shown: rich asks here for each str that it is given."""
        return super().render_str(printable(text), **(how | {"markup": False, "emoji": False}))

    def say(self, line: str) -> None:
        """Show one line, however long."""
        self.print(line, soft_wrap=True)


def stacked(*lines: str) -> Group:
    """Put lines above each other in one cell."""
    return Group(*lines)


def show_json(value: object) -> None:
    """Show JSON, for programs; it is ASCII, and of that json leaves one control character as it is."""
    typer.echo(json.dumps(value, indent=2).replace("\x7f", "\\u007f"))


def says_yes(question: str) -> bool:
    """Ask, beside what goes into a pipe, and tell whether that was a yes."""
    return typer.confirm(printable(question), err=True)


def confirm(question: str) -> None:
    """Ask, and go on only after a yes."""
    if not says_yes(question):
        raise typer.Abort


def say_row(console: "Terminal", widths: Sequence[int], *cells: str) -> None:
    """Show one row: in columns on a terminal, however long the last cell, and with tabs between them in a pipe."""
    shown = [printable(each) for each in cells]
    if not console.is_terminal:
        # rich would make spaces of them.
        typer.echo("\t".join(shown), err=console.stderr)
        return
    padded = [each.ljust(width) for each, width in zip(shown, widths, strict=False)]
    console.say("  ".join([*padded, *shown[len(padded) :]]).rstrip())


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show meanwhile what is waited for."""
    with Terminal(stderr=True).status(Text(printable(what))):
        yield


def counting(things: Iterable[Counted], what: str, total: int) -> Iterable[Counted]:
    """Show how many of the things are done."""
    return track(things, escape(printable(what)), total=total, console=Terminal(stderr=True), transient=True)


class Rate(ProgressColumn):
    """How many in a minute."""

    def render(self, task: Task) -> Text:
        """The rate until now; nothing while it is not known."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed * 60:.0f} a minute")


@contextmanager
def progress_of(total: int) -> Iterator[Callable[[int, str], None]]:
    """Show a bar with rate and remaining time; what is yielded is told how many are done, and what became of them."""
    console = Terminal(stderr=True)
    told = TextColumn(
        "{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)
    )
    columns = (BarColumn(10), MofNCompleteColumn(), Rate(), TimeRemainingColumn(), told)
    with Progress(*columns, console=console, expand=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total)
        yield lambda done, what: progress.update(task, completed=done, description=printable(what))
