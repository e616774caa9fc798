"""The Cases table in memory, with the same conditions; tests/integration/test_cases.py holds it to them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, cast

from leaver.cases.ceiling import PeopleAnHour
from leaver.cases.heard import Heard, HeardEvents
from leaver.cases.partitions import KEY, of_case
from leaver.cases.people import HashKey, Name, People
from leaver.cases.receipts import Receipt
from leaver.cases.record import LOOK_AGAIN, WATCHED, Case
from leaver.cases.seal import Stored
from leaver.cases.states import State
from leaver.cases.table import Cases, CaseSummary, ListedCase, UnreadableCase
from leaver.storage.tables import Item, Items, Value, columns, item_version_of
from tests.doubles.receipts_table import InMemoryReceipts
from tests.doubles.steps import Effects


class InMemoryItems(Items[Item]):
    """Items by their key, kept as the table keeps them: times in UTC and to the second."""

    def __init__(self, kind: type[Item], *, key: tuple[str, ...], effects: Effects | None = None) -> None:
        self.kept: dict[tuple[Value, ...], Mapping[str, Value]] = {}
        #: what was read of what is kept: nobody changes either
        self._parsed: dict[tuple[Value, ...], tuple[Mapping[str, Value], Item]] = {}
        self.kind = kind
        self.effects = effects or Effects()
        self._key = key

    @property
    def name(self) -> str:
        return self.kind.__name__.lower()

    def read(self, **key: str) -> Item | None:
        return self.effects.of(f"read {self.name}", lambda: self._read(tuple(key[name] for name in self._key)))

    def add(self, new: Item) -> bool:
        def add() -> bool:
            stored = columns(new)
            return self.kept.setdefault(self._place(stored), stored) == stored

        return self.effects.of(f"add {self.name}", add)

    def compare_and_swap(self, old: Item, new: Item) -> Item | None:
        def compare_and_swap() -> Item | None:
            place = self._place(columns(old))
            standing = self._read(place)
            if standing is None or item_version_of(standing) != item_version_of(old):
                return None
            written = new.model_copy(update={"item_version": item_version_of(old) + 1})
            self.kept[place] = columns(written)
            return written

        return self.effects.of(f"write {self.name}", compare_and_swap)

    def remove(self, old: Item) -> bool:
        def remove() -> bool:
            place = self._place(columns(old))
            standing = self._read(place)
            if standing is not None and item_version_of(standing) != item_version_of(old):
                return False
            self.kept.pop(place, None)
            return True

        return self.effects.of(f"remove {self.name}", remove)

    def query(
        self, index: str | None, condition: str, names: Mapping[str, str], bound: Mapping[str, Value]
    ) -> Iterator[dict[str, Value]]:
        """What one partition holds."""
        assert (index, condition) == (None, "#key = :key")
        assert names["#key"] == self._key[0]

        def query() -> list[dict[str, Value]]:
            return [dict(each) for _, each in sorted(self.kept.items()) if each[self._key[0]] == bound[":key"]]

        yield from self.effects.of(f"query {self.name}", query)

    def count(
        self, condition: str, names: Mapping[str, str], bound: Mapping[str, Value], *, index: str | None = None
    ) -> int:
        return len(list(self.query(index, condition, names, bound)))

    def scan(self) -> Iterator[Item]:
        yield from (each for each in map(self._read, list(self.kept)) if each)

    def _read(self, place: tuple[Value, ...]) -> Item | None:
        stored = self.kept.get(place)
        if stored is None:
            return None
        if place not in self._parsed or self._parsed[place][0] is not stored:
            self._parsed[place] = stored, self.kind.model_validate(stored)
        return self._parsed[place][1]

    def _place(self, stored: Mapping[str, Value]) -> tuple[Value, ...]:
        return tuple(stored[name] for name in self._key)


class InMemoryCases(Cases):
    """Cases by id, with their receipts beside them."""

    def __init__(self, *cases: Case, receipts: InMemoryReceipts | None = None, effects: Effects | None = None) -> None:
        self.beside = receipts or InMemoryReceipts()
        self.effects = effects or Effects()
        self.items = InMemoryItems(Case, key=("partition", "entry"), effects=self.effects)
        self._items = self.items
        for case in cases:
            self.put(case)

    @property
    def every(self) -> list[Case]:
        return list(self.items.scan())

    @property
    def only(self) -> Case:
        (case,) = self.every
        return case

    def read_stored(self, case_id: str) -> dict[str, Stored]:
        def read() -> dict[str, Stored]:
            own = {entry: dict(each) for (case, entry), each in self.items.kept.items() if case == of_case(case_id)}
            beside = {entry: columns(each) for (case, entry), each in self.beside.items.items() if case == case_id}
            return {str(entry): each for entry, each in sorted((own | beside).items())}

        return self.effects.of("read receipts", read)

    def write_receipt(self, stored: Stored) -> None:
        receipt = Receipt.model_validate(stored)
        place = receipt.case_id, receipt.entry
        assert place in self.beside.items
        self.effects.of("write receipt", lambda: self.beside.items.update({place: receipt}))

    def read_receipts(self, case_id: str) -> dict[str, Receipt]:
        def read() -> dict[str, Receipt]:
            return dict(sorted((entry, each) for (case, entry), each in self.beside.items.items() if case == case_id))

        return self.effects.of("read receipts", read)

    def find_due(self, now: datetime) -> Iterator[str]:
        yield from (case.case_id for case in self._watched(WATCHED) if case.watch_at and case.watch_at <= now)

    def find_in(self, state: State) -> Iterator[ListedCase | UnreadableCase]:
        yield from (ListedCase.model_validate(columns(case)) for case in self.every if case.state is state)

    def count_held(self) -> int:
        return len(self._watched("held"))

    def read_summaries(self, now: datetime) -> Iterator[CaseSummary]:
        soon = [case for case in self._watched(WATCHED) if case.watch_at and case.watch_at <= now + 2 * LOOK_AGAIN]
        yield from (CaseSummary.model_validate(columns(case)) for case in soon)

    def put(self, case: Case) -> None:
        """Have a case, whatever was there."""
        self.items.kept[case.partition, case.entry] = columns(case)

    def alter(self, case_id: str, **to: Any) -> None:
        """Change a case behind everybody's back."""
        standing = self.items.read(partition=of_case(case_id), entry="case")
        assert standing is not None
        self.put(standing.model_copy(update=to | {"item_version": standing.item_version + 1}))

    def _watched(self, what: str) -> list[Case]:
        found = [case for case in self.every if case.watch == what and case.watch_at]
        return sorted(found, key=lambda case: cast("datetime", case.watch_at))


