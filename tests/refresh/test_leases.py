"""How long a lease lasts: longer than any two clocks may differ, and no longer than a token that is being replaced."""

from datetime import timedelta
from typing import Final

import pytest

from leaver.connections import record as connections
from leaver.connections.record import LONGEST_LIFE, Connection
from leaver.connections.refresh_policy import REFRESH_AFTER
from leaver.consuming.failures import FIRST_BACK_OFF, LONGEST_PAUSE_IN_ORDER
from leaver.errors import LeaseHeld
from tests.doubles.clock import NOW
from tests.doubles.connections_table import connection
from tests.doubles.refresher import Stage

#: AWS takes a signature for so long, and a request for so short a time, that two clocks can be so far apart
APART: Final = timedelta(minutes=9, seconds=20)
HOUR: Final = timedelta(hours=1)
#: the queue's own, which tests/contract/test_template_functions.py holds to the template
VISIBILITY: Final = 6 * LONGEST_LIFE


def held_by_a_living_run() -> Connection:
    """A run whose clock is slow took the lease, and has not been killed yet."""
    leased_at = NOW - LONGEST_LIFE - APART
    return connection(refresh_at=NOW, lease_holder="refresh#0", leased_at=leased_at, leased_version="of-no-interest")


def test_a_run_with_a_fast_clock_takes_nothing_over_from_one_that_lives_by_a_slow_clock() -> None:
    stage = Stage(held_by_a_living_run())
    with pytest.raises(LeaseHeld):
        stage.refresh()
    assert stage.grant.asked == []


def test_that_test_sees_it_where_the_lease_is_shorter_than_the_clocks_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LEASE", timedelta(minutes=7))
    stage = Stage(held_by_a_living_run())
    stage.refresh()
    assert stage.grant.asked != []


def test_one_expired_lease_still_leaves_a_valid_token() -> None:
    assert until_another_run_has_refreshed() <= HOUR * (1 - REFRESH_AFTER[1])


def test_that_sum_sees_it_where_tokens_are_replaced_at_four_fifths() -> None:
    assert until_another_run_has_refreshed() > HOUR * (1 - 0.8)


def until_another_run_has_refreshed() -> timedelta:
    """From when a token is due, if the first run is killed as soon as it has the lease; by clocks that agree."""
    schedule = timedelta(minutes=1)
    receives, waited = 1, VISIBILITY
    while waited <= connections.LEASE:
        receives += 1
        waited += min(FIRST_BACK_OFF * 2 ** (receives - 1), LONGEST_PAUSE_IN_ORDER)
    return schedule + waited + LONGEST_LIFE
