"""How fast an account is called: by everybody together, an urgent leaver first, and slower where it is refused."""

import math
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaver.consuming import rate_limiter as pacing
from leaver.consuming.rate_limiter import Pace, Turn, Wanted
from leaver.errors import BadMessage, NoSlot, Throttled
from tests.doubles.aws import NOW, Clock, client_error
from tests.doubles.pace_table import PaceTable

#: of 30 requests a second, 28.5 are everybody's
SPACING = 1 / 28.5
ZOOM = Wanted("zoom", 1, urgent=False)
URGENT = Wanted("zoom", 1, urgent=True)
ACCOUNTS = {"zoom": "zoom/acme", "zoom-too": "zoom/acme", "zoom-other": "zoom/other"}


class Worker(Pace):
    """One environment of a function, with a clock that goes on while it sleeps."""

    def __init__(self, table: PaceTable, clock: Clock | None = None, *, per_second: float = 30) -> None:
        self.time = clock or Clock()
        super().__init__(
            table.client,
            table="Pace",
            per_second=per_second,
            account_of=self._account_by_name,
            clock=self.time,
            sleep=lambda seconds: self.time.passes(seconds=seconds),
        )

    def _account_by_name(self, name: str) -> str:
        if name not in ACCOUNTS:
            raise BadMessage("connection: expected the name of a connection that exists")
        return ACCOUNTS[name]

    def book(self, *wanted: Wanted | None) -> list[float | None]:
        """When each may go out, seconds from NOW; waits until there is a slot, but not until the slot's time."""
        turns = self.turns(wanted)
        for turn in turns:
            with suppress(NoSlot):
                while turn.lane and turn.at is None and (until := self._not_before(turn, turn.lane)):
                    if turn.at is None:
                        self.time.now = max(self.time.now, until)
        return [_seconds(turn) for turn in turns]


def _seconds(turn: Turn) -> float | None:
    return round((turn.at - NOW).total_seconds(), 3) if turn.at else None


def too_fast(now: datetime = NOW, *, account_wide: bool = True) -> Throttled:
    return Throttled("too fast", until=now + timedelta(seconds=1), account_wide=account_wide)


def spaced(start: float, count: int) -> list[Any]:
    return [pytest.approx(start + index * SPACING, abs=0.002) for index in range(count)]


@pytest.fixture
def table() -> PaceTable:
    return PaceTable()


def test_a_batch_is_spread_over_the_limit_by_one_write(table: PaceTable) -> None:
    assert Worker(table).book(*[ZOOM] * 10) == spaced(0, 10)
    assert table.writes == 1


def test_two_workers_never_book_one_slot(table: PaceTable) -> None:
    one, other = Worker(table), Worker(table)
    assert one.book(*[ZOOM] * 10) == spaced(0, 10)
    assert other.book(*[ZOOM] * 10) == spaced(10 * SPACING, 10)
    assert one.book(*[ZOOM] * 10) == spaced(20 * SPACING, 10)


def test_in_the_middle_of_a_rush_a_booking_is_one_write(table: PaceTable) -> None:
    workers = [Worker(table, Clock()) for _ in range(3)]
    for worker in workers * 2:
        worker.book(*[ZOOM] * 2)
    before = table.writes
    for worker in workers:
        worker.book(*[ZOOM] * 2)
    assert table.writes == before + 3


def test_a_limit_that_nobody_used_for_an_hour_is_not_saved_up(table: PaceTable) -> None:
    worker = Worker(table)
    worker.book(ZOOM)
    worker.time.passes(hours=1)
    assert worker.book(*[ZOOM] * 10) == spaced(3600, 10)


def test_a_command_of_several_calls_takes_as_many_slots(table: PaceTable) -> None:
    assert Worker(table).book(Wanted("zoom", 3, urgent=False), ZOOM) == spaced(0, 1) + spaced(3 * SPACING, 1)


