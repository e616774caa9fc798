"""A list of people who leave, as a CSV file: every line of it is right, or nobody of it is decided on."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, Literal, NamedTuple

from leaver.messages.decisions import Begin
from leaver.messages.names import name_of
from leaver.providers.registry import PROVIDERS
from leaver_cli.offboarding.decision import BadDecision, read_decision
from leaver_cli.offboarding.when import NotATime, read_time

#: what a line may say, beside who somebody is at a provider, as `zoom:id`
COLUMNS: Final = ("who", "at", "tz", "urgent", "because")
IDENTITIES: Final = tuple(f"{name}:{key}" for name in PROVIDERS for key in sorted(PROVIDERS[name].identity_keys))
LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
#: as csv reads them: more fields than the header has are under None, and missing ones are None
Fields = Mapping[str | None, str | list[str] | None]
_TRUTH: Final = {"": None, "yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


class Line(NamedTuple):
    """One person of the list."""

    number: int
    begin: Begin


class BadList(Exception):
    """The list can't be decided as it stands: `faults` says where and why, a sentence each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


@dataclass(frozen=True)
class Defaults:
    """What holds for a line that does not say otherwise."""

    at: str | None
    tz: str | None
    urgent: bool
    because: str | None


def read_people(path: Path, defaults: Defaults, now: datetime, *, is_known: Callable[[Begin], bool]) -> list[Line]:
    """Read a list; raises BadList with every line that is wrong, and its number.

    A time that is past is right where the decision `is_known`: an earlier run was interrupted.
    """
    try:
        # A spreadsheet may begin its file with a mark.
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadList([f"{path}: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise BadList([f"{path}: expected UTF-8"]) from None
    reader = _reader(text)
    try:
        if faults := list(_faults_of_header(reader.fieldnames or ())):
            raise BadList([f"line 1: {each}" for each in faults])
        return _read_lines(reader, partial(_read_line, defaults=defaults, now=now, is_known=is_known))
    except csv.Error as error:
        raise BadList([f"line {reader.line_num}: {error}"]) from None


def _reader(text: str) -> "csv.DictReader[str]":
    header = text.partition("\n")[0]
    # Spreadsheets of half of Europe write semicolons.
    delimiter = ";" if ";" in header and "," not in header else ","
    return csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)


def _faults_of_header(names: Sequence[str]) -> Iterator[str]:
    known = [*COLUMNS, *IDENTITIES]
    if "who" not in names:
        yield f"expected the names of the columns, who among them; a column may be {', '.join(known)}"
        return
    yield from (f"there is no column {each}: expected {', '.join(known)}" for each in names if each not in known)
    yield from (f"column {each} is there twice" for each in dict.fromkeys(names) if list(names).count(each) > 1)


def _read_lines(reader: "csv.DictReader[str]", read: Callable[[Fields], Begin]) -> list[Line]:
    lines: list[Line] = []
    faults: list[str] = []
    seen: dict[str, int] = {}
    for fields in reader:
        number = reader.line_num
        try:
            begin = read(fields)
        except (BadDecision, NotATime) as error:
            faults.append(f"line {number}: {error.message if isinstance(error, BadDecision) else error}")
            continue
        first = seen.setdefault(name_of(begin.who), number)
        if first != number:
            faults.append(f"line {number}: {begin.who} is in line {first} already")
        lines.append(Line(number, begin))
    if faults:
        raise BadList(faults)
    if not lines:
        raise BadList(["there is nobody in it"])
    return lines


def _read_line(fields: Fields, *, defaults: Defaults, now: datetime, is_known: Callable[[Begin], bool]) -> Begin:
    if None in fields or None in fields.values():
        raise BadDecision("expected as many fields as line 1 has")
    told = {str(name): str(text).strip() for name, text in fields.items()}
    urgent = _TRUTH.get(told.get("urgent", "").casefold(), "unknown")
    if urgent == "unknown":
        raise BadDecision("urgent: expected yes, no, or nothing")
    at, tz = told.get("at") or defaults.at, told.get("tz") or None
    if tz is not None and at is None:
        raise BadDecision("tz: says on which clocks at is: say when")
    if at is not None and tz is None and datetime_is_local(at):
        tz = defaults.tz
    identities: dict[str, dict[str, str]] = {}
    for column in IDENTITIES:
        if told.get(column):
            provider, _, key = column.partition(":")
            identities.setdefault(provider, {})[key] = told[column]
    is_urgent = defaults.urgent if urgent is None else urgent
    lane: Literal["urgent", "routine"] = "urgent" if is_urgent else "routine"
    begin = read_decision(
        decision="offboard",
        who=told["who"],
        effective_at=None if at is None else read_time(at, tz, LONG_AGO),
        urgency=lane,
        because=told.get("because") or defaults.because,
        identities=identities,
    )
    if at is not None and not is_known(begin):
        read_time(at, tz, now)
    return begin


def datetime_is_local(text: str) -> bool:
    """Whether a time says by itself nothing of its zone."""
    try:
        return datetime.fromisoformat(text).tzinfo is None
    except ValueError:
        return True
