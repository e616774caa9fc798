"""What is signed of a run of reconciliation: counts, and the digest of its result, where alone names stand."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

#: how the summary of a run is made now
SUMMARY: Final = "leaver.reconciled.v1"
#: what a statement of ours about a run is; it names a format and leads nowhere
RUN_IS_DONE: Final = "urn:leaver:reconciliation-is-done:v1"
#: how the log knows a run: neither a case nor a day is called so
RUN_PREFIX: Final = "run-"
#: what of a result is a person's, and counts only by how many there are
_MANY: Final = ("stopped", "held", "begun")
_PLAIN: Final = ("run", "started_at", "finished_at", "roster", "places", "calls", "counts")


def summary_of_run(result: bytes) -> dict[str, Any]:
    """What is told of a result, by its bytes; no name is in it. Raises ValueError, KeyError, TypeError."""
    told = json.loads(result)
    return {
        "version": SUMMARY,
        **{name: told[name] for name in _PLAIN},
        **{name: len(told[name]) for name in _MANY},
        "result": {"sha256": hashlib.sha256(result).hexdigest()},
    }


def claimed_of_run(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What the statement says of a run, but when it was signed."""
    return {
        "run": summary["run"],
        "asOf": summary["roster"]["as_of"],
        "finishedAt": summary["finished_at"],
        "counts": summary["counts"],
        "stopped": summary["stopped"],
        "result": summary["result"],
    }


def faults_of_run(summary: Mapping[str, Any]) -> Iterator[str]:
    """What does not hold of a summary by itself."""
    if summary["version"] != SUMMARY:
        yield "is of a version that is not known"
    if summary["finished_at"] < summary["started_at"]:
        yield "was done before it began"
    if summary["stopped"] and (summary["held"] or summary["begun"]):
        yield "was stopped, and something followed"