def test_a_batch_that_mixes_connections_is_paced_by_account(table: PaceTable) -> None:
    too, other = Wanted("zoom-too", 1, urgent=False), Wanted("zoom-other", 1, urgent=False)
    assert Worker(table).book(ZOOM, other, too) == [*spaced(0, 1), *spaced(0, 1), *spaced(SPACING, 1)]
    assert set(table.items) == {"zoom/acme", "zoom/other"}


def test_what_calls_nobody_is_not_paced(table: PaceTable) -> None:
    worker = Worker(table)
    assert worker.book(None, Wanted("nobody-made", 1, urgent=False)) == [None, None]
    for turn in worker.turns([None]):
        worker.wait(turn)
    assert (table.writes, worker.time()) == (0, NOW)


def test_who_has_a_turn_waits_for_it(table: PaceTable) -> None:
    worker = Worker(table)
    first, second = worker.turns([ZOOM, ZOOM])
    worker.wait(first)
    assert worker.time() == NOW
    worker.wait(second)
    assert worker.time() == second.at


def test_nothing_is_booked_further_ahead_than_the_horizon(table: PaceTable) -> None:
    workers = [Worker(table) for _ in range(4)]
    for worker in workers[:3]:
        worker.book(*[ZOOM] * 10)
    # 30 calls are more than a second of the limit: the fourth waits until less than a second is booked ahead
    assert workers[3].book(*[ZOOM] * 10) == spaced(30 * SPACING, 10)
    assert workers[3].time() > NOW


def test_where_there_is_no_slot_for_long_it_is_said_when_there_may_be(table: PaceTable) -> None:
    table.items["zoom/acme"] = {"tat": int((NOW + timedelta(minutes=3)).timestamp() * 1_000_000)}
    worker = Worker(table)
    (turn,) = worker.turns([ZOOM])
    with pytest.raises(NoSlot) as caught:
        worker.wait(turn)
    assert caught.value.until == NOW + timedelta(minutes=3) - pacing.ROUTINE_HORIZON
    assert worker.time() == NOW


def test_where_it_is_known_that_there_is_no_slot_nobody_asks_again(table: PaceTable) -> None:
    table.items["zoom/acme"] = {"tat": int((NOW + timedelta(minutes=3)).timestamp() * 1_000_000)}
    worker = Worker(table)
    worker.turns([ZOOM])
    before = table.writes
    worker.time.passes(seconds=59)
    worker.turns([ZOOM] * 10)
    assert table.writes == before


def test_a_person_who_takes_the_item_away_is_noticed_within_a_minute(table: PaceTable) -> None:
    refuse(worker := Worker(table), Throttled("daily", until=NOW + timedelta(hours=9)))
    table.items.clear()
    worker.time.passes(minutes=1, seconds=1)
    for turn in worker.turns([ZOOM] * 10):
        worker.wait(turn)
    assert worker.time() < NOW + timedelta(minutes=2)


def test_an_urgent_leaver_waits_for_nobody(table: PaceTable) -> None:
    for worker in [Worker(table) for _ in range(3)]:
        worker.book(*[ZOOM] * 10)
    assert Worker(table).book(URGENT) == [0]


def test_a_second_urgent_leaver_at_once_goes_before_those_who_are_not(table: PaceTable) -> None:
    routine = [Worker(table) for _ in range(4)]
    for worker in routine[:3]:
        worker.book(*[ZOOM] * 10)
    first, second = Worker(table).book(URGENT, URGENT)
    assert first == 0
    assert [second] == spaced(30 * SPACING, 1)
    assert routine[3].book(ZOOM)[0] > second  # type: ignore[operator]  # it has a slot


def test_as_long_as_urgent_ones_come_the_others_find_no_slot(table: PaceTable) -> None:
    urgent = Worker(table)
    for _ in range(12):
        urgent.book(*[URGENT] * 10)
    # booked ahead by four seconds, which are the urgent ones' alone
    assert urgent.time() == NOW
    routine = Worker(table)
    routine.book(ZOOM)
    assert routine.time() - NOW > timedelta(seconds=3)


