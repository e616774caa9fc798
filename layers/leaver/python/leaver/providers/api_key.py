"""A key that a person made at an HR system: a connection's token is the key itself, proved each day by a look-up."""

from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final, NoReturn, Protocol

from pydantic import ConfigDict, SecretStr

from leaver.errors import Rejected
from leaver.providers.entry import HostVariables
from leaver.providers.listing import Lists, Person
from leaver.providers.source import LooksUp, Source
from leaver.providers.source_answers import UnknownPerson
from leaver.providers.transport import Transport
from leaver.tokens import AppCredentials, Filled, GrantedTokens, Secret

API_KEY: Final = "api_key"
#: so long a look-up is believed to prove that the key works; the refresher asks again well before
PROVED_FOR: Final = timedelta(days=1)


class KeyCredentials(AppCredentials):
    """A key, and somebody whose look-up proves that it works and sees what it must."""

    model_config = ConfigDict(defer_build=True)

    # client_id is HiBob's service user; elsewhere what the key is called there, so that whoever ends it finds it.
    api_key: Secret
    #: the id there of somebody who stays
    known_person: Filled


class KeyApi(LooksUp, Protocol):
    """An API that takes such a key."""

    @property
    def clock(self) -> Callable[[], datetime]:
        """The time by which a key was proved."""


def key_source(
    system: str,
    *,
    url: str,
    api: Callable[[Transport, Callable[[], datetime]], KeyApi],
    token_of: Callable[[KeyCredentials], SecretStr] = lambda own: own.api_key,
    roster: Callable[[Transport, Callable[[], datetime]], Lists[Person]] | None = None,
) -> Source[Any, KeyCredentials]:
    """Make the entry of an HR system that takes a key; `url` is the variable that says where it is."""

    def log_in(client: KeyApi, own: KeyCredentials, grant_type: str, _scope: str) -> GrantedTokens | None:
        return prove(client, own, token_of(own)) if grant_type == API_KEY else None

    def end(*_: object) -> NoReturn:
        raise Rejected(f"no call of Leaver's ends a key: delete it at {system}, and disconnect it without the provider")

    return Source(
        host=HostVariables(url=url),
        client=api,
        api=api,
        roster=roster,
        credentials=KeyCredentials,
        refresh=end,
        log_in=log_in,
        revoke=end,
        logins={API_KEY: "api_key: is missing"},
        login_leaves_grant=False,
        login_is_a_key=True,
        consent_replaces_grant=False,
        token_signs_revocation=False,
        revokes_unknown_tokens=False,
    )


def basic(user: str, password: SecretStr) -> SecretStr:
    """Make what follows `Basic` of a user and a password (RFC 7617): it is the token, and nobody takes it apart."""
    return SecretStr(b64encode(f"{user}:{password.get_secret_value()}".encode()).decode())


def prove(api: KeyApi, own: KeyCredentials, key: SecretStr) -> GrantedTokens:
    """Look somebody up with a key, and return it as a connection's token; raises what the look-up raises."""
    # Whoever was known may have gone from there by now: the key was taken all the same.
    with suppress(UnknownPerson):
        api.look_up(own.known_person, key, with_last_day=False)
    return GrantedTokens(access_token=key, expires_at=api.clock() + PROVED_FOR)
