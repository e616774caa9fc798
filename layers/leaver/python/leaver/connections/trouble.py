"""A connection that fails: left alone for a while that grows, and announced once, as is its recovery."""

from collections.abc import Callable
from datetime import datetime

from leaver.connections.lease import Lease
from leaver.connections.record import Connection, Connections
from leaver.connections.refresh_policy import ANNOUNCE_AFTER, LASTING, cooling_period
from leaver.errors import LeaverError, Rejected, Throttled
from leaver.messages.events import ConnectionAnnouncement
from leaver.messages.publisher import Publisher
from leaver.storage.tables import timestamp

ConnectionAnnouncement.model_rebuild()


def cool_down(
    lease: Lease, error: LeaverError, *, unanswered: bool, now: datetime, jitter: Callable[[float, float], float]
) -> bool:
    """Leave the connection alone and release the lease; returns whether its trouble is news.

    `unanswered`: the provider may have issued tokens that nobody holds.
    """

    def change(current: Connection) -> Connection:
        # What is rejected waits for a person; anything else may pass by itself.
        until = now + cooling_period(current.failures, jitter)
        is_lasting = current.failures + 1 >= ANNOUNCE_AFTER
        if isinstance(error, Throttled):
            until = max(until, error.until)
            is_lasting |= until - now >= LASTING
        announce = isinstance(error, Rejected) or is_lasting
        evident = current.with_unanswered_refresh() if unanswered else current
        return evident.as_cooling_down(error.reason, until=until, now=now, announce=announce)

    return lease.update(change) and lease.record.trouble_since == now


def announce_pending(connections: Connections, publisher: Publisher, name: str) -> None:
    """Publish a connection's pending announcement, which stays pending until the bus has taken it."""
    record = connections.read(name)
    if record.pending_announcement is None or record.trouble_since is None:
        return
    publisher.announce(
        ConnectionAnnouncement(
            detail_type=record.pending_announcement,
            announcement_id=f"{name}/{record.pending_announcement}/{timestamp(record.trouble_since)}",
            connection=name,
            provider=record.provider,
            account=record.account,
            status=record.status,
            reason=record.reason,
            since=record.trouble_since,
        )
    )
    connections.change(
        name,
        lambda current: (
            current.without_pending_announcement()
            if current.pending_announcement == record.pending_announcement
            else None
        ),
    )
