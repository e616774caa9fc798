"""The seal of a completed case: a chain of digests over the stored case and its receipts, that anybody can compute."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from leaver.messages.commands import step_name
from leaver.storage.tables import Value

#: an item's attributes as they are stored: a later model of the case or its receipts must break no seal
Stored = Mapping[str, Value]

#: the digest before the first item
NOTHING: Final = "0" * 64
#: how a case is sealed now
VERSION: Final = 1
#: What a seal covers of the case's own item, by version: all that never changes afterwards. What a version covers is
#: never changed either; whatever a later case has more wants a version of its own.
COVERED: Final[Mapping[int, frozenset[str]]] = {
    1: frozenset(
        {
            *("seal_version", "case_id", "state", "email", "identities", "names", "sweep_of"),
            *("event_id", "source", "actor", "urgency", "requested_at", "effective_at"),
            *("request", "aliases", "policy", "searched", "said", "follows", "because", "released"),
            *("started_at", "deadline_at", "overdue", "resent_at", "resent", "finished_at"),
            *("steps", "outstanding", "residual"),
        }
    )
}


class UnknownSeal(Exception):
    """The case was sealed in a way that this Leaver does not know."""


def head_of(case: Stored, receipts: Mapping[str, Stored]) -> str:
    """The last digest of the chain over the case and its steps' receipts, these by their sort keys.

    Raises UnknownSeal. A receipt that is not there is passed over: its absence shows in the head.
    """
    version = case.get("seal_version")
    if not isinstance(version, int) or version not in COVERED:
        raise UnknownSeal(str(version))
    # What is empty counts as absent: a field that came with a later Leaver is empty in what was stored before.
    covered = {name: value for name, value in case.items() if name in COVERED[version] and value}
    steps = cast("Iterable[Mapping[str, Any]]", case["steps"])
    entries = [step_name(step["command"], step["at"], step.get("alias")) for step in steps]
    return chain([covered, *(receipts[entry] for entry in entries if entry in receipts)])[-1]


def chain(items: Iterable[Stored]) -> list[str]:
    """Digest each item together with the digest before it, so that a changed, missing or moved one shows.

    SHA-256 over the digest before (64 zeros at first) and the item's canonical JSON: keys sorted, no spaces, UTF-8.
    """
    digests: list[str] = []
    before = NOTHING
    for item in items:
        canonical = json.dumps(item, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        before = hashlib.sha256(f"{before}{canonical}".encode()).hexdigest()
        digests.append(before)
    return digests
