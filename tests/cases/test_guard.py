"""The blast-radius guard: too many routine cases in an hour wait for a person, and nothing that waits is lost."""

from datetime import timedelta
from typing import Any

import pytest

from functions.start_offboarding import app
from leaver.cases.ceiling import ROUTINE
from leaver.cases.departure import Departure
from leaver.cases.intake import Intake
from leaver.cases.record import Case
from leaver.cases.start import CaseStart
from leaver.cases.states import CaseEvent, State
from tests.doubles.clock import NOW
from tests.doubles.office import ADA, Office

PEOPLE = [f"person-{number}@example.com" for number in range(6)]


def feed(limit: int = 2, **told: Any) -> Office:
    """A feed that says of everybody that they left."""
    office = Office(routine_limit=limit)
    for number, email in enumerate(PEOPLE):
        office.hire(email, f"id-{number}", f"local:{{{number}}}")
        office.hears(email=email, **told)
    office.works()
    return office


def states(office: Office) -> list[State]:
    return [case.state for case in office.cases.every]


def decide(office: Office, decision: str, email: str) -> None:
    (case,) = [each for each in office.cases.every if each.email == email]
    office.queue("StartOffboarding", {"case": case.case_id, "decision": decision})
    office.works()


def test_routine_cases_above_the_limit_are_held_and_those_below_are_done() -> None:
    office = feed()
    assert states(office) == [State.COMPLETED] * 2 + [State.HELD] * 4
    assert all(office.access_of(email) for email in PEOPLE[2:])
    assert office.people.under_tombstones == {*PEOPLE[:2], "id-0", "id-1"}
    assert office.cases.count_held() == len(list(office.cases.find_in(State.HELD))) == 4


def test_that_is_announced_once() -> None:
    office = feed()
    assert [each["subject"] for each in office.announced("OffboardingHeld")] == [PEOPLE[2]]


def test_urgent_cases_always_pass() -> None:
    office = feed(urgency="urgent")
    assert states(office) == [State.COMPLETED] * 6
    assert office.announced("OffboardingHeld") == []


def test_an_urgent_word_about_somebody_who_is_held_lets_them_pass() -> None:
    office = feed()
    office.hears_and_works(email=PEOPLE[3], urgency="urgent", source="caep")
    assert office.access_of(PEOPLE[3]) == set()
    assert states(office).count(State.HELD) == 3


def test_an_urgent_word_about_somebody_who_is_held_and_leaves_later_waits_for_the_day() -> None:
    office = feed()
    told = {"effective_at": (NOW + timedelta(days=5)).isoformat(), "urgency": "urgent"}
    office.hears_and_works("scheduled", PEOPLE[3], **told)
    assert office.access_of(PEOPLE[3])
    assert states(office) == [State.COMPLETED] * 2 + [State.HELD, State.SCHEDULED] + [State.HELD] * 2


def test_who_leaves_next_month_is_not_counted_and_not_held() -> None:
    office = feed(kind="scheduled", effective_at=(NOW + timedelta(days=30)).isoformat())
    assert states(office) == [State.SCHEDULED] * 6
    office.hears_and_works(email=ADA)
    assert office.access_of(ADA) == set()


def test_those_planned_for_one_moment_do_not_begin_together_above_the_limit() -> None:
    office = feed(kind="scheduled", effective_at=(NOW + timedelta(days=5)).isoformat())
    office.clock.now = NOW + timedelta(days=5)
    office.minute()
    office.works()
    assert states(office) == [State.COMPLETED] * 2 + [State.HELD] * 4
    assert all(office.access_of(email) for email in PEOPLE[2:])
    assert [each["subject"] for each in office.announced("OffboardingHeld")] == [PEOPLE[2]]


def test_that_is_seen_where_the_guard_does_not_look_when_a_case_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CaseStart, "_hold_above_limit", lambda _self, case, _now: case)
    office = feed(kind="scheduled", effective_at=(NOW + timedelta(days=5)).isoformat())
    office.clock.now = NOW + timedelta(days=5)
    office.begins()
    assert states(office) == [State.OPEN] * 6


def test_somebody_whose_access_is_ended_once_more_within_the_hour_counts_once() -> None:
    office = Office(routine_limit=2)
    office.hears_and_works()
    for number in range(2):
        office.clock.passes(minutes=1)
        office.hears_and_works(source=f"source-{number}")
    office.hire("ben@example.com", "ben-id", "local:{ben}")
    office.hears_and_works(email="ben@example.com")
    assert states(office) == [State.COMPLETED] * 4


