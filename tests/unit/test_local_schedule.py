"""A schedule by the clock."""

import threading
from typing import Any

import pytest

from local.schedule import Schedule


class _Minutes(threading.Event):
    """A clock that lets two periods pass at once and is over then."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout)
        return len(self.waited) > 2


def test_a_ticking_schedule_fires_once_in_every_period(monkeypatch: pytest.MonkeyPatch) -> None:
    fired: list[Any] = []
    schedule = Schedule("arn:aws:events:eu-west-1:123456789012:rule/r", "rate(5 minutes)", fired.append)
    minutes = _Minutes()
    monkeypatch.setattr(schedule, "_stop", minutes)
    schedule.tick()
    schedule.stop()
    assert minutes.waited == [300, 300, 300]
    assert [event["resources"] for event in fired] == [["arn:aws:events:eu-west-1:123456789012:rule/r"]] * 2


def test_a_schedule_that_is_no_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="cron"):
        Schedule("arn", "cron(0 8 ? * MON *)", print)
