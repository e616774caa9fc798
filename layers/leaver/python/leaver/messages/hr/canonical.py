"""Leaver's own HR event, for every system that can be taught to send it."""

from collections.abc import Mapping
from typing import Any

from leaver.errors import BadMessage
from leaver.messages.commands import parse
from leaver.messages.events import OffboardingRequested
from leaver.messages.speakers import HR_EVENTS, OPERATOR

SOURCE = HR_EVENTS
DETAIL_TYPE = OffboardingRequested.__name__


#: how the source begins that a producer on the bus writes: whatever it calls itself, it is no other source
PRODUCER = "producer/"


def read(detail: Mapping[str, Any]) -> OffboardingRequested:
    """Read `OffboardingRequested` as it is; raises BadMessage, field by field."""
    return parse(OffboardingRequested, detail, direct=False)


def read_of_producer(detail: Mapping[str, Any]) -> OffboardingRequested:
    """Read it as the word of one of `HrProducers`, and of nobody else; raises BadMessage, field by field."""
    named = detail.get("source")
    if not isinstance(named, str) or not named.strip():
        return read(detail)
    if named.strip().casefold() == OPERATOR:
        raise BadMessage("source: expected a system's name; a person's word comes straight to the queue")
    return read({**detail, "source": f"{PRODUCER}{named.strip()}"})
