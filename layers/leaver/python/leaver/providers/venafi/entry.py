"""Venafi TPP, as the registry has it."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from leaver.messages.commands import RevokeGrants
from leaver.outcomes import Result
from leaver.providers.entry import HostVariables, Leaver, LeaverStep, Provider, WhoHasSomething
from leaver.providers.transport import Transport
from leaver.providers.venafi.credentials import VenafiCredentials
from leaver.tokens import GrantedTokens

if TYPE_CHECKING:
    from leaver.providers.venafi.listing import VenafiListing
    from leaver.providers.venafi.oauth import VenafiAuth


def _client(transport: Transport, clock: Callable[[], datetime]) -> "VenafiAuth":
    from leaver.providers.venafi.oauth import VenafiAuth  # noqa: PLC0415 - whoever refreshes nothing starts without it

    return VenafiAuth(transport, clock)


def _refresh(auth: "VenafiAuth", own: VenafiCredentials, refresh_token: SecretStr) -> GrantedTokens:
    return auth.refresh(own.client_id, refresh_token)


def _log_in(auth: "VenafiAuth", own: VenafiCredentials, _grant_type: str, scope: str) -> GrantedTokens | None:
    # By whatever login is stored: one beside a refresh token that has died brings a new grant.
    return auth.authorize(own, scope)


def _revoke(auth: "VenafiAuth", _read: Callable[[], VenafiCredentials], access_token: SecretStr) -> Result:
    return auth.revoke_token(access_token)


def _steps(leaver: Leaver) -> list[LeaverStep]:
    also = {"email": leaver.email}
    if found_by := leaver.identities.get("found_by"):
        also["found_by"] = found_by
    if universal := leaver.identities.get("prefixed_universal"):
        return [LeaverStep(RevokeGrants, {"grantee_prefixed_universal": universal} | also, "hr")]
    if name := leaver.identities.get("name"):
        return [LeaverStep(RevokeGrants, {"identity": name} | also, "hr")]
    return [LeaverStep(RevokeGrants, {"identity": leaver.email}, "address")]


def _listing(transport: Transport, clock: Callable[[], datetime]) -> "VenafiListing":
    from leaver.providers.venafi.listing import VenafiListing  # noqa: PLC0415 - whoever lists nobody starts without it

    return VenafiListing(transport, clock)


VENAFI: Final = Provider(
    host=HostVariables(url="VENAFI_URL", ca_bundle="VENAFI_CA_BUNDLE"),
    client=_client,
    credentials=VenafiCredentials,
    refresh=_refresh,
    log_in=_log_in,
    revoke=_revoke,
    logins={
        "certificate": "certificate and private_key: are missing",
        "jwt": "jwt: is missing",
        "password": "username and password: are missing",
    },
    login_leaves_grant=True,
    consent_replaces_grant=False,
    token_signs_revocation=True,
    revokes_unknown_tokens=False,
    identity_keys=frozenset({"name", "prefixed_universal"}),
    steps=_steps,
    who_has_something=WhoHasSomething(
        host=HostVariables(url="VENAFI_URL", ca_bundle="VENAFI_CA_BUNDLE"),
        requests_per_second="VENAFI_REQUESTS_PER_SECOND",
        listing=_listing,
        id_key="prefixed_universal",
        not_told="who can simply obtain a new grant: that is what rules and JWT mappings say",
    ),
)
