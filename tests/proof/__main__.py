"""`python -m tests.proof`: every exploration at full length, into docs/proof.md; `--minutes 5` goes part of the way."""

import argparse
import sys
import time

from tests.proof.parts import PARTS
from tests.proof.report import as_markdown, commit, shown, write
from tests.proof.run import Ran, run


def main() -> int:
    """Run every part, show the table, and keep it when no part was shortened; 1 where a part failed."""
    arguments = argparse.ArgumentParser(prog="make proof")
    arguments.add_argument("--minutes", type=float, help="to be shared among all parts (make proof MINUTES=5)")
    minutes = arguments.parse_args().minutes
    judged = commit()
    deadline = time.monotonic() + (minutes * 60 if minutes else float("inf"))
    ran: list[Ran] = []
    for place, part in enumerate(PARTS):
        # Half of what later parts take at least is kept for them: all of it would leave the parts before their fewest.
        left = deadline - time.monotonic() - sum(each.least for each in PARTS[place + 1 :]) / 2
        share = left / (len(PARTS) - place)
        length = part.length_in(max(share, 0)) if minutes else part.full
        print(f"\n{place + 1} of {len(PARTS)}: {part.name}: {length} of {part.full} {part.unit}", flush=True)
        ran.append(run(part, length))
    print(shown(ran))
    if minutes:
        print("docs/proof.md is left as it is: only a proof at full length is kept.")
    else:
        write(as_markdown(judged, ran))
    return int(not all(each.passed for each in ran))


if __name__ == "__main__":
    sys.exit(main())
