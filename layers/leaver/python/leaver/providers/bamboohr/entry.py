"""BambooHR, as the sources have it."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from leaver.providers.api_key import KeyCredentials, basic, key_source
from leaver.providers.transport import Transport

if TYPE_CHECKING:
    from leaver.providers.bamboohr.api import BambooHr


def _api(transport: Transport, clock: Callable[[], datetime]) -> "BambooHr":
    from leaver.providers.bamboohr.api import BambooHr  # noqa: PLC0415 - whoever asks another system starts without it

    return BambooHr(transport, clock)


def _token_of(own: KeyCredentials) -> SecretStr:
    # The key is the user, and any password will do.
    return basic(own.api_key.get_secret_value(), SecretStr("x"))


BAMBOOHR: Final = key_source("BambooHR", url="BAMBOOHR_URL", api=_api, token_of=_token_of)
