"""What the front door puts on the bus: tried twice, and taken only when the bus says so of each event."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from leaver.errors import Undelivered
from leaver.messages.speakers import HR_EVENTS
from leaver.webhooks.delivery import Content, as_written

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

#: the most entries that PutEvents takes at once
BATCH: Final = 10
ATTEMPTS: Final = 2
#: what one attempt takes at most: to connect, and to be answered
LONGEST: Final = timedelta(seconds=1.2)


@dataclass(frozen=True)
class Event:
    """One event for the bus, and by what a repeat of it would be known."""

    detail_type: str
    detail: Content
    resources: tuple[str, ...]
    identity: str | None


class Bus:
    """Our bus; its client gives up by itself, and tries nothing twice."""

    def __init__(self, events: "EventBridgeClient", *, name: str) -> None:
        self._events = events
        self._name = name

    def put(self, events: Sequence[Event], has_time: Callable[[timedelta], bool]) -> None:
        """Put up to ten events, twice if there is time; raises Undelivered where the bus did not take all of them."""
        entries: list[Any] = [
            {
                "EventBusName": self._name,
                "Source": HR_EVENTS,
                "DetailType": each.detail_type,
                "Detail": as_written(each.detail),
                "Resources": list(each.resources),
            }
            for each in events
        ]
        why = "the sender waits no longer"
        for _ in range(ATTEMPTS):
            if not has_time(LONGEST):
                break
            entries, why = self._put(entries)
            if not entries:
                return
        raise Undelivered(f"the bus did not take {len(entries)} events: {why}")

    def _put(self, entries: Sequence[Any]) -> tuple[list[Any], str]:
        """Try once; returns what the bus did not take, and why."""
        try:
            answer = self._events.put_events(Entries=entries)
        except ClientError as error:
            return list(entries), error.response["Error"]["Code"]
        except BotoCoreError as error:
            return list(entries), type(error).__name__
        each = zip(entries, answer["Entries"], strict=True)
        refused = [(entry, told.get("ErrorCode", "no EventId")) for entry, told in each if "EventId" not in told]
        return [entry for entry, _ in refused], ", ".join(sorted({code for _, code in refused}))
