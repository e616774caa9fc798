"""All that an operator is shown passes here: what came from outside does not command the terminal, and is no markup.

A person at a terminal sees tables and sentences. In a pipe, rows are tab-separated lines on standard output, and what
is said beside them goes to standard error. With `--json` everything is one object, printed at the end.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import click
import typer
from rich.console import Console
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

from leaver_cli.table import Table, folded_sentence, printable

__all__ = ["Terminal", "confirm", "counting", "printable", "say_under_way", "show_json", "waiting", "wants_json"]

Counted = TypeVar("Counted")

#: where a run keeps what it will print as JSON, and what it is about
_REPORT: Final = "leaver.report"
_UNDER_WAY: Final = "leaver.under_way"
_STREAMED: Final = "leaver.streamed"
_OWN_JSON: Final = "leaver.own_json"
#: by how much a sentence's further lines stand in, and what is too narrow for a text beside others
_HANGING: Final = 2
_READABLE: Final = 24


class Terminal(Console):
    """Shows every text literally, in lines, cells and titles alike."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, **options)

    def render_str(self, text: str, **how: Any) -> Text:
        """Make the text that is shown: rich asks here for each str that it is given."""
        return super().render_str(printable(text), **(how | {"markup": False, "emoji": False}))

    def print(self, *things: Any, **how: Any) -> None:
        """Show a table as whoever reads it takes it, and anything else as it is."""
        for each in things:
            if isinstance(each, Table):
                self._show(each)
            else:
                super().print(each, **how)

    def say(self, line: str) -> None:
        """Show one line, however long: what the command has to say."""
        if (report := _report()) is not None:
            report.setdefault("messages", []).append(line)
        elif self.is_terminal:
            self._fold("", printable(line), " " * _HANGING)
        else:
            self.print(line, soft_wrap=True)

    def _fold(self, before: str, text: str, hanging: str) -> None:
        """Show a text between words over lines, on a terminal: it would break them anywhere."""
        for number, part in enumerate(folded_sentence(text, max(self.width - max(len(before), len(hanging)), 1))):
            self.print(f"{hanging if number else before}{part}".rstrip(), soft_wrap=True)

    def note(self, line: str) -> None:
        """Show one line beside a table: in a pipe it must not stand among the rows."""
        if self.is_terminal or _report() is not None:
            self.say(line)
        else:
            complain(line)

    def row(self, *cells: str, widths: Sequence[int] = (), also: Mapping[str, object] | None = None) -> None:
        """Show one row as soon as there is one, however long its last cell: for a program `also`, as a line of JSON."""
        shown = [printable(each) for each in cells]
        if (context := click.get_current_context(silent=True)) is not None and _report() is not None:
            context.meta[_STREAMED] = True
            show_json_line(dict(also or {}))
        elif self.is_terminal:
            padded = [each.ljust(width) for each, width in zip(shown, widths, strict=False)]
            *first, last = [*padded, *shown[len(padded) :]]
            before = "".join(f"{each}  " for each in first)
            # Under its own column where there is room for words, and else under the second.
            at = len(before) if self.width - len(before) >= _READABLE else len(padded[0]) + 2 if padded else _HANGING
            if len(before) + len(last) <= self.width or at == len(before):
                self._fold(before, last, " " * at)
            else:
                self.print(before.rstrip(), soft_wrap=True)
                self._fold(" " * at, last, " " * at)
        else:
            # rich would make spaces of the tabs.
            typer.echo("\t".join(shown), file=self.file)

    def tell(self, **fields: object) -> None:
        """Give a program more than a person is shown."""
        if (report := _report()) is not None:
            report.update(fields)

    def _show(self, table: Table) -> None:
        if (report := _report()) is not None:
            report.setdefault(table.name, []).extend(table.objects())
        elif self.is_terminal:
            if table.title:
                self.say(table.title)
            for line, style in table.lines(self.width) if table.rows else ():
                super().print(Text(line, style=style), soft_wrap=True)
        else:
            for line in table.tab_separated():
                typer.echo(line, file=self.file)  # rich would make blanks of the tabs


def _report() -> dict[str, Any] | None:
    context = click.get_current_context(silent=True)
    return context.meta.get(_REPORT) if context else None


def begin_json(context: click.Context, _option: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click calls it
    """Let a run print one JSON object at its end, where that is wanted."""
    if wanted:
        context.meta.setdefault(_REPORT, {})


def wants_json(context: typer.Context, wanted: bool) -> bool:  # noqa: FBT001 - typer calls it
    """Let what stops a run be an object, too, where a command prints an object of its own."""
    context.meta[_OWN_JSON] = wanted
    return wanted


def end_json(error: str | None = None) -> None:
    """Print the JSON object of a run that was to print one, with what stopped the run."""
    context = click.get_current_context(silent=True)
    if (report := _report()) is None:
        if error is not None and context and context.meta.get(_OWN_JSON):
            show_json({"error": printable(error)})
        return
    stopped = {} if error is None else {"error": printable(error)}
    if not (context and context.meta.get(_STREAMED)):
        show_json(report | stopped)
    elif stopped:
        show_json_line(stopped)


def show_json(value: object) -> None:
    """Show JSON, for programs; it is ASCII, and of that json leaves one control character as it is."""
    typer.echo(_json(value, indent=2))


def show_json_line(value: object) -> None:
    """Show JSON on one line, as soon as there is something to show."""
    typer.echo(_json(value))


def _json(value: object, *, indent: int | None = None) -> str:
    return json.dumps(value, indent=indent).replace("\x7f", "\\u007f")


def complain(line: str) -> None:
    """Show one line on standard error."""
    typer.echo(printable(line), err=True)


def says_yes(question: str) -> bool:
    """Ask, and tell whether that was a yes; a question is no part of what is printed for a pipe or a program."""
    console, asked = Terminal(stderr=True), printable(question)
    if console.is_terminal:
        asked = "\n".join(folded_sentence(asked, console.width - len(" [y/N]: ")))
    try:
        return typer.confirm(asked, err=True)
    except click.Abort as aborted:
        if isinstance(aborted.__context__, EOFError):
            complain("")
            raise click.ClickException("nobody is there to answer; with --yes nothing is asked") from None
        raise


def confirm(question: str) -> None:
    """Ask, and go on only after a yes."""
    if not says_yes(question):
        raise typer.Abort


def say_under_way(what: str) -> None:
    """From now on an interruption says so: what was sent goes on without the command line."""
    if (context := click.get_current_context(silent=True)) is not None:
        context.meta[_UNDER_WAY] = printable(what)


def say_interrupted() -> None:
    """Say that Ctrl-C was heard, and what goes on nevertheless, where a command said so."""
    context = click.get_current_context(silent=True)
    told = context.meta.get(_UNDER_WAY) if context else None
    complain(f"interrupted: {told}" if told else "interrupted")


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
