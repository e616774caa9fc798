"""Rows as their reader takes them: a table that fits a terminal, lines with tabs for a pipe, objects for a program.

A table is made narrower by leaving columns out, and at last by a line for each cell. No word is ever broken: of an id
that is cut nothing can be made.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from rich.cells import cell_len

#: between two columns
_GAP: Final = 2
#: what prose gets before other columns are left out for it
_READABLE: Final = 24

_WORDS: Final = re.compile(r"(?:`[^`]*`|\S)+")
#: what a cell may hold; a program is given it as it is, but for times, which are ISO 8601
Cell = str | int | bool | datetime | None | Sequence[str]


class Column(NamedTuple):
    """What stands under one name."""

    name: str
    #: of the columns that a narrow terminal goes without, the highest goes first; one with 0 always stays
    spare: int = 0
    #: may go on in the next line, after a blank
    prose: bool = False

    @property
    def key(self) -> str:
        """How a program asks for it."""
        return self.name.replace(" ", "_").replace("'", "")


class Row(NamedTuple):
    """One line, before it is known how wide it may be."""

    cells: tuple[Cell, ...]
    style: str
    #: what a program is given besides
    also: Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """Rows under columns; `name` says what they are, and is where a program finds them."""

    name: str
    columns: tuple[Column, ...]
    title: str = ""
    rows: list[Row] = field(default_factory=list)

    def add(self, *cells: Cell, style: str = "", also: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Add a row, a cell for each column; `also` is for programs alone."""
        if len(cells) != len(self.columns):
            raise ValueError(f"{self.name}: expected {len(self.columns)} cells")
        self.rows.append(Row(cells, style, also))

    def objects(self) -> list[dict[str, Any]]:
        """One object for each row, for a program."""
        keys = [column.key for column in self.columns]
        return [dict(zip(keys, map(value_of, row.cells), strict=True)) | dict(row.also) for row in self.rows]

    def tab_separated(self) -> Iterator[str]:
        """One line for each row, with every column; a tab inside a cell is a blank there."""
        for row in self.rows:
            yield "\t".join(printable(text_of(cell)) for cell in row.cells)

    def lines(self, width: int) -> Iterator[tuple[str, str]]:
        """The lines, with their styles, of a table that is no wider than that, if it can be without breaking a word."""
        texts = [[printable(text_of(cell)) for cell in row.cells] for row in self.rows]
        widths = self._fitted(texts, width)
        if sum(widths.values()) + _GAP * (len(widths) - 1) > width:
            yield from self._stacked(texts, width)
            return
        yield _line([printable(self.columns[place].name).upper() for place in widths], list(widths.values())), "dim"
        for row, cells in zip(self.rows, texts, strict=True):
            folded = [
                _folded(cells[place], wide) if self.columns[place].prose else [cells[place]]
                for place, wide in widths.items()
            ]
            for number in range(max(map(len, folded))):
                yield (
                    _line([each[number] if number < len(each) else "" for each in folded], list(widths.values())),
                    row.style,
                )

    def _fitted(self, texts: Sequence[Sequence[str]], width: int) -> Mapping[int, int]:
        """How wide each column is that stays, by its place."""
        natural, least = {}, {}
        for place, column in enumerate(self.columns):
            held = [column.name, *(row[place] for row in texts)]
            natural[place] = max(map(cell_len, held))
            # What is wider than the terminal fits beside nothing and alone neither: it has its line to itself.
            fitting = [cell_len(word) for text in held for word in text.split(" ") if cell_len(word) < width]
            longest_word = max([*fitting, 0])
            least[place] = max(longest_word, min(natural[place], _READABLE)) if column.prose else natural[place]
        # An empty column says nothing, and would cost a full one its place.
        shown = [place for place in natural if any(row[place] for row in texts)]

        def too_wide() -> bool:
            return sum(least[place] + _GAP for place in shown) - _GAP > width

        while too_wide() and (spare := [place for place in shown if self.columns[place].spare]):
            shown.remove(max(spare, key=lambda place: self.columns[place].spare))
        widths = {place: least[place] for place in shown}
        room = width - sum(widths.values()) - _GAP * (len(shown) - 1)
        # One after the other, so that no prose is narrow where another one is wide.
        while room > 0 and (folded := [place for place in shown if widths[place] < natural[place]]):
            for place in folded[:room]:
                widths[place] += 1
            room -= len(folded)
        return widths

    def _stacked(self, texts: Sequence[Sequence[str]], width: int) -> Iterator[tuple[str, str]]:
        """Each cell on a line of its own, where not even what always stays fits beside each other."""
        names = [printable(column.name).upper() for column in self.columns]
        wide = max(map(cell_len, names)) + 2 * _GAP
        for row, cells in zip(self.rows, texts, strict=True):
            for place, (name, cell) in enumerate(zip(names, cells, strict=True)):
                lines = _folded(cell, width - wide) if self.columns[place].prose else [cell]
                for number, line in enumerate(lines if cell else ()):
                    label = f"{' ' * _GAP if place else ''}{name}" if number == 0 else ""
                    yield f"{label}{' ' * (wide - cell_len(label))}{line}", row.style


def printable(text: str) -> str:
    """Show text as it is, but for what a terminal would obey: control characters (C0, C1), bidirectional ones, lines.

    A line break too: what follows it would pass for a line of ours.
    """
    return "".join(each if each.isprintable() else " " for each in text)


def text_of(cell: Cell) -> str:
    """Say it as people read it; a time in UTC."""
    match cell:
        case None:
            return ""
        case bool():
            return "yes" if cell else "no"
        case datetime():
            return f"{cell.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
        case str() | int():
            return str(cell)
    return ", ".join(cell)


def value_of(cell: Cell) -> Any:
    """Say it as programs read it."""
    match cell:
        case datetime():
            return f"{cell.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        case None | bool() | str() | int():
            return cell
    return list(cell)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (f"{cell}{' ' * (wide - cell_len(cell))}" for cell, wide in zip(cells, widths, strict=True))
    return (" " * _GAP).join(padded).rstrip()


def folded_sentence(text: str, width: int) -> list[str]:
    """Lines no wider than that, if they can be, without breaking a word, or between backticks what is to be typed."""
    return _joined(_WORDS.findall(text), width)


def _folded(text: str, width: int) -> list[str]:
    return _joined(text.split(), width)


def _joined(words: Iterable[str], width: int) -> list[str]:
    lines = [""]
    for word in words:
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and cell_len(joined) > width:
            lines.append(word)
        else:
            lines[-1] = joined
    return lines
