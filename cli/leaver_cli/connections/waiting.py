"""Waiting for what a function makes of a connection."""

import time
from collections.abc import Callable

from rich.console import Console

from leaver.connections.record import Connection, Connections

#: seconds between two looks at the record
LOOK = 0.5


def until(
    done: Callable[[Connection], bool], connections: Connections, name: str, *, timeout: float, what: str
) -> Connection:
    """Look at a connection's record until it is `done`, or `timeout` seconds are over; returns it as it is then."""
    deadline = time.monotonic() + timeout
    with Console(stderr=True).status(what):
        while not done(record := connections.read(name)) and time.monotonic() < deadline:
            time.sleep(LOOK)
    return record
