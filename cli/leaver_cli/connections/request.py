"""A connection that is about to be made: all that its first tokens take, and not yet the tokens."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from pydantic import SecretStr

from leaver.outcomes import Result
from leaver.providers.zoom.api import ZoomUser
from leaver.tokens import GrantedTokens, VenafiCredentials, ZoomCredentials

Role = Literal["service", "personal"]


@dataclass(frozen=True)
class ConnectionRequest:
    """What was gathered and checked at a provider's side, before anything is asked of it or written anywhere."""

    provider: Literal["zoom", "venafi"]
    #: the provider's name for whose connection it is: a Zoom account id, a Venafi host
    account: str
    grant_type: Literal["refresh_token", "account_credentials", "certificate", "jwt", "password"]
    credentials: ZoomCredentials | VenafiCredentials
    #: asks for the first tokens, once: a code works no second time. Raises LeaverError, never InvalidGrant
    obtain: Callable[[], GrantedTokens] = field(repr=False)
    #: says, in a sentence each, what the tokens lack for Leaver to work through them; asks the provider if it must
    check: Callable[[GrantedTokens], list[str]] = field(repr=False)
    #: asks whose consent an access token stands for; USER_NOT_FOUND: Zoom does not say. Raises LeaverError
    consented: Callable[[SecretStr], ZoomUser | Result] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Target:
    """Which connection it becomes, and whose."""

    name: str
    owner: str
    role: Role
