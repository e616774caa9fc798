"""A connection that is about to be made: all that its first tokens take, and not yet the tokens."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from pydantic import SecretStr

from leaver.tokens import GrantedTokens, VenafiCredentials, ZoomCredentials

Role = Literal["service", "personal"]


@dataclass(frozen=True)
class Gathered:
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

    def credentials_json(self) -> SecretStr:
        """The JSON of secret `<prefix>/credentials/<connection>`."""
        told = {name: value for name, value in self.credentials if value is not None}
        clear = {k: v.get_secret_value() if isinstance(v, SecretStr) else v for k, v in told.items()}
        return SecretStr(json.dumps(clear))


@dataclass(frozen=True)
class Target:
    """Which connection of which stack it becomes, and whose."""

    name: str
    owner: str
    role: Role
    stack: str
    region: str | None
    profile: str | None


#: writes a connection into a stack: takes its intent, lets it obtain() its tokens, keeps those at once, returns them
Establish = Callable[[Gathered, Target], GrantedTokens]
