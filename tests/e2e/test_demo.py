"""`make demo` shows what it claims, and each of its rows can fail."""

import re
from datetime import UTC, datetime

import pytest
from click.testing import Result
from typer.testing import CliRunner

from local import acme, demo_evidence
from local.__main__ import app
from local.demo_reconciliation import FORGOTTEN
from local.demo_rows import NAMES, REDRIVEN, ROWS
from local.simulators.provider import CANARY
from tests.doubles.spellings import spelled_in
from tests.length import at_length, some

#: the rows that a fault must break: each is planted once, and playing the story takes its time
FAULTS: dict[object, list[str]] = {}
for row in (*ROWS, REDRIVEN, FORGOTTEN):
    FAULTS.setdefault(row.sabotage, []).append(row.name)
FAULTS[demo_evidence.forge] = [demo_evidence.NAME]


def demo(*arguments: str) -> Result:
    """Play it in this process: a new one spends seconds on its imports, and CI runs `make demo` itself."""
    played = CliRunner().invoke(app, ["demo", *arguments])
    assert spelled_in(played.output, CANARY) == []
    return played


@at_length
def test_every_row_of_the_demo_is_observed() -> None:
    played = demo()
    assert "Every row was observed." in played.stdout, played.output
    assert played.exit_code == 0
    for name in (*NAMES, FORGOTTEN.name):
        assert name in played.stdout
    for by in ("leaver verify", "verify.py alone"):
        # The night of reconciliation may be signed by then, or not yet.
        assert re.search(rf"{by}: 1 cases, (1 reconciliations, )?0 findings", played.stdout), played.stdout


def test_the_webhook_that_the_demo_begins_with_names_nobody_but_by_an_id() -> None:
    _, body = acme.hibob_webhook(acme.JOHNS_HIBOB_ID, datetime.now(UTC))
    assert acme.JOHNS_HIBOB_ID in body
    assert spelled_in(body, acme.JOHN.email) == []


@at_length
@pytest.mark.parametrize("rows", some(FAULTS.values(), short=1), ids=" and ".join)
def test_a_broken_row_is_not_observed_and_fails_the_demo(rows: list[str]) -> None:
    played = demo("--break", rows[0])
    assert played.exit_code == 1, played.output
    [told] = [line for line in played.stdout.splitlines() if line.startswith("Not observed: ")]
    assert set(rows) <= set(told.removeprefix("Not observed: ").split(", "))


def test_what_was_so_before_anything_happened_proves_nothing() -> None:
    [session] = [row for row in ROWS if row.name == "johns-session"]
    assert session.holds("signed in", "no session")
    assert not session.holds("no session", "no session")


@pytest.mark.parametrize(("asked", "status"), [("help", 0), ("nonsense", 2)])
def test_who_asks_for_help_or_for_an_unknown_row_is_told_the_names_of_all(asked: str, status: int) -> None:
    played = demo("--break", asked)
    assert played.exit_code == status
    assert ", ".join((*NAMES, FORGOTTEN.name, demo_evidence.NAME)) in " ".join(played.stdout.split())
