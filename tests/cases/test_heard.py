"""No event ends in silence: it is heard before anything else, and has exactly one fate."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from functions.start_offboarding.app import StartOffboarding
from leaver.cases.heard import Fate, Heard, HeardEvents
from leaver.consuming.journal import EventJournal
from leaver.consuming.message import Message as Queued
from leaver.errors import Throttled
from tests.doubles.clock import NOW
from tests.doubles.office import ADA, Message, Office
from tests.doubles.steps import Killed, Moment, die


def fates(office: Office) -> list[tuple[str | None, str | None, str | None]]:
    """What became of what was heard, in order: fate, case, why."""
    return [(each.fate, each.case_id, each.because) for each in office.heard.fates]


def open_ones(office: Office) -> list[Heard]:
    found = list(office.heard.items.scan())
    closed = {each.message_id for each in found if each.fate}
    return [each for each in found if each.message_id not in closed]


def test_an_event_that_opens_a_case_is_heard_and_its_fate_names_the_case() -> None:
    office = Office()
    message = office.hears()
    office.deliver(message)
    (told, fate) = office.heard.items.scan()
    assert (told.source, told.event_id, told.message_id, told.heard_at) == ("hr-system", "hr-1", message.id, NOW)
    assert (told.partition, told.entry) == ("heard#2026-11-22", f"2026-11-22T09:30:00Z#{message.id}")
    assert (fate.partition, fate.entry) == (told.partition, f"{told.entry}#fate")
    assert fates(office) == [("opened", office.case.case_id, None)]


@pytest.mark.parametrize(
    ("later", "fate"),
    [
        (lambda office: office.hears(), "repeated"),
        (lambda office: office.hears(urgency="urgent"), "changed"),
        (lambda office: office.hears("cancelled"), "refused"),
        (lambda office: office.hears("reinstated"), "changed"),
        (lambda office: office.hears(occurred_at=(NOW - timedelta(hours=1)).isoformat()), "repeated"),
    ],
)
def test_what_comes_after_the_first_event_has_a_fate_of_its_own(later: Callable[[Office], Message], fate: str) -> None:
    office = Office()
    office.deliver(office.hears())
    office.deliver(later(office))
    assert [(name, case) for name, case, _ in fates(office)][1:] == [(fate, office.case.case_id)]


def test_an_event_that_comes_too_late_is_refused_and_says_why() -> None:
    office = Office()
    office.deliver(office.hears("cancelled"))
    office.deliver(office.hears(occurred_at=(NOW - timedelta(hours=1)).isoformat()))
    assert fates(office) == [
        ("dead_lettered", None, office.reasons()[0]),
        ("refused", None, "a later event about this person has come before"),
    ]


def test_a_message_that_nobody_can_read_is_heard_too_and_is_dead_lettered() -> None:
    office = Office()
    office.deliver(office.queue("StartOffboarding", {"kind": "immediate", "secret": "s3cret-canary"}))
    ((fate, case, because),) = fates(office)
    assert (fate, case) == ("dead_lettered", None)
    assert because == office.reasons()[0]
    assert "canary" not in str([each.model_dump() for each in office.heard.items.scan()])


def test_an_event_that_is_too_old_to_be_acted_on_is_dead_lettered_and_has_its_fate() -> None:
    office = Office()
    office.clock.passes(days=15)
    office.deliver(office.hears(occurred_at=NOW.isoformat()))
    ((fate, _, because),) = fates(office)
    assert (fate, because) == ("dead_lettered", "older than 14 days: it might hit somebody who was hired again")


def test_a_message_that_comes_back_has_no_fate_yet() -> None:
    office = Office()
    message = office.hears()
    office.weather.to_come.append(("zoom: who is it", Throttled("429", until=NOW + timedelta(seconds=2))))
    assert not office.deliver(message)
    assert [each.message_id for each in open_ones(office)] == [message.id]
    assert office.deliver(message)
    assert open_ones(office) == []


def test_nothing_is_done_about_an_event_that_could_not_be_recorded_as_heard() -> None:
    office = Office()
    message = office.hears()

    def fails(name: str, when: Moment) -> None:
        if (name, when) == ("add heard", "before"):
            raise ConnectionError

    office.effects.watch = fails
    assert not office.deliver(message)
    assert office.cases.every == []
    assert office.access_of(ADA)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_any_moment_an_event_is_never_without_a_fate_in_the_end(moment: Moment) -> None:
    steps = 0
    while True:
        office = Office()
        message = office.hears()
        office.effects.interrupt(steps, moment, die)
        try:
            office.deliver(message)
        except Killed:
            office.effects.dead.clear()
            office.deliver(message)
        else:
            break
        assert open_ones(office) == []
        assert len(fates(office)) == 1
        assert fates(office)[0][1] == office.case.case_id
        steps += 1
    assert steps > 8


# --- what each rule is for: it is taken away, and the harm shows


def test_those_tests_see_it_where_an_event_has_no_fate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EventJournal, "close", lambda *_: None)
    office = Office()
    office.deliver(office.hears())
    assert len(open_ones(office)) == 1


def test_those_tests_see_it_where_an_event_is_not_heard_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EventJournal, "hear", lambda *_: None)
    with pytest.raises((AssertionError, ValueError)):
        test_an_event_that_opens_a_case_is_heard_and_its_fate_names_the_case()


def test_those_tests_see_it_where_a_second_fate_is_written_over_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def put(self: HeardEvents, item: Heard) -> None:
        other = item.model_copy(update={"entry": f"{item.entry}#again"})
        self._items.add(item if self._items.add(item) else other)

    monkeypatch.setattr(HeardEvents, "put_once", put)
    with pytest.raises(AssertionError):
        test_killed_at_any_moment_an_event_is_never_without_a_fate_in_the_end("after")


def test_those_tests_see_it_where_what_is_refused_is_said_to_have_opened_a_case(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    close = EventJournal.close

    def lies(self: EventJournal[StartOffboarding], message: Queued[StartOffboarding], fate: Fate) -> None:
        close(self, message, Fate("opened", fate.case_id, fate.because))

    monkeypatch.setattr(EventJournal, "close", lies)
    with pytest.raises(AssertionError):
        test_an_event_that_comes_too_late_is_refused_and_says_why()
