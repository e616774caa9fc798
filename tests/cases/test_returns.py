"""Plans that move, cancellations and returns: who took must give back, and nobody else; or a person decides."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.start_offboarding import app
from functions.watch_deadlines.app import Watch
from leaver.cases.departure import Departure
from leaver.cases.former import NOBODY_SAYS
from leaver.cases.heard import Fate
from leaver.cases.people import Name, People
from leaver.cases.record import Case, Said
from leaver.cases.returns import BEGUN, LATER, NEVER_SAID, RETURN_HELD, SOMEBODY_ELSE, STAYS, STAYS_ENDED, Returns
from leaver.cases.seal import head_of
from leaver.cases.states import CaseEvent, State
from leaver.errors import ProviderUnavailable
from leaver.messages.events import OffboardingRequested
from tests.doubles.clock import NOW
from tests.doubles.office import ADA, ADA_ID, ADA_UNIVERSAL, Office

EVERYTHING = {"session", "grants", "user token"}


@pytest.fixture
def office() -> Office:
    return Office()


def on_day(days: float) -> str:
    return (NOW + timedelta(days=days)).isoformat()


def plans(office: Office, days: float, source: str = "hr-system", **told: str) -> None:
    """A source says on which day Ada leaves, a minute after whatever was said before."""
    office.clock.passes(minutes=1)
    office.hears_and_works("scheduled", source=source, effective_at=on_day(days), **told)


def last_fate(office: Office) -> tuple[str | None, str | None]:
    return office.heard.fates[-1].fate, office.heard.fates[-1].because


def decides(office: Office, decision: str) -> None:
    office.clock.passes(minutes=1)
    office.queue("StartOffboarding", {"case": office.cases.every[-1].case_id, "decision": decision})
    office.works()


# --- the last day


def assert_she_works_until_the_ninth_day(office: Office) -> None:
    office.clock.now = NOW + timedelta(days=8, hours=23)
    office.minute()
    office.works()
    assert office.access_of(ADA) == EVERYTHING
    office.clock.now = NOW + timedelta(days=9)
    office.minute()
    office.works()
    assert office.access_of(ADA) == set()


def test_her_last_day_moves_later_and_she_works_until_then(office: Office) -> None:
    plans(office, 5)
    plans(office, 9)
    assert_she_works_until_the_ninth_day(office)


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ([("hr", 5), ("hr", 3)], 3),
        ([("hr", 5), ("okta", 9)], 5),
        ([("hr", 5), ("okta", 3)], 3),
        ([("hr", 5), ("okta", 7), ("hr", 9)], 7),
        ([("hr", 5), ("okta", 3), ("okta", 8)], 5),
    ],
)
def test_of_one_source_the_newest_word_counts_and_another_can_only_bring_the_day_forward(
    office: Office, said: list[tuple[str, int]], day: int
) -> None:
    for source, days in said:
        plans(office, days, source)
    assert office.case.effective_at == NOW + timedelta(days=day)
    assert {each.source for each in office.case.said} == {source for source, _ in said}


def test_an_older_word_that_comes_late_moves_nothing(office: Office) -> None:
    plans(office, 9)
    plans(office, 5, occurred_at=on_day(-1))
    assert office.case.effective_at == NOW + timedelta(days=9)


def test_that_is_seen_where_the_earliest_day_counts(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    newest = Case.with_said

    def earliest(case: Case, said: object) -> Case:
        moved = newest(case, said)  # type: ignore[arg-type]  # it is a word
        return moved.model_copy(update={"effective_at": min(case.effective_at, moved.effective_at)})

    monkeypatch.setattr(Case, "with_said", earliest)
    plans(office, 5)
    plans(office, 9)
    assert office.case.effective_at == NOW + timedelta(days=5)


def test_a_source_that_calls_plan_cancellation_and_departure_by_one_id_loses_nothing(office: Office) -> None:
    plans(office, 5, event_id="employment-7")
    office.clock.passes(minutes=1)
    office.hears_and_works("cancelled", event_id="employment-7")
    office.clock.passes(minutes=1)
    office.hears_and_works(event_id="employment-7")
    assert [case.state for case in office.cases.every] == [State.CANCELLED, State.COMPLETED]
    assert office.access_of(ADA) == set()


def test_that_is_seen_where_an_events_id_alone_says_which_it_is(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def by_id_alone(said: Said, other: Said) -> bool:
        return (said.source, said.event_id) == (other.source, other.event_id)

    monkeypatch.setattr(Said, "is_heard_with", by_id_alone)
    with pytest.raises(AssertionError):
        test_a_source_that_calls_plan_cancellation_and_departure_by_one_id_loses_nothing(office)


# --- who took must give back


def test_another_source_that_says_she_is_back_does_not_give_her_access(office: Office) -> None:
    office.hears_and_works(source="hibob")
    office.clock.passes(minutes=1)
    office.hears_and_works("reinstated", source="okta")
    assert office.people.under_tombstones == {ADA, ADA_ID}
    assert last_fate(office) == ("changed", RETURN_HELD)
    assert office.case.return_held is not None
    assert office.case.return_held.source == "okta"
    assert office.case.state is State.COMPLETED


def test_of_two_who_took_both_must_give_back(office: Office) -> None:
    plans(office, 5, "hibob")
    plans(office, 5, "okta")
    office.clock.passes(minutes=1)
    office.hears_and_works("cancelled", source="hibob")
    assert [case.state for case in office.cases.every] == [State.SCHEDULED]
    assert last_fate(office) == ("changed", RETURN_HELD)
    office.clock.passes(minutes=1)
    office.hears_and_works("cancelled", source="okta")
    assert office.case.state is State.CANCELLED
    assert office.case.return_held is None


def test_who_said_it_after_the_end_must_give_back_too(office: Office) -> None:
    office.hears_and_works(source="hibob")
    office.clock.passes(minutes=1)
    office.hears_and_works(source="okta", occurred_at=NOW.isoformat())
    office.hears_and_works("reinstated", source="hibob")
    assert office.people.under_tombstones == {ADA, ADA_ID}
    assert last_fate(office) == ("changed", RETURN_HELD)


def test_an_earlier_return_of_another_source_does_not_swallow_a_departure(office: Office) -> None:
    office.clock.passes(minutes=5)
    office.hears_and_works("reinstated", source="scim", may_repeat=True)
    office.hears_and_works(source="hibob", occurred_at=NOW.isoformat())
    assert office.access_of(ADA) == set()


def test_a_repeated_active_of_somebody_who_never_was_inactive_there_changes_nothing(office: Office) -> None:
    office.hears_and_works("reinstated", source="scim", may_repeat=True)
    assert last_fate(office) == ("nothing_follows", NEVER_SAID)
    office.hears_and_works(source="hibob")
    office.clock.passes(minutes=1)
    office.hears_and_works("reinstated", source="scim", may_repeat=True)
    assert last_fate(office) == ("nothing_follows", NEVER_SAID)
    assert office.case.return_held is None


def test_an_active_after_its_own_inactive_is_a_return_and_the_next_one_is_no_news(office: Office) -> None:
    office.hears_and_works(source="scim")
    for _ in range(2):
        office.clock.passes(minutes=1)
        office.hears_and_works("reinstated", source="scim", may_repeat=True)
    assert office.people.under_tombstones == set()
    assert last_fate(office) == ("nothing_follows", STAYS)


def test_that_is_seen_where_nobody_asks_who_took(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(People, "who_says_leaves", lambda _self, _names: None)
    office.hears_and_works(source="hibob")
    office.clock.passes(minutes=1)
    office.hears_and_works("reinstated", source="okta")
    assert office.people.under_tombstones == set()


@pytest.mark.parametrize("kind", ["cancelled", "reinstated"])
def test_what_takes_back_the_departure_of_nobody_is_dead_lettered(office: Office, kind: str) -> None:
    plans(office, 5)
    office.hears_and_works(kind, "adda@example.com")
    assert office.reasons() == [f"{kind}: nobody of this name has a case, and HR believes that somebody's is undone"]
    assert last_fate(office)[0] == "dead_lettered"


def test_a_refused_cancellation_gives_nothing_back(office: Office) -> None:
    office.hears_and_works(source="hibob")
    office.clock.passes(minutes=1)
    office.hears_and_works("cancelled", source="hibob")
    assert last_fate(office) == ("refused", BEGUN)
    office.clock.passes(minutes=1)
    office.hears_and_works("reinstated", source="okta")
    assert last_fate(office) == ("changed", RETURN_HELD)
    assert office.people.under_tombstones == {ADA, ADA_ID}


def test_that_is_seen_where_what_has_begun_can_be_cancelled(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def obeys(self: Returns, case: Case, _request: OffboardingRequested) -> Fate:
        self.case_start.lift_tombstones(case)
        return Fate("changed", case.case_id)

    monkeypatch.setattr(Returns, "_refuse_to_cancel", obeys)
    office.hears_and_works(source="hibob")
    office.clock.passes(minutes=1)
    office.hears_and_works("cancelled", source="hibob")
    assert office.people.under_tombstones == set()


def test_that_is_seen_where_what_has_not_begun_goes_on_all_the_same(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Returns, "_stop", lambda self, case_id, _event, **_: self.cases.require(case_id))
    monkeypatch.setattr("leaver.cases.start.who_says_leaves", lambda _known: None)
    plans(office, 5)
    office.clock.passes(minutes=1)
    office.hears_and_works("cancelled")
    office.clock.now = NOW + timedelta(days=6)
    office.minute()
    office.works()
    assert office.access_of(ADA) == set()


def test_that_is_seen_where_taking_back_the_departure_of_nobody_succeeds_in_silence(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_access = Returns.keep_access

    def silent(self: Returns, word: Departure) -> Fate:
        return keep_access(self, replace(word, request=word.request.model_copy(update={"may_repeat": True})))

    monkeypatch.setattr(Returns, "keep_access", silent)
    office.hears_and_works("reinstated", "adda@example.com")
    assert (office.reasons(), last_fate(office)[0]) == ([], "nothing_follows")


# --- a return that waits for a person


def takes_back_the_earlier_of_two_plans(office: Office) -> None:
    plans(office, 5, "hibob")
    plans(office, 9, "okta")
    office.clock.passes(minutes=1)
    office.hears_and_works("cancelled", source="hibob")
    assert last_fate(office) == ("changed", RETURN_HELD)
    assert_she_works_until_the_ninth_day(office)


def test_the_day_of_a_source_that_took_its_word_back_is_no_last_day_any_more(office: Office) -> None:
    takes_back_the_earlier_of_two_plans(office)


def test_that_is_seen_where_a_held_return_keeps_its_sources_day(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Case, "with_return_held", lambda self, held: self.model_copy(update={"return_held": held}))
    with pytest.raises(AssertionError):
        takes_back_the_earlier_of_two_plans(office)


def test_a_source_that_says_again_that_she_leaves_has_no_return_that_waits(office: Office) -> None:
    plans(office, 5, "hibob")
    plans(office, 9, "okta")
    office.clock.passes(minutes=1)
    office.hears_and_works("cancelled", source="hibob")
    plans(office, 7, "hibob")
    assert (office.case.return_held, office.case.effective_at) == (None, NOW + timedelta(days=7))


def test_a_return_that_waits_says_when_it_happened_and_from_when_on_it_is_to_be(office: Office) -> None:
    office.hears_and_works(source="hibob")
    office.clock.passes(minutes=1)
    office.hears_and_works("reinstated", source="okta", effective_at=on_day(3))
    held = office.case.return_held
    assert held is not None
    assert (held.at, held.effective_at) == (office.clock(), NOW + timedelta(days=3))


def test_a_return_that_waits_after_the_seal_breaks_no_seal(office: Office) -> None:
    office.hears_and_works(source="hibob")
    office.clock.passes(minutes=1)
    office.hears_and_works(source="okta", occurred_at=NOW.isoformat())
    office.hears_and_works("reinstated", source="hibob")
    assert office.case.return_held is not None
    stored = office.cases.read_stored(office.case.case_id)
    assert head_of(stored["case"], stored) == office.case.head


# --- a person decides


def test_a_person_gives_back_what_two_sources_took(office: Office) -> None:
    office.hears_and_works(source="hibob")
    office.clock.passes(minutes=1)
    office.hears_and_works("reinstated", source="okta")
    decides(office, "reinstate")
    assert office.people.under_tombstones == set()
    assert office.case.return_held is None
    assert last_fate(office)[0] == "changed"


def test_a_person_cancels_what_has_not_begun_and_no_more(office: Office) -> None:
    plans(office, 5, "hibob")
    plans(office, 5, "okta")
    decides(office, "cancel")
    assert office.case.state is State.CANCELLED
    office.clock.now = NOW + timedelta(days=6)
    office.minute()
    assert office.access_of(ADA) == EVERYTHING
    office.hears_and_works(source="hibob")
    decides(office, "cancel")
    assert last_fate(office) == ("refused", BEGUN)
    assert office.access_of(ADA) == set()


def cancels_at_the_very_moment_at_which_it_begins(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    plans(office, 5, "hibob")
    office.clock.now = NOW + timedelta(days=5)
    stop_one = Returns.stop_one

    def behind_the_start(self: Returns, case: Case, event: CaseEvent, **told: Any) -> Case:
        monkeypatch.setattr(Returns, "stop_one", stop_one)
        office.begins()
        return stop_one(self, case, event, **told)

    monkeypatch.setattr(Returns, "stop_one", behind_the_start)
    decides(office, "cancel")
    assert last_fate(office) == ("refused", BEGUN)


def test_a_cancellation_that_comes_too_late_gives_nothing_back(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    cancels_at_the_very_moment_at_which_it_begins(office, monkeypatch)
    assert office.people.who_says_leaves([ADA]) == frozenset({"hibob"})
    assert office.people.under_tombstones == {ADA, ADA_ID}
    # So another source's return does not end what hibob began.
    office.clock.passes(minutes=1)
    office.hears_and_works("reinstated", source="okta")
    assert last_fate(office) == ("changed", RETURN_HELD)


def test_that_is_seen_where_it_is_taken_for_one_that_came_in_time(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = Returns._stop

    def in_time(self: Returns, case_id: str, event: CaseEvent, **told: Any) -> Case:
        return stop(self, case_id, event, **told).model_copy(update={"state": State.CANCELLED})

    monkeypatch.setattr(Returns, "_stop", in_time)
    with pytest.raises(AssertionError):
        test_a_cancellation_that_comes_too_late_gives_nothing_back(office, monkeypatch)


def test_what_was_said_before_a_persons_decision_comes_too_late_after_it(office: Office) -> None:
    office.hears_and_works()
    decides(office, "reinstate")
    office.logs_in(ADA)
    office.clock.passes(minutes=5)
    office.hears_and_works(source="okta", occurred_at=(NOW + timedelta(seconds=30)).isoformat())
    assert last_fate(office) == ("refused", LATER)
    assert office.access_of(ADA) == EVERYTHING
    office.hears_and_works(source="okta")
    assert office.access_of(ADA) == set()


def test_a_departure_that_came_after_a_person_decided_is_not_given_back_with_the_others(office: Office) -> None:
    office.deliver(office.hears())
    office.clock.passes(minutes=1)
    decision = office.queue("StartOffboarding", {"case": office.case.case_id, "decision": "reinstate"})
    office.clock.passes(minutes=1)
    office.deliver(office.hears(source="okta"))
    office.deliver(decision)
    assert last_fate(office) == ("refused", LATER)
    office.works()
    assert office.access_of(ADA) == set()


def test_that_is_seen_where_a_persons_cancellation_stops_what_has_begun(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.DECISIONS, "cancel", CaseEvent.REINSTATED)
    with pytest.raises(AssertionError):
        test_a_person_cancels_what_has_not_begun_and_no_more(office)


def test_that_is_seen_where_a_person_gives_back_what_was_said_after_they_decided(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_back = Name.given_back

    def whenever(found: Name, case_id: str, _at: datetime) -> Name | None:
        return given_back(found, case_id, NOW + timedelta(days=1))

    monkeypatch.setattr(Name, "given_back", whenever)
    with pytest.raises(AssertionError):
        test_a_departure_that_came_after_a_person_decided_is_not_given_back_with_the_others(office)


# --- an address in two records


@pytest.mark.parametrize("kind", ["cancelled", "reinstated"])
def test_the_return_of_somebody_else_in_whose_record_the_address_stands_gives_a_leaver_nothing(
    office: Office, kind: str
) -> None:
    office.hears_and_works("scheduled", subject={"source_id": "hr-ada"}, effective_at=on_day(9))
    office.clock.passes(minutes=1)
    office.hears_and_works(kind, subject={"source_id": "hr-mallory"})
    assert last_fate(office) == ("dead_lettered", SOMEBODY_ELSE)
    assert office.case.state is State.SCHEDULED
    assert_she_works_until_the_ninth_day(office)


@pytest.mark.parametrize("back", [{"source_id": "HR-Ada"}, {}], ids=str)
def test_their_own_return_does(office: Office, back: dict[str, str]) -> None:
    office.hears_and_works("scheduled", subject={"source_id": "hr-ada"}, effective_at=on_day(9))
    office.clock.passes(minutes=1)
    office.hears_and_works("reinstated", subject=back)
    assert office.case.state in {State.CANCELLED, State.REINSTATED}


def test_whoever_has_a_leavers_address_after_the_case_is_there_by_right(office: Office) -> None:
    office.hears_and_works(subject={"source_id": "hr-ada"})
    assert office.case.state is State.COMPLETED
    office.clock.passes(minutes=1)
    office.hears_and_works("reinstated", subject={"source_id": "hr-ada-the-second"})
    assert last_fate(office)[0] == "changed"


# --- somebody new has the address, or the same person has another account


@pytest.fixture
def with_another_account() -> Office:
    """Ada has left, and is back under her address with another account at Zoom, and her identity at Venafi."""
    office = Office(sweep_after=timedelta(days=30))
    office.hears_and_works()
    office.clock.passes(days=10)
    office.zoom.users |= {ADA_ID: "ada.of.old@example.com", "ada-again": ADA}
    office.hears_and_works("reinstated")
    office.venafi.grants[ADA_UNIVERSAL] = 2
    return office


def looks_once_more(office: Office) -> None:
    office.clock.passes(days=25)
    office.minute()
    office.works()


def test_where_an_account_stays_ended_the_address_and_the_other_account_are_given_back(
    with_another_account: Office,
) -> None:
    assert last_fate(with_another_account) == ("changed", STAYS_ENDED)
    assert with_another_account.people.under_tombstones == {ADA_ID}


def test_the_sweep_ends_the_old_account_alone(with_another_account: Office) -> None:
    with_another_account.zoom.sessions |= {ADA_ID, "ada-again"}
    looks_once_more(with_another_account)
    assert with_another_account.zoom.sessions == {"ada-again"}
    assert with_another_account.venafi.grants[ADA_UNIVERSAL] == 2


def test_that_is_seen_where_the_sweep_ends_all_that_the_case_ended(
    with_another_account: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Watch, "_find_gone_since", lambda watch, _, name: watch.people.read(name) or Name(partition=""))
    looks_once_more(with_another_account)
    assert with_another_account.venafi.grants[ADA_UNIVERSAL] == 0


def test_whoever_is_back_with_another_account_leaves_as_anybody(with_another_account: Office) -> None:
    with_another_account.zoom.sessions.add("ada-again")
    with_another_account.clock.passes(minutes=1)
    with_another_account.hears_and_works()
    assert [case.state for case in with_another_account.cases.every] == [State.COMPLETED] * 2
    assert with_another_account.zoom.sessions == set()
    assert with_another_account.venafi.grants[ADA_UNIVERSAL] == 0


def test_a_return_waits_for_an_account_that_would_tell_whose_the_address_is(office: Office) -> None:
    office.hears_and_works()
    office.clock.passes(days=10)
    office.weather.out_of_order["zoom: who is it"] = ProviderUnavailable("out of order")
    message = office.hears("reinstated")
    assert not office.deliver(message)
    office.weather.out_of_order.clear()
    office.works()
    assert office.people.under_tombstones == set()


def test_and_a_person_looks_where_the_account_does_not_answer(office: Office) -> None:
    office.hears_and_works()
    office.clock.passes(days=10)
    office.weather.out_of_order["zoom: who is it"] = ProviderUnavailable("out of order")
    message = office.hears("reinstated")
    office.clock.passes(minutes=16)
    assert office.deliver(message)
    assert office.reasons() == [NOBODY_SAYS]
    assert ADA in office.people.under_tombstones


def a_repeat_that_was_thrown_away(office: Office, *, source: str) -> Case:
    """Ada's case is completed; a source says so once more, and a person throws that away. Returns the completed one."""
    office.hears_and_works(source="okta")
    office.clock.passes(days=2)
    office.hears_and_works(source=source, held="a person looks")
    completed, repeat = sorted(office.cases.every, key=lambda case: case.requested_at)
    office.clock.passes(minutes=1)
    office.queue("StartOffboarding", {"case": repeat.case_id, "decision": "discard"})
    office.works()
    office.clock.passes(minutes=1)
    return completed


