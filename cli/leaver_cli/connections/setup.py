"""From a person's consent to a connection that works: what is written, and in which order."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from pydantic import SecretStr

from leaver.connections.grants import ProviderGrants
from leaver.connections.lease import Lease, take_lease
from leaver.connections.record import Connection, Connections, Status
from leaver.connections.refresh_policy import next_refresh
from leaver.errors import BadMessage, LeaseHeld, LeaverError, NotKept, Rejected
from leaver.outcomes import Outcome
from leaver.storage.secrets import SecretStore
from leaver.tokens import AppCredentials, GrantedTokens
from leaver_cli.connections.old_grant import OldGrant, OldGrants, revoke_and_prove
from leaver_cli.connections.request import NewConnection

#: how often Secrets Manager is asked again to store what was just granted, and how long after, in seconds
ATTEMPTS: Final = 30
PAUSE: Final = 1.0


@dataclass(frozen=True)
class Established:
    """A connection that works, and what became of the grant that it had before."""

    record: Connection
    #: what it works with
    granted: GrantedTokens
    #: in words; None: it had none
    old_grant: str | None = None
    #: false: the old grant may live, and only a person can end it at the provider
    old_grant_ended: bool = True


@dataclass(frozen=True)
class _Replacement:
    """A connection that is authorized again: this run's lease on it, and the grant that it has."""

    lease: Lease
    old_grant: OldGrant


