"""What was tried last, with fresh eyes: each mend is taken away, and what it mended is seen."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from functions.deactivate_user import app as deactivating
from functions.look_up_person import app as looking
from functions.revoke_grants import app as granting
from functions.revoke_sso_token import app as ending_sessions
from functions.watch_deadlines import app as watching
from leaver.cases import intake, late, proved
from leaver.cases.departure import Departure
from leaver.cases.former import FormerLeavers
from leaver.cases.intake import Intake
from leaver.cases.record import STILL_THEIRS, Case, Step
from leaver.cases.returns import Returns
from leaver.connections.record import Connection, Connections
from leaver.outcomes import Result
from tests.cases.attempts import fresh_eyes, given_back, ids_and_clocks
from tests.cases.test_completed_means_ended import check
from tests.doubles.connections_table import InMemoryConnections

BY_NAME: Final = {each.name: each for group in (fresh_eyes, given_back, ids_and_clocks) for each in group.attempt.all}


_accounts = Connections.accounts


def _of_those_that_can_be_asked(self: Connections, provider: str, **told: Any) -> Mapping[str, Any]:
    return {name: each for name, each in _accounts(self, provider, **told).items() if each is not None}


def _by_the_address(self: InMemoryConnections, owner: str) -> list[str]:
    return [name for name, each in self.records.items() if owner in {each.owner, each.replaced_owner}]


def _by_the_owner(self: Connection, than: Connection) -> bool:
    return self.owner != than.owner


def _never(*_: object) -> bool:
    return False


def _by_the_last_word(self: Case, now: datetime) -> bool:
    return now > max(said.at for said in self.said) + STILL_THEIRS


def _at_any_step(case: Case, _step: Step, at: datetime) -> bool:
    return at in case.redone_for.values()


@pytest.mark.parametrize(
    ("name", "where", "what", "planted"),
    [
        (
            "newcomer_departs_while_the_old_leaver_is_planned_and_zoom_is_out",
            FormerLeavers,
            "is_untold",
            _never,
        ),
        ("a_look_up_of_a_second_door_connection", looking, "MAIN", "bought"),
        ("a_connection_replaced_twice", Connection, "refuse_to_forget", _never),
        ("a_held_case_released_while_zoom_is_out", Departure, "cannot_be_told", _never),
        (
            "an_address_that_is_lost_beside_one_of_which_nobody_can_tell",
            Case,
            "without_names",
            lambda self, _: self,
        ),
        ("the_sweep_of_a_case_that_was_open_for_long", granting, "STILL_THEIRS", timedelta.max),
        ("a_newcomers_departure_from_before_the_old_leavers_day", Departure, "is_at_lost", _never),
        ("a_newcomers_return_before_the_old_leavers_day", Departure, "is_of_somebody_else", _never),
        (
            "a_look_up_where_one_of_two_accounts_needs_a_person",
            Connections,
            "accounts",
            _of_those_that_can_be_asked,
        ),
        ("a_connection_under_an_address_that_she_had_before", InMemoryConnections, "owned_by", _by_the_address),
        ("a_connection_that_is_connected_to_another_account", Connection, "is_of_another", _by_the_owner),
        ("a_planned_leavers_day_on_which_nobody_comes_to_ask", watching, "_with_told_at", lambda *_, **__: None),
        ("a_day_that_moved_while_nobody_could_say_whose_the_address_is", Case, "is_old", _by_the_last_word),
        (
            "a_day_that_is_brought_forward_while_nobody_can_say_whose_the_address_is",
            Intake,
            "_go_on_with",
            Intake.set_going,
        ),
        ("a_planned_leavers_day_on_which_zoom_is_out", Case, "is_untold", False),
        ("sqs_is_three_minutes_ahead_of_the_functions", proved, "_is_redone", _never),
        ("what_was_done_once_more_at_different_times", proved, "_is_redone", _at_any_step),
        ("a_departure_that_lay_among_the_dead_letters_for_ten_days", intake, "STILL_THEIRS", timedelta(days=999)),
        ("an_account_that_is_made_anew_before_it_is_deactivated", deactivating, "ZoomUser", Result),
        ("an_account_that_is_made_anew_while_a_planned_case_waits", ending_sessions, "ZoomUser", Result),
        ("two_thefts_at_one_address_of_two_people", granting, "STILL_THEIRS", timedelta.max),
        (
            "another_address_that_is_recycled_when_a_word_brings_the_day_forward",
            Intake,
            "_go_on_with",
            Intake.set_going,
        ),
        (
            "a_service_connection_comes_for_a_third_account_days_after_the_case_began",
            late,
            "STILL_THEIRS",
            timedelta.max,
        ),
        (
            "a_held_case_of_an_unknown_id_released_when_somebody_new_has_the_address",
            Departure,
            "is_known_where_nobody_was",
            _never,
        ),
        (
            "a_newcomers_return_while_a_case_without_ids_is_under_way",
            Returns,
            "_with_ids_of_receipts",
            lambda _, case: case,
        ),
        *(
            (name, Returns, "find_anothers", lambda *_: frozenset())
            for name in (
                "an_account_in_europe_that_lives_again_after_a_newcomers_return",
                "an_old_account_that_lives_again_after_a_newcomers_return",
                "an_old_account_that_lives_again_after_a_person_gave_the_address_back",
                "an_old_account_that_nobody_tells_of_after_a_newcomers_return",
            )
        ),
    ],
)
def test_that_is_seen_where_what_mends_it_is_taken_away(
    monkeypatch: pytest.MonkeyPatch, name: str, where: object, what: str, planted: object
) -> None:
    monkeypatch.setattr(where, what, planted)
    with pytest.raises(AssertionError):
        check(BY_NAME[name], BY_NAME[name].play())
