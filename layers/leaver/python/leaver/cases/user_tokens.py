"""Which user tokens lie in Secrets Manager, whose they are and until when they live: recorded first."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, SecretStr

from leaver.cases.partitions import of_user_token
from leaver.errors import LeaseHeld
from leaver.messages.commands import UserTokenType
from leaver.storage.secrets import SecretStore
from leaver.storage.tables import Items, timestamp

#: the sort key of a token's item in the Cases table
ENTRY: Final = "user-token"
#: the index `watch`: what has to be destroyed, and when
WATCHED: Final = "token"
TYPES: Final[tuple[UserTokenType, ...]] = ("zak", "token", "onbehalf")
#: A token may be dead before it is written, where Zoom was slow and its life short. Whoever was to write it has done so
#: by then, or was killed: functions live for a minute.
SETTLED: Final = timedelta(minutes=2)


class StoredUserToken(BaseModel):
    """One secret, `user-tokens/<connection>/<zoom id>/<type>`, and never what lies there.

    The item stays when the token is gone: until the last one handed out has died, somebody may still hold it, and a
    token that was written a moment after the destruction is found again.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    partition: str
    entry: str = ENTRY
    connection: str
    zoom_user_id: str
    type: UserTokenType
    #: when the last of all that lay here is dead
    expires_at: AwareDatetime
    #: somebody is destroying it: what is written now would be destroyed as well
    destroying: bool = False
    watch: str | None = None
    watch_at: AwareDatetime | None = None
    item_version: int = 0

    def with_expected(self, expires_at: datetime) -> Self:
        """With a token to come, that lives until then."""
        latest = max(self.expires_at, expires_at)
        return self.model_copy(update={"expires_at": latest, "watch": WATCHED, "watch_at": latest + SETTLED})

    def after_destruction(self, now: datetime) -> Self:
        """With nothing in its place; to be looked at once more when what was handed out is dead."""
        over = self.watch_at is None or self.watch_at <= now
        watch = {"watch": None, "watch_at": None} if over else {}
        return self.model_copy(update={"destroying": False} | watch)


class StoredUserTokens:
    """The user tokens in Secrets Manager, and their items in the Cases table."""

    def __init__(self, items: Items[StoredUserToken], secret_store: SecretStore, clock: Callable[[], datetime]) -> None:
        self._items = items
        self._secret_store = secret_store
        self._clock = clock

    def keep(
        self,
        *,
        connection: str,
        zoom_user_id: str,
        type: UserTokenType,  # noqa: A002 - the parameter's name at Zoom
        token: SecretStr,
        expires_at: datetime,
        expires_at_assumed: bool,
    ) -> tuple[str, str]:
        """Keep a user's token in Secrets Manager; returns the secret's ARN and version.

        Raises LeaseHeld while the one that lay there is being destroyed.
        """
        # First, so that a token is found whatever happens next.
        self._expect(connection, zoom_user_id, type, expires_at)
        return self._secret_store.keep_user_token(
            connection=connection,
            zoom_user_id=zoom_user_id,
            kind=type,
            token=token,
            expires_at=expires_at,
            expires_at_assumed=expires_at_assumed,
        )

    def find_expired(self, now: datetime) -> Iterator[StoredUserToken]:
        """Find the tokens that have been dead for SETTLED by now, the longest first, by the index `watch`."""
        condition, names = "#watch = :watch AND watch_at <= :now", {"#watch": "watch"}
        for found in self._items.query("watch", condition, names, {":watch": WATCHED, ":now": timestamp(now)}):
            # The index is behind the table: by now it may be another token's.
            standing = self._items.read(partition=str(found["partition"]), entry=ENTRY)
            if standing and standing.watch_at and standing.watch_at <= now:
                yield standing

    def destroy(self, token: StoredUserToken) -> bool | None:
        """Destroy what lies there, for good; tells whether there was anything.

        None, and nothing destroyed, where somebody has changed the item since it was read: it may be a new token's.
        """
        marked = self._items.compare_and_swap(token, token.model_copy(update={"destroying": True}))
        if marked is None:
            return None
        was_there = self._secret_store.destroy_user_token(token.connection, token.zoom_user_id, token.type)
        self._items.compare_and_swap(marked, marked.after_destruction(self._clock()))
        return was_there

    def destroy_one(self, connection: str, zoom_user_id: str, type: UserTokenType) -> bool:  # noqa: A002
        """Destroy one of somebody's tokens whatever its item says; tells whether there was one."""
        while standing := self._items.read(partition=of_user_token(connection, zoom_user_id, type), entry=ENTRY):
            if (was_there := self.destroy(standing)) is not None:
                return was_there
        return self._secret_store.destroy_user_token(connection, zoom_user_id, type)

    def destroy_all(self, connection: str, zoom_user_id: str) -> tuple[int, datetime | None]:
        """Destroy all of somebody's tokens; returns how many there were, and when the last handed out is dead.

        Repeated, it tells the same time again, as long as that is to come; None where nothing lives any more.
        """
        destroyed = sum(self.destroy_one(connection, zoom_user_id, each) for each in TYPES)
        items = [
            self._items.read(partition=of_user_token(connection, zoom_user_id, each), entry=ENTRY) for each in TYPES
        ]
        alive = [item.expires_at for item in items if item and item.expires_at > self._clock()]
        return destroyed, max(alive, default=None)

    def _expect(self, connection: str, zoom_user_id: str, type: UserTokenType, expires_at: datetime) -> None:  # noqa: A002
        new = StoredUserToken(
            partition=of_user_token(connection, zoom_user_id, type),
            connection=connection,
            zoom_user_id=zoom_user_id,
            type=type,
            expires_at=expires_at,
        ).with_expected(expires_at)
        while True:
            standing = self._items.read(partition=new.partition, entry=ENTRY)
            if standing is None:
                if self._items.add(new):
                    return
                continue
            if standing.destroying:
                raise LeaseHeld(f"the {type} that lay there is being destroyed")
            if self._items.compare_and_swap(standing, standing.with_expected(expires_at)):
                return
