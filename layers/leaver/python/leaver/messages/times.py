"""When an HR event counts as having happened: nobody's clock reaches beyond the moment at which the event was heard."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from leaver.errors import Rejected
from leaver.messages.events import OffboardingRequested

#: clocks that are kept differ by less
TOLERANCE: Final = timedelta(minutes=5)


class Settled(NamedTuple):
    """An event that happened before it was heard, and how far ahead it was dated: zero where clocks only differ."""

    request: OffboardingRequested
    dated_ahead: timedelta


def settle_times(request: OffboardingRequested, heard_at: datetime) -> Settled:
    """Let nothing have happened later than it was heard: what is to end is acted on, whatever a clock at HR says.

    Raises Rejected for a return or a cancellation that is dated further ahead than clocks differ: believed, it would
    keep every later departure of that person away; and cut, it could take back one that was meant to follow it.
    """
    ahead = request.occurred_at - heard_at
    if ahead <= timedelta(0):
        return Settled(request, timedelta(0))
    is_wrong = ahead > TOLERANCE
    if is_wrong and request.kind in {"cancelled", "reinstated"}:
        raise Rejected(
            f"occurred_at: lies more than 5 minutes ahead of when the event was heard, and would keep access: "
            f"{request.kind} is not believed from a clock, or a zone, that is wrong: mend it and send the event again"
        )
    # Also what is within tolerance, of every kind: of one source the order in which it was heard then counts.
    settled = request.model_copy(update={"occurred_at": heard_at})
    return Settled(settled, ahead if is_wrong else timedelta(0))
