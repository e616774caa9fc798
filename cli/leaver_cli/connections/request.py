"""A connection that is about to be made: all that its first tokens take, and not yet the tokens."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from pydantic import SecretStr

from leaver.tokens import AppCredentials, GrantedTokens

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
    #: lists, in a sentence each, what the tokens lack for Leaver to work through them; asks the provider if it must
    check: Callable[[GrantedTokens], list[str]] = field(repr=False)
    #: asks whose consent an access token stands for; None: the provider does not say. Raises LeaverError
    find_consenter: Callable[[SecretStr], Consenter | None] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Target:
    """Which connection it becomes, and whose."""

    name: str
    owner: str
    role: Role


@dataclass(frozen=True)
class NewConnection:
    """What a person wants to connect, and the one call that gets its first tokens."""

    name: str
    #: its name in the registry
    provider: str
    #: the provider's name for whose connection it is: a Zoom account id, a Venafi host
    account: str
    #: refresh_token, or one of those by which the provider's entry logs in
    grant_type: str
    role: Role
    owner: str
    credentials: AppCredentials
    #: exchanges the code, or logs in; called under the connection's lease
    obtain: Callable[[], GrantedTokens] = field(repr=False)
    #: asks the provider whose consent an access token stands for; None: it does not say. Raises LeaverError
    find_consenter: Callable[[SecretStr], str | None] = field(default=lambda _: None, repr=False)
    #: asks for the account's own id of whose a personal connection is; None: it is no account's. Raises LeaverError
    find_owner_id: Callable[[SecretStr], str | None] = field(default=lambda _: None, repr=False)

    @property
    def place(self) -> str:
        """Where its secrets will lie, as Connection.place has it."""
        return f"{self.provider}/{self.name}"
