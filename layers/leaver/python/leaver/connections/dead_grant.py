"""What becomes of a connection whose grant is dead: a person must authorize it again, or its revocation is over."""

from datetime import datetime

from leaver.connections.lease import Lease
from leaver.connections.record import IN_USE
from leaver.errors import GrantSuspended, InvalidGrant, LeaseHeld, NeedsReauthorization
from leaver.outcomes import Outcome, Result
from leaver.storage.tables import timestamp


def require_reauthorization(lease: Lease, refusal: InvalidGrant, *, now: datetime) -> InvalidGrant:
    """Record that a person must authorize the connection again; returns the error that says so and why.

    Raises LeaseHeld where somebody began to revoke the connection at this moment.
    """
    reason = refusal.reason
    if since := lease.record.unanswered_since:
        reason = f"{reason}; {_unanswered(since)}, and its tokens with it"
    if not lease.update(
        lambda current: current.as_needing_reauthorization(reason, now=now) if current.status in IN_USE else None
    ):
        lease.release()
        raise LeaseHeld(f"connection {lease.record.connection} is being revoked")
    return InvalidGrant(reason, refusal.response)


def finish_revocation(lease: Lease, refusal: InvalidGrant) -> None:
    """Retire the connection as `already_gone`: a refused refresh token proves that the grant has ended.

    Raises NeedsReauthorization where an answer was lost, so that tokens may live that nobody holds, and where an
    administrator could make the refused one work again.
    """
    since = lease.record.unanswered_since
    if since is not None:
        reason = f"{_unanswered(since)}: what it issued can't be named, nor revoked; end the grant at the provider"
    elif isinstance(refusal, GrantSuspended):
        reason = f"{refusal.reason}, which can be undone; end the grant at the provider"
    else:
        gone = Result(Outcome.ALREADY_GONE, refusal.response)
        lease.connections.change(lease.record.connection, lambda current: current.as_revoked(gone))
        return
    lease.update(lambda current: current.with_orphaned_tokens(reason))
    raise NeedsReauthorization(reason, refusal.response)


def _unanswered(since: datetime) -> str:
    return f"a refresh that began at {timestamp(since)} was never answered"
