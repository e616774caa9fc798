"""What the benchmark of a drain rests on: virtual time, a queue as SQS keeps one, an account as Zoom limits one."""

import re
from functools import partial
from pathlib import Path

import pytest

from benchmarks import drain
from benchmarks.growth import simulate_catching_up, simulate_drain
from benchmarks.queue_model import COLD_START, Group, Queue, Waiting
from benchmarks.simulation import BATCH, CONCURRENCY, Run, run_paced
from benchmarks.usual_ways import WAYS, run_usual_way
from benchmarks.virtual_time import SideBySide, VirtualTime
from benchmarks.zoom_account import Account, Window
from leaver.consuming.rate_limiter import RateLimiter, Reservation
from leaver.errors import NoSlot, Throttled

FEW = 400


# -- virtual time


def test_who_sleeps_less_wakes_first_and_nobody_waits_for_it() -> None:
    time, woken = VirtualTime(), []

    def work(seconds: float) -> None:
        time.sleep(seconds)
        woken.append((time.now, seconds))

    for seconds in (3000.0, 1.0, 20.0):
        time.spawn(partial(work, seconds))
    time.run(until=lambda: False)
    assert woken == [(1.0, 1.0), (20.0, 20.0), (3000.0, 3000.0)]


def test_a_batch_side_by_side_takes_as_long_as_its_longest_and_keeps_its_order() -> None:
    time = VirtualTime()
    found: list[float] = []

    def work(seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    time.spawn(lambda: found.extend(SideBySide(time).map(work, [3.0, 1.0, 2.0])))
    time.run(until=lambda: False)
    assert (found, time.now) == ([3.0, 1.0, 2.0], 3.0)


# -- the queue


class Function:
    """A function's environment, which fails what it is told to and takes a second for a batch."""

    def __init__(self, time: VirtualTime, *, fails: int = 0) -> None:
        self.time = time
        self.fails = fails
        self.began: list[float] = []
        self.given: list[list[str]] = []

    def __call__(self, messages: list[Waiting]) -> set[str]:
        self.began.append(self.time.now)
        self.given.append([message.body for message in messages])
        self.time.sleep(1.0)
        failed = {message.id for message in messages[: self.fails]}
        self.fails -= len(failed)
        return failed


@pytest.fixture
def time() -> VirtualTime:
    return VirtualTime()


def fed(time: VirtualTime, queue: Queue, function: Function, *, messages: int, batch: int) -> None:
    for number in range(messages):
        queue.send({"number": number})
    queue.poll([function], batch=batch)
    time.run(until=lambda: False)


def test_a_message_that_failed_comes_back_when_its_visibility_is_over_and_the_others_do_not(time: VirtualTime) -> None:
    queue, function = Queue(time, "routine", seed=1, visibility=30.0), Function(time, fails=1)
    fed(time, queue, function, messages=10, batch=10)
    assert sum(len(bodies) for bodies in function.given) == queue.receives == 11
    assert function.given[-1] == function.given[0][:1]
    # from the moment of receipt, the cold start included
    first, *_, last = function.began
    assert last - first == pytest.approx(30.0 - COLD_START)


def test_what_failed_too_often_is_dead(time: VirtualTime) -> None:
    queue, function = Queue(time, "routine", seed=1, most_receives=3, visibility=30.0), Function(time, fails=99)
    fed(time, queue, function, messages=1, batch=10)
    assert (len(queue.dead), len(function.given)) == (1, 3)


def test_in_a_fifo_group_all_wait_behind_the_one_that_failed(time: VirtualTime) -> None:
    queue, function = Group(time, "routine", seed=1, visibility=30.0), Function(time, fails=1)
    fed(time, queue, function, messages=3, batch=1)
    assert [bodies[0] for bodies in function.given] == [f'{{"number": {number}}}' for number in (0, 0, 1, 2)]
    assert function.began[1] - function.began[0] >= 30.0 - COLD_START


def test_a_mapping_begins_with_five_batches_and_adds_five_a_second(time: VirtualTime) -> None:
    queue = Queue(time, "routine", seed=1)
    functions = [Function(time) for _ in range(10)]
    for _ in range(1000):
        queue.send({})
    queue.poll(functions, batch=10)
    time.run(until=lambda: time.now > 5)
    assert [round(function.began[0] - COLD_START, 1) for function in functions] == [
        *[0.0] * 5, 0.2, 0.4, 0.6, 0.8, 1.0,
    ]  # fmt: skip


# -- the account


@pytest.mark.parametrize("seed", range(5))
def test_a_second_of_the_account_takes_its_limit_and_not_one_more(time: VirtualTime, seed: int) -> None:
    account = Account(time, 30, seed=seed)
    for _ in range(100):
        time.spawn(account.answer, after=1.0)
    time.run(until=lambda: False)
    # they arrive within 30 ms, which a second's end may divide
    assert account.calls[204] in {30, 60}


@pytest.mark.parametrize("window", ["fixed", "bucket"])
def test_what_somebody_else_takes_is_gone(time: VirtualTime, window: Window) -> None:
    account = Account(time, 30, taken=15, window=window)
    for index in range(300):
        time.spawn(account.answer, after=index / 30)
    time.run(until=lambda: time.now > 11)
    # of 45 calls a second 30 are taken, whoever makes them
    assert 150 <= account.calls[204] <= 240


# -- a drain


@pytest.mark.parametrize("limit", [30, 80])
def test_leaver_uses_the_limit_and_is_hardly_refused(limit: int) -> None:
    run = run_paced(limit, leavers=FEW)
    assert run.dead == 0
    assert len(run.done_at) == FEW + len(run.urgent_waits)
    assert run.wasted <= 0.001 + 1 / FEW
    assert run.receives == FEW


def test_the_same_seed_gives_the_same_run() -> None:
    assert run_paced(80, leavers=FEW, taken=40, seed=1) == run_paced(80, leavers=FEW, taken=40, seed=1)


def test_without_the_pace_the_same_functions_are_refused_by_the_hundred(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RateLimiter, "reserve", lambda _, wanted: [Reservation() for _ in wanted])
    assert run_paced(30, leavers=FEW).wasted > 0.2


def test_without_slowing_down_leaver_wastes_calls_beside_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = run_paced(30, leavers=FEW, taken=15).wasted

    def unmoved(_: RateLimiter, reservation: Reservation, refusal: Throttled) -> None:
        assert isinstance(reservation, Reservation)
        assert isinstance(refusal, NoSlot | Throttled)

    monkeypatch.setattr(RateLimiter, "record_throttle", unmoved)
    assert run_paced(30, leavers=FEW, taken=15).wasted > 2 * kept


def test_a_usual_handler_without_a_limiter_loses_most_of_a_rush() -> None:
    run = run_usual_way(WAYS[0], 30, leavers=2000)
    assert run.dead > 1000


def test_the_run_tells_a_row_for_each_way_and_a_curve_for_the_plot() -> None:
    told: list[str] = []
    found = drain.run(told.append, leavers=100)
    assert len(told) == 12 + 2 * len(WAYS)
    assert [len(row) for row in found.rows] == [len(drain.HEADING)] * (1 + 4 + 2 * len(WAYS))
    for curve in found.over_time.values():
        assert curve == sorted(curve)
        assert curve[-1][1] >= 30


# -- growth


@pytest.mark.parametrize("limit", [30, 80])
def test_the_model_of_growth_is_as_fast_as_the_drain(limit: int) -> None:
    assert simulate_drain(FEW, limit) == pytest.approx(run_paced(limit, leavers=FEW).seconds, rel=0.05)


def test_ten_thousand_connections_are_planned_over_minutes() -> None:
    assert simulate_catching_up(1_000) < 60 < simulate_catching_up(10_000)


def test_a_run_that_wastes_calls_says_so() -> None:
    done = [float(second) for second in range(1, 11)]
    run = Run(2, 10, 10.0, done, {204: 10, 429: 10}, 0, 10, 1, [])
    assert (run.share_of_limit, run.wasted) == (0.5, 0.5)


def test_the_benchmark_gives_the_functions_what_the_template_gives_them() -> None:
    template = (Path(__file__).parents[2] / "template.yaml").read_text()
    plans = re.findall(r"LightPerSecond: (\d+), Concurrency: (\d+), Batch: (\d+)", template)
    given = {int(limit): (int(concurrency), int(batch)) for limit, concurrency, batch in plans}
    assert given.items() >= {limit: (at_once, BATCH) for limit, at_once in CONCURRENCY.items()}.items()
