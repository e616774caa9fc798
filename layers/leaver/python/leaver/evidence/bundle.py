"""What an auditor gets of a case: the case and its receipts as they are stored, what is personal only as a commitment.

A commitment is an HMAC under a random key of the case's own. Whoever has the key and a value can show that the value is
the one that was signed; without the key a commitment says nothing, and without it nobody can say anything any more.
Equal values of one case have equal commitments: that a receipt is its step's is seen without knowing whose it is.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Any, Final

from leaver.evidence.canonical_json import canonical

#: how a bundle is made now
VERSION: Final = "leaver.bundle.v1"
#: what a statement of ours about a case is; it names a format and leads nowhere
CASE_IS_OVER: Final = "urn:leaver:case-is-over:v1"
#: the one thing of a statement that another try says in another way
SIGNED_AT: Final = "signedAt"
#: under what a commitment stands where a value was
COMMITMENT: Final = "hmac-sha256"

#: True where a value stands in the clear, None where it is personal; of a map or a list, what of it is what
Clear = bool | Mapping[str, "Clear"] | list["Clear"] | None


def _in_the_clear(names: str) -> dict[str, Clear]:
    return dict.fromkeys(names.split(), True)


_REQUEST: Final = _in_the_clear("version source kind urgency effective_at occurred_at")
_SAID: Final = _in_the_clear("source kind at effective_at")
_STEP: Final = _in_the_clear("command provider account alias found_by")
_RECEIPT: Final = _in_the_clear(
    "case_id command system account requested_at first_attempt_at attempts outcome provider_status provider_code "
    "tracking_id finished_at time_to_revoke"
)
_CASE: Final = _in_the_clear(
    "case_id state seal_version sweep_of follows source urgency policy released requested_at effective_at started_at "
    "deadline_at finished_at overdue resent_at resent"
)
#: What is never personal, whoever the person is; all else is, also what a later Leaver adds. What a version shows is
#: never changed: whatever was sealed once is read by it for ever.
CLEAR: Final[Clear] = {
    "version": True,
    "case": _CASE
    | {
        "request": _REQUEST,
        "said": [_SAID],
        "searched": [{"account": True}],
        "steps": [_STEP],
        "outstanding": [None],
        "residual": [_in_the_clear("what system until")],
    },
    "receipts": [_RECEIPT | {"details": _in_the_clear("before after destroyed handed_out_until")}],
}
#: the outcomes that end a step by themselves, and those that do so only where the record tells why
ENDED: Final = frozenset({"revoked", "already_gone", "purged", "deactivated", "closed"})
EXPLAINED: Final = frozenset({"user_not_found", "not_searchable"})


def commit(value: Any, key: bytes) -> dict[str, str]:
    """The commitment to a value."""
    return {COMMITMENT: hmac.digest(key, canonical(value), hashlib.sha256).hex()}


def committed(value: Any, key: bytes, clear: Clear = CLEAR) -> Any:
    """A bundle in which commitments stand for what is personal: the same values and the same key give the same."""
    match clear, value:
        case True, _:
            return value
        case Mapping(), Mapping():
            return {name: committed(each, key, clear.get(name)) for name, each in value.items()}
        case [each_clear], list() | tuple():
            return [committed(each, key, each_clear) for each in value]
    return commit(value, key)


def claimed_of(bundle: Mapping[str, Any]) -> dict[str, Any]:
    """What the statement says of a case, but when it was signed."""
    case = bundle["case"]
    return {
        "caseId": case["case_id"],
        "caseState": case["state"],
        "steps": len(case.get("steps", ())),
        "finishedAt": case["finished_at"],
    }


def faults_of(bundle: Mapping[str, Any]) -> list[str]:
    """What does not hold of a bundle that says that its case is completed, each by name; commitments may stand in it.

    Each step has one receipt, about the same person or connection, with a last word; no receipt is another's; and none
    is older than its command or younger than the end of the case.
    """
    case, receipts = bundle["case"], bundle["receipts"]
    faults = [] if case.get("finished_at") else ["the case has no end"]
    before = case.get("sweep_of")
    # Else a leaver could be told as somebody's second look: nothing has to begin it, and no list of leavers names it.
    faults += ["is no second look at that case"] if before and not case["case_id"].startswith(f"{before}.") else []
    if case["state"] == "completed":
        faults += [] if before or case.get("searched") else ["nothing was looked for"]
        faults += ["something is outstanding"] if case.get("outstanding") else []
        faults += _faults_of_steps(case, receipts)
    return faults


def _faults_of_steps(case: Mapping[str, Any], receipts: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    left = list(receipts)
    for number, step in enumerate(case.get("steps", ()), start=1):
        named = f"step {number} ({step['command']})"
        own = [receipt for receipt in left if receipt.get("entry") == step["name"]]
        left = [receipt for receipt in left if receipt not in own]
        if len(own) != 1:
            yield f"{named}: has {len(own)} receipts"
            continue
        yield from (f"{named}: {fault}" for fault in _faults_of_receipt(case, step, own[0]))
    if left:
        yield f"{len(left)} receipts are no step's"


def _faults_of_receipt(case: Mapping[str, Any], step: Mapping[str, Any], receipt: Mapping[str, Any]) -> Iterable[str]:
    same = (
        ("case", receipt["case_id"], case["case_id"]),
        ("command", receipt["command"], step["command"]),
        ("account", receipt.get("account"), step.get("account")),
        ("identity", receipt["subject"], step["identity"]),
    )
    yield from (f"its receipt is of another {what}" for what, found, expected in same if found != expected)
    if receipt.get("outcome") not in ENDED | EXPLAINED:
        yield "its receipt has no last word"
    elif not receipt["requested_at"] <= receipt.get("finished_at", "") <= case.get("finished_at", ""):
        yield "its receipt is of another time"
