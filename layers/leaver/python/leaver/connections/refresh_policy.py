"""When a connection's tokens are replaced: how late in their life, how soon after a failure, and when not at all."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Literal

from leaver.connections.record import Connection, Status
from leaver.messages.commands import RefreshAccessToken
from leaver.tokens import TokenSet

#: the part of a token's life after which it is replaced; spread, so that the fleet does not refresh in step
REFRESH_AFTER: Final = (0.75, 0.85)
#: A personal connection is used once, when its owner leaves: each refresh less is a chance less to lose its token.
#: Zoom's grants die after 90 idle days, so it is refreshed about once a month, and when somebody finds it expired.
KEEP_ALIVE: Final = timedelta(days=30)
FIRST_COOLING: Final = timedelta(seconds=30)
LONGEST_COOLING: Final = timedelta(hours=1)
#: a passing fault is told after so many attempts; one that waits for a person at once
TELL_AFTER: Final = 3


def next_refresh(
    role: Literal["service", "personal"],
    tokens: TokenSet,
    now: datetime,
    jitter: Callable[[float, float], float] = random.uniform,
) -> datetime:
    """When tokens should be replaced: late in their life, or just often enough that the provider keeps the grant."""
    if role == "personal" and tokens.refresh_token is not None:
        return now + KEEP_ALIVE * jitter(0.9, 1.1)
    return now + max(tokens.expires_at - now, timedelta(0)) * jitter(*REFRESH_AFTER)


def cooling(failures: int, jitter: Callable[[float, float], float] = random.uniform) -> timedelta:
    """How long a connection is left alone that has failed so often before: longer each time, and never in step."""
    longest: timedelta = min(FIRST_COOLING * 2 ** min(failures, 20), LONGEST_COOLING)
    return longest * jitter(0.5, 1.0)


def allows(record: Connection, command: RefreshAccessToken, now: datetime) -> bool:
    """Whether the connection is in a state in which this command may refresh it."""
    match record.status:
        case Status.REVOKING:
            return command.for_revocation
        case Status.REVOKED | Status.NEEDS_REAUTHORIZATION:
            return False
        case Status.COOLING_DOWN:
            return command.force or command.for_revocation or record.refresh_at <= now
    return True


def is_needed(record: Connection, command: RefreshAccessToken, now: datetime) -> bool:
    """Whether there is a reason: somebody asks for it, the time has come, or a reader saw these tokens refused."""
    asked = command.force or command.for_revocation
    return asked or record.refresh_at <= now or command.failed_version == record.version
