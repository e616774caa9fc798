"""A connection's tokens, version after version: in Secrets Manager, or encrypted in the record where that fails."""

from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import SecretStr

from leaver.connections.record import Connection
from leaver.storage.encryption import TokenEncryption
from leaver.storage.secrets import SecretStore
from leaver.tokens import TokenSet


@dataclass(frozen=True)
class TokenVersion:
    """Tokens that Secrets Manager has, and their version id."""

    id: str
    tokens: TokenSet

    def is_fresh(self, now: datetime) -> bool:
        """Whether its access token is still good."""
        return self.tokens.expires_at > now


@dataclass(frozen=True)
class TokenVersions:
    """Where the tokens of connections rest."""

    secret_store: SecretStore
    token_encryption: TokenEncryption

    def read_newest(self, record: Connection, now: datetime) -> TokenVersion:
        """Read the newest tokens that there are; raises NotRead, NotKept, Superseded and Rejected.

        A refresh token that was encrypted into the record is stored first.
        """
        if successor := self.read_successor(record):
            return successor
        recorded = self._read(record, record.version, is_new=record.has_new_tokens(now))
        if record.encrypted_refresh_token is None:
            return recorded
        refresh_token = self.token_encryption.decrypt(
            record.encrypted_refresh_token, connection=record.connection, parent_version=record.version
        )
        # The access token went with the answer. The same words each time: a repeated write must be the same.
        update = {"refresh_token": refresh_token, "expires_at": datetime.fromtimestamp(0, tz=UTC)}
        return self.store_next(record, recorded.tokens.model_copy(update=update))

    def read_successor(self, record: Connection) -> TokenVersion | None:
        """Read tokens that an earlier run stored and never recorded; None where there are none."""
        latest = self.secret_store.latest_version(record.connection, record.version)
        return None if latest == record.version else self._read(record, latest, is_new=True)

    def store_next(self, record: Connection, tokens: TokenSet) -> TokenVersion:
        """Store the successor of the tokens on record; raises Superseded and NotKept."""
        return TokenVersion(self.secret_store.store_next(record.connection, record.version, tokens), tokens)

    def encrypt(self, record: Connection, refresh_token: SecretStr) -> str:
        """Encrypt the successor of the refresh token on record, to keep it in the record; raises NotKept."""
        return self.token_encryption.encrypt(refresh_token, connection=record.connection, parent_version=record.version)

    def _read(self, record: Connection, version: str, *, is_new: bool) -> TokenVersion:
        return TokenVersion(version, self.secret_store.tokens(record.connection, version, is_new=is_new))
