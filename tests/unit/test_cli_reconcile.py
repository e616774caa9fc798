"""What `leaver reconcile` prints: the lists, what is said beside them, and a file that no spreadsheet runs."""

import csv
import json
from types import SimpleNamespace
from typing import Any

import click
import pytest

from leaver_cli.reconcile import run
from leaver_cli.reconcile.show import LISTS, as_csv_lines, summary_of
from tests.integration.parked_stack import leaver

RESULT: dict[str, Any] = {
    "roster": {"from": "csv", "as_of": "2026-11-29T01:00:00Z", "people": 3, "here": 2},
    "counts": dict.fromkeys(LISTS, 0) | {"gone_and_alive": 1, "gone_and_clean": 1},
    "stopped": ["the roster is old"],
    "held": [],
    "begun": [],
    "would_hold": ["eve@example.com"],
    "not_told": {"zoom": "who is signed in"},
    "lists": {name: [] for name in LISTS}
    | {
        "gone_and_alive": [
            {"who": "=cmd|' /C calc'!A0@example.com", "at": "zoom/acme", "what": "active", "because": "left, by it"}
        ],
        "gone_and_clean": [{"who": "eve@example.com", "because": "left\nthe roster"}],
    },
}


def test_a_file_has_every_row_of_every_list_and_nothing_that_a_spreadsheet_would_run() -> None:
    rows = list(csv.DictReader(as_csv_lines(RESULT)))
    assert [each["list"] for each in rows] == ["gone_and_alive", "gone_and_clean"]
    assert rows[0]["who"].startswith("'=")
    assert (rows[0]["at"], rows[0]["because"]) == ("zoom/acme", "left, by it")
    assert rows[1]["because"] == "left the roster"


def test_beside_the_lists_stands_why_a_run_stopped_what_it_would_have_done_and_what_nobody_can_tell() -> None:
    said = "\n".join(summary_of(RESULT))
    assert "csv as of 2026-11-29T01:00:00Z, 2 of 3 people are here" in said
    assert "STOPPED: the roster is old" in said
    assert "would be held: eve@example.com" in said
    assert "not told by zoom: who is signed in" in said


class _Night:
    """A deployment of which the last run is done, and what is stored of it."""

    def __init__(self, stored: str | None, *, dry_run: bool = False) -> None:
        self._found, self._stored = RESULT | {"dry_run": dry_run}, stored
        self.reconciliations = self.documents = self.evidence = self
        self.last = self.digest = "night-1"

    def read(self, name: str | None = None) -> Any:
        return self if name is None else self._found

    def signed_at(self, name: str) -> str | None:
        assert name == "run-night-1"
        if self._stored == "AccessDenied":
            raise click.ClickException(f"evidence {name}: AccessDenied")
        return self._stored


@pytest.mark.parametrize(
    ("night", "signed_at", "said"),
    [
        (_Night("2026-11-29T02:00:00Z"), "2026-11-29T02:00:00Z", "signed at 2026-11-29T02:00:00Z: leaver evidence"),
        (_Night(None), None, "not signed yet: seal_case does that next"),
        (_Night("2026-11-29T02:00:00Z", dry_run=True), None, "a dry run is not signed"),
        (_Night("AccessDenied"), None, "not known whether it is signed: evidence run-night-1: AccessDenied"),
    ],
)
def test_the_last_run_says_whether_it_is_signed(
    night: _Night, signed_at: str | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "describe", lambda *_: night)
    assert said in leaver("reconcile", "--last").output
    told = json.loads(leaver("reconcile", "--last", "--json").output)
    assert told["signed_at"] == signed_at
    assert any(said in each for each in told["messages"])


def test_a_dry_run_by_the_deployment_s_roster_asks_for_one_and_shows_what_it_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[tuple[str, object]] = []

    def send_to(function: str, asked: object) -> str:
        sent.append((function, asked))
        return "run-1"

    state = SimpleNamespace(last="run-1", digest="5d41")
    deployment = SimpleNamespace(
        parameters={"Roster": "okta"},
        send_to=send_to,
        reconciliations=SimpleNamespace(read=lambda: state),
        documents=SimpleNamespace(read=lambda _: RESULT | {"dry_run": True}),
    )
    monkeypatch.setattr(run, "describe", lambda *_: deployment)
    shown = leaver("reconcile", "--dry-run")
    assert sent == [("reconcile", {"dry_run": True})]
    assert (shown.exit_code, "would be held: eve@example.com" in shown.output) == (1, True)
