"""A person begins: somebody leaves, or is contained, by a decision straight to the queue."""

from datetime import timedelta
from typing import Any

import pytest

from leaver.cases.intake import TAKEN_BACK
from leaver.cases.record import Case
from leaver.cases.states import State
from tests.cases.test_beginning import crashes
from tests.cases.test_guard import PEOPLE, feed
from tests.doubles.clock import NOW
from tests.doubles.office import ADA, ADA_ID, Message, Office
from tests.doubles.steps import Moment

EVERYTHING = {"session", "grants", "user token"}


@pytest.fixture
def office() -> Office:
    return Office()


def begins(office: Office, decision: str = "offboard", who: str = ADA, **told: Any) -> None:
    office.clock.passes(minutes=1)
    office.queue("StartOffboarding", {"decision": decision, "who": who} | told)
    office.works()


def last_fate(office: Office) -> tuple[str | None, str | None]:
    return office.heard.fates[-1].fate, office.heard.fates[-1].because


def case_of(office: Office, email: str) -> Case:
    (case,) = [each for each in office.cases.every if each.email == email]
    return case


def test_offboard_ends_everything_and_says_who_decided_and_why(office: Office) -> None:
    begins(office, because="the contract ended")
    assert office.access_of(ADA) == set()
    case = office.case
    assert (case.state, case.kind, case.source) == (State.COMPLETED, "departure", "operator")
    assert case.actor == "AIDAIENQZJOLO23YVJ4VO"
    assert case.request["because"] == "the contract ended"
    assert office.people.under_tombstones == {ADA, ADA_ID}
    assert last_fate(office) == ("opened", None)


def test_whatever_a_message_says_of_who_decided_is_not_believed(office: Office) -> None:
    for field in ("actor", "source", "occurred_at", "case_id"):
        begins(office, **{field: "somebody else"})
    assert office.cases.every == []
    assert ["unknown field" in reason for reason in office.reasons()] == [True] * 4


def test_contain_ends_what_a_thief_may_have_and_nobody_is_said_to_leave(office: Office) -> None:
    begins(office, "contain", because="the laptop was stolen")
    assert office.access_of(ADA) == set()
    assert (office.case.kind, office.case.state) == ("contain", State.COMPLETED)
    assert office.people.under_tombstones == set()


def test_at_a_time_to_come_it_waits(office: Office) -> None:
    begins(office, effective_at=(NOW + timedelta(days=5)).isoformat())
    assert (office.access_of(ADA), office.case.state) == (EVERYTHING, State.SCHEDULED)
    office.clock.now = NOW + timedelta(days=5)
    office.minute()
    office.works()
    assert office.access_of(ADA) == set()


def test_a_later_word_of_a_person_moves_the_day_either_way(office: Office) -> None:
    for days in (5, 9, 2):
        begins(office, effective_at=(NOW + timedelta(days=days)).isoformat())
        assert office.case.effective_at == NOW + timedelta(days=days)


def test_nobody_is_contained_on_a_later_day(office: Office) -> None:
    begins(office, "contain", effective_at=(NOW + timedelta(days=5)).isoformat())
    assert office.cases.every == []
    [reason] = office.reasons()
    assert "effective_at: expected only with decision offboard" in reason


def test_a_persons_word_passes_the_guard_also_for_who_is_held_by_it() -> None:
    office = feed()
    begins(office, who=PEOPLE[4])
    assert (office.access_of(PEOPLE[4]), case_of(office, PEOPLE[4]).state) == (set(), State.COMPLETED)
    office.hire("newcomer@example.com", "id-new", "local:{new}")
    begins(office, who="newcomer@example.com")
    assert office.access_of("newcomer@example.com") == set()
    assert [each.state for each in office.cases.every].count(State.HELD) == 3


def test_a_persons_word_passes_the_guard_for_who_was_to_leave_later() -> None:
    office = feed()
    office.hire("newcomer@example.com", "id-new", "local:{new}")
    later = (NOW + timedelta(days=5)).isoformat()
    office.hears_and_works("scheduled", "newcomer@example.com", effective_at=later)
    begins(office, who="newcomer@example.com")
    assert office.access_of("newcomer@example.com") == set()


def test_a_person_whose_case_is_in_doubt_is_not_let_go_by_an_offboard(office: Office) -> None:
    office.hears_and_works(doubt="the source no longer says so")
    assert office.case.state is State.HELD
    begins(office)
    assert (office.access_of(ADA), office.case.state) == (EVERYTHING, State.HELD)
    assert office.reasons()


def test_the_same_decision_sent_again_repeats_nothing_even_after_the_end(office: Office) -> None:
    begins(office, event_id="csv-1")
    office.logs_in(ADA)
    begins(office, event_id="csv-1")
    assert last_fate(office)[0] == "repeated"
    assert len(office.cases.every) == 1
    assert office.access_of(ADA) == EVERYTHING
    # Another decision is another matter.
    begins(office, event_id="csv-2")
    assert office.access_of(ADA) == set()


@pytest.mark.parametrize("days", [0, 5])
def test_who_was_taken_back_since_is_not_touched_when_a_list_is_run_again(office: Office, days: int) -> None:
    told = {"event_id": "csv-1"} | ({"effective_at": (NOW + timedelta(days=days)).isoformat()} if days else {})
    begins(office, **told)
    office.clock.passes(minutes=1)
    office.queue("StartOffboarding", {"case": office.case.case_id, "decision": "reinstate"})
    office.works()
    office.logs_in(ADA)
    begins(office, **told)
    assert last_fate(office) == ("refused", TAKEN_BACK)
    assert office.access_of(ADA) == EVERYTHING


@pytest.mark.parametrize("moment", ["before", "after"])
def test_whatever_the_crash_the_same_message_finishes_what_its_killed_run_began(moment: Moment) -> None:
    def begin() -> tuple[Office, Message]:
        office = Office()
        return office, office.queue("StartOffboarding", {"decision": "offboard", "who": ADA, "event_id": "csv-1"})

    offices = list(crashes(begin, moment))
    assert len(offices) > 15
    for office in offices:
        # By the redelivery alone: no minute passes, in which watch_deadlines would begin it.
        office.works()
        assert (office.access_of(ADA), office.case.state) == (set(), State.COMPLETED)


def test_a_return_by_hr_waits_for_a_person_where_a_person_had_decided(office: Office) -> None:
    begins(office)
    office.clock.passes(minutes=1)
    office.hears_and_works("reinstated")
    assert office.people.under_tombstones == {ADA, ADA_ID}


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"identities": {"zoom": {"name": "ada"}}}, "subject.identities.zoom: unknown field (allowed: id)"),
        ({"identities": {"acme": {"id": "ada"}}}, "subject.identities: unknown field (allowed: venafi, zoom)"),
        ({"because": "\x1b[2J"}, "because: expected up to 256 characters, none of them a control character"),
    ],
)
def test_what_is_wrong_with_it_is_told_field_by_field(office: Office, told: dict[str, Any], reason: str) -> None:
    begins(office, **told)
    assert office.reasons() == [reason]
    assert last_fate(office)[0] == "dead_lettered"
