"""How a connection is, in words that an operator can act on."""

from datetime import timedelta
from typing import Any

import pytest

from leaver.connections.record import Status, Unreadable
from leaver.outcomes import Outcome
from leaver_cli.connections.health import health, needs_a_person
from leaver_cli.connections.show import fields_of, unreadable_fields
from tests.doubles.clock import NOW
from tests.doubles.connections_table import connection

HOUR = timedelta(hours=1)
DEAD = {"status": Status.NEEDS_REAUTHORIZATION, "reason": "the refresh token was revoked"}
UNNAMED = {"status": Status.REVOKING, "orphaned_tokens": True, "reason": "what it issued can't be named"}


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ({}, "works; refreshes at 2026-11-22 09:50:00Z"),
        (
            {"encrypted_refresh_token": "c2VhbGVk"},
            (
                "works; refreshes at 2026-11-22 09:50:00Z; "
                "its newest refresh token lies encrypted in the record until then"
            ),
        ),
        # the schedule fires every minute: a few of them are nothing
        ({"refresh_at": NOW - timedelta(minutes=4)}, "works; refreshes at 2026-11-22 09:26:00Z"),
        (
            {"refresh_at": NOW - HOUR},
            "works; was to be refreshed at 2026-11-22 08:30:00Z: is the schedule running?",
        ),
        (
            {"refresh_at": NOW - HOUR, "expires_at": NOW - HOUR},
            "its access token has expired; was to be refreshed at 2026-11-22 08:30:00Z: is the schedule running?",
        ),
        (
            {"status": Status.COOLING_DOWN, "reason": "Zoom is out of order"},
            "cooling down: Zoom is out of order; tried again at 2026-11-22 09:50:00Z",
        ),
        (
            {
                "status": Status.COOLING_DOWN,
                "reason": "Zoom is out of order",
                "trouble_since": NOW - HOUR,
                "expires_at": NOW,
            },
            (
                "cooling down since 2026-11-22 08:30:00Z: Zoom is out of order; its access token has expired;"
                " tried again at 2026-11-22 09:50:00Z"
            ),
        ),
        (DEAD, "needs a person: run `leaver connect zoom zoom` (the refresh token was revoked)"),
        ({"status": Status.REVOKING}, "being revoked"),
        (
            UNNAMED,
            "needs a person: what it issued can't be named; then run `leaver disconnect zoom --without-provider`",
        ),
        (
            {"status": Status.REVOKED, "revoked_outcome": Outcome.ALREADY_GONE},
            "revoked (Zoom: already_gone)",
        ),
        (
            {"status": Status.REVOKED, "orphaned_tokens": True, "reason": "its secrets are destroyed"},
            "removed, and Zoom never confirmed its end (its secrets are destroyed)",
        ),
    ],
)
def test_it_is_told_how_a_connection_is(trouble: dict[str, Any], said: str) -> None:
    assert health(connection(**trouble), NOW) == said


@pytest.mark.parametrize("trouble", [DEAD, UNNAMED])
def test_what_stays_until_somebody_acts_needs_a_person(trouble: dict[str, Any]) -> None:
    assert needs_a_person(connection(**trouble))


@pytest.mark.parametrize(
    "trouble",
    [
        {},
        {"status": Status.COOLING_DOWN, "reason": "Zoom is out of order"},
        {"status": Status.REVOKING},
        {"status": Status.REVOKED, "orphaned_tokens": True},
    ],
)
def test_what_goes_on_by_itself_or_is_over_needs_nobody(trouble: dict[str, Any]) -> None:
    assert not needs_a_person(connection(**trouble))


def test_programs_are_told_that_a_token_is_encrypted_and_not_the_ciphertext() -> None:
    record = fields_of(connection(encrypted_refresh_token="c2VhbGVk", lease_holder="refresh#1", leased_at=NOW), NOW)
    assert record["encrypted_refresh_token"] is True
    assert "c2VhbGVk" not in str(record)
    assert (record["lease_holder"], record["leased_at"]) == ("refresh#1", "2026-11-22T09:30:00Z")


def test_programs_are_told_of_a_record_that_can_not_be_read_that_it_needs_a_person() -> None:
    assert unreadable_fields(Unreadable(connection="zoom", reason="owner: is missing")) == {
        "connection": "zoom",
        "health": "needs a person: its record can't be read (owner: is missing)",
        "needs_a_person": True,
    }
