"""The lease on a connection: only who has it changes the connection's tokens."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from leaver.connections.record import Connection, Connections
from leaver.errors import LeaseHeld


@dataclass
class Lease:
    """One run's lease, and the record as this run last wrote or read it."""

    connections: Connections
    holder: str
    record: Connection
    #: whether tokens are replaced only because a reader saw them refused
    is_demanded: bool = False

    def is_on(self, current: Connection) -> bool:
        """Whether this lease stands on a record, and on the version from which this run goes on."""
        return (current.lease_holder, current.version) == (self.holder, self.record.version)

    def confirm(self) -> bool:
        """Read the record again; returns whether the lease still stands on it."""
        current = self.connections.read(self.record.connection)
        if not self.is_on(current):
            return False
        self.record = current
        return True

    def update(self, change: Callable[[Connection], Connection | None]) -> bool:
        """Change the record; returns False where the lease is lost, and where `change` returns None."""
        written = self.connections.change(
            self.record.connection, lambda current: change(current) if self.is_on(current) else None
        )
        if written is None:
            return False
        self.record = written
        return True

    def release(self) -> None:
        """Let others have it, and change nothing else."""
        self.update(Connection.without_lease)


def take_lease(connections: Connections, record: Connection, *, holder: str, now: datetime) -> Lease:
    """Take the lease in one conditional write.

    Raises LeaseHeld where another run has the lease, or changed the record at the same moment.
    """
    written = connections.compare_and_swap(record, record.with_lease(holder, now))
    if written is None:
        raise LeaseHeld(f"connection {record.connection} was changed at the same moment")
    return Lease(connections, holder, written)