def test_a_return_of_whose_repeat_by_another_source_was_thrown_away_waits_for_a_person_who_can_give_it_back() -> None:
    office = Office()
    completed = a_repeat_that_was_thrown_away(office, source="gusto")
    office.hears_and_works("reinstated", source="okta", may_repeat=True)
    assert office.heard.fates[-1].because == RETURN_HELD
    assert office.people.gone([ADA])
    office.clock.passes(minutes=1)
    office.queue("StartOffboarding", {"case": completed.case_id, "decision": "reinstate"})
    office.works()
    assert office.heard.fates[-1].fate == "changed"
    assert not office.people.gone([ADA, ADA_ID])


def test_a_return_of_the_source_whose_repeat_was_thrown_away_does_not_give_back_what_another_took() -> None:
    office = Office()
    a_repeat_that_was_thrown_away(office, source="gusto")
    office.hears_and_works("reinstated", source="gusto")
    assert office.heard.fates[-1].because == RETURN_HELD
    assert office.people.gone([ADA])


def a_held_repeat_beside_the_sweep_of_what_had_ended(office: Office) -> Case:
    """Ada's case is completed, and Venafi is out when her access is ended once more; HR says again that she leaves."""
    office.hears_and_works()
    office.weather.out_of_order["venafi"] = ProviderUnavailable("out of order")
    office.clock.passes(hours=2)
    office.minute()
    office.deliver(office.hears(held="a person looks"))
    [held] = [case for case in office.cases.every if case.state is State.HELD]
    office.clock.passes(minutes=1)
    return held


