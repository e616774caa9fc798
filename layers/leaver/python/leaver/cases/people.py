"""Whoever left, under each of their names: which case is theirs, and the tombstone that says so to everybody."""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from leaver.cases.kinds import Kind
from leaver.cases.partitions import KEY, of_erased, of_person
from leaver.messages.names import name_of
from leaver.storage.tables import Items, read_as

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

#: the sort key of a name's item in the Cases table
ENTRY: Final = "person"
#: before any event: of somebody of whom nobody has said whether they leave
NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Word(BaseModel):
    """The newest word of one source about a person."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    #: when that happened, by the source
    at: AwareDatetime
    #: cancelled, or reinstated; else that they leave
    stays: bool


class Name(BaseModel):
    """One name of one person."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    partition: str
    entry: str = ENTRY
    #: the person's case, the last that was opened
    case: str | None = None
    #: the last that was completed before that one
    finished: str | None = None
    #: by source: who took must give back, and nobody else
    said: dict[str, Word] = Field(default_factory=dict)
    #: when a person decided that they stay, whatever any source had said before
    given_back_at: AwareDatetime | None = None
    #: the tombstone: since when nothing may be given to this person any more
    gone_since: AwareDatetime | None = None
    #: the person's cases in which they stay, by kind: of each the last that was opened
    containments: dict[Kind, str] = Field(default_factory=dict)
    #: and the one before: of that one the last takes the names, and a run may be killed before it has recorded them
    contained: dict[Kind, str] = Field(default_factory=dict)
    #: nothing that was asked for before this may be kept, though the person stays: our clock, by such a case
    cutoff: AwareDatetime | None = None
    #: the name was erased then: this lies under its keyed hash
    erased_at: AwareDatetime | None = None
    item_version: int = 0

    @property
    def cases(self) -> frozenset[str]:
        """The person's cases of every kind that are remembered here."""
        staying = (*self.containments.values(), *self.contained.values())
        return frozenset(each for each in (self.case, self.finished, *staying) if each)

    def is_of(self, case_ids: Collection[str]) -> bool:
        """Whether no case has it now but these."""
        return {each for each in (self.case, *self.containments.values()) if each} <= set(case_ids)

    def was_erased_after(self, at: datetime) -> bool:
        """Whether somebody who is gone was erased after this happened: all that it asks for was done."""
        return self.may_be_of_erased(at) and self.gone_since is not None

    def may_be_of_erased(self, at: datetime) -> bool:
        """Whether this happened before somebody of this name was erased: no case tells whose word it is."""
        return self.erased_at is not None and at.replace(microsecond=0) <= self.erased_at

    def erased(self, before: "Name | None", now: datetime) -> Self:
        """What goes on to refuse after the name is erased, also what stood under its hash before; no case is known."""
        each = [one for one in (self, before) if one]
        said = self.said
        for source, word in (before.said if before else {}).items():
            if _is_newer(word, said.get(source)):
                said = {**said, source: word}
        kept = {
            "said": said,
            "gone_since": min((one.gone_since for one in each if one.gone_since), default=None),
            "given_back_at": max((one.given_back_at for one in each if one.given_back_at), default=None),
            "cutoff": max((one.cutoff for one in each if one.cutoff), default=None),
        }
        forgotten: dict[str, object] = {"case": None, "finished": None, "containments": {}, "contained": {}}
        return self.model_copy(update=kept | forgotten | {"erased_at": now.replace(microsecond=0)})

    def comes_late(self, source: str, at: datetime, *, stays: bool) -> bool:
        """Whether this word of a source was taken back before it came: by that source, or by a person."""
        # To the second, as the table keeps it: else an event would come later than itself.
        at = at.replace(microsecond=0)
        word = self.said.get(source)
        overruled = word is not None and word.at > at and (stays or word.stays)
        return overruled or (self.given_back_at is not None and self.given_back_at > at)

    def with_word(self, source: str, at: datetime, *, stays: bool) -> Self:
        """With a source's word, where that is its newest."""
        at = at.replace(microsecond=0)
        if source in self.said and self.said[source].at > at:
            return self
        return self.model_copy(update={"said": {**self.said, source: Word(at=at, stays=stays)}})

    def with_case(self, case_id: str, finished: str | None) -> Self:
        """With another case; `finished` is the last that was completed."""
        return self.model_copy(update={"case": case_id, "finished": finished or self.finished})

    def given_back(self, case_id: str, at: datetime) -> Self | None:
        """With a person's decision that they stay; None where this is not their case, or somebody spoke since."""
        if self.case != case_id or any(word.at > at for word in self.said.values()):
            return None
        at = max(at, self.given_back_at or at)
        return self.model_copy(update={"said": {}, "given_back_at": at.replace(microsecond=0), "gone_since": None})

    def with_tombstone(self, case_id: str, now: datetime, *, finished: str | None = None) -> Self | None:
        """With this case's tombstone; None where it stands. `finished` is as with_case() has it."""
        if self.gone_since and self.case == case_id:
            return None
        return self.with_case(case_id, finished).model_copy(update={"gone_since": self.gone_since or now})

    def without_tombstone(self, case_id: str | None = None) -> Self | None:
        """Without a tombstone; None where there is none, or where it is another case's than the one that is named."""
        if self.gone_since is None or case_id not in {None, self.case}:
            return None
        return self.model_copy(update={"gone_since": None})

    def with_containment(self, kind: Kind, case_id: str) -> Self:
        """With this case of a kind in which they stay."""
        before = {kind: self.containments[kind]} if kind in self.containments else {}
        fields = {"containments": {**self.containments, kind: case_id}, "contained": {**self.contained, **before}}
        return self.model_copy(update=fields)

    def with_cutoff(self, now: datetime) -> Self:
        """With nothing kept that was asked for before now; a cutoff is raised, and never lowered."""
        return self.model_copy(update={"cutoff": max(self.cutoff or now, now)})


