"""The forms of `leaver connect`, one for each provider and HR system, by its name in the registry."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from leaver.providers.api_key import API_KEY
from leaver.providers.sources import SOURCES
from leaver_cli.connections import connect_gusto, connect_venafi, connect_zoom
from leaver_cli.connections.connect import Form, commands
from leaver_cli.connections.connect_key import key_form
from leaver_cli.deployment import describe

FORMS: Final[Mapping[str, Form]] = MappingProxyType(
    {
        "zoom": connect_zoom.form,
        "venafi": connect_venafi.form,
        "gusto": connect_gusto.form,
        **{name: key_form(name, source) for name, source in SOURCES.items() if API_KEY in source.logins},
    }
)

#: says what is missing of the scopes that a provider's token has, and what can't be done without them
MISSING_SCOPES: Final[Mapping[str, Callable[[str], list[str]]]] = MappingProxyType(
    {"zoom": connect_zoom.missing_from, "venafi": connect_venafi.missing_scopes}
)

#: `leaver connect`, with a sub-command for each
connect = commands(describe, FORMS)
