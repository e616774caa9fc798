"""Standard Webhooks: our canonical event from whoever can sign it, as the word of the connection that it came by."""

from leaver.errors import BadMessage
from leaver.messages.commands import parse
from leaver.messages.events import HrEvent, OffboardingRequested

#: the front door alone may put it on the bus: there is no other proof of the connection
DETAIL_TYPE = "StandardWebhook"

_TYPE = OffboardingRequested.__name__


def read(event: HrEvent) -> OffboardingRequested:
    """Read `type` and `data`, which are our event's name and fields; raises BadMessage, field by field.

    Its source is the connection, whatever it calls itself; without an `event_id` it goes by the id that was signed.
    """
    if event.connection is None:
        raise BadMessage("resources: expected the connection that it came by")
    if event.detail.get("type") != _TYPE:
        raise BadMessage(f"type: expected {_TYPE}")
    data = event.detail.get("data")
    if not isinstance(data, dict):
        raise BadMessage("data: expected a JSON object")
    told = {"event_id": event.delivery or event.id} | data | {"source": event.connection}
    return parse(OffboardingRequested, told, direct=False)
