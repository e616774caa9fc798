"""A connection's OAuth grant at its provider: renew it, revoke it."""

from collections.abc import Mapping
from copy import copy
from typing import Final, Self

from pydantic import SecretStr

from leaver.connections.record import Connection
from leaver.errors import InvalidGrant, InvalidToken, Rejected
from leaver.outcomes import Outcome, Result
from leaver.providers.venafi.oauth import VenafiAuth
from leaver.providers.zoom.oauth import ZoomOAuth
from leaver.storage.secrets import Secret, SecretStore
from leaver.tokens import GrantedTokens, TokenSet, VenafiCredentials, ZoomCredentials

#: what a grant type logs in with, each time anew
_LOGINS: Final[Mapping[str, str]] = {
    "account_credentials": "account_id: is missing",
    "certificate": "certificate and private_key: are missing",
    "jwt": "jwt: is missing",
    "password": "username and password: are missing",
}


class Grants:
    """Both providers' token endpoints, chosen by a connection's record.

    What asks for tokens raises InvalidClient, Rejected, Throttled, NotSent, AnswerLost or ProviderUnavailable.
    """

    def __init__(self, *, zoom: ZoomOAuth, venafi: VenafiAuth, secret_store: SecretStore) -> None:
        self._zoom = zoom
        self._venafi = venafi
        self._vault = secret_store
        self._own: ZoomCredentials | VenafiCredentials | None = None

    def by(self, own: ZoomCredentials | VenafiCredentials) -> Self:
        """Make the same with these credentials, whatever is stored: a grant is asked about by the app that it is of."""
        other = copy(self)
        other._own = own  # noqa: SLF001 - our own
        return other

    @staticmethod
    def reauthenticates(record: Connection) -> bool:
        """Tell whether new tokens come by a login, so that no refresh token can be lost and asking twice is safe."""
        return record.grant_type in _LOGINS

    @classmethod
    def outlives(cls, record: Connection) -> bool:
        """Tell whether a login leaves a grant behind that lives on beside the new one (Venafi's do, until they end)."""
        return record.provider == "venafi" and cls.reauthenticates(record)

    def refresh(self, record: Connection, held: TokenSet) -> GrantedTokens:
        """Ask for new tokens, once: of all calls only this one must never be repeated blindly.

        A connection that reauthenticates() logs in for the scope that it holds. Raises also InvalidGrant.
        """
        if self.reauthenticates(record):
            granted = self.authorize(record, held.scope)
            if granted is None:
                raise Rejected(f"secret credentials/{record.connection}: {_LOGINS[record.grant_type]}")
            return granted
        if held.refresh_token is None:
            raise InvalidGrant(f"connection {record.connection} holds no refresh token")
        if record.provider == "venafi":
            own = self._credentials(record, VenafiCredentials)
            return self._venafi.refresh(own.client_id, held.refresh_token)
        client = self._credentials(record, ZoomCredentials)
        return self._zoom.refresh(client.client_id, client.client_secret, held.refresh_token)

    def authorize(self, record: Connection, scope: str) -> GrantedTokens | None:
        """Log in anew with the stored credentials, whatever became of the old grant; None where they hold no login.

        `scope` is for Venafi: an app's scopes at Zoom are what they are. For both, earlier grants stay as they are.
        """
        if record.provider == "venafi":
            return self._venafi.authorize(self._credentials(record, VenafiCredentials), scope)
        client = self._credentials(record, ZoomCredentials)
        # an account_id alone is no login: with an app that users authorise it only helps people to remember
        if record.grant_type != "account_credentials" or client.account_id is None:
            return None
        return self._zoom.account_credentials(client.client_id, client.client_secret, client.account_id)

    def revoke(self, record: Connection, access_token: SecretStr) -> Result:
        """Revoke the grant that this access token belongs to, its refresh token with it (RFC 7009).

        `already_gone` is the provider's word that the token is invalid: ask only with one that has not expired, or
        where there is no refresh token that could outlive it.
        """
        if record.provider == "venafi":
            try:
                return self._venafi.revoke_token(access_token)
            except InvalidToken as gone:
                return Result(Outcome.ALREADY_GONE, gone.response)
        client = self._credentials(record, ZoomCredentials)
        return self._zoom.revoke(client.client_id, client.client_secret, access_token)

    def _credentials(self, record: Connection, kind: type[Secret]) -> Secret:
        return self._own if isinstance(self._own, kind) else self._vault.credentials(record.connection, kind)
