"""Gusto, as the sources have it."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from leaver.outcomes import Result
from leaver.providers.entry import HostVariables
from leaver.providers.gusto.credentials import GustoCredentials
from leaver.providers.source import Source
from leaver.providers.transport import Transport
from leaver.tokens import GrantedTokens

if TYPE_CHECKING:
    from leaver.providers.gusto.api import Gusto
    from leaver.providers.gusto.oauth import GustoOAuth


def _client(transport: Transport, clock: Callable[[], datetime]) -> "GustoOAuth":
    from leaver.providers.gusto.oauth import GustoOAuth  # noqa: PLC0415 - whoever refreshes nothing starts without it

    return GustoOAuth(transport, clock)


def _api(transport: Transport, clock: Callable[[], datetime]) -> "Gusto":
    from leaver.providers.gusto.api import Gusto  # noqa: PLC0415 - whoever asks another system starts without it

    return Gusto(transport, clock)


def _refresh(oauth: "GustoOAuth", own: GustoCredentials, refresh_token: SecretStr) -> GrantedTokens:
    return oauth.refresh(own, refresh_token)


def _log_in(_oauth: "GustoOAuth", _own: GustoCredentials, _grant_type: str, _scope: str) -> None:
    return None


def _revoke(oauth: "GustoOAuth", read: Callable[[], GustoCredentials], access_token: SecretStr) -> Result:
    return oauth.revoke(read(), access_token)


GUSTO: Final = Source(
    host=HostVariables(url="GUSTO_URL"),
    client=_client,
    api=_api,
    credentials=GustoCredentials,
    refresh=_refresh,
    log_in=_log_in,
    revoke=_revoke,
    logins={},
    login_leaves_grant=False,
    # not documented: an earlier consent is ended by itself
    consent_replaces_grant=False,
    token_signs_revocation=False,
    # not documented: only a refresh that is refused is believed
    revokes_unknown_tokens=True,
)
