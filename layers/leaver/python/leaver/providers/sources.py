"""The HR systems that Leaver asks about people, by name, and everything that a connection can be one to."""

from types import MappingProxyType
from typing import Final

from leaver.providers.bamboohr.entry import BAMBOOHR
from leaver.providers.entry import Providers
from leaver.providers.gusto.entry import GUSTO
from leaver.providers.hibob.entry import HIBOB
from leaver.providers.okta.entry import OKTA
from leaver.providers.registry import PROVIDERS
from leaver.providers.source import Sources

#: apart from the registry: whoever works on cases knows nothing of them, and starts without them
SOURCES: Final[Sources] = MappingProxyType({"bamboohr": BAMBOOHR, "hibob": HIBOB, "gusto": GUSTO, "okta": OKTA})
#: for whoever makes, renews and ends connections
CONNECTABLE: Final[Providers] = MappingProxyType({**PROVIDERS, **SOURCES})
