"""Results: what was measured, against what was promised, as files that stay and as a table on the terminal.

`summary.json` holds every figure; a part that is measured again replaces its own, and leaves the others' as they are.
"""

import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from benchmarks.figures import Figure, format_number

FOLDER: Final = Path(__file__).parent / "results"

#: a heading and its rows
Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Part:
    """One part of the benchmark: what it found out."""

    name: str
    #: what was measured, in a sentence or two
    description: str
    figures: Sequence[Figure]
    tables: Sequence[Rows]
    #: SVG
    plot: str


def machine() -> str:
    """What a figure depends on, and nothing that tells whose machine it is."""
    return f"{os.cpu_count()} cores, Python {platform.python_version()}"


def write(part: Part, folder: Path = FOLDER) -> None:
    """Keep what a part found out: its page, its plot and its lines of the summary."""
    folder.mkdir(parents=True, exist_ok=True)
    found = [_line(part, figure) for figure in part.figures]
    others = [line for line in summary(folder) if line["part"] != part.name]
    lines = sorted([*others, *found], key=lambda line: str(line["part"]))
    (folder / "summary.json").write_text(json.dumps(lines, indent=1, ensure_ascii=False) + "\n")
    (folder / f"{part.name}.svg").write_text(part.plot)
    tables = "\n\n".join(map(_markdown, part.tables))
    plot, figures = f"![{part.name}]({part.name}.svg)", _figures_table(found)
    page = f"# {part.name}\n\n{part.description.strip()}\n\n{plot}\n\n{figures}\n\n{tables}\n"
    (folder / f"{part.name}.md").write_text(page)
    (folder / "README.md").write_text(_overview(lines))


def summary(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """Every figure as it was last measured."""
    kept = folder / "summary.json"
    lines: list[dict[str, Any]] = json.loads(kept.read_text()) if kept.exists() else []
    return lines


def table(title: str, figures: Iterable[Figure]) -> Table:
    """For the terminal."""
    shown = Table(title=title, title_justify="left")
    for column in ("figure", "measured", "target", "", "how"):
        shown.add_column(column, overflow="fold")
    for figure in figures:
        word = "[green]holds[/]" if figure.holds else "[bold red]missed[/]"
        shown.add_row(figure.name, _value(figure.value, figure.unit), _target(asdict(figure)), word, figure.how)
    return shown


def _line(part: Part, figure: Figure) -> dict[str, Any]:
    on = datetime.now(tz=UTC).date().isoformat()
    return {"part": part.name, **asdict(figure), "holds": figure.holds, "on": on, "machine": machine()}


def _overview(lines: Sequence[dict[str, Any]]) -> str:
    missed = sum(not line["holds"] for line in lines)
    count = f"{len(lines)} figures, {missed} missed" if missed else f"{len(lines)} figures, all of them hold"
    return (
        "# What was measured\n\n"
        f"Written by `make bench`; the same as data in [summary.json](summary.json). {count}.\n\n"
        f"{_figures_table(lines)}\n"
    )


def _figures_table(lines: Sequence[dict[str, Any]]) -> str:
    heading = ("part", "figure", "measured", "target", "", "how", "on")
    rows = [
        (
            f"[{line['part']}]({line['part']}.md)",
            line["name"],
            _value(line["value"], line["unit"]),
            _target(line),
            "holds" if line["holds"] else "**missed**",
            line["how"],
            f"{line['on']}, {line['machine']}",
        )
        for line in lines
    ]
    return _markdown([heading, *rows])


def _markdown(rows: Rows) -> str:
    heading, *others = rows
    shown = [heading, ["---"] * len(heading), *others]
    return "\n".join(f"| {' | '.join(cell.replace('|', ' ') for cell in row)} |" for row in shown)


def _value(value: float, unit: str) -> str:
    return f"{format_number(value)} {unit}".strip()


def _target(figure: dict[str, Any]) -> str:
    return f"{'≥' if figure['at_least'] else '≤'} {_value(figure['target'], figure['unit'])}"