def test_a_return_stops_the_sweep_of_what_had_ended_before_a_repeat_that_was_thrown_away() -> None:
    office = Office(sweep_after=timedelta(hours=1))
    held = a_held_repeat_beside_the_sweep_of_what_had_ended(office)
    office.deliver(office.queue("StartOffboarding", {"case": held.case_id, "decision": "discard"}))
    office.clock.passes(minutes=1)
    office.deliver(office.hears("reinstated"))
    office.logs_in(ADA, kept=False)
    office.weather.out_of_order.clear()
    office.works()
    assert office.access_of(ADA) == {"session", "grants"}


def test_a_persons_word_that_somebody_is_back_stops_the_sweep_of_what_had_ended_before_a_held_repeat() -> None:
    office = Office(sweep_after=timedelta(hours=1))
    held = a_held_repeat_beside_the_sweep_of_what_had_ended(office)
    office.deliver(office.queue("StartOffboarding", {"case": held.case_id, "decision": "reinstate"}))
    assert not office.people.gone([ADA, ADA_ID])
    office.logs_in(ADA, kept=False)
    office.weather.out_of_order.clear()
    office.works()
    assert office.access_of(ADA) == {"session", "grants"}


def test_a_repeat_that_a_person_cancels_leaves_what_had_ended_before_as_it_is() -> None:
    office = Office(sweep_after=timedelta(hours=1))
    held = a_held_repeat_beside_the_sweep_of_what_had_ended(office)
    office.deliver(office.queue("StartOffboarding", {"case": held.case_id, "decision": "cancel"}))
    office.weather.out_of_order.clear()
    office.works()
    assert {case.state for case in office.cases.every if case.sweep_of} == {State.COMPLETED}
    assert office.access_of(ADA) == set()
