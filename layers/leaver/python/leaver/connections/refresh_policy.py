"""When a connection's tokens are replaced: how late in their life, how soon after a failure, and when not at all."""

import random
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final, Literal

from leaver.connections.record import DAY, Connection, Status
from leaver.errors import NeedsReauthorization
from leaver.messages.commands import RefreshAccessToken
from leaver.outcomes import Outcome, Result
from leaver.tokens import TokenSet

#: The part of a token's life after which it is replaced; spread, so that the fleet does not refresh in step. Of an hour
#: it leaves the time in which the lease of a run that was killed expires and another run refreshes.
REFRESH_AFTER: Final = (0.65, 0.75)
#: A personal connection is used once, when its owner leaves: each refresh less is a chance less to lose its token.
#: Zoom's grants die after 90 idle days, so it is refreshed about once a month, and when a reader finds it expired.
KEEP_ALIVE: Final = timedelta(days=30)
FIRST_COOLING: Final = timedelta(seconds=30)
LONGEST_COOLING: Final = timedelta(hours=1)
#: a passing fault is announced after so many attempts; one that waits for a person at once
ANNOUNCE_AFTER: Final = 3
#: what will not pass before is announced at once
LASTING: Final = timedelta(minutes=15)
#: between two refreshes that readers ask for
DEMAND_PAUSE: Final = timedelta(minutes=5)
#: AWS removes no version of a secret that is younger than a day, and takes about a hundred; an hour's life needs 37
MOST_DEMANDED_A_DAY: Final = 60


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


def cooling_period(failures: int, jitter: Callable[[float, float], float] = random.uniform) -> timedelta:
    """How long a connection is left alone that has failed so often before: longer each time, and never in step."""
    longest: timedelta = min(FIRST_COOLING * 2 ** min(failures, 20), LONGEST_COOLING)
    return longest * jitter(0.5, 1.0)


def decline(
    record: Connection, command: RefreshAccessToken, *, now: datetime, has_left: Callable[[Iterable[str]], bool]
) -> Result | None:
    """Return the result of a command that is not carried out; None where the tokens are to be replaced.

    Raises NeedsReauthorization for a dead grant whose announcement is still pending.
    """
    if record.pending_announcement and record.status is Status.NEEDS_REAUTHORIZATION:
        # A run was killed before the bus had it.
        raise NeedsReauthorization(record.reason or "the grant is dead")
    if not allows(record, command, now):
        return Result(Outcome.REFUSED, details={"status": record.status})
    if not is_needed(record, command, now):
        return Result(Outcome.STILL_FRESH)
    if is_demanded(record, command, now) and has_met_demand(record, now):
        return Result(Outcome.REFUSED, details={"because": "readers had it refreshed too often"})
    # A service connection goes on: nobody switches Leaver off by leaving.
    if record.role == "personal" and not command.for_revocation and has_left([record.owner]):
        return Result(Outcome.REFUSED, details={"because": "its owner left"})
    return None


def allows(record: Connection, command: RefreshAccessToken, now: datetime) -> bool:
    """Whether the connection is in a state in which this command may refresh it."""
    if command.for_revocation:
        # Only revoke_access_token asks for this, and it has said so on the record before: else it is somebody else, or
        # late, and the grant is one that a person has made since.
        return record.status is Status.REVOKING and (not record.failures or record.refresh_at <= now)
    match record.status:
        case Status.REVOKING | Status.REVOKED | Status.NEEDS_REAUTHORIZATION:
            return False
        case Status.COOLING_DOWN:
            return command.force or record.refresh_at <= now
    return True


def is_needed(record: Connection, command: RefreshAccessToken, now: datetime) -> bool:
    """Whether there is a reason: somebody asks for it, the time has come, or a reader saw these tokens refused."""
    is_requested = command.force or command.for_revocation
    return is_requested or record.refresh_at <= now or command.failed_version == record.version


def is_demanded(record: Connection, command: RefreshAccessToken, now: datetime) -> bool:
    """Whether nothing else is the reason than that a reader saw these tokens refused."""
    unasked = command.model_copy(update={"failed_version": None})
    return is_needed(record, command, now) and not is_needed(record, unasked, now)


def has_met_demand(record: Connection, now: datetime) -> bool:
    """Whether readers had as many refreshes as they may: an endpoint that refuses good tokens would ask for more."""
    recent = [each for each in record.demanded_refreshes if now - each < DAY]
    return len(recent) >= MOST_DEMANDED_A_DAY or any(now - each < DEMAND_PAUSE for each in recent)
