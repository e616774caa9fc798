"""Which user tokens lie in Secrets Manager, by Zoom's id and by address; and whether that is known of all of them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict

from leaver.cases.partitions import of_address, of_user_token
from leaver.errors import LeaseHeld
from leaver.messages.commands import UserTokenType
from leaver.messages.names import name_of
from leaver.storage.tables import Items, Value, timestamp
from leaver.storage.user_token_secrets import FoundUserToken, UserTokenPlace

#: the index `watch`: what has to be destroyed, and when
WATCHED: Final = "token"
TYPES: Final[tuple[UserTokenType, ...]] = ("zak", "token", "onbehalf")
#: A token may be dead before it is written, where Zoom was slow and its life short. Whoever was to write it has done so
#: by then, or was killed: functions live for a minute.
SETTLED: Final = timedelta(minutes=2)
#: A list of secrets may not show the last five minutes (AWS, ListSecrets): what was written before a table was there
#: is shown this long after it was first looked at
SHOWN: Final = timedelta(minutes=10)
#: what the longest-lived token lives that nobody gave a time to, where nobody wrote down until when
LONGEST_LIFE: Final = timedelta(days=14)

_FROZEN: Final = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)
_PROOF: Final = {"partition": of_user_token("proof"), "entry": "proof"}


class StoredUserToken(BaseModel):
    """One secret, `user-tokens/<zoom id>/<connection>/<type>`, and never what lies there.

    The item stays when the token is gone: until the last one handed out has died, somebody may still hold it, and a
    token that was written a moment after the destruction is found again.
    """

    model_config = _FROZEN

    partition: str
    entry: str
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

    @property
    def place(self) -> UserTokenPlace:
        """Where it lies."""
        return UserTokenPlace(self.zoom_user_id, self.connection, self.type)

    @property
    def may_lie_there(self) -> bool:
        """Whether a token may be there; it may also be destroyed, and its writer not be dead yet."""
        return self.watch is not None

    def tells_of(self, other: Self) -> bool:
        """Whether whoever reads this destroys the other as well, and knows until when it lives."""
        return self.may_lie_there and self.expires_at >= other.expires_at

    def with_expected(self, expires_at: datetime) -> Self:
        """With a token to come, that lives until then."""
        latest = max(self.expires_at, expires_at)
        return self.model_copy(update={"expires_at": latest, "watch": WATCHED, "watch_at": latest + SETTLED})

    def after_destruction(self, now: datetime) -> Self:
        """With nothing in its place; to be looked at once more when what was handed out is dead."""
        over = self.watch_at is None or self.watch_at <= now
        watch = {"watch": None, "watch_at": None} if over else {}
        return self.model_copy(update={"destroying": False} | watch)

    def as_before(self, before: Self | None, now: datetime) -> Self:
        """With what was told before a token was expected that never came."""
        told = {"expires_at": now, "watch": None, "watch_at": None}
        if before:
            told = {name: getattr(before, name) for name in told}
        return self.model_copy(update={"destroying": False} | told)


class Address(BaseModel):
    """Whose tokens were fetched for one address: it outlives the account at Zoom."""

    model_config = _FROZEN

    #: `user-token#address:<mark>`
    partition: str
    #: Zoom's id
    entry: str


class Proof(BaseModel):
    """The word that all user tokens are in the index: of this very table, since a restored one has another id."""

    model_config = _FROZEN

    partition: str = _PROOF["partition"]
    entry: str = _PROOF["entry"]
    table: str
    #: when this table was first looked at
    since: AwareDatetime
    whole: bool = False
    item_version: int = 0


class UserTokenIndex:
    """The items of user tokens in the Cases table."""

    def __init__(
        self,
        tokens: Items[StoredUserToken],
        addresses: Items[Address],
        proofs: Items[Proof],
        table_identity: Callable[[], str],
    ) -> None:
        self._tokens = tokens
        self._addresses = addresses
        self._proofs = proofs
        self._table_identity = table_identity

    def read(self, place: UserTokenPlace) -> StoredUserToken | None:
        """Read one token's item, as it is now."""
        return self._tokens.read(**_key(place))

    def change(self, old: StoredUserToken, new: StoredUserToken) -> StoredUserToken | None:
        """Write `new` where `old` still stands; None where it does not."""
        return self._tokens.compare_and_swap(old, new)

    def find(self, names: Iterable[str]) -> list[StoredUserToken]:
        """Find the tokens of whoever has one of these names at Zoom, or had it when a token was fetched."""
        names = frozenset(names)
        fetched_for = [_partition(self._addresses, of_address(mark(name))) for name in sorted(names)]
        ids = names | {str(each["entry"]) for found in fetched_for for each in found}
        tokens = [_partition(self._tokens, of_user_token(zoom_user_id)) for zoom_user_id in sorted(ids)]
        return [StoredUserToken.model_validate(each) for found in tokens for each in found]

    def find_expired(self, now: datetime) -> Iterator[StoredUserToken]:
        """Find the tokens that have been dead for SETTLED by now, the longest first, by the index `watch`."""
        condition, names = "#watch = :watch AND watch_at <= :now", {"#watch": "watch"}
        for found in self._tokens.query("watch", condition, names, {":watch": WATCHED, ":now": timestamp(now)}):
            # The index is behind the table: by now it may be another token's.
            standing = self._tokens.read(partition=str(found["partition"]), entry=str(found["entry"]))
            if standing and standing.watch_at and standing.watch_at <= now:
                yield standing

    def expect(
        self, place: UserTokenPlace, marks: Iterable[str], expires_at: datetime
    ) -> tuple[StoredUserToken | None, StoredUserToken]:
        """Tell of a token to come, that lives until then, and of the addresses that it is for.

        Returns what was told of its place before, and what is told now.

        Raises LeaseHeld while what lies there is being destroyed.
        """
        self._tell_addresses(place, marks)
        new = _new(place, expires_at)
        while True:
            standing = self.read(place)
            if standing is None:
                if self._tokens.add(new):
                    return None, new
                continue
            if standing.destroying:
                raise LeaseHeld(f"the {place.type} that lay there is being destroyed")
            if written := self.change(standing, standing.with_expected(expires_at)):
                return standing, written

    def adopt(self, found: FoundUserToken, now: datetime) -> None:
        """Tell of a secret that was found, where nothing or too little is told of it."""
        self._tell_addresses(found.place, found.marks)
        new = _new(found.place, found.expires_at or now + LONGEST_LIFE)
        while (standing := self.read(found.place)) is None or not standing.tells_of(new):
            if standing is None:
                self._tokens.add(new)
            else:
                self.change(standing, standing.with_expected(new.expires_at))

    # -- whether that is all

    def is_whole(self) -> bool:
        """Whether every token that lies in Secrets Manager is here: not after this table was restored."""
        proof = self._proofs.read(**_PROOF)
        return proof is not None and proof.whole and proof.table == self._table_identity()

    def prove(self, now: datetime, adopt_all: Callable[[], bool]) -> None:
        """Build the index anew where that was not done for this table; `adopt_all` tells whether it saw all secrets."""
        table = self._table_identity()
        proof = self._proofs.read(**_PROOF)
        if proof is None:
            self._proofs.add(Proof(table=table, since=now))
        elif proof.table != table:
            fresh = {"table": table, "since": now, "whole": False}
            self._proofs.compare_and_swap(proof, proof.model_copy(update=fresh))
        elif not proof.whole and now - proof.since >= SHOWN and adopt_all():
            self._proofs.compare_and_swap(proof, proof.model_copy(update={"whole": True}))

    def _tell_addresses(self, place: UserTokenPlace, marks: Iterable[str]) -> None:
        for each in marks:
            self._addresses.add(Address(partition=of_address(each), entry=place.zoom_user_id))


def mark(name: str) -> str:
    """What stands for an address on a secret and in the table: only who knows the address knows whose it is."""
    return sha256(name_of(name).encode()).hexdigest()


def is_named(found: FoundUserToken, names: frozenset[str]) -> bool:
    """Whether a secret is of somebody who has one of these names."""
    return found.place.zoom_user_id in names or not found.marks.isdisjoint(map(mark, names))


def _partition(items: Items[Any], key: str) -> Iterator[Mapping[str, Value]]:
    return items.query(None, "#key = :key", {"#key": "partition"}, {":key": key})


def _new(place: UserTokenPlace, expires_at: datetime) -> StoredUserToken:
    fields = _key(place) | {"zoom_user_id": place.zoom_user_id, "connection": place.connection, "type": place.type}
    # To the second, as the table keeps it: else what stands would never be as late as what is to stand.
    expires_at = expires_at.replace(microsecond=0)
    return StoredUserToken.model_validate(fields | {"expires_at": expires_at}).with_expected(expires_at)


def _key(place: UserTokenPlace) -> dict[str, str]:
    return {"partition": of_user_token(place.zoom_user_id), "entry": f"{place.connection}#{place.type}"}