def test_the_urgent_share_is_a_share_and_not_a_way_round(table: PaceTable) -> None:
    urgent = Worker(table)
    at = [urgent.book(URGENT)[0] for _ in range(3)]
    assert at == [0, *spaced(0, 2)]


@pytest.mark.parametrize(("per_second", "reserved"), [(4, 1.0), (30, 1.5), (80, 2.4), (1000, 30.0)])
def test_how_much_is_reserved(table: PaceTable, per_second: float, reserved: float) -> None:
    worker = Worker(table, per_second=per_second)
    assert [worker._reserved, worker._shared] == pytest.approx([reserved, per_second - reserved])


# -- refused all the same


def refuse(worker: Worker, error: Throttled | None = None) -> None:
    (turn,) = worker.turns([ZOOM])
    worker.refused(turn, error or too_fast(worker.time()))


def rate(worker: Worker) -> float:
    """Of everybody's rate, the share at which this worker would book now."""
    first, second = worker.turns([ZOOM, ZOOM])
    assert first.at is not None
    assert second.at is not None
    return SPACING / (second.at - first.at).total_seconds()


def test_after_a_refusal_nothing_is_booked_for_a_whole_second(table: PaceTable) -> None:
    # at any part of a second: when the provider's begin is not known
    one, other = Worker(table), Worker(table)
    one.time.passes(milliseconds=400)
    other.time.passes(milliseconds=400)
    refuse(one)
    assert one.book(ZOOM)[0] >= 1.4  # type: ignore[operator]  # it has a slot
    other.book(ZOOM)
    assert other.book(ZOOM)[0] >= 1.4  # type: ignore[operator]  # the same


def test_a_single_refusal_slows_a_little_and_the_next_ones_a_lot(table: PaceTable) -> None:
    worker = Worker(table)
    refuse(worker)
    worker.time.passes(seconds=1)
    assert rate(worker) == pytest.approx(0.95 + 0.01, abs=0.005)
    refuse(worker)
    worker.time.passes(seconds=1)
    assert rate(worker) == pytest.approx(0.96 * 0.8 + 0.01, abs=0.01)


def test_during_the_pause_this_process_books_nothing(table: PaceTable) -> None:
    worker = Worker(table)
    refuse(worker)
    before = table.writes
    (turn,) = worker.turns([URGENT])
    assert table.writes == before
    worker.wait(turn)
    assert worker.time() == NOW + pacing.PAUSE


def test_several_refusals_in_a_second_are_no_single_one(table: PaceTable) -> None:
    worker = Worker(table)
    for turn in worker.turns([ZOOM] * 10):
        worker.refused(turn, too_fast())
    assert table.items["zoom/acme"]["factor"] == 800


def test_all_workers_slow_down_together_and_once_a_second(table: PaceTable) -> None:
    workers = [Worker(table) for _ in range(8)]
    turns = [worker.turns([ZOOM])[0] for worker in workers]
    for worker, turn in zip(workers, turns, strict=True):
        worker.refused(turn, too_fast())
    assert table.items["zoom/acme"]["factor"] == 950
    for worker in workers:
        worker.time.passes(seconds=2)
    assert rate(workers[-1]) == pytest.approx(0.97, abs=0.005)


def test_the_rate_comes_back_by_one_percent_a_second(table: PaceTable) -> None:
    worker = Worker(table)
    table.items["zoom/acme"] = {"tat": 0, "factor": 500, "slowed_at": int(NOW.timestamp() * 1_000_000)}
    worker.book(ZOOM)
    for seconds, expected in ((10, 0.6), (30, 0.9), (30, 1.0), (60, 1.0)):
        worker.time.passes(seconds=seconds)
        assert rate(worker) == pytest.approx(expected, abs=0.01)


