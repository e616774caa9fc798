"""Every command of `leaver` that a page shows is one that there is, with options that there are.

That each of them was run, `make test` says in the end: tests/invoked.py.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import click
import pytest
from typer.main import get_command

from leaver_cli.commands import Deferred
from leaver_cli.main import app
from tests.contract.stack import ROOT
from tests.contract.test_documents import DOCUMENTS

#: what history tells is of its own day
PAGES = [each for each in DOCUMENTS if each.name != "CHANGELOG.md" and "decisions" not in each.parts]
#: what stands in a form's place of a command's name
PLACE = re.compile(r"[A-Z]+|.*[|…<].*")
#: of -h and --help
HELP: Final = {"-h": "--help", "--help": "--help"}


class Shape(NamedTuple):
    """A command and its options, whatever their values."""

    command: str
    options: tuple[str, ...]

    def __str__(self) -> str:
        """Return it as one would type it."""
        return " ".join(each for each in ("leaver", self.command, *self.options) if each)


class Read(NamedTuple):
    """What the command line knows of what somebody would type."""

    shape: Shape
    #: what it would say of it before it does anything; values are no business of a page's
    fault: str | None = None
    #: whether it can be typed so: a group of commands can not, nor a place for one
    is_whole: bool = True
    #: whether nothing stands behind its name
    is_bare: bool = False


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """A page's blocks of code, each with its language; a command that goes on in the next line is on one."""
    whole = re.sub(r" *\\\n *", " ", text)
    yield from re.findall(r"^```(\w*)\n(.*?)^```$", whole, re.MULTILINE | re.DOTALL)


def in_blocks(page: Path) -> Iterator[str]:
    """The commands in a page's blocks, without what stands beside them."""
    for language, block in blocks(page.read_text()):
        if language in {"", "console", "sh", "text"}:
            lines = (line.removeprefix("$ ") for line in block.splitlines())
            yield from (re.split(r" {2,}", line)[0] for line in lines if line.startswith("leaver "))


def inline(page: Path) -> Iterator[str]:
    """The commands in a page's sentences and tables."""
    spans = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", page.read_text())
    yield from (span for span in spans if span.startswith("leaver "))


def shown(page: Path) -> Iterator[str]:
    """The commands in a page's code, as somebody would type them."""
    yield from in_blocks(page)
    yield from inline(page)


def typed(command: str) -> list[str]:
    """Its words, those that may be left out among them; what follows a pipe or redirects is the shell's."""
    # A comment, and no step's name, which has a # in it: shlex takes both for one.
    plain = re.sub(r" # .*", "", re.sub(r"\$\([^)]*\)", "PLACE", command))
    words = shlex.split(re.sub(r"[\[\]]", " ", plain))
    ends = [place for place, word in enumerate(words) if word in {"&&", ";", "|", "2>&1"} or word.startswith(">")]
    return words[1 : min(ends, default=len(words))]


def read(command: str) -> Read:
    """Tell what a command is, and what is wrong with it."""
    group, words, path = get_command(app), typed(command), ""
    context = click.Context(group, info_name="leaver")
    while isinstance(group, click.Group) and words and not words[0].startswith("-"):
        found = group.get_command(context, words[0])
        if found is None:
            is_place = group.invoke_without_command or PLACE.fullmatch(words[0])
            return Read(Shape(path, ()), None if is_place else f"no command {words[0]}", is_whole=False)
        path = f"{path} {words[0]}".strip()
        group, words = found.load() if isinstance(found, Deferred) else found, words[1:]
    known = {name: called(each) for each in group.params for name in (*each.opts, *each.secondary_opts)} | HELP
    given = [word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    unknown = [each for each in given if each not in known]
    return Read(
        Shape(path, tuple(sorted({known[each] for each in given if each in known}))),
        f"no option {unknown[0]}" if unknown else None,
        is_whole=bool(given) or not isinstance(group, click.Group) or group.invoke_without_command,
        is_bare=not words,
    )


def called(option: click.Parameter) -> str:
    """An option by its whole name."""
    return max(option.opts, key=len)


def faults(commands: Iterator[str]) -> list[str]:
    return [f"{each}: {fault}" for each in commands if (fault := read(each).fault)]


@pytest.mark.parametrize("page", PAGES, ids=lambda each: str(each.relative_to(ROOT)))
def test_a_page_shows_commands_and_options_that_there_are(page: Path) -> None:
    assert faults(shown(page)) == []


def test_the_pages_show_commands() -> None:
    assert sum(len(list(shown(page))) for page in PAGES) > 200


def test_every_block_of_a_page_is_read(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```csv\nwho\n```\nText.\n```sh\nleaver case c-1 \\\n  --head 1   # compared\n```\n`leaver cases`\n"
    )
    assert list(shown(page)) == ["leaver case c-1 --head 1", "leaver cases"]


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("leaver offbord ada@example.com", "no command offbord"),
        ("leaver cases --opened", "no option --opened"),
        ("leaver cases [--opened]", "no option --opened"),
        ('leaver close CASE|WHO RevokeSsoToken#zoom/acme --becaus "…"', "no option --becaus"),
        ("leaver door rotate hibob --never", "no option --never"),
    ],
)
def test_one_that_there_is_not_is_noticed(command: str, fault: str) -> None:
    assert faults(iter([command])) == [f"{command}: {fault}"]
