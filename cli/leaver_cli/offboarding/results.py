"""What became of each person of a list, as a CSV file: the memory of a run that is interrupted and goes on."""

import csv
import os
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import Final, Self
from uuid import uuid4

from leaver.messages.decisions import Begin

_PREFIX: Final = "csv-"


class NoResult(Exception):
    """The file is something else, or can't be written."""


@dataclass(frozen=True)
class Row:
    """One person."""

    who: str
    #: what names the decision: sent again, it repeats nothing
    event_id: str
    #: empty as long as nobody has heard of it
    fate: str = ""
    case: str = ""
    state: str = ""
    because: str = ""


COLUMNS: Final = tuple(each.name for each in fields(Row))


@dataclass
class Results:
    """The file, to which each word is added as it comes; the last word about a decision counts."""

    path: Path
    #: tells this list from every other, also one with the same people a year later
    run: str
    rows: dict[str, Row] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read what an earlier run left, or begin; raises NoResult."""
        if not path.exists():
            return cls(path, uuid4().hex)
        try:
            with path.open(encoding="utf-8", newline="") as file:
                reader = csv.DictReader(file)
                # Of a line that was being written when the power went, something is missing.
                told = [Row(**each) for each in reader if None not in each and None not in each.values()]
        except (OSError, ValueError, TypeError, csv.Error):
            raise NoResult(f"{path} can not be read as a result: name another file by --result") from None
        if tuple(reader.fieldnames or ()) != COLUMNS or not all(each.event_id.startswith(_PREFIX) for each in told):
            raise NoResult(f"{path} is something else than a result of --from: name another file by --result")
        run = told[0].event_id.removeprefix(_PREFIX).partition("-")[0] if told else uuid4().hex
        results = cls(path, run, {each.event_id: each for each in told})
        # What is added must not be joined to half a line.
        results.tidy()
        return results

    def event_id(self, begin: Begin) -> str:
        """What names this very decision within the list: who leaves, and when; not how that is said."""
        digest = sha256(begin.model_dump_json(include={"who", "effective_at", "identities"}).encode()).hexdigest()
        return f"{_PREFIX}{self.run}-{digest[:24]}"

    def knows(self, begin: Begin) -> bool:
        """Whether an earlier run has decided it."""
        return self.event_id(begin) in self.rows

    def note(self, rows: Iterable[Row]) -> None:
        """Add words, and return when they are on the disk; raises NoResult."""
        new = list(rows)
        try:
            is_new = not self.path.exists()
            with self.path.open("a", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                if is_new:
                    writer.writerow(COLUMNS)
                writer.writerows(_cells(each) for each in new)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise NoResult(f"{self.path}: {error.strerror}") from None
        self.rows |= {each.event_id: each for each in new}

    def tidy(self) -> None:
        """Leave one line for each decision; raises NoResult."""
        beside = self.path.with_name(f"{self.path.name}.new")
        try:
            with beside.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(COLUMNS)
                writer.writerows(_cells(each) for each in self.rows.values())
            beside.replace(self.path)
        except OSError as error:
            raise NoResult(f"{self.path}: {error.strerror}") from None


def _cells(row: Row) -> list[str]:
    return [getattr(row, name) for name in COLUMNS]