def test_whatever_is_refused_some_calls_still_go_out(table: PaceTable) -> None:
    worker = Worker(table)
    for _ in range(30):
        refuse(worker)
        worker.time.passes(seconds=1.1)
    assert table.items["zoom/acme"]["factor"] == 50


def test_those_of_a_batch_that_have_not_gone_out_wait_as_well(table: PaceTable) -> None:
    worker = Worker(table)
    first, *others = worker.turns([ZOOM] * 10)
    worker.refused(first, too_fast())
    worker.wait(others[0])
    assert worker.time() >= NOW + timedelta(seconds=1)
    assert worker.time() == others[0].at


def no_slot_until(worker: Worker, wanted: Wanted) -> datetime:
    (turn,) = worker.turns([wanted])
    with pytest.raises(NoSlot) as caught:
        worker.wait(turn)
    return caught.value.until


def test_a_daily_limit_closes_the_account_for_all_workers_and_is_tried_once_an_hour(table: PaceTable) -> None:
    midnight = datetime(2026, 11, 23, tzinfo=NOW.tzinfo)
    one, other, urgent = Worker(table), Worker(table), Worker(table)
    refuse(one, Throttled("daily", until=midnight, for_the_day=True))
    for worker, wanted in ((one, ZOOM), (other, ZOOM), (urgent, URGENT)):
        # for all of them together, whatever each is ahead of it by
        assert timedelta(minutes=59) < no_slot_until(worker, wanted) - NOW <= timedelta(hours=1)
        assert worker.time() <= NOW + timedelta(seconds=1)
    for worker in (one, other, urgent):
        worker.time.now = NOW + timedelta(hours=1, seconds=6)
        (turn,) = worker.turns([ZOOM])
        worker.wait(turn)


def test_a_daily_limit_that_ends_within_the_hour_is_waited_for_no_longer(table: PaceTable) -> None:
    worker = Worker(table)
    refuse(worker, Throttled("daily", until=NOW + timedelta(minutes=7), for_the_day=True))
    assert no_slot_until(worker, ZOOM) <= NOW + timedelta(minutes=7)


def test_one_answer_that_asks_for_a_day_without_saying_why_closes_the_account_for_half_a_minute(
    table: PaceTable,
) -> None:
    # It may have been one server's, or one URL's.
    one, urgent = Worker(table), Worker(table)
    refuse(one, Throttled("busy", until=NOW + timedelta(days=1)))
    assert no_slot_until(one, ZOOM) <= NOW + timedelta(seconds=30)
    urgent.time.passes(seconds=31)
    (turn,) = urgent.turns([URGENT])
    urgent.wait(turn)


def test_a_batch_waits_no_longer_than_it_has_patience_however_slow_the_account(table: PaceTable) -> None:
    worker = Worker(table, per_second=2)
    turns = worker.turns([Wanted("zoom", 5, urgent=False)] * 5)
    ends = []
    for turn in turns:
        with suppress(NoSlot):
            worker.wait(turn)
        ends.append(worker.time())
    assert ends[0] == NOW
    assert max(ends) <= NOW + pacing.PATIENCE + pacing.ROUTINE_HORIZON
    # nor is more booked ahead than will be used: an urgent leaver beyond the share comes next
    assert table.items["zoom/acme"]["tat"] <= int((NOW + timedelta(seconds=8)).timestamp() * 1_000_000)


def test_a_limit_of_one_user_slows_nobody(table: PaceTable) -> None:
    worker = Worker(table)
    refuse(worker, too_fast(account_wide=False))
    assert "factor" not in table.items["zoom/acme"]
    assert worker.book(ZOOM) == spaced(SPACING, 1)


def test_no_slot_is_no_refusal(table: PaceTable) -> None:
    worker = Worker(table)
    refuse(worker, NoSlot("not yet", until=NOW + timedelta(seconds=1)))
    assert "factor" not in table.items["zoom/acme"]


