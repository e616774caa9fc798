"""The stack in which a connection is made, as a provider's form sees it."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from leaver.providers.entry import Client, HostVariables
from leaver.providers.transport import Transport
from leaver_cli.connections.request import ConnectionRequest, Target
from leaver_cli.connections.setup import Established


class Destination(Protocol):
    """It knows where its providers are, so that nobody has to say it twice."""

    def url(self, host: HostVariables) -> str:
        """Where a provider's host is."""

    def client(self, kind: Callable[[Transport, Callable[[], datetime]], Client], host: HostVariables) -> Client:
        """Make a provider's client; raises Rejected where the host's CA certificates can't be read."""

    def establish(self, new: ConnectionRequest, target: Target) -> Established:
        """Take the connection's lease, let `new` obtain its tokens, store them at once; raises LeaverError."""


#: finds a stack by its name, region and profile
Describe = Callable[[str, str | None, str | None], Destination]
