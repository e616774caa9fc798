"""Who left once, and departs again, or whose address somebody new has: access ends again, and never a stranger's."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from leaver.cases import former, intake
from leaver.cases.former import BEFORE_THE_RETURN, SOMEBODY_NEW, FormerLeavers
from leaver.cases.record import Case
from leaver.cases.states import State
from leaver.errors import ProviderUnavailable
from leaver.messages.commands import RevokeGrants
from tests.doubles.clock import NOW
from tests.doubles.office import ADA, ADA_ID, ADA_UNIVERSAL, Office

EVERYTHING = {"session", "grants", "user token"}
#: the Ada who was hired after the first, and has her address
NEW_ID, NEW_UNIVERSAL = "another-adas-id", "local:{another-ada}"


@pytest.fixture
def office() -> Office:
    """An organisation that Ada has left."""
    office = Office()
    office.hears_and_works(source="okta", subject={"source_id": "okta-1"})
    office.clock.passes(hours=5)
    return office


def states(office: Office) -> list[State]:
    return [case.state for case in office.cases.every]


def fates(office: Office) -> list[tuple[str | None, str | None]]:
    return [(each.fate, each.because) for each in office.heard.fates]


def address_goes_to_somebody_new(office: Office) -> None:
    """The old accounts stand under another address, and work again."""
    office.zoom.users[ADA_ID] = "ada.of.old@example.com"
    office.venafi.people["ada.of.old@example.com"] = [ADA_UNIVERSAL]
    office.hire(ADA, NEW_ID, NEW_UNIVERSAL)
    office.logs_in("ada.of.old@example.com")


# --- again


def test_okta_suspends_in_the_morning_and_deactivates_in_the_afternoon_and_what_came_between_is_ended(
    office: Office,
) -> None:
    first = office.case
    # Okta's unsuspending is not heard, and she signs in.
    office.logs_in(ADA)
    office.connects("zoom-ada", ADA)
    office.hears_and_works(source="okta", subject={"source_id": "okta-1"})
    assert office.access_of(ADA) == set()
    again = office.cases.every[1]
    assert (again.state, again.follows) == (State.COMPLETED, first.case_id)
    assert "RevokeAccessToken#zoom-ada" in [step.name for step in again.steps]
    assert fates(office)[1] == ("opened", None)


def test_our_own_event_is_no_less_and_an_urgent_one_neither(office: Office) -> None:
    office.logs_in(ADA)
    office.hears_and_works(urgency="urgent")
    assert office.access_of(ADA) == set()


def test_whoever_has_the_address_now_keeps_everything_and_who_left_loses_it_again(office: Office) -> None:
    address_goes_to_somebody_new(office)
    # Zoom can't be asked, and Okta's own id says who is meant.
    office.weather.to_come.append(("zoom: who is it", ProviderUnavailable("503")))
    office.hears_and_works(source="okta", subject={"source_id": "okta-1"})
    assert office.access_of("ada.of.old@example.com") == set()
    # Leaver's own copies go by the address too: whoever needs one has it fetched again.
    assert office.access_of(ADA) == EVERYTHING - {"user token"}
    assert office.cases.every[1].follows == office.cases.every[0].case_id
    # Whoever has the address may be meant: a person has to say.
    assert office.cases.every[-1].outstanding == ("RevokeGrants#venafi/acme",)


def test_and_so_it_is_where_the_case_that_is_repeated_was_a_repeat(office: Office) -> None:
    office.hears_and_works(source="okta")
    assert states(office) == [State.COMPLETED] * 2
    office.clock.passes(hours=5)
    address_goes_to_somebody_new(office)
    office.weather.to_come.append(("zoom: who is it", ProviderUnavailable("503")))
    office.hears_and_works(source="okta", subject={"source_id": "okta-1"})
    assert office.access_of("ada.of.old@example.com") == set()
    assert office.access_of(ADA) == EVERYTHING - {"user token"}


def test_that_is_seen_where_nobody_remembers_whom_venafi_had_found(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RevokeGrants, "is_believed", False)
    with pytest.raises(AssertionError):
        test_and_so_it_is_where_the_case_that_is_repeated_was_a_repeat(office)


def test_that_is_seen_where_a_repeat_runs_on_whoever_has_the_address(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FormerLeavers, "after", lambda _self, _finished, departure: departure)
    address_goes_to_somebody_new(office)
    office.hears_and_works(source="okta")
    assert office.access_of(ADA) == set()


def test_a_source_that_says_it_all_the_time_ends_access_once_an_hour_and_the_last_time_too(office: Office) -> None:
    for minute in (0, 10, 20):
        office.clock.now = NOW + timedelta(hours=5, minutes=minute)
        office.logs_in(ADA)
        office.hears_and_works(source="okta")
    assert states(office) == [State.COMPLETED, State.COMPLETED, State.SCHEDULED]
    assert office.access_of(ADA) == EVERYTHING
    office.clock.now = NOW + timedelta(hours=6)
    office.minute()
    office.works()
    assert office.access_of(ADA) == set()
    assert [case.follows for case in office.cases.every[1:]] == [case.case_id for case in office.cases.every[:2]]


def test_another_source_does_not_wait_for_the_first_ones_hour(office: Office) -> None:
    office.hears_and_works(source="okta")
    office.clock.passes(minutes=10)
    office.hears_and_works(source="okta")
    office.logs_in(ADA)
    office.clock.passes(minutes=10)
    office.hears_and_works(source="hibob")
    assert office.access_of(ADA) == set()
    assert states(office) == [State.COMPLETED] * 3


def test_without_the_hour_every_event_would_end_access_again(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(former, "REPEATS", timedelta(0))
    for _ in range(3):
        office.clock.passes(minutes=1)
        office.hears_and_works(source="okta")
    assert states(office) == [State.COMPLETED] * 4


# --- late


def test_a_late_word_about_her_touches_nobody_who_has_her_address_now(office: Office) -> None:
    office.hears_and_works("reinstated", source="okta")
    address_goes_to_somebody_new(office)
    office.clock.passes(days=10)
    office.hears_and_works(source="hibob", occurred_at=(NOW - timedelta(minutes=1)).isoformat())
    assert office.access_of(ADA) == EVERYTHING
    assert fates(office)[-1] == ("repeated", intake.HEARD)


def test_that_is_seen_where_only_the_time_it_came_counts(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_finished: Case, _at: datetime) -> bool:
        return False

    monkeypatch.setattr(intake, "is_before_its_end", never)
    office.hears_and_works("reinstated", source="okta")
    address_goes_to_somebody_new(office)
    office.hears_and_works(source="okta", occurred_at=office.clock().isoformat())
    assert office.access_of(ADA) == set()


def test_a_word_from_before_another_sources_return_is_held_for_it_can_not_be_told_which_departure_it_means(
    office: Office,
) -> None:
    office.clock.passes(hours=1)
    office.hears_and_works("reinstated", source="okta")
    office.logs_in(ADA)
    office.hears_and_works(source="hibob", occurred_at=(NOW + timedelta(hours=1)).isoformat())
    assert (office.cases.every[1].state, office.cases.every[1].because) == (State.HELD, BEFORE_THE_RETURN)
    assert office.access_of(ADA) == EVERYTHING


# --- somebody new


def leaves_too(office: Office, **told: Any) -> Case:
    address_goes_to_somebody_new(office)
    office.hears_and_works(source="okta", **told)
    return office.cases.every[1]


@pytest.mark.parametrize("urgency", ["urgent", "routine"])
def test_another_id_at_zoom_means_somebody_new_and_a_person_looks_first(office: Office, urgency: str) -> None:
    case = leaves_too(office, urgency=urgency)
    assert (case.state, case.because, case.follows) == (State.HELD, SOMEBODY_NEW, office.cases.every[0].case_id)
    assert office.access_of(ADA) == EVERYTHING
    assert office.access_of("ada.of.old@example.com") == EVERYTHING
    assert fates(office)[-1] == ("opened", SOMEBODY_NEW)
    assert len(office.announced("OffboardingHeld")) == 1


def test_so_does_another_id_of_the_source_where_zoom_knows_nobody(office: Office) -> None:
    office.zoom.users.clear()
    office.hears_and_works(source="okta", subject={"source_id": "okta-2"})
    assert office.cases.every[1].because == SOMEBODY_NEW


def test_when_a_person_has_looked_the_new_one_loses_everything_and_the_old_one_nothing_more(office: Office) -> None:
    case = leaves_too(office)
    office.queue("StartOffboarding", {"case": case.case_id, "decision": "release"})
    office.works()
    assert office.access_of(ADA) == set()
    assert office.access_of("ada.of.old@example.com") == EVERYTHING - {"user token"}


def test_an_urgent_word_does_not_release_what_is_in_doubt(office: Office) -> None:
    leaves_too(office)
    office.hears_and_works(source="okta", urgency="urgent")
    assert office.cases.every[1].state is State.HELD
    assert office.access_of(ADA) == EVERYTHING


def test_while_the_new_ones_case_waits_what_can_mean_either_is_dead_lettered(office: Office) -> None:
    leaves_too(office)
    office.zoom.users.clear()
    office.hears_and_works(source="hibob")
    assert office.reasons() == ["it can not be told who is meant: a case of somebody else at this address is under way"]


def test_after_a_held_case_is_thrown_away_the_first_departure_is_still_remembered(office: Office) -> None:
    case = leaves_too(office)
    office.queue("StartOffboarding", {"case": case.case_id, "decision": "discard"})
    office.works()
    office.clock.passes(hours=2)
    office.hears_and_works(source="okta")
    assert office.cases.every[2].because == SOMEBODY_NEW
    assert office.access_of(ADA) == EVERYTHING


def test_a_repeat_that_is_thrown_away_brings_nobody_back_also_where_its_event_comes_again(office: Office) -> None:
    case = leaves_too(office)
    event = next(each for each in office.heard.fates if each.case_id == case.case_id)
    assert event.fate == "opened"
    gone = office.people.under_tombstones
    office.queue("StartOffboarding", {"case": case.case_id, "decision": "discard"})
    office.works()
    office.clock.passes(minutes=1)
    office.hears_and_works(source="okta", event_id=event.event_id, occurred_at=case.said[0].at.isoformat())
    assert len(office.cases.every) == 2
    assert office.people.under_tombstones == gone


def test_that_is_seen_where_nobody_compares_ids(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FormerLeavers, "find_doubt", lambda *_: None)
    assert leaves_too(office).because is None