@dataclass(frozen=True)
class ConnectionSetup:
    """What the writing needs."""

    connections: Connections
    secret_store: SecretStore
    grants: ProviderGrants
    #: names this run: `connect#` and what tells it from all others
    holder: str
    clock: Callable[[], datetime]
    pause: Callable[[float], None]
    jitter: Callable[[float, float], float] = field(default=random.uniform)

    def establish(self, new: NewConnection) -> Established:
        """Take the connection's lease, get the tokens, store them, record them, and end the grant they replace.

        Raises LeaseHeld where another run changes the connection, Rejected where it can't be replaced by this one,
        NotKept where Secrets Manager did not take the tokens, NotRead, and what `obtain` raises.
        """
        if "#" in new.account:
            # Before anything is asked for: no record could be written.
            raise Rejected(f"account {new.account}: expected an account without #")
        lease = self._take_lease(new)
        try:
            replacement = _Replacement(lease, self._build_old_grants.read(lease.record, new)) if lease else None
            granted = new.obtain()
        except LeaverError:
            if lease:
                lease.release()
            raise
        record = self._new_record(new, granted)
        try:
            self._store(lambda: self.secret_store.store_first(new.place, record.version, granted.as_token_set()))
            if replacement:
                # Before anybody can work through the new tokens, and nobody else reads them: the lease is ours.
                self._store(lambda: self.secret_store.store_credentials(new.place, credentials_json(new.credentials)))
        except NotKept as failure:
            ended = self._withdraw(new, record, granted, replacement)
            raise NotKept(f"{failure.reason}; the new grant: {ended}") from None
        if replacement:
            return self._replace(new, record, granted, replacement)
        if not self.connections.add(record):
            ended = self._withdraw(new, record, granted, None)
            raise LeaseHeld(f"connection {new.name} was made by somebody else meanwhile; the new grant: {ended}")
        # Now that the name is ours: somebody else's credentials are not to be overwritten.
        self._store(lambda: self.secret_store.store_credentials(new.place, credentials_json(new.credentials)))
        return Established(record, granted)

    def _take_lease(self, new: NewConnection) -> Lease | None:
        """Take the lease of a connection that is to be replaced; None where there is none of that name."""
        try:
            record = self.connections.read(new.name)
        except BadMessage:
            return None
        if record.provider != new.provider:
            raise Rejected(f"connection {new.name} is one to {record.provider}: choose another name")
        # Leavers lose what they have at an account as long as a record stands for it: this one must go on doing so.
        stands = record.role == "service" and record.given_up_at is None
        if stands and (record.account, record.role) != (new.account, new.role):
            raise Rejected(
                f"connection {new.name} stands for account {record.account}, which leavers would keep: choose another "
                f"name, or give that account up: leaver disconnect {new.name} --give-up-account"
            )
        if record.status is Status.REVOKING:
            raise LeaseHeld(f"connection {new.name} is being revoked: wait until it is")
        record.refuse_to_forget(new.owner)
        return take_lease(self.connections, record, holder=self.holder, now=self.clock())

    def _new_record(self, new: NewConnection, granted: GrantedTokens) -> Connection:
        now = self.clock()
        return Connection(
            connection=new.name,
            provider=new.provider,
            account=new.account,
            grant_type=new.grant_type,
            role=new.role,
            owner=new.owner,
            owner_id=_find_owner_id(new, granted),
            status=Status.ACTIVE,
            # Of its own, and no successor of the old grant's: a refresher never takes one for the other.
            version=str(uuid5(NAMESPACE_URL, f"leaver:{new.name}:granted:{self.holder}")),
            expires_at=granted.expires_at,
            refresh_at=next_refresh(new.role, granted.as_token_set(), now, self.jitter),
            refreshed_at=now,
            granted_at=now,
            unanswered_since=now if granted.is_partial else None,
        )

    def _store(self, write: Callable[[], None]) -> None:
        for _ in range(ATTEMPTS - 1):
            try:
                return write()
            except NotKept:
                self.pause(PAUSE)
        return write()

    def _replace(
        self, new: NewConnection, record: Connection, granted: GrantedTokens, replacement: _Replacement
    ) -> Established:
        """Put the new record in the place of the old one, whoever has the lease by now, and end the old grant."""
        replaced: list[Connection] = []

        def change(current: Connection) -> Connection | None:
            if current.status is Status.REVOKING:
                return None
            replaced[:] = [current]
            return current.with_new_grant(record, now=self.clock())

        written = self.connections.change(new.name, change)
        if written is None:
            ended = self._withdraw(new, record, granted, replacement)
            raise LeaseHeld(f"connection {new.name} is being revoked; the new grant: {ended}")
        (old,) = replaced
        if old.status is Status.REVOKED:
            self._record_end(old, written, old.revoked_outcome)
            return Established(written, granted)
        try:
            ended = self._build_old_grants.end(old, replacement.old_grant, new, granted)
        except LeaverError as error:
            return Established(written, granted, f"not confirmed: {error.reason}", old_grant_ended=False)
        self._record_end(old, written, ended)
        return Established(written, granted, ended)

    def _record_end(self, old: Connection, written: Connection, ended: str | None) -> None:
        """Record that the previous owner's grant has ended: the case of an owner who left waits for it."""
        if written.is_of_another(old) and ended is not None:
            outcome = Outcome.REVOKED if ended == Outcome.REVOKED else Outcome.ALREADY_GONE
            self.connections.change(
                written.connection, lambda current: current.with_replaced_grant_ended(outcome, ended)
            )

    def _withdraw(
        self, new: NewConnection, record: Connection, granted: GrantedTokens, replacement: _Replacement | None
    ) -> str:
        """Revoke a grant that came to nothing, and leave the old one as it was; returns how the new one ended."""
        try:
            ended: str = revoke_and_prove(self.grants.by(new.credentials), record, granted.as_token_set())
        except LeaverError as error:
            ended = f"not confirmed: {error.reason}; end it at the provider"
        if replacement is None:
            return ended
        credentials = replacement.old_grant.credentials
        if credentials is not None:
            try:
                # Whoever revokes the old grant does it by the app that it is of.
                self._store(lambda: self.secret_store.store_credentials(new.place, credentials_json(credentials)))
            except NotKept:
                ended += "; the connection's own credentials could not be put back: connect it again"
        replacement.lease.release()
        return ended

    @property
    def _build_old_grants(self) -> OldGrants:
        return OldGrants(self.secret_store, self.grants, self.clock)


def credentials_json(credentials: AppCredentials) -> SecretStr:
    """Make the JSON of secret `<prefix>/credentials/<provider>/<connection>`."""
    fields = {name: value for name, value in credentials if value is not None}
    clear = {k: v.get_secret_value() if isinstance(v, SecretStr) else v for k, v in fields.items()}
    return SecretStr(json.dumps(clear))


def _find_owner_id(new: NewConnection, granted: GrantedTokens) -> str | None:
    """Find the provider's own id of whose it is; None where the provider can't be asked."""
    try:
        return new.find_owner_id(granted.access_token)
    except LeaverError:
        return None
