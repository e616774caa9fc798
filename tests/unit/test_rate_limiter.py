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
from leaver.consuming.rate_limiter import Demand, RateLimiter, Reservation
from leaver.errors import BadMessage, NoSlot, Throttled
from tests.doubles.aws_errors import client_error
from tests.doubles.clock import NOW, Clock
from tests.doubles.rate_limit_table import RateLimitTable

#: of 30 requests a second, 28.5 are everybody's
SPACING = 1 / 28.5
ZOOM = Demand("zoom", 1, urgent=False)
URGENT = Demand("zoom", 1, urgent=True)
ACCOUNTS = {"zoom": "zoom/acme", "zoom-too": "zoom/acme", "zoom-other": "zoom/other"}


class Worker(RateLimiter):
    """One environment of a function, with a clock that goes on while it sleeps."""

    def __init__(self, table: RateLimitTable, clock: Clock | None = None, *, per_second: float = 30) -> None:
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

    def book(self, *wanted: Demand | None) -> list[float | None]:
        """When each may go out, seconds from NOW; waits until there is a slot, but not until the slot's time."""
        reservations = self.reserve(wanted)
        for reservation in reservations:
            with suppress(NoSlot):
                while (
                    reservation.lane
                    and reservation.at is None
                    and (until := self._not_before(reservation, reservation.lane))
                ):
                    if reservation.at is None:
                        self.time.now = max(self.time.now, until)
        return [_seconds(reservation) for reservation in reservations]


def _seconds(reservation: Reservation) -> float | None:
    return round((reservation.at - NOW).total_seconds(), 3) if reservation.at else None


def too_fast(now: datetime = NOW, *, account_wide: bool = True) -> Throttled:
    return Throttled("too fast", until=now + timedelta(seconds=1), account_wide=account_wide)


def spaced(start: float, count: int) -> list[Any]:
    return [pytest.approx(start + index * SPACING, abs=0.002) for index in range(count)]


@pytest.fixture
def table() -> RateLimitTable:
    return RateLimitTable()


def test_a_batch_is_spread_over_the_limit_by_one_write(table: RateLimitTable) -> None:
    assert Worker(table).book(*[ZOOM] * 10) == spaced(0, 10)
    assert table.writes == 1


def test_two_workers_never_book_one_slot(table: RateLimitTable) -> None:
    one, other = Worker(table), Worker(table)
    assert one.book(*[ZOOM] * 10) == spaced(0, 10)
    assert other.book(*[ZOOM] * 10) == spaced(10 * SPACING, 10)
    assert one.book(*[ZOOM] * 10) == spaced(20 * SPACING, 10)


def test_in_the_middle_of_a_rush_a_booking_is_one_write(table: RateLimitTable) -> None:
    workers = [Worker(table, Clock()) for _ in range(3)]
    for worker in workers * 2:
        worker.book(*[ZOOM] * 2)
    before = table.writes
    for worker in workers:
        worker.book(*[ZOOM] * 2)
    assert table.writes == before + 3


def test_a_limit_that_nobody_used_for_an_hour_is_not_saved_up(table: RateLimitTable) -> None:
    worker = Worker(table)
    worker.book(ZOOM)
    worker.time.passes(hours=1)
    assert worker.book(*[ZOOM] * 10) == spaced(3600, 10)


def test_a_command_of_several_calls_takes_as_many_slots(table: RateLimitTable) -> None:
    assert Worker(table).book(Demand("zoom", 3, urgent=False), ZOOM) == spaced(0, 1) + spaced(3 * SPACING, 1)


def test_a_batch_that_mixes_connections_is_paced_by_account(table: RateLimitTable) -> None:
    too, other = Demand("zoom-too", 1, urgent=False), Demand("zoom-other", 1, urgent=False)
    assert Worker(table).book(ZOOM, other, too) == [*spaced(0, 1), *spaced(0, 1), *spaced(SPACING, 1)]
    assert set(table.items) == {"zoom/acme", "zoom/other"}


def test_what_calls_nobody_is_not_paced(table: RateLimitTable) -> None:
    worker = Worker(table)
    assert worker.book(None, Demand("nobody-made", 1, urgent=False)) == [None, None]
    for reservation in worker.reserve([None]):
        worker.wait(reservation)
    assert (table.writes, worker.time()) == (0, NOW)


def test_who_has_a_turn_waits_for_it(table: RateLimitTable) -> None:
    worker = Worker(table)
    first, second = worker.reserve([ZOOM, ZOOM])
    worker.wait(first)
    assert worker.time() == NOW
    worker.wait(second)
    assert worker.time() == second.at


