"""Every command of `leaver` that the program itself names is one that there is: in -h, in what it says, in alarms."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.contract.stack import ROOT
from tests.contract.test_documented_commands import faults

#: whose words somebody reads and types
TELLING: Final = [*(ROOT / "cli").rglob("*.py"), *(ROOT / "functions").rglob("*.py"), *(ROOT / "layers").rglob("*.py")]
#: Where a command begins: a line, a code span, or what follows a colon. Elsewhere a leaver is a person.
COMMAND: Final = re.compile(r"(?:^|: |`|\n) *(leaver [a-z-][^\n`;,]*)")
#: a sentence about the command, in its place
SENTENCES: Final = {"leaver connect is not waiting for this: use the link that it shows."}


def texts(source: str) -> Iterator[str]:
    """The texts of a module, with … for what is filled in."""
    tree = ast.parse(source)
    joined = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    for filled in joined:
        yield "".join(str(each.value) if isinstance(each, ast.Constant) else "…" for each in filled.values)
    parts = {id(part) for filled in joined for part in ast.walk(filled)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.value


def commands(text: str) -> Iterator[str]:
    """The commands in a text, without its quotation marks."""
    found = (match[1].translate({ord("'"): None, ord('"'): None}) for match in COMMAND.finditer(text))
    return (each for each in found if each not in SENTENCES)


def told(path: Path) -> list[str]:
    source = path.read_text()
    read = texts(source) if path.suffix == ".py" else [source]
    return [command for text in read for command in commands(text)]


PATHS: Final = [each for each in [*TELLING, ROOT / "template.yaml"] if told(each)]


@pytest.mark.parametrize("path", PATHS, ids=lambda each: str(each.relative_to(ROOT)))
def test_what_the_program_says_names_commands_and_options_that_there_are(path: Path) -> None:
    assert faults(iter(told(path))) == []


def test_the_program_names_commands() -> None:
    assert sum(len(told(path)) for path in TELLING) > 100


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ('"""Say it.\n\n    leaver offboard ada@example.com --att now\n    """', "no option --att"),
        ('f"it has no secret: leaver rotate {connection}"', "no command rotate"),
        ("f\"close it: leaver close {case} {step} --becaus '…'\"", "no option --becaus"),
        ('"`leaver case` shows it, `leaver caes` all"', "no command caes"),
    ],
)
def test_one_that_there_is_not_is_noticed(source: str, fault: str) -> None:
    found = [command for text in texts(source) for command in commands(text)]
    assert [each.partition(": ")[2] for each in faults(iter(found))] == [fault]
