"""What had ended when a source says again that somebody leaves ends once more, by the ids that receipts prove."""

from datetime import timedelta
from typing import Any

import pytest

from functions.watch_deadlines import app as watching
from functions.watch_deadlines.app import Watch
from leaver.cases import former, proved
from leaver.cases.completion import CaseCompletion
from leaver.cases.people import Name
from leaver.cases.record import Case
from leaver.cases.states import State
from leaver.errors import ProviderUnavailable
from tests.doubles.clock import NOW
from tests.doubles.office import ADA, ADA_ID, ADA_UNIVERSAL, Message, Office
from tests.length import at_length


def waits_for_venafi(out: str = "venafi", **told: Any) -> Office:
    """All but Venafi's step has ended; `out` is what Venafi does not do."""
    office = Office(**told)
    office.weather.out_of_order[out] = ProviderUnavailable("Venafi is out of order")
    office.hears(source="hibob")
    passes(office)
    return office


def passes(office: Office, minutes: int = 5) -> None:
    """The queues are worked through, and what comes back waits; then time passes, and the watch looks."""
    for _ in range(4):
        for message in list(office.queued):
            office.deliver(message)
    office.clock.passes(minutes=minutes)
    office.minute()


def signs_in_and_leaves(office: Office, source: str = "okta") -> Message:
    office.logs_in(ADA)
    office.clock.passes(minutes=5)
    return office.hears(source=source)


def sessions_ended(office: Office) -> list[str]:
    return [step.name for step in office.case.steps if step.command == "RevokeSsoToken"]


# --- when


def a_word_joins_while_the_case_is_sealed() -> None:
    place = 0
    while True:
        office = waits_for_venafi()
        word = signs_in_and_leaves(office)
        office.weather.out_of_order.clear()
        for message in [each for each in office.queued if each.command == "RevokeGrants"]:
            office.deliver(message)
        seals = [each for each in office.queued if each.command == "SealCase"]

        def joins(office: Office = office, word: Message = word) -> None:
            office.deliver(word)

        met = office.effects.interrupt(place, "before", joins)
        for seal in seals:
            office.deliver(seal)
        if not met:
            break
        for _ in range(3):
            office.works()
            office.clock.passes(minutes=1)
            office.minute()
        assert office.access_of(ADA) == set(), (place, met)
        assert {case.state for case in office.cases.every} == {State.COMPLETED}
        place += 1
    assert place > 3


def test_whenever_a_word_joins_the_case_is_not_sealed_without_it() -> None:
    a_word_joins_while_the_case_is_sealed()


def test_that_is_seen_where_the_seal_does_not_ask_who_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CaseCompletion, "_may_be_back", lambda *_: False)
    with pytest.raises(AssertionError):
        a_word_joins_while_the_case_is_sealed()


def departs_each_ten_minutes(office: Office) -> None:
    for _ in range(5):
        signs_in_and_leaves(office)
        passes(office)


def test_while_a_step_is_open_the_others_are_done_once_more_at_once_and_then_each_hour() -> None:
    office = waits_for_venafi()
    departs_each_ten_minutes(office)
    assert sessions_ended(office) == ["RevokeSsoToken#zoom/acme", "RevokeSsoToken#zoom/acme#2"]
    passes(office, 60)
    passes(office)
    assert sessions_ended(office)[2:] == ["RevokeSsoToken#zoom/acme#3"]
    assert office.access_of(ADA) == {"grants"}


def test_without_the_hour_each_word_would_cost_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proved, "REPEATS", timedelta(0))
    office = waits_for_venafi()
    departs_each_ten_minutes(office)
    assert len(sessions_ended(office)) > 3


def departs_each_hour(office: Office, *, days: int) -> None:
    for _ in range(days * 24):
        signs_in_and_leaves(office)
        passes(office, 55)


@at_length
def test_of_a_case_that_stays_open_they_are_done_less_and_less_often_but_each_day() -> None:
    # Venafi says who she is: whom it says first after three days may be somebody new.
    office = waits_for_venafi("venafi: revoke grants")
    departs_each_hour(office, days=3)
    assert len(sessions_ended(office)) == 8
    office.weather.out_of_order.clear()
    office.works()
    assert (office.case.state, office.access_of(ADA)) == (State.COMPLETED, set())


def test_that_is_seen_where_each_hour_costs_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proved, "LONGEST_PAUSE", timedelta(hours=1))
    office = waits_for_venafi()
    departs_each_hour(office, days=1)
    assert len(sessions_ended(office)) > 12


def test_before_the_seal_no_hour_is_waited_for() -> None:
    office = waits_for_venafi()
    departs_each_ten_minutes(office)
    office.weather.out_of_order.clear()
    office.works()
    assert (office.case.state, office.access_of(ADA)) == (State.COMPLETED, set())


def test_the_same_departure_told_by_two_sources_costs_no_step() -> None:
    office = waits_for_venafi()
    office.hears(source="okta", occurred_at=NOW.isoformat())
    passes(office)
    office.weather.out_of_order.clear()
    office.works()
    assert (office.case.state, sessions_ended(office)) == (State.COMPLETED, ["RevokeSsoToken#zoom/acme"])


