"""What the benchmark of growing cases rests on: real functions among counted tables, and figures that notice growth."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from benchmarks import growing_company
from benchmarks.company import company
from leaver.cases.record import WATCHED
from leaver.cases.states import State
from leaver.cases.table import Cases, CaseSummary
from leaver.storage.tables import read_as
from tests.doubles.executor import OneByOne


def test_who_leaves_is_asked_for_at_zoom_once_and_has_a_case_with_that_name() -> None:
    with company() as office:
        office.settle()
        office.open()
        took = office.hears(25)
        assert office.states == {State.OPEN: 25}
        assert (office.named, took.zoom) == (25, {204: 25})
        assert len(office.bus.announced) == 25


def test_what_is_held_goes_on_when_all_are_released() -> None:
    with company(guard=1) as office:
        office.open()
        office.hold(12)
        assert office.states == {State.OPEN: 1, State.HELD: 12}
        told, _ = office.releases()
        assert office.states == {State.OPEN: 13}
        # The index, and two batches of decisions.
        assert told.calls == 3


def test_the_benchmark_tells_a_row_for_each_size_and_that_nothing_grows() -> None:
    told: list[str] = []
    figures, (leaving, released, standing) = growing_company.run(
        told.append, people=(5, 15), cases=(12, 100), executor=OneByOne()
    )
    assert [len(row) for row in (*leaving, *released, *standing)] == [7] * 9
    assert [[row[0] for row in rows[1:]] for rows in (leaving, released)] == [["5", "15"]] * 2
    assert [row[0] for row in standing[1:]] == ["12", "100"]
    assert len(told) == 2
    counted = [each for each in figures if each.name.endswith((": calls", ": read units", ": calls of a case"))]
    assert len(counted) == 8
    assert all(each.holds for each in counted), [each for each in counted if not each.holds]


def test_a_watch_that_reads_what_waits_for_its_day_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def read_all(cases: Cases, _: datetime) -> Iterator[CaseSummary]:
        found = cases._items.query("watch", "#watch = :watch", {"#watch": "watch"}, {":watch": WATCHED})
        yield from map(read_as(CaseSummary), found)

    few, many = growing_company.look_at(20), growing_company.look_at(400)
    assert [each.read_units for each in few.minutes] == [each.read_units for each in many.minutes]
    monkeypatch.setattr(Cases, "read_summaries", read_all)
    greedy = growing_company.look_at(400)
    assert greedy.minutes[0].read_units > many.minutes[0].read_units
    assert many.minutes[0].cases == 400


def test_a_sweep_that_is_due_is_no_longer_left_alone() -> None:
    with company() as office:
        office.settle()
        office.open()
        office.hears(1)
        office.remember(5)
        before = office.minute().calls
        office.ahead += timedelta(hours=21)
        assert office.minute().calls > before
