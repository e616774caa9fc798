"""Waiting for what becomes of an event or a decision: start_offboarding puts its fate on record."""

import time
from datetime import datetime, timedelta
from typing import Final

from leaver.cases.heard import Heard
from leaver_cli.deployment import Deployment

#: seconds between two looks at what was heard
POLL_INTERVAL: Final = 1.0
#: by how much clocks may differ, after AWS's own time was asked for
_SKEW: Final = timedelta(minutes=1)


def heard_since(deployment: Deployment) -> datetime:
    """From when on to look for what is sent now, by AWS's own time."""
    return deployment.now() - _SKEW


def wait_for_fate(deployment: Deployment, event_id: str, since: datetime, seconds: float) -> Heard | None:
    """Look until there is a fate, or the seconds are over: then None."""
    until = time.monotonic() + seconds
    while (fate := deployment.heard.find_fate(event_id, since, deployment.now())) is None:
        if time.monotonic() >= until:
            return None
        time.sleep(POLL_INTERVAL)
    return fate