def test_what_a_person_closed_stays_closed() -> None:
    office = Office()
    office.weather.out_of_order["zoom"] = ProviderUnavailable("Zoom is out of order")
    office.connects("all-of-zoom", ADA, role="service")
    office.hears(source="hibob")
    passes(office)
    told = {"decision": "close", "step": "RevokeSsoToken#zoom/acme", "because": "Zoom is gone"}
    office.queue("StartOffboarding", {"case": office.case.case_id, **told})
    passes(office)
    signs_in_and_leaves(office)
    passes(office)
    assert sessions_ended(office) == ["RevokeSsoToken#zoom/acme"]


# --- on whom


def zoom_was_out_when_she_left(**told: Any) -> Office:
    """Zoom could not say who is meant when the event came: the id is her receipt's alone."""
    office = Office(**told)
    office.weather.to_come.append(("zoom: who is it", ProviderUnavailable("503")))
    office.hears_and_works(source="hibob", subject={"source_id": "employee-1"})
    office.clock.passes(hours=2)
    return office


def address_goes_to_somebody_new(office: Office) -> None:
    office.zoom.users[ADA_ID] = "ada.of.old@example.com"
    office.venafi.people["ada.of.old@example.com"] = [ADA_UNIVERSAL]
    office.logs_in("ada.of.old@example.com")
    office.hire(ADA, "another-adas-id", "local:{another-ada}")
    del office.venafi.grants["local:{another-ada}"]


def sweeps(office: Office) -> None:
    office.clock.passes(days=1)
    for _ in range(2):
        office.clock.passes(minutes=1)
        office.minute()
        office.works()


def test_a_day_later_who_left_loses_what_came_back_and_who_has_the_address_nothing() -> None:
    office = zoom_was_out_when_she_left(sweep_after=timedelta(days=1))
    address_goes_to_somebody_new(office)
    sweeps(office)
    assert office.access_of("ada.of.old@example.com") == set()
    assert office.access_of(ADA) == {"session", "user token"}
    assert [case.state for case in office.cases.every] == [State.COMPLETED] * 2


def test_that_is_seen_where_the_sweep_goes_as_the_case_went(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "as_proved", lambda _case, step, *_: step)
    office = zoom_was_out_when_she_left(sweep_after=timedelta(days=1))
    address_goes_to_somebody_new(office)
    sweeps(office)
    assert office.access_of(ADA) == set()


def repeats_while_zoom_is_out(office: Office) -> None:
    address_goes_to_somebody_new(office)
    office.weather.to_come.append(("zoom: who is it", ProviderUnavailable("503")))
    office.hears_and_works(source="hibob", subject={"source_id": "employee-1"})


def test_a_repeat_acts_on_the_id_that_only_a_receipt_names() -> None:
    office = zoom_was_out_when_she_left()
    repeats_while_zoom_is_out(office)
    assert "session" not in office.access_of("ada.of.old@example.com")
    assert "session" in office.access_of(ADA)
    assert office.cases.every[-1].state is State.COMPLETED


def test_that_is_seen_where_only_the_events_ids_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(former, "ids_of", lambda case, _receipts: case.identities)
    office = zoom_was_out_when_she_left()
    repeats_while_zoom_is_out(office)
    # A step goes by the address all the same, which may be somebody new's: it waits for a person.
    assert office.cases.every[-1].state is State.OPEN
    assert "session" in office.access_of(ADA)


def came_back_under_another_address() -> Office:
    """Somebody new got her old one, and left: only that one is gone, and a later case of theirs is held."""
    office = Office(sweep_after=timedelta(days=1))
    office.hears_and_works(source="okta")
    office.clock.passes(hours=1)
    office.hears_and_works("reinstated", source="okta")
    address_goes_to_somebody_new(office)
    for source_id in ("okta-2", "okta-3"):
        office.clock.passes(hours=1)
        office.hears_and_works(source="okta", subject={"source_id": source_id})
    sweeps(office)
    return office


def test_whoever_came_back_under_another_address_is_not_swept() -> None:
    assert came_back_under_another_address().access_of("ada.of.old@example.com") >= {"session", "grants"}


def test_that_is_seen_where_any_tombstone_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def whenever(watch: Watch, _case: Case, name: str) -> Name | None:
        return watch.people.read(name) if watch.people.gone([name]) else None

    monkeypatch.setattr(Watch, "_find_gone_since", whenever)
    assert "session" not in came_back_under_another_address().access_of("ada.of.old@example.com")


def test_a_step_is_proved_by_its_own_receipt_alone() -> None:
    office = zoom_was_out_when_she_left()
    receipts = office.cases.read_receipts(office.case.case_id)
    strangers = {name: each.model_copy(update={"subject": "somebody-else"}) for name, each in receipts.items()}
    providers = office.watch.providers
    for step in office.case.steps:
        assert proved.as_proved(office.case, step, strangers, providers) == step
    proved_ids = [proved.as_proved(office.case, step, receipts, providers).identity for step in office.case.steps]
    assert proved_ids == [ADA_ID, ADA_UNIVERSAL, ADA_ID]
