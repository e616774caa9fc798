"""How a connection is, in words that an operator can act on."""

from datetime import datetime
from typing import Final

from leaver.connections.record import Connection, Status

#: how long after its time a refresh may begin: the schedule fires every minute, and queues take a while
_LATE: Final = 300


def needs_a_person(record: Connection) -> bool:
    """Whether a connection stays as it is until a person acts."""
    return record.status in {Status.NEEDS_REAUTHORIZATION, Status.CONNECTING} or (
        record.status is Status.REVOKING and record.orphaned_tokens
    )


def health(record: Connection, now: datetime) -> str:
    """Describe how a connection is."""
    match record.status:
        case Status.ACTIVE:
            return _in_use(record, now)
        case Status.COOLING_DOWN:
            since = f" since {moment(record.trouble_since)}" if record.trouble_since else ""
            alive = "" if record.expires_at > now else "; its access token has expired"
            return f"cooling down{since}: {record.reason}{alive}; tried again at {moment(record.refresh_at)}"
        case Status.NEEDS_REAUTHORIZATION:
            again = f"run `leaver connect {record.provider} {record.connection}`"
            return f"needs a person: {again} ({record.reason})"
        case Status.CONNECTING:
            tried = f": {record.reason}" if record.reason else ""
            return f"never worked yet{tried}; `leaver connect {record.provider} {record.connection} --from-lambda`"
        case Status.REVOKING:
            return _revoking(record)
        case Status.REVOKED:
            return _revoked(record)


def moment(when: datetime | None) -> str:
    """Format a time as people read it, in UTC."""
    return "" if when is None else f"{when:%Y-%m-%d %H:%M:%S}Z"


def _in_use(record: Connection, now: datetime) -> str:
    late = (now - record.refresh_at).total_seconds()
    if late > _LATE:
        alive = "its access token has expired" if record.expires_at <= now else "works"
        return f"{alive}; was to be refreshed at {moment(record.refresh_at)}: is the schedule running?"
    note = (
        "; its newest refresh token lies encrypted in the record until then" if record.encrypted_refresh_token else ""
    )
    return f"works; refreshes at {moment(record.refresh_at)}{note}"


def _revoking(record: Connection) -> str:
    if record.orphaned_tokens:
        then = f"then run `leaver disconnect {record.connection} --without-provider`"
        return f"needs a person: {record.reason}; {then}"
    return f"being revoked ({record.reason})" if record.reason else "being revoked"


def _revoked(record: Connection) -> str:
    ended = record.revocation()
    if ended is None:
        return f"removed, and {record.provider.title()} never confirmed its end ({record.reason})"
    return f"revoked ({record.provider.title()}: {ended.outcome})"
