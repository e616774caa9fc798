"""A new connection to Zoom: server-to-server, or by a person's consent; and the scopes that it needs."""

from dataclasses import dataclass
from typing import Literal

from leaver.providers.zoom.api import Zoom
from leaver.providers.zoom.oauth import ZoomOAuth
from leaver.tokens import GrantedTokens, ZoomCredentials
from leaver_cli.connections.consent import Consent
from leaver_cli.connections.request import ConnectionRequest

GrantType = Literal["account_credentials", "refresh_token"]


@dataclass(frozen=True)
class Need:
    """A scope that an operation wants, as apps with granular and those with classic scopes spell it."""

    granular: str
    classic: str
    without: str

    def met_by(self, scopes: set[str]) -> bool:
        """Whether one of the scopes will do; `:master` is a master account's `:admin`."""
        wanted = {self.granular, self.classic}
        return bool(scopes & (wanted | {scope.replace(":admin", ":master") for scope in wanted}))


NEEDS = (
    Need("user:delete:token:admin", "user:write:admin", "revoke_sso_token can't end sessions"),
    Need("user:read:token:admin", "user:read:admin", "retrieve_user_token can't get tokens"),
    Need("user:read:user:admin", "user:read:admin", "retrieve_user_token can't find people"),
)


def server_to_server(oauth: ZoomOAuth, credentials: ZoomCredentials, account_id: str) -> ConnectionRequest:
    """Prepare a connection that gets its tokens from the app's own credentials."""
    return ConnectionRequest(
        provider="zoom",
        account=account_id,
        grant_type="account_credentials",
        credentials=credentials,
        obtain=lambda: oauth.account_credentials(credentials.client_id, credentials.client_secret, account_id),
        check=missing_scopes,
    )


def by_consent(
    oauth: ZoomOAuth, zoom: Zoom, credentials: ZoomCredentials, account_id: str, consent: Consent
) -> ConnectionRequest:
    """Prepare a connection that lives on the refresh token that somebody's consent brings.

    Danger: obtaining it ends the tokens that the same person granted the same app before.
    """

    def obtain() -> GrantedTokens:
        return oauth.authorization_code(
            credentials.client_id,
            credentials.client_secret,
            consent.code,
            consent.redirect_uri,
            consent.code_verifier,
        )

    return ConnectionRequest(
        provider="zoom",
        account=account_id,
        grant_type="refresh_token",
        # with it, they would say that there is another way to log in
        credentials=credentials.model_copy(update={"account_id": None}),
        obtain=obtain,
        check=lambda tokens: [*missing_refresh_token(tokens), *missing_scopes(tokens)],
        find_consenter=lambda access_token: zoom.get_user("me", access_token),
    )


def missing_scopes(tokens: GrantedTokens) -> list[str]:
    """Say which scopes are missing, and what can't be done without them."""
    held = set(tokens.scope.split())
    if not held:
        return ["Zoom did not say which scopes the tokens have, so they could not be checked"]
    return [
        f"scope {need.granular} is missing (classic: {need.classic}): {need.without}"
        for need in NEEDS
        if not need.met_by(held)
    ]


def missing_refresh_token(tokens: GrantedTokens) -> list[str]:
    """Say so where the connection will end with its first access token."""
    if tokens.refresh_token is not None:
        return []
    return ["Zoom gave no refresh token: the connection ends with its access token"]
