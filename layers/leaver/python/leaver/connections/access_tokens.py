"""The one way to a connection's access token, for those who only read it."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import SecretStr

from leaver.connections.record import Connection, Connections, Status
from leaver.errors import BadMessage, CredentialStale, InvalidToken, LeaverError, NeedsReauthorization, Rejected
from leaver.storage.secrets import SecretStore

Answer = TypeVar("Answer")


#: how old a record may be that the commands of a batch share
MAX_RECORD_AGE = timedelta(seconds=2)
#: how old the account of a connection may be: it hardly ever changes, and until then its calls are counted with the old
MAX_ACCOUNT_AGE = timedelta(minutes=1)


@dataclass(frozen=True)
class AccessTokens:
    """Reads one provider's tokens, to act on somebody there, and reports refused ones; it never refreshes."""

    connections: Connections
    secret_store: SecretStore
    clock: Callable[[], datetime]
    #: whose tokens: a token goes to its own provider only
    provider: str
    #: by connection: what was read for a batch, and when
    _records: dict[str, tuple[datetime, Connection]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    #: by connection: the version that was last read, and its token. A version never changes
    _tokens: dict[str, tuple[str, SecretStr]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def account_of(self, name: str) -> str:
        """Whose connection it is, at which provider, as it was a minute ago at the most.

        Raises BadMessage for an unknown one, Rejected for an unusable one.
        """
        read_at, record = self._records.get(name) or self._read(name)
        if read_at < self.clock() - MAX_ACCOUNT_AGE:
            _, record = self._read(name)
        return f"{record.provider}/{record.account}"

    def look_up(self, names: Iterable[str]) -> None:
        """Read the connections of a batch, once for all commands; an error is left to the command that meets it."""
        for name in dict.fromkeys(names):
            with suppress(LeaverError, BotoCoreError, ClientError):
                self._read(name)

    def read_ahead(self, name: str) -> None:
        """Read a connection's token before it is needed; raises what reading raises."""
        self._read(name)
        self._access_token(self._read_usable(name, as_of=self.clock() - MAX_RECORD_AGE))

    def with_token(self, name: str, call: Callable[[Connection, SecretStr], Answer]) -> Answer:
        """Call with the connection's access token; once more if it was refused and has been replaced meanwhile.

        Raises BadMessage where the connection is another provider's or a personal one, and CredentialStale where the
        refused token is still the stored one: readers never refresh.
        """
        record = self._read_usable(name, as_of=self.clock() - MAX_RECORD_AGE)
        try:
            return call(record, self._access_token(record))
        except InvalidToken as refused:
            newer = self._read_usable(name)
            if newer.version == record.version:
                raise _credential_stale(record, refused) from None
        try:
            return call(newer, self._access_token(newer))
        except InvalidToken as refused:
            raise _credential_stale(newer, refused) from None

    def _read_usable(self, name: str, as_of: datetime | None = None) -> Connection:
        read_at, record = self._records.get(name, (None, None))
        if record is None or read_at is None or as_of is None or read_at < as_of:
            record = self.connections.read(name)
        if (record.provider, record.role) != (self.provider, "service"):
            raise BadMessage(f"connection: expected a service connection to {self.provider.title()}")
        match record.status:
            case Status.NEEDS_REAUTHORIZATION:
                raise NeedsReauthorization(f"connection {name} needs a person to authorize it again")
            case Status.REVOKING | Status.REVOKED:
                raise Rejected(f"connection {name} is {record.status}")
        return record

    def _read(self, name: str) -> tuple[datetime, Connection]:
        read = self.clock(), self.connections.read(name)
        self._records[name] = read
        return read

    def _access_token(self, record: Connection) -> SecretStr:
        # A token known to be dead is not worth a call: providers disable apps that fail too often.
        if record.expires_at <= self.clock():
            raise InvalidToken(f"the access token of connection {record.connection} has expired")
        version, access_token = self._tokens.get(record.connection, ("", None))
        if access_token is None or version != record.version:
            is_new = record.has_new_tokens(self.clock())
            access_token = self.secret_store.tokens(record.connection, record.version, is_new=is_new).access_token
            self._tokens[record.connection] = (record.version, access_token)
        return access_token


def _credential_stale(record: Connection, refused: InvalidToken) -> CredentialStale:
    return CredentialStale(
        f"the access token of connection {record.connection} is refused",
        refused.response,
        connection=record.connection,
        version=record.version,
    )
