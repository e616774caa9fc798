"""Acme, as a registry has it."""

from collections.abc import Callable
from typing import Final

from pydantic import SecretStr

from leaver.outcomes import Result
from leaver.providers.entry import HostVariables, Leaver, LeaverStep, Provider, Providers, WhoHasSomething
from leaver.providers.gusto.entry import GUSTO
from leaver.providers.registry import PROVIDERS
from leaver.tokens import GrantedTokens
from tests.doubles.acme.credentials import AcmeCredentials
from tests.doubles.acme.listing import AcmeListing
from tests.doubles.acme.oauth import AcmeOAuth


def _refresh(oauth: AcmeOAuth, own: AcmeCredentials, refresh_token: SecretStr) -> GrantedTokens:
    return oauth.refresh(own, refresh_token)


def _log_in(_oauth: AcmeOAuth, _own: AcmeCredentials, _grant_type: str, _scope: str) -> None:
    return None


def _revoke(oauth: AcmeOAuth, read: Callable[[], AcmeCredentials], access_token: SecretStr) -> Result:
    return oauth.revoke(read(), access_token)


def _steps(_: Leaver) -> list[LeaverStep]:
    return []


ACME: Final = Provider(
    host=HostVariables(url="ACME_URL"),
    client=AcmeOAuth,
    credentials=AcmeCredentials,
    refresh=_refresh,
    log_in=_log_in,
    revoke=_revoke,
    logins={},
    login_leaves_grant=False,
    consent_replaces_grant=False,
    token_signs_revocation=False,
    revokes_unknown_tokens=True,
    identity_keys=frozenset({"login"}),
    steps=_steps,
    who_has_something=WhoHasSomething(
        host=HostVariables(url="ACME_URL"),
        requests_per_second="ACME_REQUESTS_PER_SECOND",
        listing=AcmeListing,
        id_key="login",
        not_told="who is signed in",
    ),
)

#: what a test passes in
REGISTRY: Final[Providers] = {**PROVIDERS, "acme": ACME}
#: everybody whose tokens a refresh token renews
RENEWED: Final[Providers] = {**REGISTRY, "gusto": GUSTO}
