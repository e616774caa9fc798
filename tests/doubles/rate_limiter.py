"""A rate limiter that lets every call through."""

from collections.abc import Sequence

from leaver.consuming.rate_limiter import Demand, RateLimiter, Reservation
from leaver.errors import Throttled


class NoLimit(RateLimiter):
    """The pace of a provider that takes as much as it gets."""

    def __init__(self) -> None:
        self.told: list[Throttled] = []

    def reserve(self, wanted: Sequence[Demand | None]) -> list[Reservation]:
        return [Reservation() for _ in wanted]

    def record_throttle(self, reservation: Reservation, refusal: Throttled) -> None:
        assert reservation.lane is None
        self.told.append(refusal)