def test_nothing_is_booked_further_ahead_than_the_horizon(table: RateLimitTable) -> None:
    workers = [Worker(table) for _ in range(4)]
    for worker in workers[:3]:
        worker.book(*[ZOOM] * 10)
    # 30 calls are more than a second of the limit: the fourth waits until less than a second is booked ahead
    assert workers[3].book(*[ZOOM] * 10) == spaced(30 * SPACING, 10)
    assert workers[3].time() > NOW


def test_where_there_is_no_slot_for_long_it_is_said_when_there_may_be(table: RateLimitTable) -> None:
    table.items["zoom/acme"] = {"tat": int((NOW + timedelta(minutes=3)).timestamp() * 1_000_000)}
    worker = Worker(table)
    (reservation,) = worker.reserve([ZOOM])
    with pytest.raises(NoSlot) as caught:
        worker.wait(reservation)
    assert caught.value.until == NOW + timedelta(minutes=3) - pacing.ROUTINE_HORIZON
    assert worker.time() == NOW


def test_where_it_is_known_that_there_is_no_slot_nobody_asks_again(table: RateLimitTable) -> None:
    table.items["zoom/acme"] = {"tat": int((NOW + timedelta(minutes=3)).timestamp() * 1_000_000)}
    worker = Worker(table)
    worker.reserve([ZOOM])
    before = table.writes
    worker.time.passes(seconds=59)
    worker.reserve([ZOOM] * 10)
    assert table.writes == before


def test_a_person_who_takes_the_item_away_is_noticed_within_a_minute(table: RateLimitTable) -> None:
    refuse(worker := Worker(table), Throttled("daily", until=NOW + timedelta(hours=9)))
    table.items.clear()
    worker.time.passes(minutes=1, seconds=1)
    for reservation in worker.reserve([ZOOM] * 10):
        worker.wait(reservation)
    assert worker.time() < NOW + timedelta(minutes=2)


def test_an_urgent_leaver_waits_for_nobody(table: RateLimitTable) -> None:
    for worker in [Worker(table) for _ in range(3)]:
        worker.book(*[ZOOM] * 10)
    assert Worker(table).book(URGENT) == [0]


def test_a_second_urgent_leaver_at_once_goes_before_those_who_are_not(table: RateLimitTable) -> None:
    routine = [Worker(table) for _ in range(4)]
    for worker in routine[:3]:
        worker.book(*[ZOOM] * 10)
    first, second = Worker(table).book(URGENT, URGENT)
    assert first == 0
    assert [second] == spaced(30 * SPACING, 1)
    assert routine[3].book(ZOOM)[0] > second  # type: ignore[operator]  # it has a slot


def test_as_long_as_urgent_ones_come_the_others_find_no_slot(table: RateLimitTable) -> None:
    urgent = Worker(table)
    for _ in range(12):
        urgent.book(*[URGENT] * 10)
    # booked ahead by four seconds, which are the urgent ones' alone
    assert urgent.time() == NOW
    routine = Worker(table)
    routine.book(ZOOM)
    assert routine.time() - NOW > timedelta(seconds=3)


def test_the_urgent_share_is_a_share_and_not_a_way_round(table: RateLimitTable) -> None:
    urgent = Worker(table)
    at = [urgent.book(URGENT)[0] for _ in range(3)]
    assert at == [0, *spaced(0, 2)]


@pytest.mark.parametrize(("per_second", "reserved"), [(4, 1.0), (30, 1.5), (80, 2.4), (1000, 30.0)])
def test_how_much_is_reserved(table: RateLimitTable, per_second: float, reserved: float) -> None:
    worker = Worker(table, per_second=per_second)
    assert [worker._urgent_rate, worker._shared_rate] == pytest.approx([reserved, per_second - reserved])


# -- refused all the same


def refuse(worker: Worker, error: Throttled | None = None) -> None:
    (reservation,) = worker.reserve([ZOOM])
    worker.record_throttle(reservation, error or too_fast(worker.time()))


def rate(worker: Worker) -> float:
    """Of everybody's rate, the share at which this worker would book now."""
    first, second = worker.reserve([ZOOM, ZOOM])
    assert first.at is not None
    assert second.at is not None
    return SPACING / (second.at - first.at).total_seconds()


def test_after_a_refusal_nothing_is_booked_for_a_whole_second(table: RateLimitTable) -> None:
    # at any part of a second: when the provider's begin is not known
    one, other = Worker(table), Worker(table)
    one.time.passes(milliseconds=400)
    other.time.passes(milliseconds=400)
    refuse(one)
    assert one.book(ZOOM)[0] >= 1.4  # type: ignore[operator]  # it has a slot
    other.book(ZOOM)
    assert other.book(ZOOM)[0] >= 1.4  # type: ignore[operator]  # the same


