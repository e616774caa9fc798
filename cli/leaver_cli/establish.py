"""From a person's consent to a connection that works: what is written, in which order, and what becomes of the old."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal
from uuid import NAMESPACE_URL, uuid5

from pydantic import SecretStr

from leaver.connections import Connection, Connections, Status
from leaver.errors import BadMessage, Held, InvalidGrant, LeaverError, NotKept, Rejected
from leaver.grants import Grants
from leaver.outcomes import Outcome, Result
from leaver.rotation import next_refresh
from leaver.tokens import GrantedTokens, TokenSet
from leaver.vault import Vault

#: how often Secrets Manager is asked again to keep what was just granted, and how long after, in seconds
ATTEMPTS: Final = 30
PAUSE: Final = 1.0


@dataclass(frozen=True)
class NewConnection:
    """What a person wants to connect, and the one call that gets its first tokens."""

    name: str
    provider: Literal["zoom", "venafi"]
    #: the provider's name for whose connection it is: a Zoom account id, a Venafi host
    account: str
    grant_type: Literal["refresh_token", "account_credentials", "certificate", "jwt", "password"]
    role: Literal["service", "personal"]
    owner: str
    #: the JSON of the `credentials` secret
    credentials: SecretStr
    #: exchanges the code, or logs in; called once the connection is ours to change
    obtain: Callable[[], GrantedTokens]


@dataclass(frozen=True)
class Established:
    """A connection that works, and what became of the grant that it had before."""

    record: Connection
    #: None: there was none, or the provider itself ends it
    old_grant: Result | None
    #: why the provider has not confirmed the end of the old grant
    not_confirmed: str | None = None


@dataclass(frozen=True)
class Establishing:
    """What the writing needs."""

    connections: Connections
    vault: Vault
    grants: Grants
    #: names this run: `connect#` and what tells it from all others
    holder: str
    clock: Callable[[], datetime]
    pause: Callable[[float], None]
    jitter: Callable[[float, float], float] = field(default=random.uniform)

    def establish(self, new: NewConnection) -> Established:
        """Take the connection's intent, get the tokens, keep them, record them, and end the grant they replace.

        Raises Held where somebody else changes the connection, Rejected where it can't be replaced by this one, NotKept
        where Secrets Manager did not take the tokens, and what `obtain` raises.
        """
        held = self._held(new)
        try:
            granted = new.obtain()
        except LeaverError:
            self._let_go(held)
            raise
        record, tokens = self._kept(new, granted)
        self.vault.keep_credentials(new.name, new.credentials)
        if held is None:
            if not self.connections.add(record):
                raise self._withdrawn(record, tokens, f"connection {new.name} was made by somebody else meanwhile")
            return Established(record, None)
        return self._switched(held, record, tokens)

    def _held(self, new: NewConnection) -> Connection | None:
        try:
            before = self.connections.read(new.name)
        except BadMessage:
            return None
        if before.provider != new.provider:
            raise Rejected(f"connection {new.name} is one to {before.provider}: choose another name")
        if before.status is Status.REVOKING:
            raise Held(f"connection {new.name} is being revoked: wait until it is")
        held = self.connections.swap(before, before.held(self.holder, self.clock()))
        if held is None:
            raise Held(f"connection {new.name} was changed at the same moment")
        return held

    def _kept(self, new: NewConnection, granted: GrantedTokens) -> tuple[Connection, TokenSet]:
        now = self.clock()
        tokens = TokenSet(
            access_token=granted.access_token,
            refresh_token=granted.refresh_token,
            expires_at=granted.expires_at,
            scope=granted.scope,
        )
        # Of its own, and no successor of the old grant's: a refresher never takes one for the other.
        version = str(uuid5(NAMESPACE_URL, f"leaver:{new.name}:granted:{self.holder}"))
        for attempt in range(ATTEMPTS):
            try:
                self.vault.begin(new.name, version, tokens)
                break
            except NotKept:
                if attempt == ATTEMPTS - 1:
                    raise
                self.pause(PAUSE)
        record = Connection(
            connection=new.name,
            provider=new.provider,
            account=new.account,
            grant_type=new.grant_type,
            role=new.role,
            owner=new.owner,
            status=Status.ACTIVE,
            version=version,
            expires_at=tokens.expires_at,
            refresh_at=next_refresh(new.role, tokens, now, self.jitter),
            refreshed_at=now,
            granted_at=now,
        )
        return record, tokens

    def _switched(self, held: Connection, record: Connection, tokens: TokenSet) -> Established:
        replaced: list[Connection] = []

        def to(standing: Connection) -> Connection | None:
            if standing.status is Status.REVOKING:
                return None
            replaced[:] = [standing]
            return standing.authorized(record, now=self.clock())

        written = self.connections.change(record.connection, to)
        if written is None:
            raise self._withdrawn(record, tokens, f"connection {record.connection} is being revoked", held)
        (old,) = replaced
        if old.status is Status.REVOKED or self._ends_by_itself(old, record):
            return Established(written, None)
        try:
            return Established(written, self._ended(old))
        except LeaverError as error:
            return Established(written, None, not_confirmed=error.reason)

    @staticmethod
    def _ends_by_itself(old: Connection, new: Connection) -> bool:
        # Zoom knows one pair for each user and app, and a new authorization retires the last (4741): to revoke the old
        # one could end the new. A server-to-server token is nobody's grant, and dies within the hour.
        return old.provider == "zoom" and (old.owner == new.owner or old.grant_type == "account_credentials")

    def _ended(self, old: Connection) -> Result:
        """Revoke the grant that the connection had, with the newest tokens that there are of it."""
        version = self.vault.newest(old.connection, old.version)
        held = self.vault.tokens(old.connection, version)
        if held.expires_at > self.clock():
            result = self.grants.revoke(old, held.access_token)
            if result.outcome is Outcome.REVOKED or held.refresh_token is None:
                return result
        if held.refresh_token is None:
            return Result(Outcome.ALREADY_GONE)
        try:
            granted = self.grants.refresh(old, held)
        except InvalidGrant as gone:
            if old.unanswered_since and version == old.version:
                raise Rejected("a refresh of it was never answered, and what that issued can't be named") from None
            return Result.told_by(gone, Outcome.ALREADY_GONE)
        return self.grants.revoke(old, granted.access_token)

    def _withdrawn(self, record: Connection, tokens: TokenSet, reason: str, held: Connection | None = None) -> Held:
        """Undo a grant that came too late; returns what is to be raised."""
        result = self.grants.revoke(record, tokens.access_token)
        self._let_go(held)
        return Held(f"{reason}; the new grant: {result.outcome}")

    def _let_go(self, held: Connection | None) -> None:
        if held is not None:
            self.connections.change(
                held.connection, lambda standing: standing.let_go() if standing.held_by == held.held_by else None
            )
