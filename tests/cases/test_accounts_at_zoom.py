"""What Zoom tells of accounts: an echo is evidence, a resurrection is swept at once, and the rest is Zoom's word."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from functions.watch_deadlines import app as watching
from leaver.cases import accounts
from leaver.cases.accounts import ADDRESS_ALONE, AccountEvents
from leaver.cases.accounts import HELD as DEACTIVATED_TWICE
from leaver.cases.heard import Fate
from leaver.cases.record import Case
from leaver.cases.seal import head_of
from leaver.cases.states import State
from leaver.errors import ProviderUnavailable
from leaver.messages.hr.zoom import HELD
from tests.doubles.office import ADA, ADA_ID, Message, Office
from tests.doubles.steps import Killed, die
from tests.length import at_length

ENDED = ["user.deactivated", "user.deleted", "user.disassociated"]
USED = ["user.signed_in", "user.activated"]


def ada_left(**told: Any) -> Office:
    office = Office(**told)
    office.hears_and_works(source="hibob")
    assert office.case.state is State.COMPLETED
    office.clock.passes(hours=1)
    return office


def tells(office: Office, event: str, **told: Any) -> Message:
    """Zoom tells of it, a minute later the watch has looked, and all is worked through."""
    message = office.zoom_tells(event, **told)
    works(office)
    return message


def works(office: Office, minutes: int = 1) -> None:
    office.works()
    for _ in range(minutes):
        office.clock.passes(minutes=1)
        office.minute()
        office.works()


def fate(office: Office) -> Fate:
    last = office.heard.fates[-1]
    assert last.fate
    return Fate(last.fate, last.case_id, last.because)


def sweeps(office: Office) -> list[Case]:
    return [case for case in office.cases.every if case.sweep_of]


def told(office: Office) -> list[str]:
    return [each["seen"]["follows"] for each in office.announced("AccountResurrected")]


def the_seal_holds(office: Office) -> bool:
    case = office.cases.every[0]
    stored = office.cases.read_stored(case.case_id)
    return head_of(stored["case"], stored) == case.head


# --- an echo


@pytest.mark.parametrize("event", ENDED)
def test_what_comes_back_of_leavers_own_deactivation_is_evidence_on_the_case_and_no_event(event: str) -> None:
    office = ada_left(deactivates=True)
    tells(office, event)
    assert fate(office) == Fate("nothing_follows", office.case.case_id, accounts.ECHO)
    assert [(each.name, each.user_id, each.actor) for each in office.case.seen] == [
        (event, ADA_ID, "admin@example.com")
    ]
    assert the_seal_holds(office)


def test_the_same_evidence_is_kept_once() -> None:
    office = ada_left(deactivates=True)
    message = tells(office, "user.deleted")
    office.queue("StartOffboarding", message.body)
    office.works()
    assert len(office.case.seen) == 1


def test_an_echo_may_come_before_the_receipt() -> None:
    office = Office(deactivates=True)
    office.weather.out_of_order["zoom: deactivate"] = ProviderUnavailable("503")
    office.deliver(office.hears(source="hibob"))
    office.clock.passes(minutes=1)
    office.deliver(office.zoom_tells("user.deactivated"))
    assert fate(office).because == accounts.ECHO
    assert len(office.cases.every) == 1


def test_whoever_left_is_deactivated_by_hand_afterwards_and_nobody_has_to_release_anything() -> None:
    office = ada_left()
    tells(office, "user.deactivated")
    assert (fate(office).name, len(office.cases.every)) == ("nothing_follows", 1)


# --- a word of Zoom's


@pytest.mark.parametrize("event", ENDED)
def test_an_end_by_somebodys_hand_is_a_departure_that_waits_for_a_person(event: str) -> None:
    office = Office()
    before = office.access_of(ADA)
    tells(office, event)
    assert (office.case.state, office.case.source, office.case.because) == (State.HELD, "zoom", HELD)
    assert office.access_of(ADA) == before
    office.queue("StartOffboarding", {"case": office.case.case_id, "decision": "release"})
    works(office)
    assert (office.case.state, office.access_of(ADA)) == (State.COMPLETED, set())


def test_where_the_deployment_says_departure_it_is_one() -> None:
    office = Office(zoom_departures="departure")
    tells(office, "user.deactivated")
    assert (office.case.state, office.access_of(ADA)) == (State.COMPLETED, set())


@pytest.mark.parametrize("kind", ["immediate", "scheduled"])
def test_what_waits_goes_on_when_hr_says_it_too_on_the_day_that_hr_says(kind: str) -> None:
    office = Office()
    tells(office, "user.deactivated")
    days = 2 if kind == "scheduled" else 0
    last_day = office.clock() + timedelta(days=days)
    office.hears_and_works(kind, source="hibob", effective_at=last_day.isoformat())
    works(office)
    assert office.case.state is (State.SCHEDULED if days else State.COMPLETED)
    office.clock.passes(days=days)
    works(office)
    assert (office.case.state, office.access_of(ADA)) == (State.COMPLETED, set())
    assert the_seal_holds(office)


@pytest.mark.parametrize("event", ENDED)
def test_zooms_word_brings_no_last_day_forward(event: str) -> None:
    office = Office()
    before = office.access_of(ADA)
    office.hears_and_works("scheduled", source="hibob", effective_at=(office.clock() + timedelta(days=2)).isoformat())
    tells(office, event)
    assert (office.case.state, office.access_of(ADA)) == (State.SCHEDULED, before)
    assert fate(office).because == accounts.UNDER_WAY_ALREADY
    assert [each.name for each in office.case.seen] == [event]


@pytest.mark.parametrize("policy", ["held", "departure"])
def test_nobody_loses_anything_whose_address_was_that_of_an_account_that_is_deleted(policy: str) -> None:
    office = Office(zoom_departures=policy)  # type: ignore[arg-type] # both are in the list
    before = office.access_of(ADA)
    tells(office, "user.deleted", user_id="adas-old-id")
    assert (office.cases.every, office.access_of(ADA)) == ([], before)
    assert office.parked


def test_that_is_seen_where_the_id_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        AccountEvents,
        "_hear_end",
        lambda self, event, _, heard_at: self.intake.take_in(event.departure, heard_at),
    )
    office = Office(zoom_departures="departure")
    tells(office, "user.deleted", user_id="adas-old-id")
    assert office.access_of(ADA) == set()


def test_that_the_end_was_taken_back_is_evidence_on_the_case_that_waits() -> None:
    office = Office()
    tells(office, "user.deactivated")
    tells(office, "user.activated")
    assert (office.case.state, fate(office).because) == (State.HELD, accounts.UNDER_WAY_ALREADY)
    assert [each.name for each in office.case.seen] == ["user.activated"]


# --- a resurrection


@pytest.mark.parametrize("event", USED)
def test_who_left_and_lives_again_is_swept_within_a_minute_and_a_person_is_told(event: str) -> None:
    office = ada_left()
    office.logs_in(ADA)
    tells(office, event)
    assert office.access_of(ADA) == set()
    (sweep,) = sweeps(office)
    assert (sweep.state, sweep.sweep_of) == (State.COMPLETED, office.cases.every[0].case_id)
    assert told(office) == [accounts.RESURRECTED]
    assert the_seal_holds(office)


def logs_in_again_and_again(office: Office, times: int) -> None:
    for _ in range(times):
        office.logs_in(ADA)
        tells(office, "user.signed_in")


def test_it_is_swept_at_most_once_in_ten_minutes_and_the_last_one_always() -> None:
    office = ada_left()
    logs_in_again_and_again(office, 5)
    assert len(sweeps(office)) == 1
    assert "session" in office.access_of(ADA)
    works(office, 10)
    assert (len(sweeps(office)), office.access_of(ADA)) == (2, set())
    works(office, 30)
    assert len(sweeps(office)) == 2
    assert len(told(office)) == 5


def test_without_the_pause_each_login_would_cost_a_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leaver.cases.record.SWEEP_PAUSE", timedelta(0))
    office = ada_left()
    logs_in_again_and_again(office, 5)
    assert len(sweeps(office)) == 5


def test_the_sweep_of_the_next_day_comes_all_the_same() -> None:
    office = ada_left(sweep_after=timedelta(days=1))
    logs_in_again_and_again(office, 1)
    office.clock.passes(days=1)
    works(office, 2)
    assert [case.case_id.partition(".")[2] for case in sweeps(office)] == ["sweep.1", "sweep"]
    logs_in_again_and_again(office, 1)
    assert (office.access_of(ADA), len(sweeps(office))) == (set(), 3)


def test_what_comes_late_or_twice_costs_no_sweep() -> None:
    office = ada_left()
    early = office.zoom_tells("user.signed_in", event_ts=int((office.clock() - timedelta(hours=2)).timestamp() * 1000))
    works(office)
    assert fate(office).because == accounts.ENDS_LATER
    office.logs_in(ADA)
    message = tells(office, "user.signed_in")
    works(office, 12)
    for body in (early.body, message.body):
        office.queue("StartOffboarding", body)
        works(office, 12)
    assert (len(sweeps(office)), len(told(office))) == (1, 1)


def address_goes_to_somebody_new(office: Office) -> None:
    office.zoom.users[ADA_ID] = "ada.of.old@example.com"
    office.venafi.people["ada.of.old@example.com"] = office.venafi.people[ADA]
    office.hire(ADA, "another-adas-id", "local:{another-ada}")


@pytest.mark.parametrize("event", [*USED, "user.created"])
def test_where_only_the_address_is_theirs_a_person_is_told_once_and_nothing_is_ended(event: str) -> None:
    office = ada_left()
    address_goes_to_somebody_new(office)
    before = office.access_of(ADA)
    for _ in range(3):
        tells(office, event, user_id="another-adas-id")
    assert (office.access_of(ADA), sweeps(office)) == (before, [])
    assert told(office) == [ADDRESS_ALONE]
    assert fate(office).name == "nothing_follows"


def the_leaver_is_swept_and_not_who_has_the_address() -> None:
    """Zoom knows who left; Venafi knew nobody by the address, and knows somebody new by now."""
    office = Office(missing_is_done=True)
    del office.venafi.grants[office.venafi.people.pop(ADA)[0]]
    office.hears_and_works(source="hibob")
    assert office.case.state is State.COMPLETED
    office.clock.passes(hours=1)
    office.zoom.users[ADA_ID] = "ada.of.old@example.com"
    office.hire(ADA, "another-adas-id", "local:{another-ada}")
    office.zoom.sessions.add(ADA_ID)
    before = office.access_of(ADA)
    tells(office, "user.signed_in", email="ada.of.old@example.com")
    assert ADA_ID not in office.zoom.sessions
    assert office.access_of(ADA) == before


def test_who_has_the_address_by_then_loses_nothing() -> None:
    the_leaver_is_swept_and_not_who_has_the_address()


def test_that_is_seen_where_the_sweep_goes_by_the_address_too(monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = watching.Watch._sweep

    def by_the_address(self: Any, case: Case, case_id: str, commands: Any, **_: object) -> None:
        sweep(self, case, case_id, commands)

    monkeypatch.setattr(watching.Watch, "_sweep", by_the_address)
    with pytest.raises(AssertionError):
        the_leaver_is_swept_and_not_who_has_the_address()


@pytest.mark.parametrize("event", [*USED, "user.created"])
def test_nothing_follows_from_the_logins_of_those_who_work_there(event: str) -> None:
    office = Office()
    before = office.access_of(ADA)
    tells(office, event)
    assert (office.cases.every, office.access_of(ADA)) == ([], before)
    assert fate(office) == Fate("nothing_follows", None, accounts.NOBODY_LEFT)


def test_who_is_back_logs_in_and_nothing_follows() -> None:
    office = ada_left()
    office.hears_and_works("reinstated", source="hibob")
    office.logs_in(ADA)
    tells(office, "user.signed_in")
    assert (sweeps(office), "session" in office.access_of(ADA)) == ([], True)


def comes_back_while_the_sweep_begins() -> None:
    place = 0
    while True:
        office = ada_left()
        office.logs_in(ADA)
        office.deliver(office.zoom_tells("user.signed_in"))
        office.clock.passes(minutes=1)
        back = office.hears("reinstated", source="hibob")

        def returns(office: Office = office, back: Message = back) -> None:
            office.deliver(back)

        met = office.effects.interrupt(place, "before", returns)
        office.minute()
        if not met:
            break
        office.works()
        assert not office.people.under_tombstones, (place, met)
        assert all(case.state in {State.COMPLETED, State.REINSTATED} for case in sweeps(office)), (place, met)
        office.logs_in(ADA)
        works(office, 12)
        assert "session" in office.access_of(ADA), (place, met)
        place += 1
    assert place > 3


def test_whenever_somebody_comes_back_no_later_sweep_ends_their_access() -> None:
    comes_back_while_the_sweep_begins()


def test_a_watch_that_is_killed_anywhere_sweeps_all_the_same_and_tells() -> None:
    place = 0
    while True:
        office = ada_left()
        office.logs_in(ADA)
        message = office.zoom_tells("user.signed_in")
        met = office.effects.interrupt(place, "before", die)
        try:
            office.deliver(message)
            office.clock.passes(minutes=1)
            office.minute()
        except Killed:
            office.effects.dead.clear()
        if not met:
            break
        works(office, 12)
        assert office.access_of(ADA) == set(), (place, met)
        assert told(office)
        assert len(sweeps(office)) == 1
        place += 1
    assert place > 3


def test_while_the_case_is_open_what_lives_again_is_ended_in_it() -> None:
    office = Office()
    office.weather.out_of_order["venafi"] = ProviderUnavailable("Venafi is out of order")
    office.hears(source="hibob")
    for _ in range(4):
        for message in list(office.queued):
            office.deliver(message)
    office.clock.passes(minutes=5)
    office.zoom.sessions.add(ADA_ID)
    office.deliver(office.zoom_tells("user.signed_in"))
    office.clock.passes(minutes=20)
    office.weather.out_of_order.clear()
    works(office, 3)
    assert office.access_of(ADA) == set()
    assert (office.case.state, len(office.cases.every)) == (State.COMPLETED, 1)
    assert "RevokeSsoToken#zoom/acme#2" in [step.name for step in office.case.steps]
    assert the_seal_holds(office)


@at_length
def test_a_case_that_stays_open_does_not_grow_with_each_login() -> None:
    office = Office()
    office.weather.out_of_order["venafi"] = ProviderUnavailable("Venafi is out of order")
    office.hears(source="hibob")
    for _ in range(4 * 48):
        for _ in range(3):
            for message in list(office.queued):
                office.deliver(message)
            office.clock.passes(minutes=5)
            office.minute()
        office.zoom.sessions.add(ADA_ID)
        office.deliver(office.zoom_tells("user.signed_in"))
        again = [step for step in office.case.steps if step.command == "RevokeSsoToken"]
        assert len(again) < 12
    assert len(again) > 5
    office.weather.out_of_order.clear()
    office.redrive()
    office.clock.passes(hours=3)
    works(office, 3)
    assert (office.case.state, office.access_of(ADA)) == (State.COMPLETED, set())


def a_login_is_heard_while_the_watch_lets_go() -> None:
    place = 0
    while True:
        office = ada_left(sweep_after=timedelta(hours=2))
        office.clock.passes(hours=2)
        office.minute()
        office.works()
        office.cases.change(office.cases.every[0], partial(Case.with_look_at, at=office.clock()))
        office.zoom.sessions.add(ADA_ID)
        login = office.zoom_tells("user.signed_in")

        def signs_in(office: Office = office, login: Message = login) -> None:
            office.deliver(login)

        met = office.effects.interrupt(place, "before", signs_in)
        office.minute()
        if not met:
            break
        works(office, 12)
        assert office.access_of(ADA) == set(), (place, met)
        place += 1
    assert place > 3


def test_whenever_a_login_is_heard_the_watch_does_not_let_go_of_the_case() -> None:
    a_login_is_heard_while_the_watch_lets_go()


def test_that_is_seen_where_it_lets_go_whatever_was_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        watching.Watch,
        "_look_again",
        lambda self, case, at: self.cases.change(case, lambda standing: standing.with_look_at(at)),
    )
    with pytest.raises(AssertionError):
        a_login_is_heard_while_the_watch_lets_go()


def a_login_is_heard_while_the_case_is_sealed() -> None:
    place = 0
    while True:
        office = Office()
        office.weather.out_of_order["venafi"] = ProviderUnavailable("Venafi is out of order")
        office.hears(source="hibob")
        for _ in range(4):
            for message in list(office.queued):
                office.deliver(message)
        office.clock.passes(minutes=5)
        office.zoom.sessions.add(ADA_ID)
        login = office.zoom_tells("user.signed_in")
        office.clock.passes(minutes=1)
        office.weather.out_of_order.clear()
        for message in [each for each in office.queued if each.command == "RevokeGrants"]:
            office.deliver(message)

        def signs_in(office: Office = office, login: Message = login) -> None:
            office.deliver(login)

        met = office.effects.interrupt(place, "before", signs_in)
        for message in [each for each in office.queued if each.command == "SealCase"]:
            office.deliver(message)
        if not met:
            break
        works(office, 12)
        assert office.access_of(ADA) == set(), (place, met)
        assert {case.state for case in office.cases.every} == {State.COMPLETED}
        assert the_seal_holds(office)
        place += 1
    assert place > 3


def test_whenever_a_login_is_heard_nothing_lives_behind_a_sealed_case() -> None:
    a_login_is_heard_while_the_case_is_sealed()


def test_that_is_seen_where_an_open_case_does_not_remember_the_login(monkeypatch: pytest.MonkeyPatch) -> None:
    resurrect = Case.with_resurrection
    monkeypatch.setattr(
        Case, "with_resurrection", lambda self, *told: resurrect(self, *told).model_copy(update={"alive_at": None})
    )
    monkeypatch.setattr(AccountEvents, "_had_ended", lambda *_: True)
    with pytest.raises(AssertionError):
        a_login_is_heard_while_the_case_is_sealed()


# --- activated by hand


def activated_by_hand(office: Office) -> None:
    office.zoom.deactivated.discard(ADA_ID)
    office.zoom.sessions.add(ADA_ID)
    tells(office, "user.activated")
    works(office, 12)


def test_who_is_activated_by_hand_is_deactivated_again_once_and_then_a_person_decides() -> None:
    office = ada_left(deactivates=True)
    activated_by_hand(office)
    assert ADA_ID in office.zoom.deactivated
    activated_by_hand(office)
    assert ADA_ID not in office.zoom.deactivated
    assert "session" not in office.access_of(ADA)
    assert told(office) == [accounts.RESURRECTED, DEACTIVATED_TWICE]
    activated_by_hand(office)
    (held,) = [case for case in office.cases.every if case.state is State.HELD]
    assert held.because == watching.ACTIVATED_TWICE
    assert len(office.announced("OffboardingHeld")) == 1
    office.queue("StartOffboarding", {"case": held.case_id, "decision": "release"})
    works(office)
    assert (ADA_ID in office.zoom.deactivated, office.access_of(ADA)) == (True, set())
    person = office.people.read(ADA_ID)
    assert person
    assert person.case == office.cases.every[0].case_id
    tells(office, "user.deactivated")
    assert fate(office).because == accounts.ECHO


def test_who_is_back_meanwhile_is_not_deactivated_by_whoever_releases_the_case() -> None:
    office = ada_left(deactivates=True)
    for _ in range(2):
        activated_by_hand(office)
    (held,) = [case for case in office.cases.every if case.state is State.HELD]
    office.hears_and_works("reinstated", source="hibob")
    office.queue("StartOffboarding", {"case": held.case_id, "decision": "release"})
    works(office)
    assert (office.cases.require(held.case_id).state, office.zoom.deactivated) == (State.REINSTATED, set())


def test_a_person_deactivates_by_id_also_where_the_address_is_somebody_elses_by_now() -> None:
    office = ada_left(deactivates=True)
    for _ in range(2):
        activated_by_hand(office)
    (held,) = [case for case in office.cases.every if case.state is State.HELD]
    address_goes_to_somebody_new(office)
    office.queue("StartOffboarding", {"case": held.case_id, "decision": "release"})
    works(office)
    assert office.zoom.deactivated == {ADA_ID}


def test_that_is_seen_where_it_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    after_sweep = Case.after_sweep
    monkeypatch.setattr(
        Case,
        "after_sweep",
        lambda self, *told: after_sweep(self, *told).model_copy(update={"deactivated_again_by": None}),
    )
    office = ada_left(deactivates=True)
    for _ in range(2):
        activated_by_hand(office)
    assert ADA_ID in office.zoom.deactivated


def test_a_deployment_that_deactivates_nobody_ends_the_session_alone() -> None:
    office = ada_left()
    activated_by_hand(office)
    assert (office.zoom.deactivated, "session" in office.access_of(ADA)) == (set(), False)


def test_the_second_deactivation_comes_back_as_an_echo_too() -> None:
    office = ada_left(deactivates=True)
    activated_by_hand(office)
    tells(office, "user.deactivated")
    assert fate(office).because == accounts.ECHO
    assert {case.sweep_of for case in office.cases.every} == {None, office.cases.every[0].case_id}


def test_who_was_activated_and_then_deactivated_by_hand_waits_for_a_person() -> None:
    office = ada_left(deactivates=True)
    for _ in range(2):
        activated_by_hand(office)
    tells(office, "user.deactivated")
    assert [case.state for case in office.cases.every if not case.sweep_of] == [State.COMPLETED, State.HELD]
    assert office.cases.every[-1].because == HELD


# --- the app


def test_that_leavers_own_app_was_removed_ends_nothing_and_has_a_fate() -> None:
    office = Office()
    before = office.access_of(ADA)
    tells(office, "app_deauthorized")
    assert (fate(office).name, office.cases.every, office.access_of(ADA)) == ("nothing_follows", [], before)
