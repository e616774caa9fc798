"""EventBridge in memory: the events that were put."""

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from tests.doubles.aws_errors import client_error

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient


#: bytes that PutEvents takes at once
LARGEST_PUT = 256 * 1024


@dataclass
class FakeBus:
    """EventBridge: the events that were put."""

    put: list[dict[str, Any]] = field(default_factory=list)
    #: how many of the next entries are refused
    refuses: int = 0
    #: how many it takes before it refuses all others
    refuses_after: int | None = None
    #: whether it is out of order
    broken: bool = False
    calls: int = 0

    @property
    def client(self) -> "EventBridgeClient":
        return cast("EventBridgeClient", self)

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - AWS's name
        assert 0 < len(Entries) <= 10
        told = ("Source", "DetailType", "Detail", "Resources")
        sizes = [len("".join(["".join(each.get(name, "")) for name in told]).encode()) for each in Entries]
        if sum(sizes) > LARGEST_PUT:
            raise client_error("PutEvents", "ValidationException")
        if self.broken:
            raise client_error("PutEvents")
        self.calls += 1
        if self.refuses_after is not None and len(self.put) >= self.refuses_after:
            self.refuses = len(Entries)
        refused, self.refuses = Entries[: self.refuses], max(0, self.refuses - len(Entries))
        self.put += Entries[len(refused) :]
        answers = [{"ErrorCode": "ThrottlingException", "ErrorMessage": "slow down"} for _ in refused]
        return {
            "FailedEntryCount": len(refused),
            "Entries": answers + [{"EventId": "1"}] * (len(Entries) - len(refused)),
        }

    @property
    def announced(self) -> list[dict[str, Any]]:
        """What was announced: details with their `detail_type`."""
        return [
            {"detail_type": each["DetailType"], **json.loads(each["Detail"])}
            for each in self.put
            if each["Source"] == "leaver"
        ]
