"""Zoom's own webhooks: what happened to an account there, which is nobody's departure by itself."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, Protocol

from leaver.errors import BadMessage, Rejected
from leaver.messages.events import AccountEvent, AppRemoved, HrEvent, OffboardingRequested, Subject

AccountEvent.model_rebuild()
AppRemoved.model_rebuild()

DETAIL_TYPE = "ZoomWebhook"
SOURCE: Final = "zoom"
#: why the departure waits that an account's end may be
HELD: Final = "Zoom alone says so: an account was ended there by somebody's hand"
#: what an event of Zoom's says of the account
MEANS: Final[Mapping[str, Literal["ended", "activated", "used"]]] = {
    "user.deactivated": "ended",
    "user.deleted": "ended",
    "user.disassociated": "ended",
    "user.activated": "activated",
    "user.created": "used",
    "user.signed_in": "used",
}
_APP_REMOVED: Final = "app_deauthorized"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Departures(Protocol):
    """What a deployment decides about accounts that are ended at Zoom."""

    @property
    def zoom_departures(self) -> Literal["held", "departure"]:
        """Whether an end that is not Leaver's own is a departure, or one that waits for another word."""


def read(event: HrEvent, choices: Departures) -> AccountEvent | AppRemoved:
    """Read what Zoom tells of an account; raises BadMessage by field, and Rejected of any other event."""
    name = event.detail.get("event")
    if not isinstance(name, str):
        raise BadMessage("event: expected Zoom's name of an event")
    if name not in {*MEANS, _APP_REMOVED}:
        raise Rejected("zoom: event: no departure: subscribe to no such event")
    payload = _object(event.detail, "payload")
    at = _time(event)
    if name == _APP_REMOVED:
        account = payload.get("account_id")
        known = account if isinstance(account, str) and account else None
        return AppRemoved(provider=SOURCE, event_id=event.delivery or event.id, account=known, occurred_at=at)
    user = _object(payload, "object", "payload.")
    user_id, email = user.get("id"), user.get("email")
    if not isinstance(user_id, str) or not 0 < len(user_id) <= 128:
        raise BadMessage("payload.object.id: expected Zoom's id of a user")
    actor = payload.get("operator")
    told = AccountEvent(
        provider=SOURCE,
        event_id=f"{name}/{user_id}/{int(at.timestamp() * 1000)}",
        name=name,
        what=MEANS[name],
        user_id=user_id,
        email=email or None,
        actor=actor if isinstance(actor, str) and actor else None,
        occurred_at=at,
    )
    return told.model_copy(update={"departure": _departure(told, choices)}) if told.what == "ended" else told


def _departure(told: AccountEvent, choices: Departures) -> OffboardingRequested | None:
    """The departure that it is, where it is no echo; None where Zoom does not say whose."""
    if told.email is None:
        return None
    return OffboardingRequested(
        event_id=told.event_id,
        source=SOURCE,
        kind="immediate",
        subject=Subject(email=told.email, identities={SOURCE: {"id": told.user_id}}),
        effective_at=told.occurred_at,
        occurred_at=told.occurred_at,
        actor=told.actor,
        held=HELD if choices.zoom_departures == "held" else None,
    )


def _object(parent: Mapping[str, Any], name: str, within: str = "") -> Mapping[str, Any]:
    found = parent.get(name)
    if not isinstance(found, dict):
        raise BadMessage(f"{within}{name}: expected a JSON object")
    return found


def _time(event: HrEvent) -> datetime:
    """When it happened, and never later than it was heard of; without a time of Zoom's, when it was heard of."""
    milliseconds = event.detail.get("event_ts")
    if not isinstance(milliseconds, int) or isinstance(milliseconds, bool) or milliseconds < 0:
        return event.sent_at
    try:
        return min(_EPOCH + timedelta(milliseconds=milliseconds), event.sent_at)
    except OverflowError:
        return event.sent_at
