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


def read_latest(secret_store: SecretStore, record: Connection, now: datetime) -> TokenVersion:
    """Read the tokens on record, or those that a run stored which was killed before it could record them.

    Raises NotRead, also where a version is so new that Secrets Manager does not show it yet, and Rejected.
    """
    version = secret_store.latest_version(record.place, record.version)
    is_new = version != record.version or record.has_new_tokens(now)
    return TokenVersion(version, secret_store.tokens(record.place, version, is_new=is_new))


@dataclass(frozen=True)
class TokenVersions:
    """Where the tokens of connections rest."""

    secret_store: SecretStore
    token_encryption: TokenEncryption

    def read_newest(self, record: Connection, now: datetime) -> TokenVersion:
        """Read the newest tokens that there are; raises NotRead, NotKept, Superseded and Rejected.

        A refresh token that was encrypted into the record is stored first.
        """
        latest = read_latest(self.secret_store, record, now)
        if latest.id != record.version or record.encrypted_refresh_token is None:
            return latest
        refresh_token = self.token_encryption.decrypt(
            record.encrypted_refresh_token, connection=record.connection, parent_version=record.version
        )
        # The access token went with the answer. The same words each time: a repeated write must be the same.
        expired = datetime.fromtimestamp(0, tz=UTC)
        update = {"refresh_token": refresh_token, "expires_at": expired, "is_partial": False}
        return self.store_next(record, latest.tokens.model_copy(update=update))

    def read_successor(self, record: Connection) -> TokenVersion | None:
        """Read tokens that an earlier run stored and never recorded; None where there are none."""
        version = self.secret_store.latest_version(record.place, record.version)
        if version == record.version:
            return None
        return TokenVersion(version, self.secret_store.tokens(record.place, version, is_new=True))

    def store_next(self, record: Connection, tokens: TokenSet) -> TokenVersion:
        """Store the successor of the tokens on record; raises Superseded and NotKept."""
        return TokenVersion(self.secret_store.store_next(record.place, record.version, tokens), tokens)

    def encrypt(self, record: Connection, refresh_token: SecretStr) -> str:
        """Encrypt the successor of the refresh token on record, to keep it in the record; raises NotKept."""
        return self.token_encryption.encrypt(refresh_token, connection=record.connection, parent_version=record.version)