class HashKey(BaseModel):
    """Under what erased names are hashed; it lies beside them, so that no restored table refuses less than it did."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    partition: str = of_person("")
    entry: str = "key"
    #: 32 random bytes in hex
    key: str


class People:
    """The names in the Cases table."""

    def __init__(self, dynamodb: "DynamoDBClient", *, table: str) -> None:
        self._items = Items(dynamodb, table=table, key=KEY, model=read_as(Name))
        self._keys = Items(dynamodb, table=table, key=KEY, model=read_as(HashKey))
        self._hash_key: HashKey | None = None

    def read(self, name: str) -> Name | None:
        """Read what is remembered of a name, as of now, erased or not; None of somebody who never left."""
        found = self._items.read(partition=_key(name), entry=ENTRY)
        if found is not None:
            return found
        # Read again until there is one: another process makes it.
        self._hash_key = self._hash_key or self._keys.read(partition=of_person(""), entry="key")
        return self._items.read(partition=_hashed(name, self._hash_key), entry=ENTRY) if self._hash_key else None

    def erase(self, name: str, case_ids: Collection[str], now: datetime) -> None:
        """Hash a name, unless another case than these has it now; what refused goes on to refuse at every moment."""
        hash_key = self._make_hash_key()
        while True:
            plain = self._items.read(partition=_key(name), entry=ENTRY)
            standing = self._items.read(partition=_hashed(name, hash_key), entry=ENTRY)
            if not all(each.is_of(case_ids) for each in (plain, standing) if each):
                return
            if standing is None or plain is not None or standing.cases:
                new = (standing or Name(partition=_hashed(name, hash_key))).erased(plain, now)
                if self._write(standing, new) is None:
                    continue
            if plain is None or self._items.remove(plain):
                return

    def _make_hash_key(self) -> HashKey:
        made = HashKey(key=secrets.token_hex(32))
        if self._keys.add(made):
            return made
        standing = self._keys.read(partition=made.partition, entry=made.entry)
        if standing is None:
            raise LookupError("the key of erased names is gone: what was erased refuses nobody any more")
        return standing

    def read_all(self, names: Iterable[str]) -> "Known":
        """Read what is remembered of these names."""
        return {name: self.read(name) for name in names}

    def gone(self, names: Iterable[str]) -> bool:
        """Whether a tombstone stands on any of these names."""
        return any(found.gone_since for found in map(self.read, names) if found)

    def refuse_what_was_asked(self, names: Iterable[str], at: datetime) -> str | None:
        """Why nothing may be kept that was asked for at this time for somebody of these names; None where it may."""
        found = [each for each in map(self.read, names) if each]
        if any(each.gone_since for each in found):
            return "the user left"
        # The table keeps seconds: of the cutoff's own second nothing is kept.
        if any(each.cutoff and at.replace(microsecond=0) <= each.cutoff for each in found):
            return "the user's access was cut off after the token was asked for"
        return None

    def who_says_leaves(self, names: Iterable[str]) -> frozenset[str] | None:
        """The sources whose newest word, under whichever name, is that the person leaves; None where nobody spoke."""
        return who_says_leaves(self.read_all(names))

    def change(
        self, name: str, update: Callable[[Name], Name | None], known: "Known" = MappingProxyType({})
    ) -> Name | None:
        """Change what is remembered of a name, from nothing where nothing was.

        None, and nothing written, where `update` makes None of it. `known` is what was read of it before: it is read
        again where that is no longer what stands, and before it is left as it is.
        """
        nothing = Name(partition=_key(name))
        is_as_of_now = name not in known
        standing = self.read(name) if is_as_of_now else known[name]
        while True:
            new = update(standing or nothing)
            if new is None and is_as_of_now:
                return None
            if new is not None and (written := self._write(standing, new)) is not None:
                return written
            standing, is_as_of_now = self.read(name), True

    def _write(self, standing: Name | None, new: Name) -> Name | None:
        if standing is None:
            return new if self._items.add(new) else None
        return self._items.compare_and_swap(standing, new)


#: what was read of names a moment ago, None of somebody who never left
Known = Mapping[str, Name | None]


def who_says_leaves(known: Known) -> frozenset[str] | None:
    """As People has it, by what was read."""
    found = [each for each in known.values() if each and each.said]
    said: dict[str, Word] = {}
    for each in found:
        said |= {source: word for source, word in each.said.items() if _is_newer(word, said.get(source))}
    return frozenset(source for source, word in said.items() if not word.stays) if found else None


def _is_newer(word: Word, than: Word | None) -> bool:
    return than is None or word.at > than.at


def _key(name: str) -> str:
    return of_person(name_of(name))


def _hashed(name: str, key: HashKey) -> str:
    return of_erased(hmac.digest(bytes.fromhex(key.key), name_of(name).encode(), hashlib.sha256).hex())
