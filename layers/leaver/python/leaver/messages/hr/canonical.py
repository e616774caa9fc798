"""Leaver's own HR event, for every system that can be taught to send it."""

from collections.abc import Mapping
from typing import Any

from leaver.messages.commands import parse
from leaver.messages.events import HR_EVENTS, OffboardingRequested

SOURCE = HR_EVENTS
DETAIL_TYPE = OffboardingRequested.__name__


def read(detail: Mapping[str, Any]) -> OffboardingRequested:
    """Read `OffboardingRequested` as it is; raises BadMessage, field by field."""
    return parse(OffboardingRequested, detail, direct=False)
