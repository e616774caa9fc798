"""The commands of `leaver` that the pages show, held against those that tests ran in the whole suite."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource

from leaver_cli.commands import Commands
from tests.contract.stack import ROOT
from tests.contract.test_documented_commands import PAGES, Shape, called, in_blocks, inline, read

#: what ran to its end in this process
INVOKED: Final[set[Shape]] = set()

#: run from its first command to its last by tests/e2e/test_played_pages.py, which holds what each prints
PLAYED: Final = ROOT / "docs" / "a-day.md"

#: what is answered before a command runs, and by which test it is held
EXCUSED: Final[Mapping[Shape, str]] = {
    Shape("", ("--help",)): "tests/unit/test_cli_commands.py asks every command for it",
    Shape("", ("--install-completion",)): "it writes into a shell's own files: test_cli_commands.py asks as they do",
}


def record() -> None:
    """Let each command of `leaver` that runs in this process leave its shape, unless something stopped it."""
    invoke = click.Command.invoke

    def invoked(command: click.Command, context: click.Context) -> Any:
        try:
            done = invoke(command, context)
        except click.exceptions.Exit as told:
            # 1: a person is needed. 2: what was typed says nothing that could be done.
            if told.exit_code in {0, 1}:
                _keep(context)
            raise
        except KeyboardInterrupt:
            _keep(context)
            raise
        _keep(context)
        return done

    click.Command.invoke = invoked  # type: ignore[assignment, method-assign]


def _keep(context: click.Context) -> None:
    if isinstance(context.find_root().command, Commands) and context.invoked_subcommand is None:
        INVOKED.add(shape_of(context))


def shape_of(context: click.Context) -> Shape:
    """What was typed of a command and its options."""
    *names, _ = (str(each.info_name) for each in _up(context))
    options = {
        called(option)
        for each in _up(context)
        for option in each.command.params
        if isinstance(option, click.Option)
        and each.get_parameter_source(str(option.name)) is ParameterSource.COMMANDLINE
    }
    return Shape(" ".join(reversed(names)), tuple(sorted(options)))


def _up(context: click.Context | None) -> Iterator[click.Context]:
    while context is not None:
        yield context
        context = context.parent


def documented(pages: Collection[Path] = PAGES) -> dict[Shape, str]:
    """What the pages show, each with where; a command's bare name in a sentence is its name, and not to be typed."""
    found: dict[Shape, str] = {}
    for page in pages:
        told = [*map(read, in_blocks(page)), *(each for each in map(read, inline(page)) if not each.is_bare)]
        for each in told:
            if each.is_whole:
                found.setdefault(each.shape, page.name)
    return found


def played() -> set[Shape]:
    """What stands with its output in the page that is played."""
    return {read(each).shape for each in in_blocks(PLAYED)}


def faults(shown: Mapping[Shape, str], ran: Collection[Shape], excused: Mapping[Shape, str] = EXCUSED) -> list[str]:
    """Tell what is shown and was run by nobody, and what is excused without need."""
    missing = shown.keys() - set(ran)
    return [
        *(f"{each}: {shown[each]} shows it, and no test ran it" for each in sorted(missing - excused.keys())),
        *(f"{each}: excused, but run by a test or not shown" for each in sorted(excused.keys() - missing)),
    ]


def counts(shown: Collection[Shape], ran: Collection[Shape]) -> str:
    """How many are shown, and how many of them each way holds."""
    left = set(shown) - set(ran)
    only_played, rest = left & played(), left - played()
    by_tests, excused = len(set(shown)) - len(left), len(rest & EXCUSED.keys())
    return f"{len(set(shown))} are shown: {by_tests} run by tests, {len(only_played)} played alone, {excused} excused"
