"""Hostile text in what `doctor`, `reconcile` and `configure` show: it commands no terminal, and is shown as it is."""

from pathlib import Path
from typing import Any

import click
import pytest

from leaver_cli import asking
from leaver_cli.doctor import show as doctor
from leaver_cli.reconcile import run as reconcile
from tests.doubles.examined import Installation
from tests.integration.parked_stack import leaver
from tests.integration.test_cli_hostile_text import HOSTILE, check
from tests.integration.test_cli_json_page import said_as_documented
from tests.unit.test_cli_reconcile import RESULT

FORMS = ((), ("--json",))


@pytest.mark.parametrize("form", FORMS)
def test_what_an_installation_says_of_itself(form: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    made = Installation(who=HOSTILE, status=HOSTILE)
    made.connections.alter("zoom", owner=HOSTILE, reason=HOSTILE, account=HOSTILE)
    made.outputs["Version"] = HOSTILE
    made.functions.because = HOSTILE
    made.keep(f"tokens/zoom/{HOSTILE}")
    made.places[HOSTILE] = made.places["hibob/main"]
    made.rings(HOSTILE)
    monkeypatch.setattr(asking, "PAUSE", 0)
    monkeypatch.setattr(doctor, "take_seat", lambda *_: made.seat)
    shown = check(leaver("doctor", *form))
    assert "unexpected" not in shown
    if form:
        said_as_documented("doctor", shown)
    assert shown.count("[/]") >= len(("you", "stack", "versions", "scopes", "secrets", "sources", "alarms"))


@pytest.mark.parametrize("form", [*FORMS, ("--csv",)])
def test_what_a_run_of_reconciliation_found(form: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    row = dict.fromkeys(("who", "at", "what", "last_seen_at", "because", "case", "kind", "id", "email"), HOSTILE)
    found: dict[str, Any] = RESULT | {
        "roster": dict.fromkeys(RESULT["roster"], HOSTILE),
        "lists": {name: [row] for name in RESULT["lists"]},
        "stopped": [HOSTILE],
        "held": [HOSTILE],
        "not_told": {HOSTILE: HOSTILE},
        "dry_run": False,
    }
    monkeypatch.setattr(reconcile, "describe", lambda *_: _Reconciled(found))
    shown = check(leaver("reconcile", "--last", *form))
    assert "unexpected" not in shown
    if form == ("--json",):
        said_as_documented("reconcile", shown)
    assert shown.count("[/]") >= len(RESULT["lists"])


def test_what_the_environment_says_of_a_stack_and_what_would_be_kept_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("LEAVER_STACK", HOSTILE)
    assert "[/]" in check(leaver("configure", "--show"))
    refused = leaver("configure", "--stack", HOSTILE)
    assert "stack: expected printable characters" in check(refused)
    assert refused.exit_code == 2
    (tmp_path / "leaver").mkdir()
    (tmp_path / "leaver" / "config.toml").write_text(f"{HOSTILE} = 1")
    assert "config.toml can't be read" in check(leaver("configure", "--show"))


class _Reconciled:
    """A deployment of which the last run is done."""

    def __init__(self, found: dict[str, Any]) -> None:
        self._found = found
        self.reconciliations = self.documents = self.evidence = self
        self.last = self.digest = HOSTILE

    def read(self, name: str | None = None) -> Any:
        return self if name is None else self._found

    def signed_at(self, name: str) -> str:
        raise click.ClickException(f"evidence {name}: AccessDenied")
