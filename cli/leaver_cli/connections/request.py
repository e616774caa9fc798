"""A connection that is about to be made: all that its first tokens take, and not yet the tokens."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from pydantic import SecretStr

from leaver.providers.entry import Client, Host
from leaver.providers.transport import Transport
from leaver.tokens import AppCredentials, GrantedTokens
from leaver_cli.connections.setup import Established

Role = Literal["service", "personal"]


@dataclass(frozen=True)
class Consenter:
    """Whose consent an access token stands for, by the provider's word."""

    id: str
    email: str
    #: None: the provider does not say
    account: str | None = None


@dataclass(frozen=True)
class ConnectionRequest:
    """What was gathered and checked at a provider's side, before anything is asked of it or written anywhere."""

    #: its name in the registry
    provider: str
    #: the provider's name for whose connection it is: a Zoom account id, a Venafi host
    account: str
    #: refresh_token, or one of those by which the provider's entry logs in
    grant_type: str
    credentials: AppCredentials
    #: asks for the first tokens, once: a code works no second time. Raises LeaverError, never InvalidGrant
    obtain: Callable[[], GrantedTokens] = field(repr=False)
    #: says, in a sentence each, what the tokens lack for Leaver to work through them; asks the provider if it must
    check: Callable[[GrantedTokens], list[str]] = field(repr=False)
    #: asks whose consent an access token stands for; None: the provider does not say. Raises LeaverError
    consented: Callable[[SecretStr], Consenter | None] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Target:
    """Which connection it becomes, and whose."""

    name: str
    owner: str
    role: Role


class Destination(Protocol):
    """The stack in which a connection is made; it knows where its providers are, so that nobody has to say it twice."""

    def url(self, host: Host) -> str:
        """Where a provider's host is."""

    def client(self, kind: Callable[[Transport, Callable[[], datetime]], Client], host: Host) -> Client:
        """Make a provider's client; raises Rejected where the host's CA certificates can't be read."""

    def establish(self, new: ConnectionRequest, target: Target) -> Established:
        """Take the connection's lease, let `new` obtain its tokens, keep those at once; raises LeaverError."""


#: finds a stack by its name, region and profile
Describe = Callable[[str, str | None, str | None], Destination]
