"""From a person's consent to a connection that works: what is written, in which order, and what becomes of the old."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal
from uuid import NAMESPACE_URL, uuid5

from pydantic import SecretStr

from leaver.connections.grants import REFRESH_TOKEN, ProviderGrants
from leaver.connections.record import Connection, Connections, Status
from leaver.connections.refresh_policy import next_refresh
from leaver.errors import BadMessage, InvalidGrant, LeaseHeld, LeaverError, NotKept, Rejected
from leaver.outcomes import Outcome
from leaver.storage.secrets import SecretStore
from leaver.storage.tables import timestamp
from leaver.tokens import AppCredentials, GrantedTokens, TokenSet

#: how often Secrets Manager is asked again to keep what was just granted, and how long after, in seconds
ATTEMPTS: Final = 30
PAUSE: Final = 1.0


@dataclass(frozen=True)
class NewConnection:
    """What a person wants to connect, and the one call that gets its first tokens."""

    name: str
    #: its name in the registry
    provider: str
    #: the provider's name for whose connection it is: a Zoom account id, a Venafi host
    account: str
    grant_type: str
    role: Literal["service", "personal"]
    owner: str
    credentials: AppCredentials
    #: exchanges the code, or logs in; called once the connection is ours to change
    obtain: Callable[[], GrantedTokens] = field(repr=False)
    #: asks the provider who consented to what an access token stands for; None: it does not say. Raises LeaverError
    consented: Callable[[SecretStr], str | None] = field(default=lambda _: None, repr=False)


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
class _Former:
    """What a connection was before: its record, with our intent on it, and whose its grant is."""

    held: Connection
    #: None: they can't be read
    credentials: AppCredentials | None
    #: as the provider calls them; None: nobody can be asked
    consented: str | None


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
        """Take the connection's intent, get the tokens, keep them, record them, and end the grant they replace.

        Raises LeaseHeld where somebody else changes the connection, Rejected where it can't be replaced by this one,
        NotKept where Secrets Manager did not take the tokens, NotRead, and what `obtain` raises.
        """
        held = self._held(new)
        try:
            former = None if held is None else self._former(held, new)
            granted = new.obtain()
        except LeaverError:
            self._release(held)
            raise
        record = self._record(new, granted)
        try:
            self._keep(lambda: self.secret_store.begin(new.name, record.version, _as_kept(granted)))
            if former is not None:
                # Before anybody can work through the new tokens, and nobody else reads them: the intent is ours.
                self._keep(lambda: self.secret_store.keep_credentials(new.name, credentials_json(new.credentials)))
        except NotKept as failure:
            ended = self._withdrawn(new, record, granted, former)
            raise NotKept(f"{failure.reason}; the new grant: {ended}") from None
        if former is not None:
            return self._switched(new, former, record, granted)
        if not self.connections.add(record):
            ended = self._withdrawn(new, record, granted, None)
            raise LeaseHeld(f"connection {new.name} was made by somebody else meanwhile; the new grant: {ended}")
        # Now that the name is ours: somebody else's credentials are not to be overwritten.
        self._keep(lambda: self.secret_store.keep_credentials(new.name, credentials_json(new.credentials)))
        return Established(record, granted)

    def _held(self, new: NewConnection) -> Connection | None:
        try:
            before = self.connections.read(new.name)
        except BadMessage:
            return None
        if before.provider != new.provider:
            raise Rejected(f"connection {new.name} is one to {before.provider}: choose another name")
        if before.status is Status.REVOKING:
            raise LeaseHeld(f"connection {new.name} is being revoked: wait until it is")
        held = self.connections.compare_and_swap(before, before.leased(self.holder, self.clock()))
        if held is None:
            raise LeaseHeld(f"connection {new.name} was changed at the same moment")
        return held

    def _former(self, held: Connection, new: NewConnection) -> _Former:
        """Learn what only its own app and its own tokens can tell, while those still work; raises NotRead."""
        try:
            own = self.grants.credentials(held)
        except Rejected:
            own = None
        try:
            version = self.secret_store.newest(held.connection, held.version)
            tokens = self.secret_store.tokens(held.connection, version)
            consented = new.consented(tokens.access_token) if tokens.expires_at > self.clock() else None
        except LeaverError:
            consented = None
        return _Former(held, own, consented)

    def _record(self, new: NewConnection, granted: GrantedTokens) -> Connection:
        now = self.clock()
        return Connection(
            connection=new.name,
            provider=new.provider,
            account=new.account,
            grant_type=new.grant_type,
            role=new.role,
            owner=new.owner,
            status=Status.ACTIVE,
            # Of its own, and no successor of the old grant's: a refresher never takes one for the other.
            version=str(uuid5(NAMESPACE_URL, f"leaver:{new.name}:granted:{self.holder}")),
            expires_at=granted.expires_at,
            refresh_at=next_refresh(new.role, _as_kept(granted), now, self.jitter),
            refreshed_at=now,
            granted_at=now,
        )

    def _keep(self, write: Callable[[], None]) -> None:
        for _ in range(ATTEMPTS - 1):
            try:
                return write()
            except NotKept:
                self.pause(PAUSE)
        return write()

    def _switched(self, new: NewConnection, former: _Former, record: Connection, granted: GrantedTokens) -> Established:
        replaced: list[Connection] = []

        def to(standing: Connection) -> Connection | None:
            if standing.status is Status.REVOKING:
                return None
            replaced[:] = [standing]
            return standing.authorized(record, now=self.clock())

        written = self.connections.change(record.connection, to)
        if written is None:
            ended = self._withdrawn(new, record, granted, former)
            raise LeaseHeld(f"connection {record.connection} is being revoked; the new grant: {ended}")
        (old,) = replaced
        if old.status is Status.REVOKED:
            self._ended(old, written, old.revoked_outcome)
            return Established(written, granted)
        try:
            ended = self._old_grant(old, former, new, granted)
        except LeaverError as error:
            return Established(written, granted, f"not confirmed: {error.reason}", old_grant_ended=False)
        self._ended(old, written, ended)
        return Established(written, granted, ended)

    def _ended(self, old: Connection, written: Connection, said: str | None) -> None:
        """Note that the grant of the owner before has ended: the case of one who left waits for it."""
        if old.owner != written.owner and said is not None:
            outcome = Outcome.REVOKED if said == Outcome.REVOKED else Outcome.ALREADY_GONE
            self.connections.change(written.connection, lambda standing: standing.replaced(outcome, said))

    def _old_grant(self, old: Connection, former: _Former, new: NewConnection, granted: GrantedTokens) -> str:
        """End the grant that the connection had, unless it ends by itself; raises LeaverError where it may live on."""
        if self.grants.reauthenticates(old) and not self.grants.outlives(old):
            return f"a server-to-server token, which ends at {timestamp(old.expires_at)}"
        own = former.credentials
        if own is None:
            raise Rejected("the credentials that it was made with can't be read any more")
        is_same_app = own.client_id == new.credentials.client_id
        if is_same_app and self._is_replaced(old, former, new, granted):
            return "ended by the new one"
        # Of one app the newer secret is the one that works.
        grants = self.grants.by(new.credentials if is_same_app else own)
        version = self.secret_store.newest(old.connection, old.version)
        tokens = self.secret_store.tokens(old.connection, version)
        if tokens.expires_at > self.clock():
            result = grants.revoke(old, tokens.access_token)
            proved = result.outcome is Outcome.REVOKED and grants.proves_revocation(old)
            if proved or tokens.refresh_token is None:
                return result.outcome
        if tokens.refresh_token is None:
            return Outcome.ALREADY_GONE
        if old.encrypted_refresh_token and version == old.version:
            raise Rejected("its newest refresh token lies encrypted in the record, for the refresher alone")
        return self._renewed_and_revoked(old, tokens, grants, known=not old.unanswered_since or version != old.version)

    def _renewed_and_revoked(self, old: Connection, tokens: TokenSet, grants: ProviderGrants, *, known: bool) -> str:
        """End a grant whose access token says nothing any more; `known`: no lost answer replaced its tokens."""
        try:
            renewed = grants.refresh(old, tokens)
        except InvalidGrant:
            if not known:
                raise Rejected("a refresh of it was never answered, and what that issued can't be named") from None
            return Outcome.ALREADY_GONE
        result = grants.revoke(old, renewed.access_token)
        if result.outcome is Outcome.ALREADY_GONE and renewed.expires_at <= self.clock():
            raise Rejected("its new access token expired before it was revoked: this machine must have slept")
        held = renewed.refresh_token or tokens.refresh_token
        _prove(grants, old, tokens.model_copy(update={"refresh_token": held}))
        return result.outcome

    def _is_replaced(self, old: Connection, former: _Former, new: NewConnection, granted: GrantedTokens) -> bool:
        """Whether the new authorization ends the old one by itself: to revoke the old one could then end the new."""
        if not self.grants.ends_by_consent(old) or new.grant_type != REFRESH_TOKEN:
            return False
        try:
            consented = new.consented(granted.access_token) if former.consented else None
        except LeaverError:
            consented = None
        # Where nobody can be asked, whoever owned it is taken for who consented.
        return former.consented == consented if consented else old.owner == new.owner

    def _withdrawn(self, new: NewConnection, record: Connection, granted: GrantedTokens, former: _Former | None) -> str:
        """Undo a grant that came to nothing, leave the old one as it was, and say what became of the new."""
        try:
            grants = self.grants.by(new.credentials)
            ended: str = grants.revoke(record, granted.access_token).outcome
            _prove(grants, record, _as_kept(granted))
        except LeaverError as error:
            ended = f"not confirmed: {error.reason}; end it at the provider"
        if former is None:
            return ended
        if (own := former.credentials) is not None:
            try:
                # Whoever revokes the old grant does it by the app that it is of.
                self._keep(lambda: self.secret_store.keep_credentials(new.name, credentials_json(own)))
            except NotKept:
                ended += "; the connection's own credentials could not be put back: connect it again"
        self._release(former.held)
        return ended

    def _release(self, held: Connection | None) -> None:
        if held is not None:
            self.connections.change(
                held.connection,
                lambda standing: standing.released() if standing.lease_holder == held.lease_holder else None,
            )


def credentials_json(credentials: AppCredentials) -> SecretStr:
    """Make the JSON of secret `<prefix>/credentials/<connection>`."""
    told = {name: value for name, value in credentials if value is not None}
    clear = {k: v.get_secret_value() if isinstance(v, SecretStr) else v for k, v in told.items()}
    return SecretStr(json.dumps(clear))


def _prove(grants: ProviderGrants, record: Connection, revoked: TokenSet) -> None:
    """Raise Rejected where a grant that was just revoked goes on; asks only a provider whose word proves nothing."""
    if revoked.refresh_token is None or grants.proves_revocation(record):
        return
    try:
        grants.refresh(record, revoked)
    except InvalidGrant:
        return
    raise Rejected("the provider called it revoked, and renews it still")


def _as_kept(granted: GrantedTokens) -> TokenSet:
    return TokenSet(
        access_token=granted.access_token,
        refresh_token=granted.refresh_token,
        expires_at=granted.expires_at,
        scope=granted.scope,
    )