def test_a_single_refusal_slows_a_little_and_the_next_ones_a_lot(table: RateLimitTable) -> None:
    worker = Worker(table)
    refuse(worker)
    worker.time.passes(seconds=1)
    assert rate(worker) == pytest.approx(0.95 + 0.02, abs=0.005)
    refuse(worker)
    worker.time.passes(seconds=1)
    assert rate(worker) == pytest.approx(0.97 * 0.8 + 0.02, abs=0.01)


def test_during_the_pause_this_process_books_nothing(table: RateLimitTable) -> None:
    worker = Worker(table)
    refuse(worker)
    before = table.writes
    (reservation,) = worker.reserve([URGENT])
    assert table.writes == before
    worker.wait(reservation)
    assert worker.time() == NOW + pacing.PAUSE


def test_several_refusals_in_a_second_are_no_single_one(table: RateLimitTable) -> None:
    worker = Worker(table)
    for reservation in worker.reserve([ZOOM] * 10):
        worker.record_throttle(reservation, too_fast())
    assert table.items["zoom/acme"]["factor"] == 800


def test_all_workers_slow_down_together_and_once_a_second(table: RateLimitTable) -> None:
    workers = [Worker(table) for _ in range(8)]
    reservations = [worker.reserve([ZOOM])[0] for worker in workers]
    for worker, reservation in zip(workers, reservations, strict=True):
        worker.record_throttle(reservation, too_fast())
    assert table.items["zoom/acme"]["factor"] == 950
    for worker in workers:
        worker.time.passes(seconds=2)
    assert rate(workers[-1]) == pytest.approx(0.99, abs=0.005)


def test_the_rate_comes_back_by_one_percent_a_second(table: RateLimitTable) -> None:
    worker = Worker(table)
    table.items["zoom/acme"] = {"tat": 0, "factor": 500, "slowed_at": int(NOW.timestamp() * 1_000_000)}
    worker.book(ZOOM)
    for seconds, expected in ((10, 0.6), (30, 0.9), (30, 1.0), (60, 1.0)):
        worker.time.passes(seconds=seconds)
        assert rate(worker) == pytest.approx(expected, abs=0.01)


def test_it_comes_back_fast_at_first_and_slowly_just_below_where_it_was_refused(table: RateLimitTable) -> None:
    worker = Worker(table)
    table.items["zoom/acme"] = {"tat": 0, "factor": 500, "slowed_at": int(NOW.timestamp() * 1_000_000)}
    worker.book(ZOOM)
    for seconds, expected in ((3, 0.56), (3, 0.575), (3, 0.59), (3, 0.62)):
        worker.time.passes(seconds=seconds)
        assert rate(worker) == pytest.approx(expected, abs=0.004)


def test_whatever_is_refused_some_calls_still_go_out(table: RateLimitTable) -> None:
    worker = Worker(table)
    for _ in range(30):
        refuse(worker)
        worker.time.passes(seconds=1.1)
    assert table.items["zoom/acme"]["factor"] == 50


def test_those_of_a_batch_that_have_not_gone_out_wait_as_well(table: RateLimitTable) -> None:
    worker = Worker(table)
    first, *others = worker.reserve([ZOOM] * 10)
    worker.record_throttle(first, too_fast())
    worker.wait(others[0])
    assert worker.time() >= NOW + timedelta(seconds=1)
    assert worker.time() == others[0].at


def no_slot_until(worker: Worker, wanted: Demand) -> datetime:
    (reservation,) = worker.reserve([wanted])
    with pytest.raises(NoSlot) as caught:
        worker.wait(reservation)
    return caught.value.until


def test_a_daily_limit_closes_the_account_for_all_workers_and_is_tried_once_an_hour(table: RateLimitTable) -> None:
    midnight = datetime(2026, 11, 23, tzinfo=NOW.tzinfo)
    one, other, urgent = Worker(table), Worker(table), Worker(table)
    refuse(one, Throttled("daily", until=midnight, for_the_day=True))
    for worker, wanted in ((one, ZOOM), (other, ZOOM), (urgent, URGENT)):
        # for all of them together, whatever each is ahead of it by
        assert timedelta(minutes=59) < no_slot_until(worker, wanted) - NOW <= timedelta(hours=1)
        assert worker.time() <= NOW + timedelta(seconds=1)
    for worker in (one, other, urgent):
        worker.time.now = NOW + timedelta(hours=1, seconds=6)
        (reservation,) = worker.reserve([ZOOM])
        worker.wait(reservation)


