"""Okta, as the sources have it."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final

from leaver.providers.api_key import key_source
from leaver.providers.transport import Transport

if TYPE_CHECKING:
    from leaver.providers.okta.api import Okta


def _api(transport: Transport, clock: Callable[[], datetime]) -> "Okta":
    from leaver.providers.okta.api import Okta  # noqa: PLC0415 - whoever asks another system starts without it

    return Okta(transport, clock)


OKTA: Final = key_source("Okta", url="OKTA_URL", api=_api)
