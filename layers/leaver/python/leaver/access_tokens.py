"""The one way to a connection's access token, for those who only read it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from pydantic import SecretStr

from leaver.connections import Connection, Connections, Status
from leaver.errors import CredentialStale, InvalidToken, NeedsReauthorization, Rejected
from leaver.vault import Vault

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class AccessTokens:
    """Reads, and says what it saw refused; it never refreshes."""

    connections: Connections
    vault: Vault
    clock: Callable[[], datetime]

    def with_token(self, name: str, call: Callable[[Connection, SecretStr], Answer]) -> Answer:
        """Call with the connection's access token; once more if it was refused and has been replaced meanwhile.

        Raises CredentialStale where the refused token is still the stored one: readers never refresh.
        """
        record = self._usable(name)
        try:
            return call(record, self._access_token(record))
        except InvalidToken as refused:
            newer = self._usable(name)
            if newer.version == record.version:
                raise _stale(record, refused) from None
        try:
            return call(newer, self._access_token(newer))
        except InvalidToken as refused:
            raise _stale(newer, refused) from None

    def _usable(self, name: str) -> Connection:
        record = self.connections.read(name)
        match record.status:
            case Status.NEEDS_REAUTHORIZATION:
                raise NeedsReauthorization(f"connection {name} needs a person to authorize it again")
            case Status.REVOKING | Status.REVOKED:
                raise Rejected(f"connection {name} is {record.status}")
        return record

    def _access_token(self, record: Connection) -> SecretStr:
        # A token known to be dead is not worth a call: providers disable apps that fail too often.
        if record.expires_at <= self.clock():
            raise InvalidToken(f"the access token of connection {record.connection} has expired")
        return self.vault.tokens(record.connection, record.version).access_token


def _stale(record: Connection, refused: InvalidToken) -> CredentialStale:
    return CredentialStale(
        f"the access token of connection {record.connection} is refused",
        connection=record.connection,
        version=record.version,
        provider_status=refused.provider_status,
        provider_code=refused.provider_code,
        tracking_id=refused.tracking_id,
    )
