"""people.csv: a row for each leaver, with what Drata, Vanta and auditors' samples ask for."""

import csv
import io
from collections.abc import Iterable
from typing import Final

from leaver_cli.evidence.exhibit import Exhibit, place_of, told

PEOPLE_FILE: Final = "people.csv"
COLUMNS: Final = (
    "person",
    "termination effective",
    "access revoked",
    "state",
    "seconds",
    "deadline kept",
    "systems",
    "source",
    "HR event",
    "case",
    "signed",
    "log index",
    "bundle SHA-256",
    "not proven",
    "file",
)

#: what is said of somebody who stays
STAYS: Final = frozenset({"contain", "sessions"})


def people_csv(exhibits: Iterable[Exhibit]) -> str:
    """The file. A second look at a case is no other leaver, and whoever stays is none."""
    written = io.StringIO()
    rows = csv.writer(written)
    rows.writerow(COLUMNS)
    for each in exhibits:
        case = each.case
        if case.get("sweep_of") or case.get("request", {}).get("kind") in STAYS:
            continue
        completed = case.get("state") == "completed"
        systems = sorted({place_of(step) for step, _ in each.steps})
        row = (
            *(each.who, case.get("effective_at"), case.get("finished_at") if completed else "", case.get("state")),
            *(each.seconds, "" if each.seconds is None else told(not each.is_late), "; ".join(systems)),
            *(case.get("source"), told(case.get("event_id")), each.case_id, each.signed_at, each.place),
            *(each.digests[0][1], "; ".join(each.not_proved), f"cases/{each.case_id}/index.html"),
        )
        rows.writerow([_cell(value) for value in row])
    return written.getvalue()


def findings_of_people(content: bytes, exhibits: Iterable[Exhibit]) -> list[str]:
    """What is wrong with a file of people: nobody has signed it, and it has to say what these cases do."""
    try:
        told, expected = (
            list(csv.reader(io.StringIO(text, newline=""))) for text in (content.decode(), people_csv(exhibits))
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, csv.Error):
        return ["people.csv: is no such file, or a case is none"]
    same = told[:1] == expected[:1] and sorted(told) == sorted(expected)
    return [] if same else ["people.csv: says something else than the cases do"]


def _cell(value: object) -> str:
    # A spreadsheet would carry out what begins like a formula.
    text = told(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
