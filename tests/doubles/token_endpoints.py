"""All providers' token endpoints in memory, each call an effect."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import SecretStr

from leaver.errors import AnswerLost, InvalidGrant, InvalidToken, ProviderResponse
from leaver.outcomes import Outcome, Result
from leaver.providers.gusto.credentials import GustoCredentials
from leaver.providers.gusto.oauth import GustoOAuth
from leaver.providers.venafi.oauth import VenafiAuth
from leaver.providers.zoom.oauth import ZoomOAuth
from leaver.tokens import GrantedTokens
from local.simulators.grants import Grants, InvalidGrantError, Issued, TokenMint, digest
from tests.doubles.acme.credentials import AcmeCredentials
from tests.doubles.acme.entry import RENEWED
from tests.doubles.acme.oauth import AcmeOAuth
from tests.doubles.clock import Clock
from tests.doubles.steps import Effects

#: the app that every connection was made by
CLIENT: Final = "client-id"
SECRET: Final = SecretStr("client-secret")


@dataclass
class AuthorizationServer:
    """A provider's grants, as the simulators keep them; each call an effect."""

    #: its name in the registry
    provider: str
    grants: Grants
    clock: Clock
    effects: Effects
    #: the next answers to a refresh that are lost after the provider committed
    loses: int = 0
    #: every call, in order
    asked: list[str] = field(default_factory=list)
    #: refreshes that are under way now, and the most there ever were
    in_flight: int = 0
    most_in_flight: int = 0
    _mint: TokenMint = field(default_factory=lambda: TokenMint("night-", random.Random(7)))  # noqa: S311 - the same each time

    def authorized(self, subject: str) -> Issued:
        """Somebody consents: at some providers that retires the pair which the same person and app had before."""
        if RENEWED[self.provider].consent_replaces_grant:
            for grant in self.grants:
                if grant.subject == subject:
                    self.grants.revoke(grant)
        return self.grants.authorize(CLIENT, subject, "scope", now=self.clock(), mint=self._mint)

    def obtain(self, subject: str) -> GrantedTokens:
        return self.effects.of("ask for consent", lambda: _answer(self.authorized(subject)))

    def refresh(self, refresh_token: SecretStr) -> GrantedTokens:
        self.asked.append("refresh")
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return self.effects.of("refresh at the provider", lambda: self._refreshed(refresh_token))
        finally:
            self.in_flight -= 1

    def revoke(self, access_token: SecretStr) -> Result:
        return self.effects.of("revoke at the provider", lambda: self._revoked(access_token))

    def _refreshed(self, presented: SecretStr) -> GrantedTokens:
        issued: Issued | None
        try:
            issued = self.grants.refresh(presented.get_secret_value(), CLIENT, now=self.clock(), mint=self._mint)
        except InvalidGrantError:
            issued = None
        if self.loses:
            self.loses -= 1
            raise AnswerLost("the answer was lost")
        if issued is None:
            raise InvalidGrant("the refresh token is not accepted", ProviderResponse(400, "invalid_grant"))
        return _answer(issued)

    def _revoked(self, token: SecretStr) -> Result:
        self.asked.append("revoke")
        held = self.grants.of_access_token(digest(token.get_secret_value()))
        if held is None or held[1].expires_at <= self.clock():
            return Result(Outcome.ALREADY_GONE, ProviderResponse(400, "invalid_token"))
        self.grants.revoke(held[0])
        return Result(Outcome.REVOKED, ProviderResponse(200))


def _answer(issued: Issued) -> GrantedTokens:
    return GrantedTokens(
        access_token=SecretStr(issued.access_token),
        refresh_token=SecretStr(issued.refresh_token) if issued.refresh_token else None,
        expires_at=issued.access.expires_at,
        scope=issued.access.scope,
    )


@dataclass
class ZoomEndpoints(ZoomOAuth):
    """Zoom's way to it."""

    server: AuthorizationServer

    def refresh(self, client_id: str, client_secret: SecretStr, refresh_token: SecretStr) -> GrantedTokens:
        assert (client_id, client_secret) == (CLIENT, SECRET)
        return self.server.refresh(refresh_token)

    def revoke(self, client_id: str, client_secret: SecretStr, token: SecretStr) -> Result:
        assert (client_id, client_secret) == (CLIENT, SECRET)
        return self.server.revoke(token)


@dataclass
class VenafiEndpoints(VenafiAuth):
    """Venafi's way to it."""

    server: AuthorizationServer

    def refresh(self, client_id: str, refresh_token: SecretStr) -> GrantedTokens:
        assert client_id == CLIENT
        return self.server.refresh(refresh_token)

    def revoke_token(self, access_token: SecretStr) -> Result:
        result = self.server.revoke(access_token)
        if result.outcome is Outcome.ALREADY_GONE:
            raise InvalidToken("Venafi does not accept the access token", ProviderResponse(401))
        return result


@dataclass
class AcmeEndpoints(AcmeOAuth):
    """Acme's way to it: it calls every token revoked, whatever it was."""

    server: AuthorizationServer

    def refresh(self, own: AcmeCredentials, refresh_token: SecretStr) -> GrantedTokens:
        assert (own.client_id, own.client_secret) == (CLIENT, SECRET)
        return self.server.refresh(refresh_token)

    def revoke(self, own: AcmeCredentials, token: SecretStr) -> Result:
        assert (own.client_id, own.client_secret) == (CLIENT, SECRET)
        self.server.revoke(token)
        return Result(Outcome.REVOKED, ProviderResponse(200))


@dataclass
class GustoEndpoints(GustoOAuth):
    """Gusto's way to it: what it says of a revocation proves nothing."""

    server: AuthorizationServer

    def refresh(self, own: GustoCredentials, refresh_token: SecretStr) -> GrantedTokens:
        assert (own.client_id, own.client_secret) == (CLIENT, SECRET)
        return self.server.refresh(refresh_token)

    def revoke(self, own: GustoCredentials, token: SecretStr) -> Result:
        assert (own.client_id, own.client_secret) == (CLIENT, SECRET)
        self.server.revoke(token)
        return Result(Outcome.REVOKED, ProviderResponse(200))


#: by a provider's name: its way to its server
ENDPOINTS: Final[Mapping[str, Callable[[AuthorizationServer], Any]]] = {
    "zoom": ZoomEndpoints,
    "venafi": VenafiEndpoints,
    "gusto": GustoEndpoints,
    "acme": AcmeEndpoints,
}
