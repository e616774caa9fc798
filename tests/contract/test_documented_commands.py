"""Every command of `leaver` that a page shows is one that there is, with options that there are."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from typer.main import get_command

from leaver_cli.commands import Deferred
from leaver_cli.main import app
from tests.contract.stack import ROOT
from tests.contract.test_documents import DOCUMENTS

#: what history tells is of its own day
PAGES = [each for each in DOCUMENTS if each.name != "CHANGELOG.md" and "decisions" not in each.parts]
#: a form with choices or places to fill, and no command to be typed
FORM = re.compile(r"[\[\]|…<>]|\.\.\.|leaver COMMAND")


def shown(page: Path) -> Iterator[str]:
    """The commands in a page's code, as somebody would type them."""
    text = page.read_text().replace("\\\n", " ")
    for block in re.findall(r"^```(?:sh|console|text)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield from (line.removeprefix("$ ") for line in block.splitlines() if re.match(r"(\$ )?leaver ", line))
    yield from (span for span in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text) if span.startswith("leaver "))


def typed(command: str) -> list[str]:
    """Its words; what follows a pipe or redirects is the shell's."""
    words = shlex.split(command, comments=True)
    ends = [place for place, word in enumerate(words) if word in {"&&", ";", "2>&1"} or word.startswith(">")]
    return words[1 : min(ends, default=len(words))]


def fault_of(command: str) -> str | None:
    """What the command line would say of it before it does anything; values are no business of a page's."""
    group, words = get_command(app), typed(command)
    context = click.Context(group, info_name="leaver")
    while isinstance(group, click.Group) and words:
        if words[0].startswith("-"):
            break
        found = group.get_command(context, words[0])
        if found is None:
            return f"no command {words[0]}" if not group.invoke_without_command else None
        group, words = found.load() if isinstance(found, Deferred) else found, words[1:]
    known = {name for each in group.params for name in (*each.opts, *each.secondary_opts)} | {"-h", "--help"}
    unknown = [word for word in words if re.match(r"--?[a-z]", word) and word.partition("=")[0] not in known]
    return f"no option {unknown[0]}" if unknown else None


def faults(commands: Iterator[str]) -> list[str]:
    return [f"{each}: {fault}" for each in commands if not FORM.search(each) and (fault := fault_of(each))]


@pytest.mark.parametrize("page", PAGES, ids=lambda each: str(each.relative_to(ROOT)))
def test_a_page_shows_commands_and_options_that_there_are(page: Path) -> None:
    assert faults(shown(page)) == []


def test_the_pages_show_commands() -> None:
    assert sum(len(list(shown(page))) for page in PAGES) > 200


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("leaver offbord ada@example.com", "no command offbord"),
        ("leaver cases --opened", "no option --opened"),
        ("leaver door rotate hibob --never", "no option --never"),
    ],
)
def test_one_that_there_is_not_is_noticed(command: str, fault: str) -> None:
    assert faults(iter([command])) == [f"{command}: {fault}"]
