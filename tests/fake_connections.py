"""The Connections table in memory, with the same conditions; tests/integration/test_connections.py holds it to them."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from leaver.connections import Connection, Connections, Due, Status
from leaver.errors import BadMessage
from leaver.outcomes import Result
from tests.fake_secrets import PARENT
from tests.fakes import NOW


def connection(name: str = "zoom", **other: Any) -> Connection:
    """A service connection to Zoom by refresh token, in use, with half an hour to go."""
    usual: dict[str, Any] = {
        "connection": name,
        "provider": "zoom",
        "account": "acme",
        "grant_type": "refresh_token",
        "owner": "it@example.com",
        "role": "service",
        "status": Status.ACTIVE,
        "version": PARENT,
        "expires_at": NOW + timedelta(minutes=30),
        "refresh_at": NOW + timedelta(minutes=20),
    }
    return Connection(**usual | other)


class InMemoryConnections(Connections):
    """Records by name."""

    def __init__(self, *records: Connection) -> None:
        self.records = {record.connection: record for record in records}

    def read(self, name: str) -> Connection:
        if name not in self.records:
            raise BadMessage("connection: expected the name of a connection that exists")
        return self.records[name]

    def due(self, now: datetime) -> Iterator[Due]:
        for record in self.records.values():
            if record.status is Status.ACTIVE and record.refresh_at <= now:
                yield Due(connection=record.connection, version=record.version)

    def record_refreshed(self, old: Connection, *, version: str, expires_at: datetime, refresh_at: datetime) -> bool:
        standing = self.records[old.connection]
        if (standing.version, standing.status) != (old.version, old.status):
            return False
        return self.change(old.connection, version=version, expires_at=expires_at, refresh_at=refresh_at)

    def needs_reauthorization(self, record: Connection) -> bool:
        standing = self.records[record.connection]
        if standing.version != record.version or standing.status not in {Status.ACTIVE, Status.COOLING_DOWN}:
            return False
        return self.change(record.connection, status=Status.NEEDS_REAUTHORIZATION)

    def begin_revoking(self, name: str) -> None:
        if self.records[name].status is not Status.REVOKED:
            self.change(name, status=Status.REVOKING)

    def retire(self, name: str, result: Result) -> None:
        if self.records[name].status is Status.REVOKING:
            self.change(
                name,
                status=Status.REVOKED,
                revoked_outcome=result.outcome,
                revoked_status=result.provider_status,
                revoked_tracking_id=result.tracking_id,
            )

    def change(self, name: str, **to: Any) -> bool:
        """Change a record behind everybody's back."""
        self.records[name] = self.records[name].model_copy(update=to)
        return True
