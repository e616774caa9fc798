"""A better name adds what it names; what a case cannot act on waits for a person: somebody new, a broken record."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from leaver.cases import finding
from leaver.cases.departure import Departure
from leaver.cases.former import SOMEBODY_NEW, FormerLeavers
from leaver.cases.people import Known, Name
from leaver.cases.record import Case, Policy
from leaver.cases.start import CaseStart
from leaver.cases.states import State
from leaver.connections.record import Connection
from leaver.errors import ProviderResponse, ProviderUnavailable, Rejected
from leaver.outcomes import Outcome
from tests.doubles.clock import NOW
from tests.doubles.office import ADA, ADA_ID, ADA_UNIVERSAL, Office

#: an account of hers at Venafi that the search by her address does not see, although it has that address
ADMIN = "AD+corp:{ada-admin}"
DOWN = ProviderUnavailable("503", ProviderResponse(503))


@pytest.fixture
def office() -> Office:
    """Ada has a second account at Venafi, with a grant."""
    office = Office()
    office.venafi.people[ADA].append(ADMIN)
    office.venafi.grants[ADMIN] = 1
    return office


#: how another source names her at Venafi
OTHERWISE: dict[str, Any] = {"source": "okta", "subject": {"identities": {"venafi": {"prefixed_universal": ADMIN}}}}
AGAIN = "RevokeGrants#venafi/acme#2"


def fates(office: Office) -> list[str | None]:
    return [each.fate for each in office.heard.fates]


def test_a_better_name_of_somebody_whose_case_is_open_adds_a_step_and_what_lives_under_it_ends(office: Office) -> None:
    office.weather.out_of_order["venafi"] = DOWN
    office.deliver(office.hears())
    office.deliver(office.hears(**OTHERWISE))
    assert fates(office) == ["opened", "changed"]
    assert AGAIN in office.case.outstanding
    office.weather.out_of_order.clear()
    office.works()
    assert office.case.state is State.COMPLETED
    assert (office.venafi.grants[ADMIN], office.access_of(ADA)) == (0, set())
    assert office.receipts.items[office.case.case_id, AGAIN].outcome is Outcome.REVOKED


def test_the_same_better_name_a_second_time_adds_nothing(office: Office) -> None:
    office.weather.out_of_order["venafi"] = DOWN
    office.deliver(office.hears())
    office.deliver(office.hears(**OTHERWISE))
    before = office.case.steps
    office.deliver(office.hears(**OTHERWISE))
    office.deliver(office.hears())
    assert office.case.steps == before
    assert fates(office) == ["opened", "changed", "repeated", "repeated"]


def another_name_after_the_seal(office: Office) -> None:
    office.hears_and_works()
    office.hears_and_works(**OTHERWISE)
    assert office.venafi.grants[ADMIN] == 0
    first, second = office.cases.every
    assert (second.state, second.follows) == (State.COMPLETED, first.case_id)
    assert fates(office) == ["opened", "opened"]


def test_a_better_name_of_somebody_whose_case_is_completed_opens_one_that_follows(office: Office) -> None:
    another_name_after_the_seal(office)


def test_and_the_next_repeat_ends_what_came_back_under_either_name(office: Office) -> None:
    another_name_after_the_seal(office)
    office.clock.passes(hours=3)
    office.logs_in(ADA)
    office.venafi.grants[ADMIN] = 1
    office.hears_and_works()
    assert (office.venafi.grants[ADMIN], office.access_of(ADA)) == (0, set())


def test_the_name_that_venafi_itself_gave_for_her_address_is_no_news(office: Office) -> None:
    office.hears_and_works()
    office.hears_and_works(source="okta", subject={"identities": {"venafi": {"prefixed_universal": ADA_UNIVERSAL}}})
    assert fates(office) == ["opened", "repeated"]


def test_both_tests_see_it_where_another_name_is_taken_for_a_repetition(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "_ends_the_same", lambda *_: True)
    with pytest.raises(AssertionError):
        another_name_after_the_seal(office)


def test_a_name_that_venafi_does_not_know_is_done_with_once_the_better_one_was_ended() -> None:
    office = Office()
    office.venafi.people["jdoe"] = office.venafi.people.pop(ADA)
    office.hears_and_works()
    assert office.case.outstanding == ("RevokeGrants#venafi/acme",)
    office.hears_and_works(source="okta", subject={"identities": {"venafi": {"prefixed_universal": ADA_UNIVERSAL}}})
    assert (office.case.state, office.venafi.grants[ADA_UNIVERSAL]) == (State.COMPLETED, 0)


def test_a_better_name_reaches_an_account_that_is_connected_later_too(office: Office) -> None:
    venafi = office.table.records.pop("venafi")
    office.hears_and_works()
    office.hears_and_works(**OTHERWISE)
    office.table.put(venafi)
    office.clock.passes(minutes=1)
    office.minute()
    office.works()
    assert (office.case.state, office.venafi.grants[ADMIN]) == (State.COMPLETED, 0)


def test_a_better_name_of_a_planned_leaver_waits_for_the_day_with_the_rest(office: Office) -> None:
    tomorrow = (office.clock() + timedelta(days=1)).isoformat()
    office.hears_and_works("scheduled", effective_at=tomorrow)
    office.hears_and_works("scheduled", effective_at=tomorrow, **OTHERWISE)
    assert office.venafi.grants[ADMIN] == 1
    office.clock.passes(days=1)
    office.minute()
    office.works()
    assert (office.case.state, office.venafi.grants[ADMIN]) == (State.COMPLETED, 0)


def test_a_better_name_in_a_theft_is_contained_as_well(office: Office) -> None:
    office.weather.out_of_order["venafi"] = DOWN
    office.deliver(office.hears("contain"))
    office.deliver(office.hears("contain", **OTHERWISE))
    office.weather.out_of_order.clear()
    office.works()
    assert (office.case.state, office.venafi.grants[ADMIN]) == (State.COMPLETED, 0)


def the_same_theft_is_told_with_a_better_name_after_its_end(office: Office) -> None:
    told = OTHERWISE | {"occurred_at": office.clock().isoformat()}
    office.clock.passes(minutes=1)
    office.hears_and_works("contain")
    office.clock.passes(minutes=1)
    for _ in range(2):
        office.hears_and_works("contain", event_id="incident-7", **told)


def test_a_better_name_in_a_theft_that_was_contained_is_contained_too_and_once(office: Office) -> None:
    the_same_theft_is_told_with_a_better_name_after_its_end(office)
    assert office.venafi.grants[ADMIN] == 0
    assert [case.state for case in office.cases.every] == [State.COMPLETED] * 2
    assert fates(office) == ["opened", "opened", "repeated"]


def test_that_is_seen_where_the_end_of_a_theft_is_the_end_of_its_names(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FormerLeavers, "find_aliases", lambda *_: [])
    the_same_theft_is_told_with_a_better_name_after_its_end(office)
    assert office.venafi.grants[ADMIN] == 1


def a_newer_theft_comes_while_one_with_a_better_name_is_being_contained(office: Office) -> None:
    office.weather.out_of_order["venafi"] = DOWN
    for told in ({}, OTHERWISE, {"source": "sailpoint"}):
        office.deliver(office.hears("contain", **told))
        for message in list(office.queued):
            office.deliver(message)
        office.clock.passes(minutes=5)
    office.weather.out_of_order.clear()
    office.works()
    assert [case.state for case in office.cases.every if case.state is not State.CANCELLED] == [State.COMPLETED]


def test_a_newer_theft_is_contained_under_the_names_that_came_with_the_older_one(office: Office) -> None:
    a_newer_theft_comes_while_one_with_a_better_name_is_being_contained(office)
    assert office.venafi.grants[ADMIN] == 0


def test_that_is_seen_where_a_newer_theft_has_its_own_names_alone(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Departure, "with_names_of", lambda theft, _case: theft)
    monkeypatch.setattr(FormerLeavers, "_with_names_before", lambda _self, theft, *_: theft)
    a_newer_theft_comes_while_one_with_a_better_name_is_being_contained(office)
    assert office.venafi.grants[ADMIN] == 1


def test_an_event_about_somebody_new_at_the_address_adds_nothing_to_a_case_that_is_open(office: Office) -> None:
    office.weather.out_of_order["venafi"] = DOWN
    office.deliver(office.hears(subject={"source_id": "hr-ada"}))
    office.deliver(office.hears(subject={"source_id": "hr-another-ada", **OTHERWISE["subject"]}))
    assert "somebody else at this address" in office.reasons()[0]
    office.weather.out_of_order.clear()
    office.works()
    assert (office.case.state, office.venafi.grants[ADMIN]) == (State.COMPLETED, 1)


def test_and_after_the_seal_a_person_is_asked_who_is_meant(office: Office) -> None:
    office.hears_and_works(subject={"source_id": "hr-ada"})
    office.hears_and_works(subject={"source_id": "hr-another-ada", **OTHERWISE["subject"]})
    last = office.cases.every[-1]
    assert (last.state, last.because) == (State.HELD, SOMEBODY_NEW)
    assert office.venafi.grants[ADMIN] == 1


def test_a_stranger_would_be_hit_if_nobody_compared_the_ids(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Departure, "is_of_somebody_else", lambda *_: False)
    office.hears_and_works(subject={"source_id": "hr-ada"})
    office.hears_and_works(subject={"source_id": "hr-another-ada", **OTHERWISE["subject"]})
    assert office.venafi.grants[ADMIN] == 0


def test_a_late_word_about_somebody_who_is_back_touches_nobody_under_any_name(office: Office) -> None:
    office.hears_and_works()
    office.clock.passes(hours=1)
    office.hears_and_works("reinstated")
    office.hears_and_works(occurred_at=NOW.isoformat(), **OTHERWISE)
    assert office.venafi.grants[ADMIN] == 1
    assert fates(office)[-1] == "repeated"


def test_a_repeat_is_held_where_an_account_that_knew_nobody_knows_somebody_now() -> None:
    office = Office(missing_is_done=True)
    del office.zoom.users[ADA_ID]
    office.zoom.sessions.discard(ADA_ID)
    office.hears_and_works()
    assert (office.case.identities, office.case.state) == ({}, State.COMPLETED)
    office.clock.passes(hours=2)
    office.hire(ADA, "somebody-new", "local:{somebody-new}")
    office.hears_and_works(event_id="hr-2")
    assert "somebody-new" in office.zoom.sessions
    last = office.cases.every[-1]
    assert (last.state, last.because) == (State.HELD, SOMEBODY_NEW)


def test_a_record_of_hers_that_nobody_can_read_stops_nothing_but_its_own_step(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.connects("zoom-ada", ADA)
    read = office.table.read

    def unreadable(name: str) -> Connection:
        if name == "zoom-ada":
            raise Rejected("record of connection zoom-ada: owner: is missing")
        return read(name)

    monkeypatch.setattr(office.table, "read", unreadable)
    office.hears_and_works()
    assert office.access_of(ADA) <= {"zoom-ada"}
    assert office.case.outstanding == ("RevokeAccessToken#zoom-ada",)
    assert [step.refused for step in office.case.steps if step.at == "zoom-ada"] == [
        "record of connection zoom-ada: owner: is missing"
    ]


def test_who_comes_back_while_lost_commands_are_sent_again_is_under_no_tombstone(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.weather.out_of_order["venafi"] = DOWN
    office.deliver(office.hears())
    office.queued.clear()
    office.clock.passes(minutes=10)
    raise_tombstones = CaseStart.raise_tombstones

    def behind_a_return(self: CaseStart, case: Case, now: datetime, known: Known) -> Mapping[str, Name]:
        monkeypatch.setattr(CaseStart, "raise_tombstones", raise_tombstones)
        office.deliver(office.hears("reinstated", event_id="hr-2"))
        return raise_tombstones(self, case, now, known)

    monkeypatch.setattr(CaseStart, "raise_tombstones", behind_a_return)
    office.minute()
    assert office.case.state is State.REINSTATED
    assert office.people.under_tombstones == set()


def test_what_is_sealed_is_the_policy_that_was_applied() -> None:
    office = Office(missing_is_done=True)
    del office.zoom.users[ADA_ID]
    office.zoom.sessions.discard(ADA_ID)
    office.deliver(office.hears())
    # When it was recorded the deployment took nobody who is missing for done.
    recorded = Policy(done_where_missing=(), deactivate_users=False, deadline=900)
    office.cases.alter(office.case.case_id, policy=recorded)
    office.works()
    assert office.case.state is State.COMPLETED
    assert office.case.policy is not None
    assert office.case.policy.done_where_missing != ()
