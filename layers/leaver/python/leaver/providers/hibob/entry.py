"""HiBob, as the sources have it."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from leaver.providers.api_key import KeyCredentials, basic, key_source
from leaver.providers.transport import Transport

if TYPE_CHECKING:
    from leaver.providers.hibob.api import HiBob


def _api(transport: Transport, clock: Callable[[], datetime]) -> "HiBob":
    from leaver.providers.hibob.api import HiBob  # noqa: PLC0415 - whoever asks another system starts without it

    return HiBob(transport, clock)


def _token_of(own: KeyCredentials) -> SecretStr:
    return basic(own.client_id, own.api_key)


HIBOB: Final = key_source("HiBob", url="HIBOB_URL", api=_api, token_of=_token_of)
