"""A run of reconciliation as it is kept: how far it came, what it has listed, and what the last good one remembered."""

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict

from leaver.errors import LeaseHeld, NotRead
from leaver.storage.tables import Items, item, read_as, values

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

#: how everything of reconciliation begins in the table of deliveries, which clears itself
_PREFIX: Final = "reconcile#"
_KEY: Final = ("delivery",)
STATE: Final = f"{_PREFIX}state"
#: how long a run is another's business after it last said how far it is: longer than a function lives
HELD_FOR: Final = timedelta(minutes=30)
#: what a run listed, what it found, and what the next one goes by
PAGES_KEPT: Final = timedelta(days=3)
RESULTS_KEPT: Final = timedelta(days=40)
MEMORY_KEPT: Final = timedelta(days=400)
#: characters of an item: DynamoDB takes 400 KB
_PART: Final = 350_000


class State(BaseModel):
    """The run that is under way, or was the last, and the last good one."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, defer_build=True)

    delivery: str = STATE
    run: str
    started_at: AwareDatetime
    held_until: AwareDatetime
    #: where the roster comes from, as it was asked for
    roster: str
    dry_run: bool = False
    #: what is listed, one after the other: `roster`, then each `provider/account`
    places: tuple[str, ...] = ()
    #: which of them it is at, how far it is there (JSON), and how many pages it has of each
    at: int = 0
    cursor: str = "{}"
    pages: tuple[int, ...] = ()
    #: how many calls of providers it took
    calls: int = 0
    #: what a roster in a file says of itself
    as_of: AwareDatetime | None = None
    said: int | None = None
    #: why nothing follows from what it finds
    stopped: tuple[str, ...] = ()
    is_done: bool = False

    #: the last run that is done, whose result lies there, with its digest
    last: str | None = None
    last_at: AwareDatetime | None = None
    digest: str | None = None
    #: the last whose roster and listings were whole: its memory and its sightings are gone by
    good: str | None = None
    good_at: AwareDatetime | None = None
    item_version: int = 0

    def anew(self, run: str, roster: str, now: datetime, *, dry_run: bool) -> Self:
        """The beginning of another run."""
        kept = self.model_dump(include={"last", "last_at", "digest", "good", "good_at", "item_version"})
        fields = {"run": run, "roster": roster, "dry_run": dry_run, "started_at": now, "held_until": now + HELD_FOR}
        return self.model_validate(kept | fields)


class Runs:
    """The one state that all runs share: who writes it goes on, and who comes second does not."""

    def __init__(self, dynamodb: "DynamoDBClient", *, table: str) -> None:
        self._items = Items(dynamodb, table=table, key=_KEY, model=read_as(State))

    def read(self) -> State | None:
        """Read it as it is now; None before the first run."""
        return self._items.read(delivery=STATE)

    def begin(self, run: str, roster: str, now: datetime, *, dry_run: bool) -> State | None:
        """Begin this run, or go on with it; None while another is under way."""
        standing = self.read()
        if standing is not None and standing.run == run:
            return standing
        if standing is not None and not standing.is_done and standing.held_until > now:
            return None
        first = State(run=run, started_at=now, held_until=now + HELD_FOR, roster=roster, dry_run=dry_run)
        if standing is None:
            return first if self._items.add(first) else None
        return self._items.compare_and_swap(standing, standing.anew(run, roster, now, dry_run=dry_run))

    def save(self, old: State, now: datetime, **changed: object) -> State:
        """Say how far the run is. Raises LeaseHeld where another has gone on with it, or has begun its own."""
        new = old.model_copy(update={**changed, "held_until": now + HELD_FOR})
        written = self._items.compare_and_swap(old, new)
        if written is None:
            raise LeaseHeld("reconciliation: another run goes on with it")
        return written


class Documents:
    """What a run keeps beside its state, by name: JSON, packed, in as many items as it takes."""

    def __init__(self, dynamodb: "DynamoDBClient", *, table: str, clock: Callable[[], datetime]) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._clock = clock

    def put(self, name: str, document: object, kept: timedelta) -> str:
        """Write a document, whatever lies there; returns the digest of its JSON, see digest_of()."""
        text = canonical(document)
        packed = b64encode(zlib.compress(text.encode())).decode()
        parts = [packed[start : start + _PART] for start in range(0, len(packed), _PART)]
        expires_at = int((self._clock() + kept).timestamp())
        # The first last: who finds it finds the others.
        for number in reversed(range(len(parts))):
            part = item(
                {
                    "delivery": f"{_PREFIX}{name}#{number}",
                    "text": parts[number],
                    "parts": len(parts),
                    "expires_at": expires_at,
                }
            )
            self._dynamodb.put_item(TableName=self._table, Item=part)
        return digest_of(text)

    def read(self, name: str) -> Any:
        """Read a document; raises NotRead where it is not there any more."""
        first = self._part(name, 0)
        parts = [first, *(self._part(name, number) for number in range(1, int(str(first["parts"]))))]
        return json.loads(zlib.decompress(b64decode("".join(str(each["text"]) for each in parts))))

    def _part(self, name: str, number: int) -> dict[str, Any]:
        key = item({"delivery": f"{_PREFIX}{name}#{number}"})
        found = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        if "Item" not in found:
            raise NotRead(f"reconciliation: {name.partition('#')[2] or name} is not there any more")
        return dict(values(found["Item"]))


def canonical(document: object) -> str:
    """JSON of which there is one for each document, as the seal has it: keys sorted, no spaces."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest_of(text: str) -> str:
    """SHA-256 of a document's canonical JSON, in hex."""
    return sha256(text.encode()).hexdigest()


def page_name(run: str, place: int, page: int) -> str:
    """Where a page of a listing lies."""
    return f"{run}#page#{place}#{page}"


def result_name(run: str) -> str:
    """Where the result of a run lies."""
    return f"{run}#result"


def memory_name(run: str) -> str:
    """Where a good run remembers everybody who was on a roster, and who was found how often."""
    return f"{run}#memory"
