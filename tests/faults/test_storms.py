"""One endpoint goes on refusing tokens that are good: what that may cost, and whom it may hold up."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from leaver.cases.record import DONE
from leaver.connections import refresh_policy
from leaver.connections.record import Status
from tests.doubles.clock import NOW
from tests.doubles.consumer_harness import consume
from tests.doubles.lambda_events import record
from tests.faults.one_connection import OneConnection
from tests.field import Field


@pytest.fixture
def acme() -> OneConnection:
    """A connection to a Zoom that ends Ada's session, and refuses every token for John's."""
    acme = OneConnection(ada="ada@example.com", john="john@example.com")
    acme.zoom.refused = {"john"}
    return acme


def test_a_message_whose_fresh_token_is_refused_too_rotates_nothing_any_more(acme: OneConnection) -> None:
    acme.deliver_for(timedelta(minutes=50), "john")
    assert acme.rotations == 1
    assert acme.harness.parked_attributes["error"] == "Rejected"
    assert acme.harness.parked_attributes["reason"] == (
        "the access token of connection zoom is refused, although it replaced one that was refused"
    )


def test_other_leavers_go_on_while_one_message_is_refused_again_and_again(acme: OneConnection, field: Field) -> None:
    acme.stage.secrets.versions_left = 100
    acme.deliver_for(timedelta(hours=2), "john")
    acme.deliver_for(timedelta(hours=1), "ada")
    field("a storm", "every token is refused for one person", acme.zoom.refusals, lost="ada" in acme.zoom.sessions)


def test_a_person_who_sends_the_message_again_gets_it_one_more_fresh_token(acme: OneConnection) -> None:
    acme.deliver_for(timedelta(minutes=10), "john")
    acme.zoom.refused.clear()
    acme.zoom.accepts = {"a token that only another refresh brings"}
    again = record({"user_id": "john"}, message_id="sent again", before_parking="john")
    assert consume(acme.consumer, again) == {"sent again"}
    acme.refresh(failed_version=acme.stage.record.version)
    assert consume(acme.consumer, again) == set()
    assert "john" not in acme.zoom.sessions


def test_ten_people_whose_sessions_no_token_ends_rotate_twice_in_ten_minutes(field: Field) -> None:
    people = [f"id-{number}" for number in range(10)]
    acme = OneConnection(**{each: f"{each}@example.com" for each in people})
    acme.zoom.refused = set(people)
    for each in people:
        acme.deliver_for(timedelta(minutes=1), each)
    false = [each for each in acme.harness.receipts.items.values() if each.outcome in DONE]
    field("a storm", "every token is refused for ten people", acme.zoom.refusals, false=false)
    assert acme.rotations == 2


# --- a day of readers whose every token is refused ---


def a_day_of_refusals(acme: OneConnection) -> list[datetime]:
    """Every few minutes a reader says that the newest token is refused; returns when tokens were replaced for that."""
    demanded: list[datetime] = []
    for _ in range(24 * 60 * 60 // 150):
        acme.refresh(failed_version=acme.stage.record.version)
        demanded += [each for each in acme.stage.record.demanded_refreshes if each not in demanded]
        acme.clock.passes(seconds=150)
    return demanded


def test_readers_replace_a_token_once_in_five_minutes_and_sixty_times_a_day_at_most(acme: OneConnection) -> None:
    demanded = a_day_of_refusals(acme)
    assert len(demanded) == 60
    assert min(later - earlier for earlier, later in pairwise(demanded)) >= timedelta(minutes=5)
    # AWS takes about a hundred versions of a secret in a day.
    assert acme.rotations < 100


@pytest.mark.parametrize(
    ("limit", "to"), [("MOST_DEMANDED_A_DAY", 10_000), ("DEMAND_PAUSE", timedelta(0))], ids=["a day", "five minutes"]
)
def test_that_test_sees_it_where_a_limit_is_missing(
    acme: OneConnection, monkeypatch: pytest.MonkeyPatch, limit: str, to: object
) -> None:
    monkeypatch.setattr(refresh_policy, limit, to)
    with pytest.raises(AssertionError):
        test_readers_replace_a_token_once_in_five_minutes_and_sixty_times_a_day_at_most(acme)


def test_people_and_revocations_are_not_counted_and_not_held_off_by_that(acme: OneConnection) -> None:
    acme.stage.alter(demanded_refreshes=tuple(NOW - timedelta(minutes=5 * each) for each in range(60)))
    acme.refresh(failed_version=acme.stage.record.version)
    assert acme.rotations == 0
    before, counted = acme.rotations, acme.stage.record.demanded_refreshes
    acme.refresh(force=True)
    acme.refresh(force=True)
    assert acme.rotations == before + 2
    assert acme.stage.record.demanded_refreshes == counted
    acme.stage.alter(status=Status.REVOKING, expires_at=acme.clock())
    acme.stage.refresh(for_revocation=True, failed_version=acme.stage.record.version)
    assert acme.stage.record.status is Status.REVOKED
