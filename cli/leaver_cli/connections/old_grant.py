"""The grant that a connection had before it was authorized again: whose it is, and how it ends."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from leaver.connections.grants import REFRESH_TOKEN, ProviderGrants
from leaver.connections.record import Connection
from leaver.connections.token_versions import read_latest
from leaver.errors import GrantSuspended, InvalidGrant, LeaverError, Rejected
from leaver.outcomes import Outcome
from leaver.storage.secrets import SecretStore
from leaver.storage.tables import timestamp
from leaver.tokens import AppCredentials, GrantedTokens, TokenSet
from leaver_cli.connections.request import NewConnection


@dataclass(frozen=True)
class OldGrant:
    """What only its own app and its own tokens can tell."""

    #: None: they can't be read
    credentials: AppCredentials | None
    #: whose consent it is, as the provider calls them; None: nobody can be asked
    consenter: str | None


@dataclass(frozen=True)
class OldGrants:
    """What reads and ends them."""

    secret_store: SecretStore
    grants: ProviderGrants
    clock: Callable[[], datetime]

    def read(self, record: Connection, new: NewConnection) -> OldGrant:
        """Read whose grant it is, while its own credentials and tokens still work; raises NotRead."""
        try:
            credentials = self.grants.credentials(record)
        except Rejected:
            credentials = None
        try:
            tokens = read_latest(self.secret_store, record, self.clock()).tokens
            consenter = new.find_consenter(tokens.access_token) if tokens.expires_at > self.clock() else None
        except LeaverError:
            consenter = None
        return OldGrant(credentials, consenter)

    def end(self, record: Connection, old: OldGrant, new: NewConnection, granted: GrantedTokens) -> str:
        """End the grant of a record that was replaced, unless it ends by itself; returns how it ended, in words.

        Raises LeaverError where it may live on.
        """
        if self.grants.is_a_key(record):
            return _end_of_key(record, old, new)
        if self.grants.reauthenticates(record) and not self.grants.outlives(record):
            return f"a server-to-server token, which ends at {timestamp(record.expires_at)}"
        if old.credentials is None:
            raise Rejected("the credentials that it was made with can't be read any more")
        is_same_app = old.credentials.client_id == new.credentials.client_id
        if is_same_app and self.grants.ends_by_consent(record) and _is_replaced(record, old, new, granted):
            return "ended by the new one"
        # Of one app the newer secret is the one that works.
        grants = self.grants.by(new.credentials if is_same_app else old.credentials)
        latest = read_latest(self.secret_store, record, self.clock())
        version, tokens = latest.id, latest.tokens
        if tokens.expires_at > self.clock():
            result = grants.revoke(record, tokens.access_token)
            if grants.proves_end(record, tokens, result.outcome):
                return result.outcome
        if tokens.refresh_token is None and not tokens.is_partial:
            return Outcome.ALREADY_GONE
        if record.encrypted_refresh_token and version == record.version:
            raise Rejected("its newest refresh token lies encrypted in the record, for the refresher alone")
        is_known = not tokens.is_partial and (not record.unanswered_since or version != record.version)
        return self._renew_and_revoke(record, tokens, grants, is_known=is_known)

    def _renew_and_revoke(self, record: Connection, tokens: TokenSet, grants: ProviderGrants, *, is_known: bool) -> str:
        """End a grant whose access token proves nothing any more; `is_known`: no lost answer replaced its tokens."""
        try:
            renewed = _renew(grants, record, tokens)
        except InvalidGrant:
            if not is_known:
                raise Rejected("a refresh of it was never answered, and what that issued can't be named") from None
            return Outcome.ALREADY_GONE
        return revoke_and_prove(grants, record, renewed.as_token_set(tokens))


def _end_of_key(record: Connection, old: OldGrant, new: NewConnection) -> str:
    """Say that it is the same; raises Rejected where whoever made the one before may still work with it."""
    if old.credentials == new.credentials and record.owner == new.owner:
        return "the same key"
    raise Rejected("a key lives until a person deletes it")


def _is_replaced(record: Connection, old: OldGrant, new: NewConnection, granted: GrantedTokens) -> bool:
    """Whether the new authorization ends the old one by itself: to revoke the old one could then end the new."""
    if new.grant_type != REFRESH_TOKEN:
        return False
    try:
        consenter = new.find_consenter(granted.access_token) if old.consenter else None
    except LeaverError:
        consenter = None
    # Where nobody can be asked, whoever owned it is taken for who consented.
    return old.consenter == consenter if consenter else record.owner == new.owner


def revoke_and_prove(grants: ProviderGrants, record: Connection, tokens: TokenSet) -> Outcome:
    """Revoke a grant; where the provider's word proves nothing, a refresh has to be refused, or Rejected is raised."""
    ended = grants.revoke(record, tokens.access_token).outcome
    if grants.proves_end(record, tokens, ended):
        return ended
    try:
        _renew(grants, record, tokens)
    except InvalidGrant:
        return ended
    raise Rejected("the provider called it revoked, and renews it still")


def _renew(grants: ProviderGrants, record: Connection, tokens: TokenSet) -> GrantedTokens:
    """Ask for new tokens of a grant that is to end; a refusal is believed when it is said twice."""
    try:
        return grants.refresh(record.as_revoking(), tokens)
    except InvalidGrant:
        try:
            return grants.refresh(record.as_revoking(), tokens)
        except GrantSuspended as suspended:
            raise Rejected(f"{suspended.reason}, which can be undone", suspended.response) from None