def test_a_table_that_is_out_of_order_keeps_nobodys_access_alive(table: PaceTable) -> None:
    table.broken = True
    worker = Worker(table)
    first, second = worker.turns([ZOOM, ZOOM])
    worker.wait(first)
    assert worker.time() == NOW
    worker.refused(first, too_fast())
    worker.wait(second)
    assert worker.time() == NOW


def test_a_table_that_does_not_answer_is_left_alone_for_a_while(table: PaceTable) -> None:
    table.broken = True
    worker = Worker(table)
    for _ in range(5):
        worker.turns([ZOOM, Wanted("zoom-other", 1, urgent=False), URGENT])
    assert table.writes == 1
    worker.time.passes(seconds=11)
    table.broken = False
    assert worker.book(ZOOM) == [pytest.approx(11)]
    assert table.writes == 2


def test_a_connection_that_can_not_be_read_now_harms_nobody_else(table: PaceTable) -> None:
    class Unread(Worker):
        def _account_by_name(self, name: str) -> str:
            if name == "zoom-other":
                raise client_error("GetItem", "ProvisionedThroughputExceededException")
            return super()._account_by_name(name)

    assert Unread(table).book(Wanted("zoom-other", 1, urgent=False), ZOOM) == [None, 0]


def test_who_has_not_looked_for_long_makes_nobody_faster_by_a_refusal(table: PaceTable) -> None:
    stale, busy = Worker(table), Worker(table)
    stale.book(ZOOM)
    for _ in range(6):
        busy.time.passes(seconds=1.2)
        refuse(busy)
    slow = table.items["zoom/acme"]["factor"]
    # an urgent call draws on its own share, and so sees nothing of what befell the others'
    busy.time.passes(seconds=1.2)
    stale.time.now = busy.time.now
    (turn,) = stale.turns([URGENT])
    stale.refused(turn, too_fast(stale.time()))
    assert table.items["zoom/acme"]["factor"] < slow


def test_what_of_a_batch_waits_after_a_refusal_is_booked_anew_by_one_write(table: PaceTable) -> None:
    worker = Worker(table)
    first, *others = worker.turns([ZOOM] * 10)
    worker.wait(first)
    worker.refused(first, too_fast())
    before = table.writes
    for turn in others:
        worker.wait(turn)
    assert table.writes == before + 1
    # for the nine, and not for the one that has gone out
    at = [1 + index * SPACING / 0.96 for index in range(9)]
    assert [_seconds(turn) for turn in others] == pytest.approx(at, abs=0.002)


def test_an_account_without_slots_does_not_keep_another_ones_calls_waiting(table: PaceTable) -> None:
    table.items["zoom/other"] = {"tat": int((NOW + timedelta(seconds=5)).timestamp() * 1_000_000)}
    worker = Worker(table)
    turns = worker.turns([ZOOM, Wanted("zoom-other", 1, urgent=False), ZOOM])
    # nothing that is booked already is missed
    assert worker.time() == NOW
    for turn in (turns[0], turns[2], turns[1]):
        worker.wait(turn)
        assert worker.time() == turn.at


def test_a_batch_waits_so_long_and_no_longer_whatever_is_refused_meanwhile(table: PaceTable) -> None:
    worker, other = Worker(table), Worker(table)
    turns = worker.turns([ZOOM] * 10)
    for turn in turns:
        try:
            worker.wait(turn)
        except NoSlot:
            break
        worker.refused(turn, too_fast(worker.time()))
        other.time.now = worker.time.now
        other.book(*[ZOOM] * 10)
    longest = pacing.PATIENCE + pacing.ROUTINE_HORIZON
    assert worker.time() - NOW <= longest
    assert len([turn for turn in turns if turn.at]) > 3


def test_ten_refusals_of_a_batch_close_the_account_by_four_writes(table: PaceTable) -> None:
    worker = Worker(table)
    turns = worker.turns([ZOOM] * 10)
    before = table.writes
    for turn in turns:
        worker.refused(turn, Throttled("daily", until=NOW + timedelta(hours=9)))
    assert table.writes == before + 4


