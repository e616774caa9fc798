"""HR systems, one module each: what they send becomes OffboardingRequested."""

from collections.abc import Mapping
from typing import Any

from leaver.errors import BadMessage
from leaver.events import OffboardingRequested
from leaver.hr_sources import canonical, okta


def offboarding_from(event: Mapping[str, Any] | None, detail: Mapping[str, Any]) -> OffboardingRequested:
    """Understand an HR event by its envelope's `source`; a detail without an envelope is our canonical event.

    Raises BadMessage where the source is not known, or the detail is not what that source sends.
    """
    if event is None:
        return canonical.offboarding(detail)
    source = event.get("source")
    if source == canonical.SOURCE:
        if event["detail-type"] != canonical.DETAIL_TYPE:
            raise BadMessage(f"detail-type: expected {canonical.DETAIL_TYPE}")
        return canonical.offboarding(detail)
    if isinstance(source, str) and source.startswith(okta.SOURCE_PREFIX):
        return okta.offboarding(detail)
    raise BadMessage(f"source: expected {canonical.SOURCE}, or one that begins with {okta.SOURCE_PREFIX}")
