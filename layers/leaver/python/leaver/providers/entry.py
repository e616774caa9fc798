"""What an entry of the registry says of a provider: how its grants are renewed and revoked, and what is true of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import SecretStr

from leaver.messages.commands import Command
from leaver.messages.names import FoundBy
from leaver.outcomes import Result
from leaver.providers.listing import Holding, Lists
from leaver.providers.transport import Transport
from leaver.tokens import AppCredentials, GrantedTokens

Client = TypeVar("Client")
Credentials = TypeVar("Credentials", bound=AppCredentials)


@dataclass(frozen=True)
class HostVariables:
    """One of a provider's hosts, by the variables of a function's environment; the template's parameters match them."""

    url: str
    #: None: the public roots are trusted
    ca_bundle: str | None = None


@dataclass(frozen=True)
class Person:
    """Somebody as a provider knows them."""

    id: str
    email: str


@dataclass(frozen=True)
class Leaver:
    """Whoever leaves, as one account of a provider may know them."""

    email: str
    #: what the HR system gave for this provider, by the keys of its entry
    identities: Mapping[str, str] = field(default_factory=dict)
    #: the account's own id for them, where it was asked who is meant
    found: str | None = None


@dataclass(frozen=True)
class LeaverStep:
    """What has to end for a leaver: a command, and the fields that say whose access it ends, that one first."""

    command: type[Command]
    fields: Mapping[str, str]
    found_by: FoundBy
    #: only where the deployment asks for it
    opt_in: bool = False


@dataclass(frozen=True, kw_only=True)
class Provider(Generic[Client, Credentials]):
    """A provider's entry: what is asked of its token endpoints, the facts that decisions rest on, a leaver's steps."""

    #: where its token endpoints are
    host: HostVariables
    #: makes the client of its token endpoints; imports that client, which costs a function time to start
    client: Callable[[Transport, Callable[[], datetime]], Client]
    #: the JSON of a connection's `credentials` secret
    credentials: type[Credentials]

    #: RFC 6749, section 6; see ProviderGrants.refresh
    refresh: Callable[[Client, Credentials, SecretStr], GrantedTokens]
    #: by grant type and scope; None where the credentials hold no login of that type
    log_in: Callable[[Client, Credentials, str, str], GrantedTokens | None]
    #: RFC 7009, with an access token: the grant ends, its refresh token with it. Reads the credentials if it needs any
    revoke: Callable[[Client, Callable[[], Credentials], SecretStr], Result]

    #: grant types that log in anew each time, so that no refresh token can be lost: what credentials without it lack
    logins: Mapping[str, str]
    #: a login leaves a grant behind that lives on beside the new one; False: only a token, which ends by itself
    login_leaves_grant: bool
    #: what a login brings is a key that a person made, and that lives until a person deletes it at the provider
    login_is_a_key: bool = False
    #: who consents to an app ends what the same person granted the same app before
    consent_replaces_grant: bool
    #: the token that is revoked signs its own revocation: a 401 then says that this token works no more. Where the app
    #: signs, a 401 says nothing about the token
    token_signs_revocation: bool
    #: a revocation succeeds for an unknown token too (RFC 7009, section 2.2): only a refused refresh proves an end
    revokes_unknown_tokens: bool

    #: what an HR event may give to name somebody there
    identity_keys: frozenset[str]
    #: what has to end there for somebody who leaves
    steps: Callable[[Leaver], Sequence[LeaverStep]]

    #: None: its accounts are not reconciled
    who_has_something: "WhoHasSomething | None" = None


@dataclass(frozen=True)
class WhoHasSomething:
    """How a provider is asked who has something there."""

    #: where its API is
    host: HostVariables
    #: the variable that says how many requests a second one of its accounts takes
    requests_per_second: str
    #: makes the listing of an account; imports its client, which costs a function time to start
    listing: Callable[[Transport, Callable[[], datetime]], Lists[Holding]]
    #: by which of its identity keys an HR event names whom the listing tells an id of
    id_key: str
    #: what nobody can ask it
    not_told: str


#: the registry, by name: each entry knows the types of its own client and credentials, and nobody else does
Providers = Mapping[str, Provider[Any, Any]]
