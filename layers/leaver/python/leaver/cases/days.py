"""Tell of each day what was heard, and what became of it: signed, and in the log beside the cases."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from leaver.cases.heard import Heard, HeardEvents
from leaver.cases.statements import Statements
from leaver.errors import NotKept
from leaver.evidence.canonical_json import canonical, read_canonical
from leaver.evidence.population import DAY_IS_OVER, LONGEST_OPEN, POPULATION, claimed_of_day
from leaver.storage.tables import timestamp

#: A run that heard of something a moment before midnight writes it down a moment later.
UNTIL_WRITTEN: Final = timedelta(hours=1)
#: how far back it is looked for the last day that was told of: what is longer ago is missing for good, and shows
LONGEST_GAP: Final = 60
#: A function has a minute: what is left is told of in the next hour.
MOST_AT_ONCE: Final = 5


@dataclass(frozen=True)
class DayEvidence:
    """What it takes to tell of days; seal_case alone has it."""

    heard: HeardEvents
    statements: Statements

    def keep(self) -> list[str]:
        """Tell of the days that are over and were not told of, the oldest first; returns these. Raises NotKept.

        The first time it begins with the last day that is over.
        """
        last = (self.statements.clock() - UNTIL_WRITTEN).astimezone(UTC).date() - timedelta(days=1)
        behind = 0
        while behind < LONGEST_GAP and not self._is_told(last - timedelta(days=behind)):
            behind += 1
        if behind == LONGEST_GAP:
            behind = 1
        days = [last - timedelta(days=number) for number in reversed(range(behind))][:MOST_AT_ONCE]
        for day in days:
            self._keep(day)
        return [f"{day}" for day in days]

    def _is_told(self, day: date) -> bool:
        return self.statements.log.has(f"{day}")

    def _keep(self, day: date) -> None:
        folder = f"days/{day}"
        content = canonical({"version": POPULATION, "day": f"{day}", "heard": list(self._new_on(day))})
        # What is stored counts: a run that was killed may have stored it before something came late.
        bundle = self.statements.store.keep_once(f"{folder}/bundle.json", content)
        population = read_canonical(bundle)
        if population["day"] != f"{day}":
            raise NotKept(f"evidence of {day}: another day is stored")
        self.statements.keep(folder, bundle, kind=DAY_IS_OVER, claimed=claimed_of_day(population))

    def _new_on(self, day: date) -> Iterator[dict[str, Any]]:
        """What no day before has told, or told without a fate that it has by now."""
        days = [day - timedelta(days=number) for number in reversed(range(LONGEST_OPEN.days + 1))]
        told: dict[str, dict[str, Any]] = {}
        for each in days[:-1]:
            if self._is_told(each):
                before = json.loads(self.statements.store.read(f"days/{each}/bundle.json"))
                told |= {one["message"]: one for one in before["heard"]}
        # Nothing is told of what was heard before the first day.
        since = next((each for each in days if self._is_told(each)), day)
        items = Counter(one["at"][:10] for one in told.values() for _ in range(_items_of(one)))
        for each in days:
            at = datetime(each.year, each.month, each.day, tzinfo=UTC)
            # Days of thousands of events are not read sixteen times over.
            if each < since or (each < day and self.heard.count_day(at) == items[f"{each}"]):
                continue
            for one in told_of(list(self.heard.read_day(at))):
                if (before := told.get(one["message"])) is None or ("fate" in before) is not ("fate" in one):
                    yield one


def _items_of(one: Mapping[str, Any]) -> int:
    """How many items of the ledger told this: that it was heard, and its fate."""
    return (not one.get("isUnheard")) + ("fate" in one)


def told_of(found: list[Heard]) -> Iterator[dict[str, Any]]:
    """What the ledger's items of one day tell, each event once."""
    fates = {each.entry.removesuffix("#fate"): each for each in found if each.fate}
    heard = {each.entry: each for each in found if not each.fate}
    for entry in sorted(fates.keys() | heard.keys()):
        fate, one = fates.get(entry), heard.get(entry) or fates[entry]
        said: Mapping[str, Any] = {
            "message": one.message_id,
            "at": timestamp(one.heard_at),
            "source": one.source,
            "byRule": one.by_rule,
            "fate": fate.fate if fate else None,
            "case": fate.case_id if fate else None,
            "isUnheard": entry not in heard or None,
        }
        yield {name: value for name, value in said.items() if value is not None}
