"""How a connection's tokens are replaced and none is lost: intent, one call, write first, record, tell."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import SecretStr

from leaver.connections.grants import ProviderGrants
from leaver.connections.record import IN_USE, Connection, Connections, Status
from leaver.connections.refresh_policy import TELL_AFTER, allows, cooling, is_needed, next_refresh
from leaver.errors import (
    AnswerLost,
    InvalidClient,
    InvalidGrant,
    LeaseHeld,
    LeaverError,
    NeedsReauthorization,
    NotKept,
    NotRead,
    NotSent,
    OutOfTime,
    ProviderUnavailable,
    Rejected,
    Superseded,
    Throttled,
)
from leaver.messages.commands import RefreshAccessToken
from leaver.messages.events import ConnectionAnnouncement
from leaver.messages.publisher import Publisher
from leaver.outcomes import Outcome, Result
from leaver.storage.encryption import TokenEncryption
from leaver.storage.secrets import SecretStore
from leaver.storage.tables import timestamp
from leaver.tokens import GrantedTokens, TokenSet

#: twice what a call may take (3 s to connect, 30 s to read): with less left, its answer might find nobody alive
TIME_FOR_A_CALL: Final = timedelta(seconds=66)
#: what is left for KMS and the table when Secrets Manager has not taken the tokens
TIME_TO_ENCRYPT: Final = timedelta(seconds=12)
#: seconds until a version that somebody has just written is surely seen
SECOND_LOOK: Final = 2.0
#: seconds between two attempts to keep new tokens
PAUSE: Final = 0.5


@dataclass(frozen=True)
class TokenRefresher:
    """Everything that a refresh touches; docs/decisions/2026-11-25-one-refresher.md says why in this order."""

    connections: Connections
    #: whether a tombstone stands on any of these names
    has_left: Callable[[Iterable[str]], bool]
    secret_store: SecretStore
    grants: ProviderGrants
    token_encryption: TokenEncryption
    publisher: Publisher
    #: names this run: `refresh#` and what tells it from all others
    holder: str
    clock: Callable[[], datetime]
    #: until the process is killed
    remaining: Callable[[], timedelta]
    #: waits, in seconds
    pause: Callable[[float], None]
    jitter: Callable[[float, float], float] = field(default=random.uniform)

    def refresh(self, command: RefreshAccessToken) -> Result | None:
        """Replace the tokens if they are due, refused or asked for; None where it served a revocation, which tells.

        Raises InvalidGrant when a person must authorize the connection anew, Rejected when one must mend its
        configuration, LeaseHeld and OutOfTime before anything was asked, and what came in the way otherwise.
        """
        try:
            return self._refresh(command)
        finally:
            self._tell(command.connection)

    def _refresh(self, command: RefreshAccessToken) -> Result | None:
        before, now = self.connections.read(command.connection), self.clock()
        if before.owed and before.status is Status.NEEDS_REAUTHORIZATION:
            # A run was killed before anybody heard of it.
            raise NeedsReauthorization(before.reason or "the grant is dead")
        if declined := self._declined(before, command, now):
            return declined
        after = before.leased(self.holder, now)
        if command.for_revocation:
            after = after.model_copy(update={"status": Status.REVOKING})
        record = self.connections.compare_and_swap(before, after)
        if record is None:
            raise LeaseHeld(f"connection {command.connection} was changed at the same moment")
        try:
            return self._replaced(record, command)
        except (Throttled, OutOfTime, NotKept, NotRead, Superseded):
            self._release(record)
            raise
        except ProviderUnavailable as error:
            self._cools_down(record, error, unanswered=not isinstance(error, NotSent))
            raise
        except Rejected as error:
            is_news = self._cools_down(record, error, at_once=True)
            if is_news or command.force or command.for_revocation:
                raise
            # Somebody has been told, and the schedule goes on trying.
            return Result(Outcome.REFUSED, details={"status": Status.COOLING_DOWN})

    def _declined(self, record: Connection, command: RefreshAccessToken, now: datetime) -> Result | None:
        """Why nothing is to be done, where that is so."""
        if not allows(record, command, now):
            return Result(Outcome.REFUSED, details={"status": record.status})
        if not is_needed(record, command, now):
            return Result(Outcome.STILL_FRESH)
        # A service connection goes on: nobody switches Leaver off by leaving.
        if record.role == "personal" and not command.for_revocation and self.has_left([record.owner]):
            return Result(Outcome.REFUSED, details={"because": "its owner left"})
        return None

    def _replaced(self, record: Connection, command: RefreshAccessToken) -> Result | None:
        """Do it, with the intent on the record."""
        version, held = self._newest(record)
        fresh = held.expires_at > self.clock()
        # A lost answer may have replaced what is on record; a pair that was found beside it is that answer.
        known = version != record.version or record.unanswered_since is None
        says_enough = self.grants.proves_revocation(record) or held.refresh_token is None
        if command.for_revocation and fresh and known and says_enough and command.failed_version != version:
            self._revoked(record, held)
            return None
        if version != record.version:
            if fresh and not command.for_revocation:
                return self._recorded(record, version, held)
            # So that a call is always made from the version on record, and its answer can only be that one's successor.
            record = self._caught_up(record, version, held)
        if self.remaining() < TIME_FOR_A_CALL:
            raise OutOfTime(f"connection {record.connection}: too little time is left to refresh")
        try:
            granted = self._asked(record, held)
        except InvalidGrant as dead:
            return self._without_grant(record, held, command, dead)
        return self._kept(record, held, granted)

    def _newest(self, record: Connection) -> tuple[str, TokenSet]:
        """Find the newest tokens there are: an earlier run may have been killed before it recorded its own."""
        version = self.secret_store.newest(record.connection, record.version)
        held = self.secret_store.tokens(record.connection, version)
        if record.encrypted_refresh_token is None or version != record.version:
            return version, held
        token = self.token_encryption.decrypt(
            record.encrypted_refresh_token, connection=record.connection, parent_version=version
        )
        # The access token went with the answer. The same words each time: a repeated write must be the same.
        tokens = held.model_copy(update={"refresh_token": token, "expires_at": datetime.fromtimestamp(0, tz=UTC)})
        return self.secret_store.succeed(record.connection, version, tokens), tokens

    def _caught_up(self, record: Connection, version: str, held: TokenSet) -> Connection:
        def to(standing: Connection) -> Connection | None:
            if not _is_same(standing, record):
                return None
            return standing.caught_up(version, expires_at=held.expires_at)

        caught_up = self.connections.change(record.connection, to)
        if caught_up is None:
            raise LeaseHeld(f"connection {record.connection} was taken over")
        return caught_up

    def _asked(self, record: Connection, held: TokenSet) -> GrantedTokens:
        try:
            return self.grants.refresh(record, held)
        except InvalidClient:
            # Somebody may have changed the client's secret just now: each call reads the credentials anew.
            return self.grants.refresh(record, held)
        except AnswerLost:
            self._noted_as_unanswered(record)
            if self.remaining() < TIME_FOR_A_CALL:
                raise
            # At worst the token is spent, and then it is now as well.
            return self.grants.refresh(record, held)

    def _kept(self, record: Connection, held: TokenSet, granted: GrantedTokens) -> Result | None:
        """Write the answer: the provider has retired the old refresh token, and nothing may come before this."""
        tokens = TokenSet(
            access_token=granted.access_token,
            refresh_token=granted.refresh_token or held.refresh_token,
            expires_at=granted.expires_at,
            scope=granted.scope or held.scope,
        )
        while True:
            try:
                version = self.secret_store.succeed(record.connection, record.version, tokens)
            except Superseded:
                return self._overtaken(record, tokens)
            except NotKept as failure:
                if self.remaining() > TIME_TO_ENCRYPT:
                    self.pause(PAUSE)
                    continue
                if granted.refresh_token is not None:
                    self._seal(record, granted.refresh_token)
                raise failure from None
            result = self._recorded(record, version, tokens)
            if result and result.outcome is Outcome.REFRESHED and self.grants.outlives(record):
                return replace(result, details={**result.details, "old_grant": self._old_grant(record, held)})
            return result

    def _old_grant(self, record: Connection, held: TokenSet) -> str:
        """End the grant that a new login has replaced; where that fails, it ends by itself, and nothing is lost."""
        try:
            return self.grants.revoke(record, held.access_token).outcome
        except LeaverError:
            return "not_confirmed"

    def _seal(self, record: Connection, token: SecretStr) -> None:
        """Put the refresh token into the record, encrypted: the one place where a token rests outside the vault."""
        try:
            encrypted = self.token_encryption.encrypt(
                token, connection=record.connection, parent_version=record.version
            )
        except NotKept:
            self._noted_as_unanswered(record)
            raise

        def with_it(standing: Connection) -> Connection | None:
            if standing.lease_holder != record.lease_holder:
                return None
            return standing.released().model_copy(update={"encrypted_refresh_token": encrypted})

        self.connections.change(record.connection, with_it)

    def _recorded(self, record: Connection, version: str, tokens: TokenSet) -> Result | None:
        now = self.clock()
        refresh_at = next_refresh(record.role, tokens, now, self.jitter)

        def with_them(standing: Connection) -> Connection | None:
            if not _is_same(standing, record) or standing.status not in IN_USE:
                return None
            return standing.refreshed(version, expires_at=tokens.expires_at, refresh_at=refresh_at, now=now)

        if self.connections.change(record.connection, with_them):
            return Result(Outcome.REFRESHED, details={"version_id": version})
        return self._overtaken(record, tokens)

    def _overtaken(self, record: Connection, tokens: TokenSet) -> Result | None:
        """Somebody revokes the connection, authorized it anew, or (past the lease) refreshed it as well."""
        standing = self.connections.read(record.connection)
        if standing.status in {Status.REVOKING, Status.REVOKED} or standing.granted_at != record.granted_at:
            # What was just issued on a grant that is to end must not live on.
            self._revoked(record, tokens)
            return None
        # Of one grant's tokens only the last may live: to revoke ours would end those of the winner too.
        self._release(record)
        return Result(Outcome.STILL_FRESH)

    def _revoked(self, record: Connection, tokens: TokenSet) -> None:
        try:
            result = self.grants.revoke(record, tokens.access_token)
        except LeaverError:
            # The tokens are in the vault, where `revoke_access_token` finds them.
            self._release(record)
            raise
        if tokens.refresh_token is not None and not self.grants.proves_revocation(record):
            # `revoke_access_token` comes back, and the refresh that it then asks for has to be refused.
            self._release(record)
            return
        self.connections.change(
            record.connection, lambda standing: standing.retired(result) if standing.status is Status.REVOKING else None
        )

    def _without_grant(
        self,
        record: Connection,
        held: TokenSet,
        command: RefreshAccessToken,
        dead: InvalidGrant,
    ) -> Result | None:
        """Believe an invalid_grant only when nobody else has newer tokens, and nothing else helps."""
        self.pause(SECOND_LOOK)
        standing = self.connections.read(record.connection)
        if not _is_same(standing, record):
            return Result(Outcome.STILL_FRESH)
        newest = self.secret_store.newest(record.connection, record.version)
        if newest != record.version:
            return self._recorded(record, newest, self.secret_store.tokens(record.connection, newest))
        if standing.status is Status.REVOKING:
            return self._nothing_left(standing, command, dead)
        granted = self.grants.authorize(record, held.scope)
        if granted is not None:
            return self._kept(record, held, granted)
        since = standing.unanswered_since
        reason = dead.reason if since is None else f"{dead.reason}; {_unanswered(since)}, and its tokens with it"
        now = self.clock()

        def dead_now(standing: Connection) -> Connection | None:
            usable = _is_same(standing, record) and standing.status in IN_USE
            return standing.dead(reason, now=now) if usable else None

        if self.connections.change(record.connection, dead_now) is None:
            self._release(record)
            raise LeaseHeld(f"connection {record.connection} is being revoked")
        raise InvalidGrant(
            reason,
            provider_status=dead.provider_status,
            provider_code=dead.provider_code,
            tracking_id=dead.tracking_id,
        )

    def _nothing_left(self, record: Connection, command: RefreshAccessToken, dead: InvalidGrant) -> Result | None:
        """To revoke, and the refresh token is refused: the grant has ended, unless somebody's answer was lost."""
        if not command.for_revocation:
            self._release(record)
            return Result(Outcome.REFUSED, details={"status": Status.REVOKING})
        since = record.unanswered_since
        if since is None:
            gone = Result.told_by(dead, Outcome.ALREADY_GONE)
            self.connections.change(record.connection, lambda standing: standing.retired(gone))
            return None
        reason = f"{_unanswered(since)}: what it issued can't be named, nor revoked; end the grant at the provider"

        def orphaned_tokens(standing: Connection) -> Connection | None:
            if not _is_same(standing, record):
                return None
            return standing.released().model_copy(update={"reason": reason, "orphaned_tokens": True})

        self.connections.change(record.connection, orphaned_tokens)
        raise NeedsReauthorization(reason, provider_status=dead.provider_status, provider_code=dead.provider_code)

    def _cools_down(
        self, record: Connection, error: LeaverError, *, unanswered: bool = False, at_once: bool = False
    ) -> bool:
        """Leave the connection alone for a while that grows; tells whether its trouble is news."""
        now = self.clock()
        since = record.leased_at if unanswered and not self.grants.reauthenticates(record) else None

        def cooled(standing: Connection) -> Connection | None:
            if standing.lease_holder != record.lease_holder:
                return None
            until = now + cooling(standing.failures, self.jitter)
            tell = at_once or standing.failures + 1 >= TELL_AFTER
            cooler = standing.cooling_down(error.reason, until=until, now=now, tell=tell)
            return cooler.model_copy(update={"unanswered_since": standing.unanswered_since or since})

        written = self.connections.change(record.connection, cooled)
        return written is not None and written.trouble_since == now

    def _noted_as_unanswered(self, record: Connection) -> None:
        """Keep that tokens may have been issued which nobody holds, whatever comes next: a pause, a refusal, a kill."""
        if self.grants.reauthenticates(record):
            return

        def noted(standing: Connection) -> Connection | None:
            if standing.lease_holder != record.lease_holder or standing.unanswered_since:
                return None
            return standing.model_copy(update={"unanswered_since": record.leased_at})

        self.connections.change(record.connection, noted)

    def _release(self, record: Connection) -> None:
        self.connections.change(
            record.connection,
            lambda standing: standing.released() if standing.lease_holder == record.lease_holder else None,
        )

    def _tell(self, name: str) -> None:
        """Announce what is owed; it stays owed until the bus has taken it."""
        record = self.connections.read(name)
        if record.owed is None or record.trouble_since is None:
            return
        self.publisher.announce(
            ConnectionAnnouncement(
                detail_type=record.owed,
                announcement_id=f"{name}/{record.owed}/{timestamp(record.trouble_since)}",
                connection=name,
                provider=record.provider,
                account=record.account,
                status=record.status,
                reason=record.reason,
                since=record.trouble_since,
            )
        )
        recovered = record.owed == "ConnectionRecovered"

        def told(standing: Connection) -> Connection | None:
            if standing.owed != record.owed:
                return None
            since = None if recovered else standing.trouble_since
            return standing.model_copy(update={"owed": None, "trouble_since": since})

        self.connections.change(name, told)


def _is_same(standing: Connection, record: Connection) -> bool:
    """Whether our intent still stands on it, and on the version from which we went on."""
    return (standing.lease_holder, standing.version) == (record.lease_holder, record.version)


def _unanswered(since: datetime) -> str:
    return f"a refresh that began at {timestamp(since)} was never answered"
