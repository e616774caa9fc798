"""How a connection's tokens are replaced and none is lost: the steps of one refresh, in their order."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import SecretStr

from leaver.connections.dead_grant import finish_revocation, require_reauthorization
from leaver.connections.grants import ProviderGrants
from leaver.connections.lease import Lease, take_lease
from leaver.connections.record import DAY, IN_USE, Connection, Connections, Status
from leaver.connections.refresh_policy import decline, is_demanded, next_refresh
from leaver.connections.token_versions import TokenVersion, TokenVersions
from leaver.connections.trouble import announce_pending, cool_down
from leaver.errors import (
    AnswerLost,
    HalfAnswered,
    InvalidClient,
    InvalidGrant,
    LeaseHeld,
    LeaverError,
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
from leaver.messages.publisher import Publisher
from leaver.outcomes import Outcome, Result
from leaver.tokens import GrantedTokens, TokenSet

#: twice what a call may take (3 s to connect, 30 s to read): with less left, its answer might find nobody alive
TIME_FOR_A_CALL: Final = timedelta(seconds=66)
#: what is left for KMS and the table when Secrets Manager has not taken the tokens
TIME_TO_ENCRYPT: Final = timedelta(seconds=12)
#: what is left when nothing more is begun: an attempt of KMS takes up to 5 seconds
LAST_MOMENT: Final = timedelta(seconds=6)
#: seconds until a version that somebody has just written is surely seen
SECOND_LOOK: Final = 2.0
#: seconds between two attempts to store new tokens
PAUSE: Final = 0.5


@dataclass(frozen=True)
class TokenRefresher:
    """Everything that a refresh touches; docs/decisions/2026-11-25-one-refresher.md says why in this order."""

    connections: Connections
    #: whether a tombstone stands on any of these names
    has_left: Callable[[Iterable[str]], bool]
    token_versions: TokenVersions
    grants: ProviderGrants
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
        """Replace the tokens if they are due, refused or asked for.

        Returns None if this refresh completed a revocation; `revoke_access_token` reports that. Raises InvalidGrant
        when a person must authorize the connection again, Rejected when one must mend its configuration, LeaseHeld and
        OutOfTime before anything was asked, and whatever else prevented the refresh: postponed, since the queue keeps a
        connection's messages in order, and one that waited in it would hold up all that come after.
        """
        now = self.clock()
        try:
            record = self.connections.read(command.connection)
        except Rejected:
            # The schedule would send it, and this would set it aside, once a minute.
            self.connections.postpone(command.connection, now + DAY)
            raise
        try:
            if declined := decline(record, command, now=now, has_left=self.has_left):
                return declined
            lease = take_lease(self.connections, record, holder=self.holder, now=now)
            lease.is_demanded = is_demanded(record, command, now)
            try:
                return self._replace_tokens(lease, command)
            except (OutOfTime, Superseded):
                lease.release()
                raise
            except (Throttled, ProviderUnavailable, NotKept, NotRead) as error:
                is_answered = not isinstance(error, ProviderUnavailable) or isinstance(error, NotSent | HalfAnswered)
                self._cool_down(lease, error, unanswered=not is_answered)
                error.is_postponed = True
                raise
            except Rejected as error:
                is_news = self._cool_down(lease, error)
                if is_news or command.force or command.for_revocation:
                    raise
                # It was announced before, and the schedule goes on trying.
                return Result(Outcome.REFUSED, details={"status": Status.COOLING_DOWN})
        finally:
            announce_pending(self.connections, self.publisher, command.connection)

    def _replace_tokens(self, lease: Lease, command: RefreshAccessToken) -> Result | None:
        """Read the newest tokens there are, ask the provider once, store the answer before all else, then record it."""
        newest = self.token_versions.read_newest(lease.record, self.clock())
        if command.for_revocation and self._can_revoke(newest, lease.record, command):
            self._revoke(lease, newest.tokens)
            return None
        if newest.id != lease.record.version:
            # An earlier run was killed after it had stored them.
            if newest.is_fresh(self.clock()) and not command.for_revocation:
                return self._record_version(lease, newest)
            self._roll_forward(lease, newest)
        if self.remaining() < TIME_FOR_A_CALL:
            raise OutOfTime(f"connection {command.connection}: too little time is left to refresh")
        try:
            granted = self._request_tokens(lease, newest.tokens)
        except InvalidGrant as refusal:
            return self._believe_invalid_grant(lease, command, newest.tokens, refusal)
        return self._store_and_record(lease, granted, replacing=newest.tokens)

    def _store_and_record(self, lease: Lease, granted: GrantedTokens, *, replacing: TokenSet) -> Result | None:
        # The provider has retired the old refresh token: nothing that can fail or take time may come before the write.
        # A login makes a grant of its own, which the old grant's refresh token does not renew.
        tokens = granted.as_token_set(replacing.without_refresh_token() if self._logs_in(lease) else replacing)
        try:
            stored = self._store_tokens(lease, tokens, rotated=granted.refresh_token)
        except Superseded:
            return self._yield_to_winner(lease, tokens)
        except NotKept:
            if tokens.is_partial:
                self._record_unanswered(lease)
            raise
        if not granted.has_access_token:
            self._roll_forward(lease, stored)
            raise HalfAnswered(f"the answer to {lease.record.connection} held a refresh token alone")
        result = self._record_version(lease, stored)
        if result and result.outcome is Outcome.REFRESHED and self.grants.outlives(lease.record):
            return replace(result, details={**result.details, "old_grant": self._end_old_grant(lease, replacing)})
        return result

    # --- before the call

    def _can_revoke(self, newest: TokenVersion, record: Connection, command: RefreshAccessToken) -> bool:
        """Whether to revoke these tokens as they are would end the grant, and prove it."""
        # A lost answer may have replaced what is on record; tokens that were stored beside it are that answer.
        is_known = newest.id != record.version or record.unanswered_since is None
        is_proof = self.grants.proves_end(record, newest.tokens)
        return newest.is_fresh(self.clock()) and is_known and is_proof and command.failed_version != newest.id

    def _roll_forward(self, lease: Lease, newest: TokenVersion) -> None:
        """Record the newest tokens and keep the lease: a call's answer must be the successor of what is on record."""
        tokens, now = newest.tokens, self.clock()
        if not lease.update(
            lambda current: current.with_stored_tokens(
                newest.id, expires_at=tokens.expires_at, now=now, is_partial=tokens.is_partial
            )
        ):
            raise LeaseHeld(f"connection {lease.record.connection} was taken over")

    # --- the call

    def _request_tokens(self, lease: Lease, held: TokenSet) -> GrantedTokens:
        try:
            return self.grants.refresh(lease.record, held)
        except InvalidClient:
            # Somebody may have changed the client's secret just now: each call reads the credentials anew.
            return self.grants.refresh(lease.record, held)
        except AnswerLost:
            self._record_unanswered(lease)
            if self.remaining() < TIME_FOR_A_CALL:
                raise
            # At worst the token is spent, and then it is now as well.
            return self.grants.refresh(lease.record, held)

    def _believe_invalid_grant(
        self, lease: Lease, command: RefreshAccessToken, held: TokenSet, refusal: InvalidGrant
    ) -> Result | None:
        """Believe it only when it is said twice, nobody else has newer tokens, and no login can replace the grant."""
        self.pause(SECOND_LOOK)
        if not lease.confirm():
            return Result(Outcome.STILL_FRESH)
        if successor := self.token_versions.read_successor(lease.record):
            return self._record_version(lease, successor)
        if lease.record.refused_version != lease.record.version:
            if self.remaining() < TIME_FOR_A_CALL:
                # A slow provider would leave each run as little, and nobody would ever be told.
                lease.update(Connection.with_refused_version)
                late = OutOfTime(f"connection {command.connection}: too little time is left to ask once more")
                self._cool_down(lease, late)
                late.is_postponed = True
                raise late from None
            try:
                # A token that was refused is not spent by that: at worst it is refused again.
                return self._store_and_record(lease, self._request_tokens(lease, held), replacing=held)
            except InvalidGrant as again:
                refusal = again
        if lease.record.status is Status.REVOKING:
            if command.for_revocation:
                finish_revocation(lease, refusal)
                return None
            lease.release()
            return Result(Outcome.REFUSED, details={"status": Status.REVOKING})
        granted = self.grants.authorize(lease.record, held.scope)
        if granted is not None:
            return self._store_and_record(lease, granted, replacing=held.without_refresh_token())
        raise require_reauthorization(lease, refusal, now=self.clock())

    # --- after the call

    def _store_tokens(self, lease: Lease, tokens: TokenSet, *, rotated: SecretStr | None) -> TokenVersion:
        """Store what was granted, again and again until it is taken; raises Superseded, and NotKept in the end.

        `rotated`: the refresh token, where it is a new one; in the end it is encrypted into the record, again and again
        until that is taken.
        """
        while True:
            try:
                return self.token_versions.store_next(lease.record, tokens)
            except NotKept:
                if self.remaining() <= TIME_TO_ENCRYPT:
                    if rotated is None or self._encrypt_into_record(lease, rotated):
                        raise
                    if self.remaining() <= LAST_MOMENT:
                        self._record_unanswered(lease)
                        raise
                self.pause(PAUSE)

    def _encrypt_into_record(self, lease: Lease, refresh_token: SecretStr) -> bool:
        """Keep the refresh token in the record: the one place where a token rests outside Secrets Manager.

        Returns False where KMS or the table did not answer.
        """
        try:
            encrypted = self.token_versions.encrypt(lease.record, refresh_token)
            lease.update(lambda current: current.with_encrypted_refresh_token(encrypted))
        except (NotKept, BotoCoreError, ClientError):
            return False
        return True

    def _record_version(self, lease: Lease, stored: TokenVersion) -> Result | None:
        """Let the record name these tokens and release the lease, unless the lease was lost meanwhile."""
        now = self.clock()
        expires_at, is_partial = stored.tokens.expires_at, stored.tokens.is_partial
        refresh_at = next_refresh(lease.record.role, stored.tokens, now, self.jitter)

        def change(current: Connection) -> Connection | None:
            if current.status not in {*IN_USE, Status.CONNECTING}:
                return None
            renewed = current.with_new_tokens(
                stored.id, expires_at=expires_at, refresh_at=refresh_at, now=now, is_partial=is_partial
            )
            return renewed.with_demanded_refresh(now) if lease.is_demanded else renewed

        if lease.update(change):
            return Result(Outcome.REFRESHED, details={"version_id": stored.id})
        return self._yield_to_winner(lease, stored.tokens)

    def _yield_to_winner(self, lease: Lease, tokens: TokenSet) -> Result | None:
        """Give way to who revokes the connection, authorized it anew, or (past the lease) refreshed it as well."""
        current = self.connections.read(lease.record.connection)
        is_ending = current.status in {Status.REVOKING, Status.REVOKED}
        if is_ending or current.granted_at != lease.record.granted_at:
            # What was just issued on a grant that is to end must not live on.
            self._revoke(lease, tokens)
            return None
        # Of one grant's tokens only the last may live: to revoke ours would end those of the winner too.
        lease.release()
        return Result(Outcome.STILL_FRESH)

    def _revoke(self, lease: Lease, tokens: TokenSet) -> None:
        try:
            result = self.grants.revoke(lease.record, tokens.access_token)
        except LeaverError as error:
            # The tokens are in Secrets Manager, where the next run finds them: nothing is unanswered.
            self._cool_down(lease, error)
            raise
        if not self.grants.proves_end(lease.record, tokens, result.outcome):
            # `revoke_access_token` comes back, and the refresh that it then asks for has to be refused.
            lease.release()
            return
        self.connections.change(
            lease.record.connection,
            lambda current: current.as_revoked(result) if current.status is Status.REVOKING else None,
        )

    def _end_old_grant(self, lease: Lease, replaced: TokenSet) -> str:
        """End the grant that a new login has replaced; where that fails, it ends by itself, and nothing is lost."""
        try:
            said = self.grants.revoke(lease.record, replaced.access_token).outcome
        except LeaverError:
            return "not_confirmed"
        return said if self.grants.proves_end(lease.record, replaced, said) else "not_confirmed"

    # --- what a failure leaves behind

    def _cool_down(self, lease: Lease, error: LeaverError, *, unanswered: bool = False) -> bool:
        unanswered = unanswered and not self._logs_in(lease)
        return cool_down(lease, error, unanswered=unanswered, now=self.clock(), jitter=self.jitter)

    def _record_unanswered(self, lease: Lease) -> None:
        """Record that tokens may live which nobody holds, whatever comes next: a pause, a refusal, a kill."""
        if not self._logs_in(lease):
            lease.update(lambda current: None if current.unanswered_since else current.with_unanswered_refresh())

    def _logs_in(self, lease: Lease) -> bool:
        return self.grants.reauthenticates(lease.record)
