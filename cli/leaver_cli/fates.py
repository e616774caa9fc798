"""What became of a decision: start_offboarding records each one that it hears, and its fate."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from leaver.cases.heard import FateName, Heard
from leaver_cli.deployment import Deployment
from leaver_cli.terminal import say_under_way, waiting

#: how long a decision is waited for: a cold start, and a queue that others are in as well
PATIENCE: Final = timedelta(seconds=90)
#: between two looks
PAUSE: Final = 0.5
#: how much earlier than by this machine's clock somebody may have heard of it
SKEW: Final = timedelta(minutes=2)
#: what Ctrl-C does not undo
GOES_ON: Final = "it is decided, and goes on without you: `leaver cases` shows what is open"
#: fates after which access does not end as it was decided
BAD: Final[frozenset[FateName]] = frozenset({"refused", "dead_lettered", "nothing_follows", "dismissed"})
SAID: Final[dict[FateName | None, str]] = {
    "opened": "opened",
    "changed": "a case that was there has changed",
    "repeated": "this is a case already",
    "nothing_follows": "nothing follows",
    "refused": "refused",
    "dead_lettered": "dead-lettered: see `leaver parked start_offboarding`",
    None: "not heard of yet: the queue is full, or a provider's limit is reached; see `leaver heard`",
}


def await_fate(
    deployment: Deployment, is_it: Callable[[Heard], bool], since: datetime, patience: timedelta = PATIENCE
) -> Heard | None:
    """Wait for what becomes of something that was sent since then, by AWS's time; None where nothing does so far."""
    until = time.monotonic() + patience.total_seconds()
    while True:
        for heard in deployment.heard.find_fates(since - SKEW, deployment.now()):
            if is_it(heard):
                return heard
        if time.monotonic() >= until:
            return None
        time.sleep(PAUSE)


def decide(
    deployment: Deployment,
    decision: Mapping[str, object],
    *,
    urgent: bool = False,
    patience: timedelta = PATIENCE,
    under_way: str = GOES_ON,
) -> Heard | None:
    """Send a decision, and wait for what becomes of it; None where nobody has heard of it so far.

    `under_way` is what Ctrl-C says meanwhile.
    """
    sent_at = deployment.now()
    message_id = deployment.send(decision, urgent=urgent)
    say_under_way(under_way)
    with waiting("start_offboarding reads of it"):
        return await_fate(deployment, lambda heard: heard.message_id == message_id, sent_at, patience)
