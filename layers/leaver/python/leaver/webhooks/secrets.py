"""The secrets of the front door: two at once while one is being rotated."""

import json
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, SecretStr

from leaver.errors import LeaverError, NotRead
from leaver.storage.secrets import SecretStore

#: how long what was read counts
KEPT: Final = timedelta(minutes=1)
#: and how long where it does not fit: a rotation is seen at once, and whoever guesses asks for no read each time
KEPT_WHERE_WRONG: Final = timedelta(seconds=5)


class DoorSecret(BaseModel):
    """What lies at `<prefix>/webhooks/<source>/<connection>`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    current: SecretStr | None = None
    #: what the sender may still sign with until it knows the current one
    previous: SecretStr | None = None
    #: until when an operator waits for a secret that the sender offers
    open_until: AwareDatetime | None = None
    #: what was offered; it proves nothing until a person makes it the current one
    offered: SecretStr | None = None

    def proving(self) -> list[str]:
        """The secrets that prove a delivery."""
        return [each.get_secret_value() for each in (self.current, self.previous) if each and each.get_secret_value()]

    def followed_by(self, secret: str) -> "DoorSecret":
        """Make `secret` the current one; the one before still counts."""
        return DoorSecret(current=SecretStr(secret), previous=self.current)

    def as_stored(self) -> SecretStr:
        """Write it as it lies in Secrets Manager."""
        told = {name: each.get_secret_value() for name, each in self if isinstance(each, SecretStr)}
        return SecretStr(json.dumps(told | ({"open_until": self.open_until.isoformat()} if self.open_until else {})))


class DoorSecrets:
    """The secrets by `place`, which is `<source>/<connection>`, as they were not long ago.

    They are read all at once, by the list of connections: whoever guesses a name learns nothing from the time, and
    no guess lands in AWS's logs. Without that list they are read one by one, and no leaver is lost.
    """

    def __init__(
        self, store: SecretStore, connected: Callable[[], Iterable[str]], clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._connected = connected
        self._clock = clock
        self._found: dict[str, DoorSecret | LeaverError] = {}
        self._read_at: datetime | None = None

    def find(self, place: str, *, did_not_fit: bool = False) -> DoorSecret | None:
        """Find a connection's secret; None where there is no such connection.

        Raises Rejected where it can't be used, and NotRead where none was read before.
        """
        kept = KEPT_WHERE_WRONG if did_not_fit or place not in self._found else KEPT
        if self._read_at is None or self._clock() - self._read_at >= kept:
            try:
                self._found = self._store.find_webhook_secrets(self._connected(), DoorSecret)
            except NotRead:
                if self._read_at is None:
                    return self._store.find_webhook_secret(place, DoorSecret)
                # What was read before goes on to count, and the next delivery does not wait for the same again.
            self._read_at = self._clock()
        found = self._found.get(place)
        if isinstance(found, LeaverError):
            raise type(found)(found.reason)
        return found

    def keep_offer(self, place: str, secret: DoorSecret, offered: str) -> None:
        """Keep aside what the sender offers, and close the window: the first offer counts. Raises NotKept."""
        kept = secret.model_copy(update={"open_until": None, "offered": SecretStr(offered)})
        self._store.store_webhook_secret(place, kept.as_stored())
        self._found[place] = kept
