"""A clock that stands still until a test lets time pass."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

#: when all tests begin
NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


@dataclass
class Clock:
    """A clock that stands still until it is told how much time passes."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def passes(self, **time: float) -> None:
        self.now += timedelta(**time)
