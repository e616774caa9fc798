"""Somebody says that she leaves while somebody else stops her case, or while it is sealed: no departure is lost."""

from collections.abc import Callable, Collection
from datetime import timedelta
from functools import partial
from typing import Final

import pytest

from leaver.cases.departure import Departure
from leaver.cases.heard import Fate
from leaver.cases.intake import Intake
from leaver.cases.record import Case
from leaver.cases.returns import Returns
from leaver.cases.states import CaseEvent, State
from tests.doubles.office import ADA, ADA_ID, Message, Office

Word = Callable[[Office], Message]


def planned() -> Office:
    office = Office()
    office.hears("scheduled", source="hibob", effective_at=(office.clock() + timedelta(days=5)).isoformat())
    office.works()
    office.clock.passes(minutes=1)
    return office


def held() -> Office:
    office = Office(routine_limit=0)
    office.hears_and_works(source="hibob")
    office.clock.passes(minutes=1)
    return office


def hibob(kind: str) -> Word:
    return lambda office: office.hears(kind, source="hibob")


def person(decision: str) -> Word:
    return lambda office: office.queue("StartOffboarding", {"case": office.case.case_id, "decision": decision})


def okta(office: Office) -> Message:
    office.clock.passes(seconds=5)
    return office.hears(source="okta")


_stop: Final = Returns._stop


def _decided_before(
    returns: Returns, case_id: str, event: CaseEvent, *, keep: Callable[[Case], Case | None], kept: Collection[str]
) -> Case:
    decided = keep(returns.cases.require(case_id))
    return _stop(returns, case_id, event, keep=lambda _: decided, kept=kept)


#: who stops a case, and how it stands
STOPS: Final[dict[str, tuple[Callable[[], Office], Word]]] = {
    "HiBob cancels": (planned, hibob("cancelled")),
    "HiBob says that she is back": (planned, hibob("reinstated")),
    "a person gives back": (planned, person("reinstate")),
    "a person discards": (held, person("discard")),
}


def her_departure_stays_whoever_comes_in_between(who: str, *, first: str) -> None:
    begin, stops = STOPS[who]
    place = 0
    while True:
        office = begin()
        stop, departure = stops(office), okta(office)
        one, other = (stop, departure) if first == "the stop" else (departure, stop)
        met = office.effects.interrupt(place, "before", partial(office.deliver, other))
        office.deliver(one)
        if not met:
            break
        states = {case.state for case in office.cases.every}
        assert states & {State.OPEN, State.HELD}, (place, met)
        assert State.OPEN not in states or office.people.under_tombstones == {ADA, ADA_ID}, (place, met)
        place += 1
    assert place > 5


@pytest.mark.parametrize(
    ("who", "first"),
    [
        ("HiBob cancels", "the stop"),
        ("HiBob says that she is back", "the stop"),
        ("a person gives back", "the stop"),
        ("a person discards", "the departure"),
    ],
)
def test_a_departure_beside_whatever_stops_her_case_is_not_lost(who: str, first: str) -> None:
    her_departure_stays_whoever_comes_in_between(who, first=first)


def test_nor_is_one_that_joins_and_has_not_begun_when_a_person_cancels() -> None:
    place = 0
    while True:
        office = planned()
        stop, departure = person("cancel")(office), okta(office)

        def joins(office: Office = office, departure: Message = departure) -> None:
            with pytest.MonkeyPatch.context() as until_it_is_killed:
                until_it_is_killed.setattr(Intake, "set_going", lambda *_, **__: None)
                office.deliver(departure)

        met = office.effects.interrupt(place, "before", joins)
        office.deliver(stop)
        if not met:
            break
        # A case that has begun is looked at in a minute.
        office.clock.passes(minutes=1)
        office.minute()
        office.works()
        assert office.access_of(ADA) == set(), (place, met)
        place += 1
    assert place > 5


@pytest.mark.parametrize(
    ("who", "first", "rule", "planted"),
    [
        ("a person discards", "the departure", "leaver.cases.intake.OVER", frozenset()),
        ("a person discards", "the departure", "functions.start_offboarding.app.as_it_is_after", lambda *_, **__: None),
        ("a person gives back", "the stop", "leaver.cases.returns.as_it_is_after", lambda *_, **__: None),
        ("HiBob says that she is back", "the stop", "leaver.cases.returns.Returns._stop", _decided_before),
    ],
)
def test_that_is_seen_where_a_stop_is_decided_before_it_is_written(
    monkeypatch: pytest.MonkeyPatch, who: str, first: str, rule: str, planted: object
) -> None:
    monkeypatch.setattr(rule, planted)
    with pytest.raises(AssertionError):
        her_departure_stays_whoever_comes_in_between(who, first=first)


def test_so_it_is_where_a_person_cancels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leaver.cases.returns.as_it_is_after", lambda *_, **__: None)
    with pytest.raises(AssertionError):
        test_nor_is_one_that_joins_and_has_not_begun_when_a_person_cancels()


def a_better_name_comes_while_the_case_is_sealed() -> None:
    for place in range(8, 17):
        office = Office()
        # The search by her address does not see it, although it has that address.
        office.venafi.people["ada-adm"] = ["AD+corp:{ada-adm}"]
        office.venafi.people[ADA].append("AD+corp:{ada-adm}")
        office.venafi.grants["AD+corp:{ada-adm}"] = 1
        office.deliver(office.hears())
        named = office.hears(source="okta", subject={"identities": {"venafi": {"name": "AD+corp:ada-adm"}}})

        def seal(office: Office = office, named: Message = named) -> None:
            for _ in range(10):
                for message in [each for each in office.queued if each is not named]:
                    office.deliver(message)

        met = office.effects.interrupt(place, "before", seal)
        office.deliver(named)
        office.works()
        assert met
        assert not office.venafi.grants["AD+corp:{ada-adm}"], (place, met)


def test_a_better_name_that_comes_while_her_case_is_sealed_is_not_lost() -> None:
    a_better_name_comes_while_the_case_is_sealed()


def test_that_is_seen_where_a_case_that_is_read_as_completed_is_believed_to_have_been_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    extend = Intake._extend

    def as_it_is_read(taken_in: Intake, case: Case, departure: Departure) -> Fate:
        return Fate("repeated") if case.state is State.COMPLETED else extend(taken_in, case, departure)

    monkeypatch.setattr(Intake, "_extend", as_it_is_read)
    with pytest.raises(AssertionError):
        a_better_name_comes_while_the_case_is_sealed()