def test_a_daily_limit_that_ends_within_the_hour_is_waited_for_no_longer(table: RateLimitTable) -> None:
    worker = Worker(table)
    refuse(worker, Throttled("daily", until=NOW + timedelta(minutes=7), for_the_day=True))
    assert no_slot_until(worker, ZOOM) <= NOW + timedelta(minutes=7)


def test_one_answer_that_asks_for_a_day_without_saying_why_closes_the_account_for_half_a_minute(
    table: RateLimitTable,
) -> None:
    # It may have been one server's, or one URL's.
    one, urgent = Worker(table), Worker(table)
    refuse(one, Throttled("busy", until=NOW + timedelta(days=1)))
    assert no_slot_until(one, ZOOM) <= NOW + timedelta(seconds=30)
    urgent.time.passes(seconds=31)
    (reservation,) = urgent.reserve([URGENT])
    urgent.wait(reservation)


def test_a_batch_waits_no_longer_than_it_has_patience_however_slow_the_account(table: RateLimitTable) -> None:
    worker = Worker(table, per_second=2)
    reservations = worker.reserve([Demand("zoom", 5, urgent=False)] * 5)
    ends = []
    for reservation in reservations:
        with suppress(NoSlot):
            worker.wait(reservation)
        ends.append(worker.time())
    assert ends[0] == NOW
    assert max(ends) <= NOW + pacing.PATIENCE + pacing.ROUTINE_HORIZON
    # nor is more booked ahead than will be used: an urgent leaver beyond the share comes next
    assert table.items["zoom/acme"]["tat"] <= int((NOW + timedelta(seconds=8)).timestamp() * 1_000_000)


def test_a_limit_of_one_user_slows_nobody(table: RateLimitTable) -> None:
    worker = Worker(table)
    refuse(worker, too_fast(account_wide=False))
    assert "factor" not in table.items["zoom/acme"]
    assert worker.book(ZOOM) == spaced(SPACING, 1)


def test_no_slot_is_no_refusal(table: RateLimitTable) -> None:
    worker = Worker(table)
    refuse(worker, NoSlot("not yet", until=NOW + timedelta(seconds=1)))
    assert "factor" not in table.items["zoom/acme"]


def test_a_table_that_is_out_of_order_keeps_nobodys_access_alive(table: RateLimitTable) -> None:
    table.broken = True
    worker = Worker(table)
    first, second = worker.reserve([ZOOM, ZOOM])
    worker.wait(first)
    assert worker.time() == NOW
    worker.record_throttle(first, too_fast())
    worker.wait(second)
    assert worker.time() == NOW


def test_a_table_that_does_not_answer_is_left_alone_for_a_while(table: RateLimitTable) -> None:
    table.broken = True
    worker = Worker(table)
    for _ in range(5):
        worker.reserve([ZOOM, Demand("zoom-other", 1, urgent=False), URGENT])
    assert table.writes == 1
    worker.time.passes(seconds=11)
    table.broken = False
    assert worker.book(ZOOM) == [pytest.approx(11)]
    assert table.writes == 2


def test_a_connection_that_can_not_be_read_now_harms_nobody_else(table: RateLimitTable) -> None:
    class Unread(Worker):
        def _account_by_name(self, name: str) -> str:
            if name == "zoom-other":
                raise client_error("GetItem", "ProvisionedThroughputExceededException")
            return super()._account_by_name(name)

    assert Unread(table).book(Demand("zoom-other", 1, urgent=False), ZOOM) == [None, 0]


def test_who_has_not_looked_for_long_makes_nobody_faster_by_a_refusal(table: RateLimitTable) -> None:
    stale, busy = Worker(table), Worker(table)
    stale.book(ZOOM)
    for _ in range(6):
        busy.time.passes(seconds=1.2)
        refuse(busy)
    slow = table.items["zoom/acme"]["factor"]
    # an urgent call draws on its own share, and so sees nothing of what befell the others'
    busy.time.passes(seconds=1.2)
    stale.time.now = busy.time.now
    (reservation,) = stale.reserve([URGENT])
    stale.record_throttle(reservation, too_fast(stale.time()))
    assert table.items["zoom/acme"]["factor"] < slow


