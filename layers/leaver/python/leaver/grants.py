"""A connection's OAuth grant at its provider: refresh it, revoke it."""

from pydantic import SecretStr

from leaver.connections import Connection
from leaver.errors import InvalidGrant, InvalidToken, Rejected
from leaver.outcomes import Outcome, Result
from leaver.tokens import GrantedTokens, TokenSet, VenafiCredentials, ZoomCredentials
from leaver.vault import Vault
from leaver.venafi import Venafi
from leaver.zoom import ZoomOAuth


class Grants:
    """Both providers' token endpoints, chosen by a connection's record."""

    def __init__(self, *, zoom: ZoomOAuth, venafi: Venafi, vault: Vault) -> None:
        self._zoom = zoom
        self._venafi = venafi
        self._vault = vault

    def refresh(self, record: Connection, held: TokenSet) -> GrantedTokens:
        """Ask for new tokens, once: of all calls only this one must never be repeated blindly.

        Raises InvalidGrant, InvalidClient, Rejected, Throttled, NotSent, AnswerLost, ProviderUnavailable.
        """
        if record.provider == "venafi":
            own = self._vault.credentials(record.connection, VenafiCredentials)
            if record.grant_type != "refresh_token":
                raise Rejected(f"connection {record.connection}: grant type {record.grant_type} is not supported yet")
            return self._venafi.refresh(own.client_id, _refresh_token(record, held))
        client = self._vault.credentials(record.connection, ZoomCredentials)
        if record.grant_type == "account_credentials":
            if client.account_id is None:
                raise Rejected(f"secret credentials/{record.connection}: account_id: is missing")
            return self._zoom.account_credentials(client.client_id, client.client_secret, client.account_id)
        return self._zoom.refresh(client.client_id, client.client_secret, _refresh_token(record, held))

    def revoke(self, record: Connection, access_token: SecretStr) -> Result:
        """Revoke the grant that this access token belongs to, its refresh token with it (RFC 7009).

        `already_gone` is the provider's word that the token is invalid: ask only with one that has not expired, or
        where there is no refresh token that could outlive it.
        """
        if record.provider == "venafi":
            try:
                return self._venafi.revoke_token(access_token)
            except InvalidToken as gone:
                return Result.told_by(gone, Outcome.ALREADY_GONE)
        client = self._vault.credentials(record.connection, ZoomCredentials)
        return self._zoom.revoke(client.client_id, client.client_secret, access_token)


def _refresh_token(record: Connection, held: TokenSet) -> SecretStr:
    if held.refresh_token is None:
        raise InvalidGrant(f"connection {record.connection} holds no refresh token")
    return held.refresh_token
