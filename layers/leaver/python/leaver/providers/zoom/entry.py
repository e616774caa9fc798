"""Zoom, as the registry has it."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from leaver.messages.commands import DeactivateUser, PurgeUserTokens, RevokeSsoToken
from leaver.messages.names import FoundBy
from leaver.outcomes import Result
from leaver.providers.entry import HostVariables, Leaver, LeaverStep, Provider, WhoHasSomething
from leaver.providers.transport import Transport
from leaver.providers.zoom.credentials import ZoomCredentials
from leaver.tokens import GrantedTokens

if TYPE_CHECKING:
    from leaver.providers.zoom.listing import ZoomListing
    from leaver.providers.zoom.oauth import ZoomOAuth

SERVER_TO_SERVER: Final = "account_credentials"


def _client(transport: Transport, clock: Callable[[], datetime]) -> "ZoomOAuth":
    from leaver.providers.zoom.oauth import ZoomOAuth  # noqa: PLC0415 - whoever refreshes nothing starts without it

    return ZoomOAuth(transport, clock)


def _refresh(oauth: "ZoomOAuth", own: ZoomCredentials, refresh_token: SecretStr) -> GrantedTokens:
    return oauth.refresh(own.client_id, own.client_secret, refresh_token)


def _log_in(oauth: "ZoomOAuth", own: ZoomCredentials, grant_type: str, _scope: str) -> GrantedTokens | None:
    # An account_id alone is no login: with an app that users authorise it only helps people to remember. An app's
    # scopes at Zoom are what they are.
    if grant_type != SERVER_TO_SERVER or own.account_id is None:
        return None
    return oauth.account_credentials(own.client_id, own.client_secret, own.account_id)


def _revoke(oauth: "ZoomOAuth", read: Callable[[], ZoomCredentials], access_token: SecretStr) -> Result:
    own = read()
    return oauth.revoke(own.client_id, own.client_secret, access_token)


def _steps(leaver: Leaver) -> list[LeaverStep]:
    who = {"user_id": leaver.found or leaver.email}
    # HR's id is any account's of Zoom: it stands here only where this account has confirmed it.
    by: FoundBy = "account" if leaver.found else "address"
    also = {"email": leaver.email}
    return [
        LeaverStep(RevokeSsoToken, who | also, by),
        LeaverStep(PurgeUserTokens, who | also, by),
        LeaverStep(DeactivateUser, who | also, by, opt_in=True),
    ]


def _listing(transport: Transport, clock: Callable[[], datetime]) -> "ZoomListing":
    from leaver.providers.zoom.listing import ZoomListing  # noqa: PLC0415 - whoever lists nobody starts without it

    return ZoomListing(transport, clock)


ZOOM: Final = Provider(
    host=HostVariables(url="ZOOM_OAUTH_URL"),
    client=_client,
    credentials=ZoomCredentials,
    refresh=_refresh,
    log_in=_log_in,
    revoke=_revoke,
    logins={SERVER_TO_SERVER: "account_id: is missing"},
    login_leaves_grant=False,
    # Zoom 4741
    consent_replaces_grant=True,
    token_signs_revocation=False,
    revokes_unknown_tokens=False,
    identity_keys=frozenset({"id"}),
    steps=_steps,
    who_has_something=WhoHasSomething(
        host=HostVariables(url="ZOOM_API_URL"),
        requests_per_second="ZOOM_REQUESTS_PER_SECOND",
        listing=_listing,
        id_key="id",
        not_told="who is signed in: Zoom tells when somebody signed in last, and nobody when they signed out",
    ),
)
