"""What `leaver reconcile` prints: the lists, what is said beside them, and a file that no spreadsheet runs."""

import csv
from types import SimpleNamespace
from typing import Any

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


def test_a_dry_run_by_the_deployment_s_roster_asks_for_one_and_shows_what_it_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[tuple[str, object]] = []
    state = SimpleNamespace(last="run-1", digest="5d41")
    deployment = SimpleNamespace(
        parameters={"Roster": "okta"},
        send_to=lambda function, asked: sent.append((function, asked)) or "run-1",
        reconciliations=SimpleNamespace(read=lambda: state),
        documents=SimpleNamespace(read=lambda _: RESULT),
    )
    monkeypatch.setattr(run, "describe", lambda *_: deployment)
    shown = leaver("reconcile", "--dry-run")
    assert sent == [("reconcile", {"dry_run": True})]
    assert (shown.exit_code, "would be held: eve@example.com" in shown.output) == (1, True)
