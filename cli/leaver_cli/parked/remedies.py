"""What a person does about a dead letter, by the error that it was parked with: docs/operations.md tells more."""

from types import MappingProxyType
from typing import Final

from leaver_cli.parked.dead_letters import Cause

#: for what is not named below: it went on for a day, and is a fault of ours
FAULT_OF_OURS: Final = "a fault of ours: read its log, report it; after the mend, redrive"
_GRANT_IS_DEAD: Final = "`leaver connections` names the dead connection: `leaver connect` it, then redrive"
_AWS_FAILED: Final = "AWS failed for a day: mend the policy, key or endpoint that the reason names, then redrive"
_PROVIDER_FAILED: Final = "the provider or the network failed for a day: when it works again, redrive"

REMEDIES: Final = MappingProxyType(
    {
        "NeedsReauthorization": _GRANT_IS_DEAD,
        "InvalidGrant": _GRANT_IS_DEAD,
        "GrantSuspended": _GRANT_IS_DEAD,
        "InvalidClient": "the app's id and secret are wrong: `leaver connect` with the right ones, then redrive",
        "Rejected": "have the provider's administrator grant what the reason names, then redrive",
        "AnotherPerson": "ask HR who is meant, have it sent anew, then `leaver dismiss` this one",
        "AboveCeiling": "`leaver release` shows for whom: if that many are meant, redrive",
        "BadMessage": "its sender mends what the reason names and sends it anew; then `leaver dismiss` this one",
        "NotKept": _AWS_FAILED,
        "NotRead": _AWS_FAILED,
        "OutOfTime": _AWS_FAILED,
        "LeaseHeld": _AWS_FAILED,
        "ProviderUnavailable": _PROVIDER_FAILED,
        "NotSent": _PROVIDER_FAILED,
        "AnswerLost": _PROVIDER_FAILED,
        "HalfAnswered": _PROVIDER_FAILED,
        "CredentialStale": "`leaver connections` says why nobody could refresh: mend that, then redrive",
        "Killed": "its runs were killed by memory or time: read its log, mend, then redrive",
        Cause.CRASHED: "the function could not even begin: read its log, mend the deployment, then redrive",
        Cause.UNDELIVERED: "mend the queue's policy that EventBridge's code names, then redrive",
        Cause.UNROUTED: "no rule knows it: an upgrade, then redrive; or its sender mends it, then `leaver dismiss` it",
        Cause.LAPSED: "read the function's log; redrive removes it, for every later tick did its work",
    }
)


def remedy(error: str) -> str:
    """What a person does about it."""
    return REMEDIES.get(error, FAULT_OF_OURS)
