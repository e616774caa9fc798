"""`python -m tests.proof`: every exploration at full length, into docs/proof.md; `--minutes 5` goes part of the way.

`--part demo` runs the parts whose name says so; what the others had found is left on the page as it is.
"""

import argparse
import sys
import time

from tests.proof import kept
from tests.proof.parts import PARTS
from tests.proof.report import as_markdown, shown, write
from tests.proof.run import Ran, run


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
    deadline = time.monotonic() + (told.minutes * 60 if told.minutes else float("inf"))
    ran: list[Ran] = []
    for place, part in enumerate(parts):
        # Half of what later parts take at least is kept for them: all of it would leave the parts before their fewest.
        left = deadline - time.monotonic() - sum(each.least for each in parts[place + 1 :]) / 2
        share = left / (len(parts) - place)
        length = part.length_in(max(share, 0)) if told.minutes else part.full
        print(f"\n{place + 1} of {len(parts)}: {part.name}: {length} of {part.full} {part.unit}", flush=True)
        ran.append(run(part, length))
        if not told.minutes:
            # At once: who stops a proof of an hour has what it found so far.
            kept.keep(ran[-1])
            write(as_markdown(kept.read()))
    print(shown(ran))
    print(
        "docs/proof.md is left as it is: only a proof at full length is kept."
        if told.minutes
        else "docs/proof.md is kept."
    )
    return int(not all(each.passed for each in ran))


if __name__ == "__main__":
    sys.exit(main())
