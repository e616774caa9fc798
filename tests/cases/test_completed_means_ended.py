"""Completed means ended: whatever was tried, no case says so while anything of that person's lives."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from functions.revoke_access_token import app as revoking
from functions.revoke_grants import app as granting
from functions.revoke_grants.app import AskedOfVenafi
from functions.start_offboarding import app
from functions.watch_deadlines import app as watching
from functions.watch_deadlines.app import Watch
from leaver.cases import completion, finding, former, intake, kinds, late, proved, seal
from leaver.cases.accounts import AccountEvents
from leaver.cases.completion import CaseCompletion
from leaver.cases.departure import Departure
from leaver.cases.finding import StepFinder
from leaver.cases.former import FormerLeavers
from leaver.cases.heard import Fate
from leaver.cases.intake import Intake
from leaver.cases.people import Name
from leaver.cases.receipts import Receipt
from leaver.cases.record import DONE_WITH, Case, Said, Step
from leaver.cases.start import CaseStart
from leaver.cases.user_tokens import StoredUserTokens
from leaver.connections.grants import ProviderGrants
from leaver.connections.record import Connection, Connections, Status
from leaver.messages.commands import RevokeGrants
from leaver.messages.events import OffboardingRequested, Subject
from leaver.messages.times import Settled
from leaver.outcomes import Outcome, Result
from leaver.providers.venafi import identities, oauth
from leaver.providers.venafi.search import PeopleSearch
from tests.cases.attempts.every import EVERY
from tests.cases.attempts.seen import Attempt, Seen
from tests.doubles.providers import FakeVenafi
from tests.length import some
from tests.tried import PROPERTY, Tried

#: a connection's grant, as if that it has another told nothing
WHOSE: Final = property(lambda self: {"owner": self.owner})
REVOKED: Final[Callable[..., Result]] = lambda *_: Result(Outcome.REVOKED)  # noqa: E731 - planted as the others are
BY_NAME: Final = {each.name: each for each in EVERY}


def check(attempt: Attempt, seen: Seen) -> None:
    """What must be: nobody says that it ended while it lives, nobody else lost anything, and what is open is told."""
    assert not (seen.is_said_to_have_ended and seen.lives), f"{seen.lives} lives behind a completed case"
    assert seen.lost == frozenset()
    assert seen.says.startswith(attempt.says), seen.says
    assert seen.lives == attempt.lives


@pytest.mark.parametrize("name", some(BY_NAME))
def test_whatever_was_tried_nothing_lives_behind_a_completed_case(
    name: str, record_property: Callable[[str, Any], None]
) -> None:
    attempt = BY_NAME[name]
    seen = attempt.play()
    lives = ", ".join(sorted(seen.lives)) or "nothing"
    record_property(PROPERTY, list(Tried(EVERY.index(attempt), attempt.group, attempt.tried, seen.says, lives)))
    check(attempt, seen)


# --- what each group's rules are for: each is taken away, and the attempt succeeds


_accounts = Connections.accounts


def _of_one_account(self: Connections, of: str, **told: Any) -> Any:
    return {name: each for name, each in _accounts(self, of, **told).items() if name == "acme"}


def _of_what_it_has_now(record: Any, names: Any) -> Any:
    return [record.grant] if record.owner in names and record.status is not Status.REVOKED else []


_with_steps = Case.with_steps


def _as_recorded(self: Case, steps: Any) -> Case:
    recorded = {step.name for step in self.steps}
    return _with_steps(self, [step for step in steps if step.name not in recorded])


def _as_it_was(_self: FormerLeavers, departure: Departure, *_: object) -> Departure:
    return departure


_ends_the_same = finding._ends_the_same


def _by_the_address(one: Step, other: Step, subject: Subject) -> bool:
    return _ends_the_same(one, other, Subject(email=subject.email))


def _never(*_: object, **__: object) -> bool:
    return False


_closed = Receipt.closed


def _forgetful(self: Receipt, result: Result, **told: Any) -> Receipt:
    return _closed(self, result, **told).model_copy(update={"progress": None})


def _always(*_: object, **__: object) -> bool:
    return True


def _without_the_one_before(self: Name, kind: kinds.Kind, case_id: str) -> Name:
    return self.model_copy(update={"containments": {**self.containments, kind: case_id}})


_with_tombstone = Name.with_tombstone


def _without_the_completed(self: Name, case_id: str, now: datetime, **_: Any) -> Name | None:
    return _with_tombstone(self, case_id, now)


def _believed(request: OffboardingRequested, _heard_at: datetime) -> Settled:
    return Settled(request, timedelta(0))


_find_ended_before = proved.find_ended_before


def _once_each(case: Case, *told: Any, **_: Any) -> Any:
    return [(step, again) for step, again in _find_ended_before(case, *told) if step.alias is None]


def _as_it_stands(_case: Case, step: Step, *_: Any) -> Step:
    return step


def _whatever_hr_says(case: Case, receipts: Any, **_: Any) -> dict[str, str]:
    return proved.ids_of(case, receipts)


def _is_gone_for_this_case(self: Watch, case: Case) -> bool:
    return any(each.case_id == case.case_id for each in self._cases_since(case))


def _by_id_alone(said: Said, other: Said) -> bool:
    return (said.source, said.event_id) == (other.source, other.event_id)


def _of_whoever_is_there(self: Intake, case: Case, theft: Departure) -> bool:
    return intake._is_covered_by(case, theft) and not self._may_be_of_somebody_else(case, theft)


_take_access = Intake._take_access


def _once(self: Intake, departure: Departure) -> Fate:
    left = self.former.find_finished(departure.names)
    return Fate("repeated", left.case_id) if left else _take_access(self, departure)


@pytest.mark.parametrize(
    ("name", "where", "what", "planted"),
    [
        # completed, and access lives
        ("a_second_zoom_account", Connections, "accounts", _of_one_account),
        ("the_search_is_not_proved", PeopleSearch, "_unproved", lambda *_: None),
        ("an_id_that_names_nobody", FakeVenafi, "remaining_grants", lambda *_, **__: 0),
        ("a_personal_connection_made_meanwhile", StepFinder, "find_anew", lambda _, case: case.steps),
        ("zoom_is_out_of_order_when_the_event_comes", Receipt, "names", frozenset()),
        ("another_address_at_an_account_bought_meanwhile", Receipt, "names", frozenset()),
        ("another_address_that_is_told_while_another_run_seals", CaseCompletion, "_is_searched", _always),
        ("another_address_from_before_the_day", Receipt, "names", frozenset()),
        ("an_account_made_anew_before_the_day", completion, "DONE_WITH", {*DONE_WITH, Outcome.NOT_SEARCHABLE}),
        ("two_identities_at_venafi", RevokeGrants, "is_believed", True),
        ("two_identities_at_venafi", PeopleSearch, "find_owners", lambda *_, **__: []),
        ("two_identities_of_one_address", PeopleSearch, "find_owners", lambda *_, **__: []),
        ("an_identity_made_anew_at_venafi_before_a_repeat", PeopleSearch, "find_owners", lambda *_, **__: []),
        ("a_second_event_with_a_mistyped_name", Step, "is_added", False),
        ("a_name_of_a_case_that_was_cancelled", FormerLeavers, "_with_names_before", _as_it_was),
        ("a_name_of_a_theft", FormerLeavers, "_with_names_before", _as_it_was),
        ("a_name_of_the_case_before_the_last", FormerLeavers, "_with_names_before", _as_it_was),
        ("a_name_of_a_case_after_which_the_person_came_back", FormerLeavers, "_with_names_before", _as_it_was),
        ("a_name_of_a_planned_case_after_a_theft", FormerLeavers, "_with_names_before", _as_it_was),
        (
            "a_name_of_a_theft_that_a_newer_one_took_the_place_of_by_a_run_that_was_killed",
            Name,
            "with_containment",
            _without_the_one_before,
        ),
        ("a_name_of_a_case_whose_person_another_case_found_too", Name, "with_tombstone", _without_the_completed),
        ("a_connection_under_an_address_of_a_case_that_was_cancelled", finding, "find_doubted", lambda _: {}),
        ("an_account_that_is_restored_once_nobody_had_the_address", proved, "_is_known_by_now", _never),
        ("an_id_that_comes_once_the_case_has_begun", finding, "_ends_the_same", _by_the_address),
        ("an_id_that_comes_once_the_case_has_begun", completion, "DOUBTED", ("name_is_of",)),
        ("an_id_that_comes_once_the_case_has_begun", intake, "ids_of", _whatever_hr_says),
        ("an_id_that_comes_once_nobody_had_the_address", finding, "_ends_the_same", _by_the_address),
        ("two_ids_of_one_address_when_she_departs_again", intake, "with_ids_before", lambda case, *_: case),
        ("a_zak_over_an_account_that_was_given_up", finding, "OURS", "nobody's"),
        ("a_zak_over_an_account_that_is_given_up_meanwhile", watching, "PURGE", "nothing"),
        (
            "a_second_event_with_the_name_where_the_search_is_not_proved",
            AskedOfVenafi,
            "find_doubt",
            lambda *_: {},
        ),
        ("departs_again", Intake, "_take_access", _once),
        ("a_connection_made_anew_after_its_receipt", Connection, "grant", WHOSE),
        ("a_service_connection_that_is_handed_back", Connection, "grant", WHOSE),
        ("a_service_connection_replaced_before_without_a_word", finding, "_living_grants", _of_what_it_has_now),
        ("a_personal_connection_handed_over_before_without_a_word", finding, "_living_grants", _of_what_it_has_now),
        ("a_connection_removed_without_the_provider", finding, "_living_grants", _of_what_it_has_now),
        ("another_address_at_an_account_that_is_out", Case, "ids_of", lambda self, _: self.identities),
        ("another_address_at_an_account_that_is_out_after_the_seal", Case, "ids_of", lambda self, _: self.identities),
        ("a_table_that_was_restored", StoredUserTokens, "_adopt_those_of", lambda *_: None),
        # the wrong person
        ("an_address_that_begins_so", identities, "is_exactly", lambda *_, **__: True),
        ("somebody_elses_id_at_venafi", PeopleSearch, "find_owners", lambda *_, **__: []),
        ("somebody_elses_id_at_venafi_of_somebody_without_grants", RevokeGrants, "is_believed", True),
        ("somebody_elses_id_at_venafi_and_grants_ended_by_hand", RevokeGrants, "is_believed", True),
        ("a_second_event_with_somebody_elses_id_at_venafi", AskedOfVenafi, "find_doubt", lambda *_: {}),
        ("a_second_event_with_somebody_elses_id_at_venafi_after_the_seal", AskedOfVenafi, "find_doubt", lambda *_: {}),
        ("a_second_event_with_somebody_elses_id_at_venafi_and_a_repeat", AskedOfVenafi, "find_doubt", lambda *_: {}),
        (
            "a_second_event_with_somebody_elses_id_at_venafi_that_does_not_know_the_address",
            PeopleSearch,
            "find_addresses",
            lambda *_, **__: [],
        ),
        (
            "a_second_event_with_the_id_of_somebody_without_an_address",
            PeopleSearch,
            "find_owners",
            lambda *_, **__: [],
        ),
        ("a_name_of_a_cancelled_case_of_whoever_had_the_address", Departure, "is_of_somebody_else", _never),
        (
            "a_name_of_a_case_that_was_cancelled_where_zoom_is_out",
            finding,
            "_doubt",
            lambda *_: None,
        ),
        (
            "another_address_that_is_somebody_elses_when_the_person_departs_again",
            finding,
            "_doubt",
            lambda *_: None,
        ),
        (
            "a_recycled_address_of_somebody_whom_venafi_never_knew",
            finding,
            "_doubt",
            lambda *_: None,
        ),
        (
            "an_old_address_that_hr_gives_with_its_own_number",
            Departure,
            "has_the_address",
            Departure.is_of_the_same,
        ),
        (
            "an_address_that_is_somebody_elses_once_the_case_has_begun",
            intake,
            "ids_of",
            lambda case, *_, **__: case.identities,
        ),
        ("an_address_that_is_somebody_elses_when_venafi_answers", granting, "STILL_THEIRS", timedelta.max),
        ("an_address_of_somebody_new_whose_name_comes_when_venafi_answers", granting, "STILL_THEIRS", timedelta.max),
        ("a_name_that_is_somebody_elses_when_venafi_is_connected", granting, "STILL_THEIRS", timedelta.max),
        ("an_address_that_is_somebody_elses_when_zoom_answers", late, "STILL_THEIRS", timedelta.max),
        ("an_address_that_is_somebody_elses_when_zoom_is_connected", late, "STILL_THEIRS", timedelta.max),
        ("an_address_that_is_somebody_elses_once_zoom_ended_her_session_by_it", late, "STILL_THEIRS", timedelta.max),
        ("an_address_that_is_somebody_elses_once_venafi_knew_her_by_it", Receipt, "closed", _forgetful),
        ("a_connection_of_somebody_new_while_the_case_is_open", finding, "_is_theirs", lambda *_: True),
        ("a_connection_of_hers_when_somebody_new_has_the_address", finding, "_is_theirs", lambda *_: None),
        ("a_connection_of_nobody_knows_whom_while_the_case_is_open", finding, "_find_doubt", lambda *_: None),
        (
            "a_connection_of_hers_that_somebody_new_has_replaced_under_her_address",
            revoking,
            "_end_of_replaced",
            REVOKED,
        ),
        ("a_departure_at_a_recycled_address_while_zoom_is_out", FormerLeavers, "_is_untold", _never),
        (
            "a_departure_at_a_recycled_address_while_zoom_is_out_that_a_person_releases",
            FormerLeavers,
            "_is_untold",
            _never,
        ),
        ("a_departure_at_a_recycled_address_while_zoom_is_out_for_a_moment", former, "PATIENCE", timedelta(0)),
        (
            "a_departure_at_a_recycled_address_while_the_case_is_open_and_zoom_is_out",
            FormerLeavers,
            "is_untold",
            _never,
        ),
        ("a_late_word_of_a_theft_at_a_recycled_address", intake, "is_before_its_end", _never),
        ("a_theft_of_somebody_new_while_one_is_contained", Intake, "_may_be_of_somebody_else", _never),
        ("a_theft_of_somebody_new_while_another_theft_is_in_doubt", Intake, "_may_be_of_somebody_else", _never),
        ("a_late_word_of_a_theft_while_one_is_contained", Intake, "_is_contained_by", _of_whoever_is_there),
        ("a_connection_at_a_recycled_address_when_she_departs_again", finding, "find_doubted", lambda _: {}),
        ("a_held_case_that_is_released_when_somebody_new_has_the_address", Departure, "is_of_somebody_else", _never),
        ("an_address_that_is_recycled_before_the_day", watching, "ASKED_FOR", timedelta(0)),
        ("an_address_that_is_recycled_before_the_day", finding, "_doubt", lambda *_: None),
        ("an_address_that_is_recycled_before_the_day", finding, "find_doubted", lambda _: {}),
        ("an_address_that_is_recycled_before_the_day", finding, "by_id_alone", lambda step: step),
        ("an_address_that_is_recycled_before_the_day_while_zoom_is_out", Case, "ids_of", lambda *_: {}),
        ("an_id_of_somebody_else", app, "name_of", lambda _: "anybody"),
        ("a_stray_command", Step, "asks_for", lambda *_: True),
        ("a_connection_that_is_somebody_elses_on_the_day", Connection, "grant", {}),
        ("a_connection_that_is_handed_over_while_the_old_grant_lives", revoking, "_end_of_replaced", REVOKED),
        ("a_connection_made_anew_after_a_theft", Connection, "grant", WHOSE),
        ("an_id_that_came_after_the_plan", Case, "with_steps", _as_recorded),
        # the wrong time
        ("a_return_in_two_hours", app, "settle_times", _believed),
        ("departs_again_while_venafi_is_out", watching, "with_what_may_be_back", lambda case, *_, **__: case),
        ("departs_again_and_venafi_is_mended", completion, "with_what_may_be_back", lambda case, *_, **__: case),
        ("departs_again_and_again_before_the_end", proved, "find_ended_before", _once_each),
        ("departs_again_and_it_is_told_after_the_end", FormerLeavers, "had_ended_before", lambda *_: False),
        ("departs_again_when_somebody_new_has_the_address", proved, "as_proved", _as_it_stands),
        ("departs_again_after_a_case_that_zoom_was_out_for", former, "ids_of", lambda case, _: case.identities),
        ("the_sweep_where_somebody_new_has_the_address", watching, "as_proved", _as_it_stands),
        ("a_later_case_that_waits_for_a_person", Watch, "_is_gone", _is_gone_for_this_case),
        ("a_later_case_that_is_planned", Watch, "_is_gone", _is_gone_for_this_case),
        ("a_later_case_of_somebody_new_whom_nobody_knew_by_an_id", Watch, "_is_address_in_doubt", lambda *_: False),
        ("one_id_for_all", Said, "is_heard_with", _by_id_alone),
        ("ten_are_planned_for_one_moment", CaseStart, "_hold_above_limit", lambda _, case, __: case),
        # the wrong kind
        ("nobody_says_who_revoked_the_session", kinds, "ENDS", {}),
        ("nobody_says_who_revoked_the_session", kinds, "ENDS", {"sessions": kinds.ENDS["contain"]}),
        # over
        ("an_account_that_lives_again_while_evidence_cannot_be_stored", Watch, "_sweep_at_once", lambda _, case: case),
        ("a_sweep_while_evidence_cannot_be_stored", Watch, "_sweep", lambda *_, **__: None),
        ("an_account_of_somebody_erased_that_lives_again", AccountEvents, "_find_erased", lambda *_: None),
        ("a_late_word_of_somebody_erased_at_a_recycled_address", Name, "may_be_of_erased", _never),
        # a connection called revoked, and lives
        ("a_dead_access_token_at_zoom", ProviderGrants, "proves_end", lambda *_: True),
        ("a_provider_that_calls_every_token_revoked", ProviderGrants, "proves_end", lambda *_: True),
        ("one_401_of_a_proxy", oauth, "_REVOKE", oauth._BEARER),
        # what an operator can do truthfully
        ("a_step_that_a_person_closes", completion, "_residual", lambda _: []),
        ("another_person_in_a_sealed_case", seal, "COVERED", {seal.VERSION: seal.COVERED[seal.VERSION] - {"email"}}),
    ],
)
def test_that_is_seen_where_a_rule_is_taken_away(
    monkeypatch: pytest.MonkeyPatch, name: str, where: object, what: str, planted: object
) -> None:
    monkeypatch.setattr(where, what, planted)
    attempt = BY_NAME[name]
    with pytest.raises(AssertionError):
        check(attempt, attempt.play())
