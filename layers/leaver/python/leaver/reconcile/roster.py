"""Who should be here: a roster, as a CSV file or as a system lists it, and when it is not to be believed."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from leaver.errors import Rejected
from leaver.providers.listing import Person
from leaver.reconcile.names import Key, keys_of_person

#: an older roster knows nobody who came since, and calls nobody gone who left since
OLDEST: Final = timedelta(hours=48)
#: two clocks may differ by so much
AHEAD: Final = timedelta(minutes=5)
COLUMNS: Final = ("email", "aliases", "employee_id", "status")
#: what a status says of somebody who left; nothing, or anything of HERE, says that they are here
GONE: Final = frozenset({"gone", "left", "inactive", "terminated"})
HERE: Final = frozenset({"", "here", "active"})
_SAID: Final = re.compile(r"#\s*as_of=(\S+)\s+count=(\d{1,9})\s*")
#: of the lines that are wrong no more are told
_TOLD_AT_MOST: Final = 10


class BadRoster(Rejected):
    """What is there is no roster: the reason names lines and columns, and nobody."""


@dataclass(frozen=True)
class Roster:
    """Who should be here, who left, and when that was so."""

    people: tuple[Person, ...]
    as_of: datetime
    #: how many it says there are; None: its source tells no total
    said: int | None

    @property
    def here(self) -> int:
        """How many are here by it."""
        return sum(not each.is_gone for each in self.people)


def read_csv(body: bytes) -> Roster:
    """Read a roster: `# as_of=2026-11-29T01:00:00Z count=2`, the names of the columns, and a line for each person.

    `email` must be there. In `aliases`, and in a column such as `zoom:id` that holds a provider's own id, several stand
    with spaces or semicolons between them. Raises BadRoster. That it is old, or has fewer lines than it says, is for
    find_faults() to tell.
    """
    try:
        # A spreadsheet may begin its file with a mark.
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadRoster("the roster: expected UTF-8") from None
    first, _, rest = text.partition("\n")
    said = _SAID.fullmatch(first.strip())
    as_of = _time(said[1]) if said else None
    if said is None or as_of is None:
        raise BadRoster("the roster, line 1: expected # as_of=2026-11-29T01:00:00Z count=1234")
    header = rest.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(rest, newline=""), delimiter=";" if "," not in header else ",", strict=True)
    try:
        _check_header(reader.fieldnames or ())
        people = tuple(_people(reader))
    except csv.Error:
        raise BadRoster(f"the roster, line {reader.line_num + 1}: no CSV") from None
    return Roster(people, as_of, int(said[2]))


def find_faults(roster: Roster, here_before: int | None, now: datetime, *, may_shrink: int) -> list[str]:
    """Why a roster is not to be believed: it is old, cut short, or lost too many people since the one before.

    `may_shrink` is in percent of `here_before`, None: there was none before.
    """
    faults = []
    if roster.as_of > now + AHEAD:
        faults.append("the roster is of a time to come")
    if now - roster.as_of > OLDEST:
        faults.append(f"the roster is old: it is of {roster.as_of:%Y-%m-%d %H:%M} UTC")
    if roster.said is not None and roster.said != len(roster.people):
        faults.append(f"the roster was cut short: it says {roster.said} people, and has {len(roster.people)}")
    if not roster.here:
        faults.append("nobody is here by the roster")
    elif here_before and roster.here * 100 < here_before * (100 - may_shrink):
        faults.append(f"the roster shrank by more than {may_shrink} %: from {here_before} people to {roster.here}")
    return faults


def require_one_each(people: Sequence[Person]) -> None:
    """Raise BadRoster where two people who are here, or two who left, have a name or a number in common.

    One of each is no fault: an address passes on to somebody new, and then it is theirs alone.
    """
    faults: list[str] = []
    seen: dict[tuple[bool, Key], int] = {}
    for number, person in enumerate(people, 1):
        for key in keys_of_person(person):
            first = seen.setdefault((person.is_gone, key), number)
            if first != number:
                faults.append(f"{_word(key)} of person {number} is person {first}'s as well")
    if faults:
        raise BadRoster(f"the roster: {'; '.join(sorted(faults)[:_TOLD_AT_MOST])}")


def with_who_is_missing(people: Sequence[Person], before: Sequence[Person], today: str) -> tuple[Person, ...]:
    """What is remembered of a roster: everybody on it, and everybody who was on one before and is not any more."""
    known = {key for each in people for key in keys_of_person(each)}
    missing = [each for each in before if known.isdisjoint(keys_of_person(each))]
    return (*people, *(_as_missing(each, today) for each in missing))


def _as_missing(person: Person, today: str) -> Person:
    fields = {"is_gone": True, "missing_since": person.missing_since or today}
    return Person(person.email, person.aliases, person.employee_id, person.ids, **fields)  # type: ignore[arg-type]  # as above


def _people(reader: "csv.DictReader[str]") -> Iterator[Person]:
    faults = []
    for fields in reader:
        # Two lines come before the first that the reader counts as a person's.
        number = reader.line_num + 1
        if None in fields or None in fields.values():
            faults.append(f"line {number}: expected as many fields as the header has")
            continue
        told: Mapping[str, str] = {name: text.strip() for name, text in fields.items()}
        status = told.get("status", "").casefold()
        if "@" not in told["email"]:
            faults.append(f"line {number}: email: expected an e-mail address")
        elif status not in GONE | HERE:
            faults.append(f"line {number}: status: expected one of {', '.join(sorted(GONE | HERE - {''}))}, or nothing")
        else:
            ids = [each for name, text in told.items() if ":" in name for each in _several(text)]
            aliases = tuple(each for each in _several(told.get("aliases", "")) if each != told["email"])
            employee_id = told.get("employee_id") or None
            yield Person(told["email"], aliases, employee_id, tuple(ids), is_gone=status in GONE)
    if faults:
        raise BadRoster(f"the roster, {'; '.join(faults[:_TOLD_AT_MOST])}")


def _check_header(names: Sequence[str]) -> None:
    if "email" not in names:
        raise BadRoster("the roster, line 2: expected the names of the columns, email among them")
    if len(set(names)) < len(names):
        raise BadRoster("the roster, line 2: a column is there twice")
    # A column that is misspelt would be an alias that nobody is found by.
    if unknown := [number for number, each in enumerate(names, 1) if each not in COLUMNS and ":" not in each]:
        expected = f"expected one of {', '.join(COLUMNS)}, or a provider's id such as zoom:id"
        raise BadRoster(f"the roster, line 2: column {unknown[0]}: {expected}")


def _several(text: str) -> list[str]:
    return re.split(r"[;\s]+", text.strip()) if text.strip() else []


def _time(text: str) -> datetime | None:
    try:
        said = datetime.fromisoformat(text)
    except ValueError:
        return None
    return said.astimezone(UTC) if said.tzinfo else None


def _word(key: Key) -> str:
    return {"name": "an address", "employee": "the employee id"}.get(key.kind, "an id")
