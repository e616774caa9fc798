"""Who has an account at Acme: one page."""

from collections.abc import Callable
from datetime import datetime

from leaver.providers.authorization import BearerAuth
from leaver.providers.listing import Ask, Cursor, Holding, Page
from leaver.providers.transport import Transport


class AcmeListing:
    """Everybody at Acme."""

    def __init__(self, transport: Transport, _: Callable[[], datetime]) -> None:
        self._transport = transport

    def read_page(self, _: Cursor, ask: Ask) -> Page[Holding]:
        """Read everybody at once."""
        answer = ask(lambda token: self._transport.request("GET", "/people", auth=BearerAuth(token)))
        people = (answer.json or {})["people"]
        return Page(tuple(Holding(kind="account", id=each["login"], email=each["email"]) for each in people), None)
