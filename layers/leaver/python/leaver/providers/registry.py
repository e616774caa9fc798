"""The providers whose access Leaver ends, by name."""

from types import MappingProxyType
from typing import Final

from leaver.providers.entry import Providers
from leaver.providers.venafi.entry import VENAFI
from leaver.providers.zoom.entry import ZOOM

#: not in the package itself: a function that calls one provider alone would pay for the others at each cold start
PROVIDERS: Final[Providers] = MappingProxyType({"zoom": ZOOM, "venafi": VENAFI})
