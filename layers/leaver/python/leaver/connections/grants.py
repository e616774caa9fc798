"""A connection's OAuth grant at its provider: renew it, revoke it."""

from collections.abc import Mapping
from copy import copy
from functools import partial
from typing import Any, Final, Self

from pydantic import SecretStr

from leaver.connections.record import Connection, Status
from leaver.errors import AnswerLost, InvalidGrant, InvalidToken, Rejected
from leaver.outcomes import Outcome, Result
from leaver.providers.entry import Provider, Providers
from leaver.storage.secrets import SecretStore
from leaver.tokens import AppCredentials, GrantedTokens, TokenSet

#: the grant type of a connection that lives on its refresh token
REFRESH_TOKEN: Final = "refresh_token"  # noqa: S105 - RFC 6749's word, not a secret


class ProviderGrants:
    """The token endpoints of all providers, chosen by a connection's record.

    Every method raises Rejected for a provider that is not in the registry. What asks for tokens raises InvalidClient,
    Rejected, Throttled, NotSent, AnswerLost or ProviderUnavailable.
    """

    def __init__(self, providers: Providers, clients: Mapping[str, Any], secret_store: SecretStore) -> None:
        """Take the registry, and by the same names the clients of the token endpoints."""
        self._providers = providers
        self._clients = clients
        self._secret_store = secret_store
        self._own: AppCredentials | None = None

    def by(self, own: AppCredentials) -> Self:
        """Make the same with these credentials, whatever is stored: a grant is asked about by the app that it is of."""
        other = copy(self)
        other._own = own  # noqa: SLF001 - our own
        return other

    def reauthenticates(self, record: Connection) -> bool:
        """Tell whether new tokens come by a login, so that no refresh token can be lost and asking twice is safe.

        For a connection that is to end they don't: a login would begin a grant, and prove nothing of the old one.
        """
        return record.grant_type in self._provider(record).logins and record.status is not Status.REVOKING

    def outlives(self, record: Connection) -> bool:
        """Tell whether a login leaves a grant behind that lives on beside the new one, until it ends."""
        return self._provider(record).login_leaves_grant and self.reauthenticates(record)

    def is_a_key(self, record: Connection) -> bool:
        """Tell whether its token is a key that a person made, and that only a person ends."""
        return self._provider(record).login_is_a_key and self.reauthenticates(record)

    def proves_end(self, record: Connection, tokens: TokenSet, said: Outcome = Outcome.REVOKED) -> bool:
        """Tell whether what the provider `said` to a revocation by this access token is true of its refresh token too.

        "Invalid token" never is, and `revoked` is not where the provider says so of any token: then only a refresh that
        is refused proves an end. Where there may be a refresh token that nobody has, nothing else proves it.
        """
        is_heard = said is Outcome.REVOKED and not self._provider(record).revokes_unknown_tokens
        return is_heard or (tokens.refresh_token is None and not tokens.is_partial)

    def ends_by_consent(self, record: Connection) -> bool:
        """Tell whether a person's consent ends what the same person granted the same app before."""
        return self._provider(record).consent_replaces_grant

    def credentials(self, record: Connection) -> AppCredentials:
        """Read what a connection logs in with; raises Rejected, field by field, where it can't be used, and NotRead."""
        kind: type[AppCredentials] = self._provider(record).credentials
        return self._own if isinstance(self._own, kind) else self._secret_store.credentials(record.place, kind)

    def refresh(self, record: Connection, held: TokenSet) -> GrantedTokens:
        """Ask for new tokens, once: of all calls only this one must never be repeated blindly.

        A connection that reauthenticates() logs in for the scope that it holds. Raises also InvalidGrant.
        """
        provider = self._provider(record)
        if self.reauthenticates(record):
            granted = self.authorize(record, held.scope)
            if granted is None:
                raise Rejected(f"secret credentials/{record.place}: {provider.logins[record.grant_type]}")
            return granted
        if record.grant_type not in {REFRESH_TOKEN, *provider.logins}:
            known = ", ".join(sorted({REFRESH_TOKEN, *provider.logins}))
            raise Rejected(f"connection {record.connection}: grant_type: expected one of {known}")
        if held.refresh_token is None:
            raise InvalidGrant(f"connection {record.connection} holds no refresh token")
        granted = provider.refresh(self._clients[record.provider], self.credentials(record), held.refresh_token)
        if not granted.has_access_token and granted.refresh_token == held.refresh_token:
            raise AnswerLost(f"the answer to {record.connection} repeats the refresh token that was sent, and no more")
        return granted

    def authorize(self, record: Connection, scope: str) -> GrantedTokens | None:
        """Log in anew with the stored credentials, whatever became of the old grant; None where they hold no login.

        Earlier grants stay as they are.
        """
        provider = self._provider(record)
        return provider.log_in(self._clients[record.provider], self.credentials(record), record.grant_type, scope)

    def revoke(self, record: Connection, access_token: SecretStr) -> Result:
        """Revoke the grant that this access token belongs to, its refresh token with it (RFC 7009).

        `already_gone` is the provider's word that the access token is invalid. What either is worth says proves_end().
        """
        provider = self._provider(record)
        try:
            return provider.revoke(self._clients[record.provider], partial(self.credentials, record), access_token)
        except InvalidToken as refused:
            if not provider.token_signs_revocation:
                raise
            return Result(Outcome.ALREADY_GONE, refused.response)

    def _provider(self, record: Connection) -> Provider[Any, Any]:
        try:
            return self._providers[record.provider]
        except KeyError:
            known = ", ".join(sorted(self._providers))
            reason = f"connection {record.connection} is one to {record.provider}: expected one of {known}"
        raise Rejected(reason)
