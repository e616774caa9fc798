"""The secrets of the front door: two at once while one is being rotated."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, SecretStr

from leaver.errors import NotRead
from leaver.storage.secrets import SecretStore

#: how long what was read counts
KEPT: Final = timedelta(minutes=1)
#: and how long where it does not fit: a rotation is seen at once, and whoever guesses asks for no read each time
KEPT_WHERE_WRONG: Final = timedelta(seconds=5)
#: paths that are remembered; guessed ones must not fill the memory
_MOST: Final = 1000


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


@dataclass(frozen=True)
class _Read:
    secret: DoorSecret | None
    at: datetime


class DoorSecrets:
    """The secrets by `place`, which is `<source>/<connection>`, as they were not long ago."""

    def __init__(self, store: SecretStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._read: dict[str, _Read] = {}

    def find(self, place: str, *, did_not_fit: bool = False) -> DoorSecret | None:
        """Find a connection's secret; None where there is no such connection.

        Raises Rejected where it can't be used, and NotRead where none was read before.
        """
        known, now = self._read.get(place), self._clock()
        short = did_not_fit or known is None or known.secret is None
        if known is not None and now - known.at < (KEPT_WHERE_WRONG if short else KEPT):
            return known.secret
        try:
            secret = self._store.find_webhook_secret(place, DoorSecret)
        except NotRead:
            if known is None:
                raise
            return known.secret
        if len(self._read) >= _MOST:
            self._read.clear()
        self._read[place] = _Read(secret, now)
        return secret

    def keep_offer(self, place: str, secret: DoorSecret, offered: str) -> None:
        """Keep aside what the sender offers, and close the window: the first offer counts. Raises NotKept."""
        kept = secret.model_copy(update={"open_until": None, "offered": SecretStr(offered)})
        self._store.store_webhook_secret(place, kept.as_stored())
        self._read[place] = _Read(kept, self._clock())
