"""A connection that is about to be made: all that its first tokens take, and not yet the tokens."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from pydantic import SecretStr

from leaver.outcomes import Result
from leaver.providers.zoom.api import ZoomUser
from leaver.tokens import GrantedTokens, VenafiCredentials, ZoomCredentials

Role = Literal["service", "personal"]
Credentials = ZoomCredentials | VenafiCredentials
#: by provider: what the JSON of the `credentials` secret must be
CREDENTIALS: Final[Mapping[str, type[Credentials]]] = {"zoom": ZoomCredentials, "venafi": VenafiCredentials}


@dataclass(frozen=True)
class ConnectionRequest:
    """What was gathered and checked at a provider's side, before anything is asked of it or written anywhere."""

    provider: Literal["zoom", "venafi"]
    #: the provider's name for whose connection it is: a Zoom account id, a Venafi host
    account: str
    grant_type: Literal["refresh_token", "account_credentials", "certificate", "jwt", "password"]
    credentials: Credentials
    #: asks for the first tokens, once: a code works no second time. Raises LeaverError, never InvalidGrant
    obtain: Callable[[], GrantedTokens] = field(repr=False)
    #: lists, in a sentence each, what the tokens lack for Leaver to work through them; asks the provider if it must
    check: Callable[[GrantedTokens], list[str]] = field(repr=False)
    #: asks whose consent an access token stands for; USER_NOT_FOUND: Zoom does not say. Raises LeaverError
    find_consenter: Callable[[SecretStr], ZoomUser | Result] | None = field(default=None, repr=False)


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
    provider: Literal["zoom", "venafi"]
    #: the provider's name for whose connection it is: a Zoom account id, a Venafi host
    account: str
    grant_type: Literal["refresh_token", "account_credentials", "certificate", "jwt", "password"]
    role: Role
    owner: str
    #: the JSON of the `credentials` secret
    credentials: SecretStr
    #: exchanges the code, or logs in; called under the connection's lease
    obtain: Callable[[], GrantedTokens] = field(repr=False)
    #: asks the provider whose consent an access token stands for; None: it does not say. Raises LeaverError
    find_consenter: Callable[[SecretStr], str | None] = field(default=lambda _: None, repr=False)

    def parse_credentials(self) -> Credentials:
        """Parse the JSON of its `credentials` secret."""
        return CREDENTIALS[self.provider].model_validate_json(self.credentials.get_secret_value())
