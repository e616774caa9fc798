"""Okta, as the sources have it."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final

from leaver.providers.api_key import key_source
from leaver.providers.transport import Transport

if TYPE_CHECKING:
    from leaver.providers.okta.api import Okta
    from leaver.providers.okta.roster import OktaRoster


def _api(transport: Transport, clock: Callable[[], datetime]) -> "Okta":
    from leaver.providers.okta.api import Okta  # noqa: PLC0415 - whoever asks another system starts without it

    return Okta(transport, clock)


def _roster(transport: Transport, clock: Callable[[], datetime]) -> "OktaRoster":
    from leaver.providers.okta.roster import OktaRoster  # noqa: PLC0415 - whoever lists nobody starts without it

    return OktaRoster(transport, clock)


OKTA: Final = key_source("Okta", url="OKTA_URL", api=_api, roster=_roster)
