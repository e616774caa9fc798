"""What the documents name is there and is what the code does, and what is installed is pinned."""

import re
from pathlib import Path
from typing import Any

import pytest

from leaver.connections.record import Status
from leaver.errors import BadMessage
from leaver.messages import commands
from leaver.messages.commands import Command, RetrieveUserToken, RevokeGrants, RevokeSsoToken, parse
from leaver.outcomes import Outcome
from tests.contract.stack import FUNCTIONS, ROOT, SMALLEST, WRITTEN, of_type, snake, stack

DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(path for name in ("benchmarks", "docs", "events") for path in (ROOT / name).rglob("*.md"))]
)
README = (ROOT / "README.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
COMMANDS = (ROOT / "docs" / "commands.md").read_text()
DEPLOY = (ROOT / "docs" / "deploy.md").read_text()
LONGEST_LINE = 160
REQUIREMENTS = [
    *("requirements/demo.txt", "requirements/test.txt", "requirements/dev.txt", "requirements/scan.txt"),
    "layers/leaver/requirements.txt",
]


def named_files(document: Path) -> set[Path]:
    """What a document links to, from where it lies, and the paths in it that begin in one of our folders."""
    text = document.read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    folders = "benchmarks|cli|docs|events|functions|layers|local|tests"
    paths = re.findall(rf"(?<![\w./<-])(?:{folders})/[\w./-]*\w(?![\w<*])", text)
    return {document.parent / link for link in links} | {ROOT / path for path in paths}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_that_a_document_names_is_there(document: Path) -> None:
    assert [path for path in named_files(document) if not path.exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_line_of_a_document_is_longer_than_a_reader_can_follow(document: Path) -> None:
    """Tables are left alone, and the address that a link hides."""
    shown = [re.sub(r"(?<=\])\([^)]*\)", "", line) for line in document.read_text().splitlines()]
    assert [line for line in shown if len(line) > LONGEST_LINE and not line.startswith("|")] == []


def test_the_readme_leads_to_every_page() -> None:
    pages = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"])
    assert [path.name for path in pages if f"({path.relative_to(ROOT)})" not in README] == []


def test_the_commands_page_tells_of_every_function() -> None:
    assert [each for each in FUNCTIONS if f"| `{snake(each)}` |" not in COMMANDS] == []


@pytest.mark.parametrize("name", [each for each in FUNCTIONS if hasattr(commands, each)])
def test_the_commands_page_names_every_field_that_a_person_may_send(name: str) -> None:
    [row] = [line for line in COMMANDS.splitlines() if line.startswith(f"| `{name}` |")]
    model: type[Command] = getattr(commands, name)
    # The one is what a reader saw refused, the other only Leaver itself may ask.
    own = model.model_fields.keys() - Command.model_fields.keys() - {"failed_version", "for_revocation"}
    assert [field for field in own if f"`{field}`" not in row] == []


@pytest.mark.parametrize(
    ("command", "detail"),
    [
        (RevokeSsoToken, {"user_id": "a/../b"}),
        (RetrieveUserToken, {"user_id": "ada", "ttl": 68423085}),
        (RevokeGrants, {"identity": "ada", "application_id": "vault"}),
    ],
)
def test_the_commands_page_tells_the_reason_that_bad_input_gets(command: type[Command], detail: dict[str, Any]) -> None:
    with pytest.raises(BadMessage) as refused:
        parse(command, detail, direct=True)
    assert f"`{refused.value.reason}`" in COMMANDS


@pytest.mark.parametrize("outcome", Outcome)
def test_the_commands_page_explains_every_outcome(outcome: Outcome) -> None:
    assert re.search(rf"^\|[^|]*`{outcome}`[^|]*\|", COMMANDS, re.MULTILINE)


@pytest.mark.parametrize("parameter", WRITTEN["Parameters"])
def test_the_deploy_page_explains_every_parameter(parameter: str) -> None:
    assert re.search(rf"^\|[^|]*`{parameter}`[^|]*\|", DEPLOY, re.MULTILINE)


def test_the_architecture_page_names_every_folder_of_the_layer_and_every_table() -> None:
    wings = {path.parent.name for path in (ROOT / "layers" / "leaver" / "python" / "leaver").glob("*/__init__.py")}
    assert [wing for wing in wings if f"`{wing}" not in ARCHITECTURE] == []
    tables = [table for table, _ in of_type(stack(SMALLEST), "AWS::DynamoDB::Table")]
    assert [table for table in tables if f"`{table}`" not in ARCHITECTURE] == []


def test_an_operator_is_told_of_every_state_that_a_connection_can_be_in() -> None:
    told = (ROOT / "docs" / "connections.md").read_text()
    assert [status for status in Status if f"`{status}`" not in told] == []


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_what_is_installed_is_pinned_with_its_digest_and_says_nothing_of_where_from(name: str) -> None:
    text = (ROOT / name).read_text()
    pins = re.split(r"^(?=[A-Za-z0-9])", re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE), flags=re.MULTILINE)[1:]
    assert pins
    assert [pin for pin in pins if not re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+ .*--hash=sha256:", pin, re.DOTALL)] == []
    assert not re.search(r"://|--(extra-)?index-url|--find-links", text)
