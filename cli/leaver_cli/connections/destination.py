"""The stack in which a connection is made, as a provider's form sees it."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from leaver.connections.record import Connection
from leaver.consuming.answers import Answer
from leaver.providers.entry import Client, HostVariables
from leaver.providers.transport import Transport
from leaver_cli.connections.from_lambda import FirstLogin
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

    def look_around(self) -> list[str]:
        """Say what is amiss between the company's providers, its accounts and the connections that there are."""

    def ask_for_owner(self, made: Connection) -> Answer | None:
        """Let a function ask the provider whether it knows a connection's owner; None where nobody can say."""

    def prove_from_lambda(self, login: FirstLogin, target: Target, timeout: int) -> Connection:
        """Let a function log in for the first time; raises LeaverError."""


#: finds a stack by its name, region and profile
Describe = Callable[[str, str | None, str | None], Destination]
