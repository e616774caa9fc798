"""One part of the proof, run by pytest in a process of its own."""

import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.conftest import TABLES
from tests.field import PROPERTY, Thrown, added_up
from tests.forged import Forged, forged_in
from tests.proof.parts import Part
from tests.recorded import recorded
from tests.tried import Tried, tried_in

ROOT = Path(__file__).parents[2]
#: what a proof itself changes
PAGES = ("docs/proof.json", "docs/proof.md")


@dataclass(frozen=True)
class Ran:
    """How far a part went, of which commit and on what, what it found and threw, and how long it took."""

    part: Part
    length: int
    passed: bool
    found: str
    seconds: float
    commit: str = ""
    #: the day, and the machine
    on: str = ""
    tried: tuple[Tried, ...] = ()
    thrown: tuple[Thrown, ...] = ()
    forged: tuple[Forged, ...] = ()
    #: what pytest printed
    said: str = ""


def run(part: Part, length: int) -> Ran:
    """Let pytest run it, and read what the tests recorded."""
    began, judged = time.monotonic(), commit()
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        pytest = [sys.executable, "-m", "pytest", "-q", "--no-header", "--numprocesses", "auto", "--dist", "loadgroup"]
        ended = subprocess.run(  # noqa: S603 - our own interpreter
            [*pytest, f"--junit-xml={report.name}", *shlex.split(part.tests)],
            cwd=ROOT,
            env={**os.environ, "LEAVER_LENGTH": str(length), "LEAVER_SKIP_NOTHING": "1"},
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        told = Path(report.name).read_text()
    found, passed, took = "; ".join(figures(told)), ended.returncode == 0, time.monotonic() - began
    return Ran(
        part,
        length,
        passed,
        found,
        took,
        judged,
        on=f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {platform.python_version()}",
        tried=tuple(tried_in(told)),
        thrown=tuple(thrown(told)),
        forged=tuple(forged_in(told)),
        said=ended.stdout.strip(),
    )


def commit() -> str:
    """Return the commit that is judged, and whether it was changed since; the page of a proof is no change."""
    git = ["git", "-C", str(ROOT)]
    changes = ["status", "--porcelain", "--untracked-files=no", "--", ".", *(f":!{each}" for each in PAGES)]
    name, changed = (
        subprocess.run([*git, *words], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
        for words in (["rev-parse", "--short=12", "HEAD"], changes)
    )
    return f"{name}, with changes that are not committed" if changed else name


def figures(report: str) -> Iterator[str]:
    """Say how many tests passed, and the sum of each figure that they recorded."""
    suite = _suite(report)
    if suite is None:
        return
    failed = int(suite.attrib["failures"]) + int(suite.attrib["errors"])
    yield f"{int(suite.attrib['tests']) - failed} tests passed" + (f", {failed} failed" if failed else "")
    rows = recorded(report)
    for _, name, columns in TABLES:
        total: Counter[str] = Counter()
        for row in rows.get(name, []):
            total.update(
                {what: cell for what, cell in zip(columns, row, strict=True) if isinstance(cell, int)}
                if columns
                else {str(row[0]): int(str(row[1]))}
            )
        yield from (f"{figure:,} {what}" for what, figure in total.items())
        if name in rows and not total:
            yield f"{len(rows[name])} places to die at"


def thrown(report: str) -> list[Thrown]:
    """Return what the tests injected, and what became of it."""
    return added_up(recorded(report).get(PROPERTY, ()))


def _suite(report: str) -> ET.Element | None:
    return ET.fromstring(report).find("testsuite") if report else None  # noqa: S314 - pytest just wrote it
