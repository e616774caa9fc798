"""Waiting for what a function makes of a connection."""

import time
from collections.abc import Callable

from leaver.connections.record import Connection, Connections
from leaver_cli.terminal import say_under_way, waiting

#: seconds between two reads of the record
POLL_INTERVAL = 0.5


def wait_until(
    is_done: Callable[[Connection], bool], connections: Connections, name: str, *, timeout: float, message: str
) -> Connection:
    """Read a connection's record until it `is_done`, or `timeout` seconds are over; returns it as it is then."""
    deadline = time.monotonic() + timeout
    say_under_way("what was asked of the functions goes on: `leaver connections` shows it")
    with waiting(message):
        while not is_done(record := connections.read(name)) and time.monotonic() < deadline:
            time.sleep(POLL_INTERVAL)
    return record
