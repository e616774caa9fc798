"""What each part found when it last went the whole way: docs/proof.json, of which docs/proof.md is made."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from tests.field import Thrown
from tests.forged import Forged
from tests.proof.parts import PARTS, Part
from tests.proof.run import ROOT, Ran
from tests.tried import Tried

FILE: Final = ROOT / "docs" / "proof.json"


def read(path: Path = FILE) -> list[Ran]:
    """What is kept of the parts that there are today, in their order."""
    kept = _kept(path)
    return [_ran(part, kept[part.name]) for part in PARTS if part.name in kept]


def keep(ran: Ran, path: Path = FILE) -> None:
    """Keep what a part found in place of what it had found before; a part that there is no more is dropped."""
    row = {
        "full": ran.part.full,
        **{name: value for name, value in asdict(ran).items() if name not in {"part", "said"}},
    }
    kept = {**_kept(path), ran.part.name: row}
    names = [part.name for part in PARTS]
    rows = {name: kept[name] for name in names if name in kept}
    path.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")


def _kept(path: Path) -> Mapping[str, Mapping[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.exists() else {}
    return found


def _ran(part: Part, row: Mapping[str, Any]) -> Ran:
    rows: dict[str, Sequence[object]] = {
        "tried": tuple(Tried(*each) for each in row["tried"]),
        "thrown": tuple(Thrown(**each) for each in row["thrown"]),
        "forged": tuple(Forged(*each) for each in row["forged"]),
    }
    told = {name: value for name, value in row.items() if name != "full"}
    # Since then the whole way may have become longer, and the row is of then.
    return Ran(**{"part": replace(part, full=row["full"]), **told, **rows})