def test_what_of_a_batch_waits_after_a_refusal_is_booked_anew_by_one_write(table: RateLimitTable) -> None:
    worker = Worker(table)
    first, *others = worker.reserve([ZOOM] * 10)
    worker.wait(first)
    worker.record_throttle(first, too_fast())
    before = table.writes
    for reservation in others:
        worker.wait(reservation)
    assert table.writes == before + 1
    # for the nine, and not for the one that has gone out
    at = [1 + index * SPACING / 0.97 for index in range(9)]
    assert [_seconds(reservation) for reservation in others] == pytest.approx(at, abs=0.002)


def test_an_account_without_slots_does_not_keep_another_ones_calls_waiting(table: RateLimitTable) -> None:
    table.items["zoom/other"] = {"tat": int((NOW + timedelta(seconds=5)).timestamp() * 1_000_000)}
    worker = Worker(table)
    reservations = worker.reserve([ZOOM, Demand("zoom-other", 1, urgent=False), ZOOM])
    # nothing that is booked already is missed
    assert worker.time() == NOW
    for reservation in (reservations[0], reservations[2], reservations[1]):
        worker.wait(reservation)
        assert worker.time() == reservation.at


def test_a_batch_waits_so_long_and_no_longer_whatever_is_refused_meanwhile(table: RateLimitTable) -> None:
    worker, other = Worker(table), Worker(table)
    reservations = worker.reserve([ZOOM] * 10)
    for reservation in reservations:
        try:
            worker.wait(reservation)
        except NoSlot:
            break
        worker.record_throttle(reservation, too_fast(worker.time()))
        other.time.now = worker.time.now
        other.book(*[ZOOM] * 10)
    longest = pacing.PATIENCE + pacing.ROUTINE_HORIZON
    assert worker.time() - NOW <= longest
    assert len([reservation for reservation in reservations if reservation.at]) > 3


def test_ten_refusals_of_a_batch_close_the_account_by_four_writes(table: RateLimitTable) -> None:
    worker = Worker(table)
    reservations = worker.reserve([ZOOM] * 10)
    before = table.writes
    for reservation in reservations:
        worker.record_throttle(reservation, Throttled("daily", until=NOW + timedelta(hours=9)))
    assert table.writes == before + 4


# -- whoever books what, whenever

Bookings = Sequence[tuple[int, int, int]]


#: how far each worker's clock is off; NTP keeps Lambda's closer together
SKEWS = st.lists(st.integers(-300, 300), min_size=4, max_size=4)


def booked(bookings: Bookings, skews: Sequence[int], per_second: int, *, urgent: bool) -> tuple[Worker, list[float]]:
    """When calls may go out that several workers book, in this order but by clocks that do not agree."""
    table, clock = RateLimitTable(), Clock()
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
    assert fullest_second(at) <= math.ceil(worker._shared_rate)


@given(BOOKINGS, st.sampled_from([4, 30, 80]))
def test_with_urgent_ones_no_second_holds_more_slots_than_the_two_rates_each_rounded_up(
    bookings: Bookings, per_second: int
) -> None:
    worker, at = booked(bookings, [0] * 4, per_second, urgent=True)
    assert fullest_second(at) <= math.ceil(worker._shared_rate) + math.ceil(worker._urgent_rate)


@given(BOOKINGS)
def test_a_booking_costs_three_writes_at_most_and_no_read(bookings: Bookings) -> None:
    table = RateLimitTable()
    workers = [Worker(table, Clock()) for _ in range(4)]
    for index, calls, pause in bookings:
        before = table.writes
        workers[index].time.passes(milliseconds=pause)
        workers[index].reserve([ZOOM] * calls)
        assert table.writes - before <= 3


# -- and the checks above can fail


def test_without_the_condition_two_workers_book_one_slot() -> None:
    class Unconditional(RateLimitTable):
        def update_item(self, **asked: Any) -> dict[str, Any]:
            return super().update_item(**asked | {"ConditionExpression": "tat BETWEEN :now AND :last"} | _anyway(asked))

    def _anyway(asked: dict[str, Any]) -> dict[str, Any]:
        everything = {":now": {"N": "0"}, ":last": {"N": str(2**63)}}
        return {"ExpressionAttributeValues": asked["ExpressionAttributeValues"] | everything}

    table = Unconditional(items={"zoom/acme": {"tat": 0}})
    assert Worker(table).book(ZOOM) == Worker(table).book(ZOOM)


def test_without_a_horizon_an_urgent_leaver_beyond_the_share_waits_behind_all(
    table: RateLimitTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "ROUTINE_HORIZON", timedelta(hours=1))
    for worker in [Worker(table) for _ in range(12)]:
        worker.book(*[ZOOM] * 10)
    assert Worker(table).book(URGENT, URGENT)[1] > 4  # type: ignore[operator]  # it has a slot
