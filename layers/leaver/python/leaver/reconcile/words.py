"""What follows of what was found: held cases, once somebody was seen twice, and nothing else."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from pydantic import ValidationError

from leaver.messages.events import OffboardingRequested, Subject
from leaver.messages.names import name_of
from leaver.reconcile.comparison import UNDER_WAY, Lists, Row
from leaver.storage.tables import timestamp

#: how the intake knows who says so
SOURCE: Final = "reconcile"
#: A roster lags behind HR: who was found once may only be late on it.
SECOND_SIGHTING: Final = timedelta(hours=12)
_LONGEST_WHY: Final = 200


@dataclass(frozen=True)
class Sighting:
    """Since when somebody is found night after night, and whether a case was asked for."""

    since: datetime
    asked: bool = False


@dataclass
class _Word:
    """What is to be said of one address."""

    email: str
    rows: list[Row] = field(default_factory=list)


def sight(lists: Lists, before: Mapping[str, Sighting], now: datetime) -> dict[str, Sighting]:
    """Who is found by now, by address; who is found no more is forgotten."""
    return {address: before.get(address, Sighting(now)) for address in _by_address(lists.found)}


def find_due(sightings: Mapping[str, Sighting], now: datetime) -> list[str]:
    """Those of whom a case is to be asked for: seen a second time, and not asked for before.

    Who was discarded by a person is not asked for again as long as they are found.
    """
    return sorted(name for name, each in sightings.items() if not each.asked and now - each.since >= SECOND_SIGHTING)


def words(
    lists: Lists, due: Iterable[str], run: str, now: datetime, *, id_keys: Mapping[str, str], begins: bool
) -> Iterator[OffboardingRequested]:
    """The words for the intake: each opens a case that waits for a person.

    `begins` lets a case begin of somebody for whom everything was ended before. `id_keys`: by which of its identity
    keys a provider's id is told.
    """
    found, due = _by_address(lists.found), set(due)
    again = {name_of(each.email or each.who) for each in lists.alive_again}
    for address in sorted(due & found.keys()):
        word = found[address]
        rows = [each for each in word.rows if each.because != UNDER_WAY]
        if not rows:
            continue
        because = f"reconcile: {'; '.join(dict.fromkeys(each.because for each in rows))}"[:_LONGEST_WHY]
        yield OffboardingRequested(
            event_id=f"{run}:{sha256(address.encode()).hexdigest()[:16]}",
            source=SOURCE,
            kind="immediate",
            subject=Subject(email=word.email, identities=_identities(rows, id_keys)),
            effective_at=now,
            occurred_at=now,
            because=because,
            held=None if begins and address in again else because,
        )


def as_stored(sightings: Mapping[str, Sighting]) -> dict[str, dict[str, object]]:
    """What JSON holds of them."""
    return {name: {"since": timestamp(each.since), "asked": each.asked} for name, each in sightings.items()}


def as_told(stored: Mapping[str, Mapping[str, object]]) -> dict[str, Sighting]:
    """Sightings as they were stored."""
    return {
        name: Sighting(datetime.fromisoformat(str(each["since"])), asked=bool(each["asked"]))
        for name, each in stored.items()
    }


def _can_be_named(address: str) -> bool:
    """Whether a word can be said of it; what else stands where an address should is on its list, for a person."""
    try:
        Subject(email=address)
    except ValidationError:
        return False
    return True


def _by_address(rows: Sequence[Row]) -> dict[str, _Word]:
    """What is found of each address: the account's own, else the roster's. Nobody can say a word without any."""
    found: dict[str, _Word] = {}
    for each in rows:
        address = each.email or each.who
        if _can_be_named(address):
            found.setdefault(name_of(address), _Word(address)).rows.append(each)
    return found


def _identities(rows: Iterable[Row], id_keys: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """One id at each provider: of a second one the next night tells, when the first has ended."""
    told: dict[str, dict[str, str]] = {}
    for each in sorted(rows, key=lambda row: (row.at, row.id or "")):
        provider = each.at.partition("/")[0]
        if each.id and provider in id_keys and each.kind in {"account", "grant"}:
            told.setdefault(provider, {id_keys[provider]: each.id})
    return told
