"""What was tried last, with fresh eyes: a person's access ends where a case says so, and nobody else's does."""

from typing import Final

import pytest

from tests.cases.attempts.fresh_eyes import attempt
from tests.cases.test_completed_means_ended import check

BY_NAME: Final = {each.name: each for each in attempt.all}
#: what succeeds still, and why
OPEN: Final = {
    "a_connection_under_an_address_that_she_had_before": "owners are looked for by the address alone",
    "a_connection_replaced_twice": "a record remembers one replaced grant",
    "newcomer_departs_while_the_old_leaver_is_planned_and_zoom_is_out": "who has the address is asked of open cases",
    "a_held_case_released_while_zoom_is_out": "a release goes on where Zoom cannot say who has the address",
    "an_address_that_is_lost_beside_one_of_which_nobody_can_tell": "what is known of one address is not kept",
    "a_connection_that_is_connected_to_another_account": "a grant is told by its owner, and not by its account",
    "the_sweep_of_a_case_that_was_open_for_long": "a sweep by the address is as young as itself, not as its case",
    "a_newcomers_departure_from_before_the_old_leavers_day": "a late word is the old leaver's, whatever Zoom says",
    "a_newcomers_return_while_the_old_leaver_is_under_way": "a return is compared by the source's own id alone",
    "a_newcomers_return_before_the_old_leavers_day": "a return is compared by the source's own id alone",
    "a_look_up_where_one_of_two_accounts_needs_a_person": "accounts that can't be asked are not counted",
    "a_look_up_of_a_second_door_connection": "a look-up does not know by which connection the event came",
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.xfail(strict=True, reason=OPEN[name]) if name in OPEN else ())
        for name in BY_NAME
    ],
)
def test_whatever_was_tried_last_nothing_lives_behind_a_completed_case(name: str) -> None:
    check(BY_NAME[name], BY_NAME[name].play())