# -- whoever books what, whenever

Bookings = Sequence[tuple[int, int, int]]


#: how far each worker's clock is off; NTP keeps Lambda's closer together
SKEWS = st.lists(st.integers(-300, 300), min_size=4, max_size=4)


def booked(bookings: Bookings, skews: Sequence[int], per_second: int, *, urgent: bool) -> tuple[Worker, list[float]]:
    """When calls may go out that several workers book, in this order but by clocks that do not agree."""
    table, clock = PaceTable(), Clock()
    workers = [Worker(table, Clock(), per_second=per_second) for _ in skews]
    at: list[float] = []
    for index, calls, pause in bookings:
        clock.passes(milliseconds=pause)
        worker = workers[index]
        # each goes on from where it was, or from now, if that is later
        worker.time.now = max(worker.time.now, clock.now + timedelta(milliseconds=skews[index]))
        wanted = [URGENT if urgent and number % 2 else ZOOM for number in range(calls)]
        at += [seconds for seconds in worker.book(*wanted) if seconds is not None]
    return worker, sorted(at)


def fullest_second(at: Sequence[float]) -> int:
    return max(sum(begin <= other < begin + 1 - 0.002 for other in at[index:]) for index, begin in enumerate(at))


BOOKINGS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 10), st.integers(0, 700)), min_size=1, max_size=60)


@given(BOOKINGS, SKEWS, st.sampled_from([4, 30, 80]))
def test_no_second_holds_more_slots_than_the_shared_rate_rounded_up(
    bookings: Bookings, skews: Sequence[int], per_second: int
) -> None:
    worker, at = booked(bookings, skews, per_second, urgent=False)
    # Slots are a rate's distance apart and none is given twice: so many begin in any second, whoever booked them.
    assert fullest_second(at) <= math.ceil(worker._shared)


@given(BOOKINGS, st.sampled_from([4, 30, 80]))
def test_with_urgent_ones_no_second_holds_more_slots_than_the_two_rates_each_rounded_up(
    bookings: Bookings, per_second: int
) -> None:
    worker, at = booked(bookings, [0] * 4, per_second, urgent=True)
    assert fullest_second(at) <= math.ceil(worker._shared) + math.ceil(worker._reserved)


@given(BOOKINGS)
def test_a_booking_costs_three_writes_at_most_and_no_read(bookings: Bookings) -> None:
    table = PaceTable()
    workers = [Worker(table, Clock()) for _ in range(4)]
    for index, calls, pause in bookings:
        before = table.writes
        workers[index].time.passes(milliseconds=pause)
        workers[index].turns([ZOOM] * calls)
        assert table.writes - before <= 3


# -- and the checks above can fail


def test_without_the_condition_two_workers_book_one_slot() -> None:
    class Unconditional(PaceTable):
        def update_item(self, **asked: Any) -> dict[str, Any]:
            return super().update_item(**asked | {"ConditionExpression": "tat BETWEEN :now AND :last"} | _anyway(asked))

    def _anyway(asked: dict[str, Any]) -> dict[str, Any]:
        everything = {":now": {"N": "0"}, ":last": {"N": str(2**63)}}
        return {"ExpressionAttributeValues": asked["ExpressionAttributeValues"] | everything}

    table = Unconditional(items={"zoom/acme": {"tat": 0}})
    assert Worker(table).book(ZOOM) == Worker(table).book(ZOOM)


def test_without_a_horizon_an_urgent_leaver_beyond_the_share_waits_behind_all(
    table: PaceTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "ROUTINE_HORIZON", timedelta(hours=1))
    for worker in [Worker(table) for _ in range(12)]:
        worker.book(*[ZOOM] * 10)
    assert Worker(table).book(URGENT, URGENT)[1] > 4  # type: ignore[operator]  # it has a slot
