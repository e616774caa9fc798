"""What became of a decision: start_offboarding records each one that it hears, and its fate."""

import time
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

import typer

from leaver.cases.heard import FateName, Heard
from leaver_cli.deployment import Deployment
from leaver_cli.terminal import Terminal, waiting

#: how long a decision is waited for: a cold start, and a queue that others are in as well
PATIENCE: Final = timedelta(seconds=90)
#: between two looks
PAUSE: Final = 0.5
#: how much earlier than by this machine's clock somebody may have heard of it
SKEW: Final = timedelta(minutes=2)
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


def await_fates(deployment: Deployment, messages: Collection[str], sent_at: datetime) -> Iterator[Heard]:
    """Wait for what becomes of these messages, each as it comes; ends when all have come, or none comes any more."""
    waiting, last = set(messages), time.monotonic()
    since = sent_at - SKEW
    while waiting and time.monotonic() < last + PATIENCE.total_seconds():
        for heard in deployment.heard.find_fates(since, deployment.now()):
            if heard.message_id in waiting:
                waiting.discard(heard.message_id)
                last = time.monotonic()
                yield heard
        if waiting:
            time.sleep(PAUSE)


def decide(deployment: Deployment, decision: Mapping[str, object], *, urgent: bool = False) -> Heard | None:
    """Send a decision, and wait for what becomes of it; None where nobody has heard of it so far.

    Raises typer.Exit, 130, where a person waits no longer: what is sent is decided.
    """
    sent_at = deployment.now()
    message_id = deployment.send(decision, urgent=urgent)
    try:
        with waiting("start_offboarding reads of it"):
            return next(await_fates(deployment, [message_id], sent_at), None)
    except KeyboardInterrupt:
        Terminal(stderr=True).say("it is decided, and goes on without you: `leaver cases` shows what is open")
        raise typer.Exit(130) from None