def test_the_next_hour_is_another_one() -> None:
    office = feed()
    office.clock.passes(hours=1)
    office.hears_and_works(email=ADA)
    assert office.access_of(ADA) == set()


def test_the_same_event_again_does_not_count_again() -> None:
    office = Office(routine_limit=2)
    message = office.hears()
    for _ in range(5):
        office.deliver(message)
        office.queued.append(message)
    office.works()
    office.hire("ben@example.com", "ben-id", "local:{ben}")
    office.hears_and_works(email="ben@example.com")
    assert states(office) == [State.COMPLETED, State.COMPLETED]


def test_a_person_releases_a_held_case_and_it_is_done() -> None:
    office = feed()
    decide(office, "release", PEOPLE[2])
    assert office.access_of(PEOPLE[2]) == set()
    assert states(office) == [State.COMPLETED] * 3 + [State.HELD] * 3


def test_a_held_case_that_is_for_later_by_now_is_released_to_its_time() -> None:
    office = feed()
    office.hears_and_works("scheduled", PEOPLE[2], effective_at=(NOW + timedelta(days=5)).isoformat())
    decide(office, "release", PEOPLE[2])
    assert states(office) == [State.COMPLETED] * 2 + [State.SCHEDULED] + [State.HELD] * 3
    office.clock.now = NOW + timedelta(days=5)
    office.begins()
    assert states(office) == [State.COMPLETED] * 2 + [State.OPEN] + [State.HELD] * 3


def test_what_a_person_has_released_passes_whoever_else_begins() -> None:
    office = feed()
    office.clock.passes(hours=1)
    for number in range(2):
        office.hire(f"later-{number}@example.com", f"later-{number}", f"local:{{later-{number}}}")
        office.hears_and_works(email=f"later-{number}@example.com")
    decide(office, "release", PEOPLE[2])
    assert office.access_of(PEOPLE[2]) == set()


def test_a_person_discards_a_held_case_and_nobody_loses_anything() -> None:
    office = feed()
    decide(office, "discard", PEOPLE[2])
    assert office.access_of(PEOPLE[2]) == {"session", "grants", "user token"}
    assert states(office).count(State.DISCARDED) == 1
    assert [each["state"] for each in office.announced("OffboardingCancelled")] == ["discarded"]


def test_after_that_another_departure_is_another_case() -> None:
    office = feed()
    decide(office, "discard", PEOPLE[2])
    office.clock.passes(hours=1)
    office.hears_and_works(email=PEOPLE[2])
    assert office.access_of(PEOPLE[2]) == set()


@pytest.mark.parametrize("decision", ["release", "discard"])
def test_what_is_not_held_can_not_be_decided_about(decision: str) -> None:
    office = feed()
    decide(office, decision, PEOPLE[0])
    assert states(office) == [State.COMPLETED] * 2 + [State.HELD] * 4
    office.queue("StartOffboarding", {"case": "c-made-up", "decision": decision})
    office.works()
    assert office.reasons() == ["case: expected the id of a case that exists"]


@pytest.mark.parametrize("kind", ["cancelled", "reinstated"])
def test_somebody_who_is_held_and_stays_is_not_released_any_more(kind: str) -> None:
    office = feed()
    office.clock.passes(minutes=1)
    office.hears_and_works(kind, PEOPLE[2])
    decide(office, "release", PEOPLE[2])
    assert office.access_of(PEOPLE[2]) == {"session", "grants", "user token"}
    assert office.people.under_tombstones == {*PEOPLE[:2], "id-0", "id-1"}


def test_those_tests_see_it_where_what_a_person_threw_away_is_released(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.DECISIONS, "discard", CaseEvent.RELEASED)
    with pytest.raises(AssertionError):
        test_a_person_discards_a_held_case_and_nobody_loses_anything()


def test_those_tests_see_it_where_what_a_person_released_is_not_set_going(monkeypatch: pytest.MonkeyPatch) -> None:
    office = feed()
    monkeypatch.setattr(Intake, "set_going", lambda _self, _case: None)
    decide(office, "release", PEOPLE[2])
    assert office.access_of(PEOPLE[2])


def test_those_tests_see_it_where_people_count_as_soon_as_they_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    record = Intake._record

    def counts(self: Intake, case_id: str, departure: Departure) -> Case | None:
        assert self.case_start.ceiling
        recorded = f"recorded {departure.request.subject.email}"
        self.case_start.ceiling.people.find_exceeded(recorded, {ROUTINE: None}, self.clock())
        return record(self, case_id, departure)

    monkeypatch.setattr(Intake, "_record", counts)
    with pytest.raises(AssertionError):
        test_who_leaves_next_month_is_not_counted_and_not_held()
