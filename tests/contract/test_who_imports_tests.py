"""Nothing that ships or runs imports the tests; the benchmarks import their doubles, and nothing else of them."""

from pathlib import Path

import pytest

from tests.contract.stack import ROOT
from tests.contract.test_arrows import imports

#: what ships, what runs, and what measures
PROGRAMS = ("layers", "functions", "cli", "local", "benchmarks")
FILES = sorted(path for folder in PROGRAMS for path in (ROOT / folder).rglob("*.py"))


def faults(importer: str, source: str) -> list[str]:
    """What a file of one of PROGRAMS (`local/world.py`) imports of the tests although it must not."""
    return [
        f"{importer}:{found.line}: imports {found.module}"
        for found in imports(source)
        if f"{found.module}.".startswith("tests.")
        and not (importer.startswith("benchmarks/") and f"{found.module}.".startswith("tests.doubles."))
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_program_does_without_the_tests_and_a_benchmark_without_all_but_their_doubles(path: Path) -> None:
    assert faults(str(path.relative_to(ROOT)), path.read_text()) == []


@pytest.mark.parametrize(
    ("importer", "source", "fault"),
    [
        ("local/world.py", "from tests.doubles.sqs import FakeSqs", "local/world.py:1: imports tests.doubles.sqs"),
        ("cli/leaver_cli/main.py", "import tests", "cli/leaver_cli/main.py:1: imports tests"),
        ("benchmarks/cost.py", "from tests.e2e import killing", "benchmarks/cost.py:1: imports tests.e2e"),
        ("benchmarks/cost.py", "from tests import doubles", "benchmarks/cost.py:1: imports tests"),
    ],
)
def test_an_import_of_the_tests_is_noticed(importer: str, source: str, fault: str) -> None:
    assert faults(importer, source) == [fault]


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("benchmarks/leaving.py", "from tests.doubles.receipts_table import InMemoryReceipts"),
        ("local/world.py", "from testsuite import anything"),
    ],
)
def test_what_is_allowed_is_left_alone(importer: str, source: str) -> None:
    assert faults(importer, source) == []
