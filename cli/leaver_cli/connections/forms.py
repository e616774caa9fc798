"""The forms of `leaver connect`, one for each provider, by its name in the registry."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from leaver_cli.connections import connect_venafi, connect_zoom
from leaver_cli.connections.connect import Form

FORMS: Final[Mapping[str, Form]] = MappingProxyType({"zoom": connect_zoom.form, "venafi": connect_venafi.form})
