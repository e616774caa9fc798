"""`python -m tests.proof`: every exploration at full length, into docs/proof.md; `--minutes 5` goes part of the way.

`--part demo` runs the parts whose name says so; what the others had found is left on the page as it is.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Final

from tests.proof import kept
from tests.proof.parts import PARTS, Part
from tests.proof.report import as_markdown, shown, write
from tests.proof.run import Ran, run

#: In many parts one test takes the longest: a second part has the processor that the first leaves.
AT_ONCE: Final = 2


def main() -> int:
    """Run the parts, show the table, and keep each that was not shortened as it ends; 1 where a part failed."""
    arguments = argparse.ArgumentParser(prog="make proof")
    arguments.add_argument("--minutes", type=float, help="to be shared among all parts (make proof MINUTES=5)")
    arguments.add_argument(
        "--part", default="", help="words of a part's name: no others are run (make proof PART=demo)"
    )
    told = arguments.parse_args()
    parts = [each for each in PARTS if told.part in each.name]
    if not parts:
        arguments.error(f"--part: expected words of one of: {'; '.join(each.name for each in PARTS)}")
    deadline = time.monotonic() + told.minutes * 60 if told.minutes else None
    proof = Proof(parts, deadline)
    with ThreadPoolExecutor(AT_ONCE) as at_once:
        ran = list(at_once.map(proof.play, range(len(parts))))
    print(shown(ran))
    print(
        "docs/proof.md is kept."
        if deadline is None
        else "docs/proof.md is left as it is: only a proof at full length is kept."
    )
    return int(not all(each.passed for each in ran))


class Proof:
    """The parts, as one proof runs them: to their end, or for as long as the deadline lets each."""

    def __init__(self, parts: Sequence[Part], deadline: float | None) -> None:
        self._parts = parts
        self._deadline = deadline
        #: one part writes at a time
        self._lock = Lock()

    def play(self, place: int) -> Ran:
        """Run one part, show what pytest said of it, and keep it if it went the whole way."""
        part = self._parts[place]
        length = part.full if self._deadline is None else self._length(place, self._deadline - time.monotonic())
        name = f"{place + 1} of {len(self._parts)}: {part.name}"
        with self._lock:
            print(f"begun: {name}: {length} of {part.full} {part.unit}", flush=True)
        ran = run(part, length)
        with self._lock:
            print(f"\n{ran.said}\n{'passed' if ran.passed else 'FAILED'}: {name}: {ran.seconds:.0f} s", flush=True)
            if self._deadline is None:
                # At once: who stops a proof of an hour has what it found so far.
                kept.keep(ran)
                write(as_markdown(kept.read()))
        return ran

    def _length(self, place: int, left: float) -> int:
        """How far a part may go in its share of the seconds that are left."""
        # Half of what later parts take at least is kept for them: all of it would leave the parts before their fewest.
        shared = left - sum(each.least for each in self._parts[place + 1 :]) / 2
        return self._parts[place].length_in(max(shared / (len(self._parts) - place), 0))


if __name__ == "__main__":
    sys.exit(main())
