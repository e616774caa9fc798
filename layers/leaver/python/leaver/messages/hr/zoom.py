"""Zoom's own webhooks: what happened to an account there, which is nobody's departure by itself."""

from typing import NoReturn

from leaver.errors import BadMessage, Rejected
from leaver.messages.events import HrEvent

DETAIL_TYPE = "ZoomWebhook"

_ENDED = frozenset({"user.deactivated", "user.deleted", "user.disassociated"})
_BEGUN = frozenset({"user.activated", "user.created", "user.signed_in"})


def read(event: HrEvent) -> NoReturn:
    """Refuse it with what it says: Leaver's own deactivations come back this way, too."""
    what = event.detail.get("event")
    if not isinstance(what, str):
        raise BadMessage("event: expected Zoom's name of an event")
    if what in _ENDED:
        raise Rejected(
            "zoom: event: an account was ended, by Leaver or by somebody's hand: where the person left, and no case "
            "says so, send OffboardingRequested"
        )
    if what in _BEGUN:
        raise Rejected(
            "zoom: event: an account was begun or used: where `leaver case` shows that this person left, look at once"
        )
    if what == "app_deauthorized":
        raise Rejected(
            "zoom: event: Leaver's app was removed from the account: nothing is ended there: connect it again"
        )
    raise Rejected("zoom: event: no departure: subscribe to no such event")
