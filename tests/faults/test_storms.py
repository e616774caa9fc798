"""One endpoint goes on refusing tokens that are good: what that may cost, and whom it may hold up."""

from datetime import timedelta

import pytest

from tests.doubles.consumer_harness import consume
from tests.doubles.lambda_events import record
from tests.faults.one_connection import OneConnection


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


def test_other_leavers_go_on_while_one_message_is_refused_again_and_again(acme: OneConnection) -> None:
    acme.stage.secrets.versions_left = 100
    acme.deliver_for(timedelta(hours=2), "john")
    acme.deliver_for(timedelta(hours=1), "ada")
    assert "ada" not in acme.zoom.sessions


def test_a_person_who_sends_the_message_again_gets_it_one_more_fresh_token(acme: OneConnection) -> None:
    acme.deliver_for(timedelta(minutes=10), "john")
    acme.zoom.refused.clear()
    acme.zoom.accepts = {"a token that only another refresh brings"}
    again = record({"user_id": "john"}, message_id="sent again", before_parking="john")
    assert consume(acme.consumer, again) == {"sent again"}
    acme.refresh(failed_version=acme.stage.record.version)
    assert consume(acme.consumer, again) == set()
    assert "john" not in acme.zoom.sessions


def test_ten_people_whose_sessions_no_token_ends_rotate_twice_in_ten_minutes() -> None:
    people = [f"id-{number}" for number in range(10)]
    acme = OneConnection(**{each: f"{each}@example.com" for each in people})
    acme.zoom.refused = set(people)
    for each in people:
        acme.deliver_for(timedelta(minutes=1), each)
    assert acme.rotations == 2
