"""The one way to a connection's access token, for those who only read it."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import SecretStr

from leaver.connections.record import IN_USE, Connection, Connections, Status
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
    #: what stands for a connection that is not named, and when that was found
    _only: list[tuple[datetime, str]] = field(default_factory=list, init=False, repr=False, compare=False)
    #: by connection: the version that was last read, and its token. A version never changes
    _tokens: dict[str, tuple[str, SecretStr]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def connection_for(self, named: str | None, account: str | None = None) -> str:
        """The connection that a command goes over: the one it names, else the provider's only service connection.

        The only one is believed for a minute. Raises BadMessage where there are several, or none, and where the one
        that is named is not a service connection of that account.
        """
        if account is not None and named is None:
            raise BadMessage("connection: expected together with account")
        if named is not None and account is not None:
            self._require_account(named, account)
        if named is not None:
            return named
        if not self._only or self._only[0][0] < self.clock() - MAX_ACCOUNT_AGE:
            self._only[:] = [(self.clock(), self._find_only())]
        return self._only[0][1]

    def require_own(self, named: str) -> None:
        """Raise BadMessage where there is no such connection, and where it is another provider's or a personal one."""
        self._require_own(self._recent(named))

    def _require_account(self, named: str, account: str) -> None:
        # Another account's answer, that it knows nobody of that name, would end a step at this one.
        wanted = (self.provider, account, "service")
        record = self._recent(named)
        if (record.provider, record.account, record.role) != wanted:
            raise BadMessage("connection: expected a service connection of the account that the step is about")

    def account_of(self, name: str) -> str:
        """Whose connection it is, at which provider, as it was a minute ago at the most.

        Raises BadMessage for an unknown one, Rejected for an unusable one.
        """
        read_at, record = self._records.get(name) or self._read(name)
        if read_at < self.clock() - MAX_ACCOUNT_AGE:
            _, record = self._read(name)
        return f"{record.provider}/{record.account}"

    def look_up(self, names: Iterable[str]) -> None:
        """Read the connections of a batch, and a new token, once for all; an error is left to whoever meets it."""
        for name in dict.fromkeys(names):
            with suppress(LeaverError, BotoCoreError, ClientError):
                record = self._recent(name)
                self._require_own(record)
                if record.status in IN_USE:
                    # Side by side, each of the batch would ask for it, and each request is paid for.
                    self._access_token(record)

    def read_ahead(self) -> None:
        """Read the tokens of the provider's service connections before they are needed; raises what reading raises."""
        with suppress(BadMessage):
            self.connection_for(None)
        for _, record in list(self._records.values()):
            if record.status in IN_USE:
                self._access_token(record)

    def with_token(self, named: str | None, call: Callable[[Connection, SecretStr], Answer]) -> Answer:
        """Call with the connection's access token; once more if it was refused and has been replaced meanwhile.

        Without a name it is the connection that connection_for() finds. Raises BadMessage where the connection is
        another provider's or a personal one, and CredentialStale where a token that is not accepted is still the stored
        one: readers never refresh.
        """
        name = self.connection_for(named)
        record = self._read_usable(name, as_of=self.clock() - MAX_RECORD_AGE)
        try:
            return call(record, self._access_token(record))
        except (InvalidToken, Rejected) as refused:
            # The new one may do what this one may not: somebody granted a scope.
            newer = self._read_usable(name)
            if newer.version == record.version:
                raise (_credential_stale(record, refused) if isinstance(refused, InvalidToken) else refused) from None
        try:
            return call(newer, self._access_token(newer))
        except InvalidToken as refused:
            raise _credential_stale(newer, refused) from None

    def scope_of(self, record: Connection) -> str:
        """Which scopes the connection's tokens have, as its provider wrote them; empty where it did not say."""
        is_new = record.has_new_tokens(self.clock())
        return self.secret_store.tokens(record.place, record.version, is_new=is_new).scope

    def _find_only(self) -> str:
        names = []
        for each in self.connections.service_connections(self.provider):
            if isinstance(each, Connection):
                self._records[each.connection] = self.clock(), each
                if each.status in {Status.REVOKING, Status.REVOKED, Status.CONNECTING}:
                    continue
            names.append(each.connection)
        provider = self.provider.title()
        if not names:
            raise BadMessage(f"connection: expected a service connection to {provider}, and there is none")
        if len(names) > 1:
            raise BadMessage(f"connection: expected the name of one of several service connections to {provider}")
        return names[0]

    def _read_usable(self, name: str, as_of: datetime | None = None) -> Connection:
        read_at, record = self._records.get(name, (None, None))
        if record is None or read_at is None or as_of is None or read_at < as_of:
            record = self.connections.read(name)
        self._require_own(record)
        match record.status:
            case Status.NEEDS_REAUTHORIZATION:
                raise NeedsReauthorization(f"connection {name} needs a person to authorize it again")
            case Status.REVOKING | Status.REVOKED | Status.CONNECTING:
                raise Rejected(f"connection {name} is {record.status}")
        return record

    def _require_own(self, record: Connection) -> None:
        if (record.provider, record.role) != (self.provider, "service"):
            raise BadMessage(f"connection: expected a service connection to {self.provider.title()}")

    def _recent(self, name: str) -> Connection:
        """A record as it was MAX_RECORD_AGE ago at the most."""
        read_at, record = self._records.get(name) or self._read(name)
        return record if read_at >= self.clock() - MAX_RECORD_AGE else self._read(name)[1]

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
            access_token = self.secret_store.tokens(record.place, record.version, is_new=is_new).access_token
            self._tokens[record.connection] = (record.version, access_token)
        return access_token


def _credential_stale(record: Connection, refused: InvalidToken) -> CredentialStale:
    return CredentialStale(
        f"the access token of connection {record.connection} is refused",
        refused.response,
        connection=record.connection,
        version=record.version,
    )
