"""Starts a function by the clock, as a rule of EventBridge does."""

import re
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from local.aws.template import ACCOUNT, REGION, Json

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
#: each day at some time: here a day after the world began, for no world lives that long
_DAILY = re.compile(r"cron\(\d+ \d+ \* \* \? \*\)")


class Schedule:
    """A rule with a `rate(…)`, or of each day: starts a function on demand, and by the clock while it is ticking."""

    def __init__(self, rule_arn: str, expression: str, start: Callable[[Json], None]) -> None:
        """Take the expression as the template has it; ValueError for anything but a rate, or a time of each day."""
        match = _RATE.fullmatch(expression)
        if match is None and not _DAILY.fullmatch(expression):
            raise ValueError(
                f"{rule_arn}: {expression} is no rate(…) and no daily cron(…), the only schedules known here"
            )
        self._period = timedelta(**{match[2] + "s": int(match[1])}) if match else timedelta(days=1)
        self._rule_arn = rule_arn
        self._start = start
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="schedule", daemon=True)

    def fire(self) -> None:
        """Start the function now, with the event that EventBridge sends."""
        self._start(
            {
                "version": "0",
                "id": str(uuid.uuid4()),
                "detail-type": "Scheduled Event",
                "source": "aws.events",
                "account": ACCOUNT,
                "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
                "region": REGION,
                "resources": [self._rule_arn],
                "detail": {},
            }
        )

    def tick(self) -> None:
        """Fire by the clock from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Fire no more."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _tick(self) -> None:
        while not self._stop.wait(self._period.total_seconds()):
            self.fire()
