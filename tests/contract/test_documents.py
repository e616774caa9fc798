"""What the documents name is there, and what is installed is pinned."""

import re
from pathlib import Path

import pytest

from tests.contract.stack import FUNCTIONS, ROOT, snake

DOCUMENTS = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "events" / "README.md", *(ROOT / "docs").rglob("*.md")]
)
README = (ROOT / "README.md").read_text()
REQUIREMENTS = ["requirements-dev.txt", "layers/leaver/python/requirements.txt"]


def named_files(document: Path) -> set[Path]:
    """What a document links to, from where it lies, and the paths in it that begin in one of our folders."""
    text = document.read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    folders = "cli|docs|events|functions|layers|local|tests"
    paths = re.findall(rf"(?<![\w./<-])(?:{folders})/[\w./-]*\w(?![\w<*])", text)
    return {document.parent / link for link in links} | {ROOT / path for path in paths}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_that_a_document_names_is_there(document: Path) -> None:
    assert [path for path in named_files(document) if not path.exists()] == []


def test_the_readme_tells_of_every_function() -> None:
    assert [each for each in FUNCTIONS if f"| `{snake(each)}` |" not in README] == []


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_what_is_installed_is_pinned_with_its_digest_and_says_nothing_of_where_from(name: str) -> None:
    text = (ROOT / name).read_text()
    pins = re.split(r"^(?=[A-Za-z0-9])", re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE), flags=re.MULTILINE)[1:]
    assert pins
    assert [pin for pin in pins if not re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+ .*--hash=sha256:", pin, re.DOTALL)] == []
    assert not re.search(r"://|--(extra-)?index-url|--find-links", text)
