"""The Connections table in memory, with the same conditions; tests/integration/test_connections.py holds it to them."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from leaver.connections.record import IN_USE, Connection, Connections, Role, Status, Unreadable
from leaver.errors import BadMessage
from leaver.messages.names import name_of
from leaver.messages.publisher import Due
from tests.doubles.clock import NOW
from tests.doubles.secrets_manager import PARENT


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

    def read_all(self) -> Iterator[Connection]:
        yield from self.records.values()

    def add(self, record: Connection) -> bool:
        return self.records.setdefault(record.connection, record) == record

    def compare_and_swap(self, old: Connection, new: Connection) -> Connection | None:
        if self.records[old.connection].item_version != old.item_version:
            return None
        written = new.model_copy(update={"item_version": old.item_version + 1})
        self.put(written)
        return written

    def due(self, now: datetime) -> Iterator[Due]:
        came = [each for each in self.records.values() if each.status in IN_USE and each.refresh_at <= now]
        for record in sorted(came, key=lambda each: each.refresh_at):
            yield Due(connection=record.connection, version=record.version)

    def count_needing_reauthorization(self) -> int:
        return sum(record.status is Status.NEEDS_REAUTHORIZATION for record in self.records.values())

    def count_failing(self) -> int:
        cooling = [record for record in self.records.values() if record.status is Status.COOLING_DOWN]
        return sum(record.trouble_since is not None for record in cooling)

    def owned_by(self, *owners: str) -> list[str]:
        those = {
            name: {name_of(each.strip()) for each in (record.owner, record.owner_id or "", record.replaced_owner or "")}
            for name, record in self.records.items()
        }
        found = [name for owner in owners for name in sorted(those) if name_of(owner.strip()) in those[name]]
        return list(dict.fromkeys(found))

    def service_connections(self, provider: str) -> Iterator[Connection | Unreadable]:
        for record in list(self.records.values()):
            if (record.role, record.provider) == ("service", provider):
                yield self.read(record.connection)

    def read_of(self, role: Role) -> Iterator[Connection]:
        yield from (each for each in list(self.records.values()) if each.role == role and each.status in IN_USE)

    def put(self, record: Connection) -> None:
        """Keep it as the table does: in UTC and to the second."""
        told = {name: value.replace(microsecond=0) for name, value in record if isinstance(value, datetime)}
        self.records[record.connection] = record.model_copy(update=told)

    def alter(self, name: str, **to: Any) -> None:
        """Change a record behind everybody's back."""
        standing = self.records[name]
        self.put(standing.model_copy(update=to | {"item_version": standing.item_version + 1}))