class InMemoryPeopleAnHour(PeopleAnHour):
    """Who was counted, by the hour, and under what."""

    def __init__(self, effects: Effects | None = None) -> None:
        self.effects = effects or Effects()
        #: by hour, and kind
        self.counted: dict[str, dict[str, int]] = {}
        #: by hour and person
        self.marks: dict[tuple[str, str], set[str]] = {}
        self.first: dict[tuple[str, str], str] = {}

    def counts(self, at: datetime) -> dict[str, int]:
        return self.effects.of("read count", lambda: dict(self.counted.get(_hour(at), {})))

    def _read_mark(self, mark: str, at: datetime) -> Collection[str]:
        return self.effects.of("read mark", lambda: frozenset(self.marks.get((_hour(at), mark), ())))

    def _count(self, limits: Mapping[str, int | None], at: datetime) -> str | None:
        def count() -> str | None:
            counts = self.counted.setdefault(_hour(at), {})
            for kind, limit in limits.items():
                if limit is not None and counts.get(kind, 0) >= limit:
                    return kind
            counts.update({kind: counts.get(kind, 0) + 1 for kind in limits})
            return None

        return self.effects.of("count case", count)

    def _mark(self, mark: str, kinds: Iterable[str], at: datetime) -> None:
        self.effects.of("mark counted", lambda: self.marks.setdefault((_hour(at), mark), set()).update(kinds))

    def _mark_first(self, kind: str, mark: str, at: datetime) -> str:
        return self.effects.of("mark first", lambda: self.first.setdefault((_hour(at), kind), mark))


def _hour(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H}"


class InMemoryHeard(HeardEvents):
    """What was heard, and what became of it."""

    def __init__(self, effects: Effects | None = None) -> None:
        self.items = InMemoryItems(Heard, key=KEY, effects=effects)
        self._items = self.items

    @property
    def fates(self) -> list[Heard]:
        return [each for each in self.items.scan() if each.fate]


class InMemoryPeople(People):
    """Whoever left, by name."""

    def __init__(self, *names: Name, effects: Effects | None = None) -> None:
        self.items = InMemoryItems(Name, key=("partition", "entry"), effects=effects)
        self._items = self.items
        self._hash_key = None
        # Not among the effects: it is read of everybody who never left, and made but once.
        self._keys = InMemoryItems(HashKey, key=("partition", "entry"))
        for name in names:
            assert self.items.add(name)

    @property
    def under_tombstones(self) -> set[str]:
        """The names on which a tombstone stands."""
        return {each.partition.removeprefix("person#") for each in self.items.scan() if each.gone_since}


def without_step(case: Case, name: str) -> Case:
    """The case with one step less outstanding."""
    return case.model_copy(update={"outstanding": tuple(each for each in case.outstanding if each != name)})
