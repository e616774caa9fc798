"""One endpoint goes on refusing tokens that are good: what that may cost, and whom it may hold up."""

from datetime import timedelta

import pytest

from tests.faults.one_connection import OneConnection


@pytest.fixture
def acme() -> OneConnection:
    """A connection to a Zoom that ends Ada's session, and refuses every token for John's."""
    acme = OneConnection(ada="ada@example.com", john="john@example.com")
    acme.zoom.refused = {"john"}
    return acme


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="a message asks for one fresh token, and for no second where that is refused too",
)
def test_a_message_whose_fresh_token_is_refused_too_rotates_nothing_any_more(acme: OneConnection) -> None:
    acme.deliver_for(timedelta(minutes=50), "john")
    assert acme.rotations == 1


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="a message that is refused again and again no longer uses up the versions that a secret takes in a day",
)
def test_other_leavers_go_on_while_one_message_is_refused_again_and_again(acme: OneConnection) -> None:
    acme.stage.secrets.versions_left = 100
    acme.deliver_for(timedelta(hours=2), "john")
    acme.deliver_for(timedelta(hours=1), "ada")
    assert "ada" not in acme.zoom.sessions
