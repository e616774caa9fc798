"""Where parked messages go back to: the queue they came from, or the bus."""

import json
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from leaver.errors import Undelivered
from leaver_cli.parked.dead_letters import ParkedMessage
from leaver_cli.stack import Place, Stack

if TYPE_CHECKING:
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

#: takes a message back to where it came from; raises Undelivered, NoSuchQueue or what AWS raises
Send = Callable[[ParkedMessage], None]


def to_its_queue(stack: Stack, function: Place) -> Send:
    """The way back of a function's messages."""
    url_of = cache(stack.queue_url)

    def send(message: ParkedMessage) -> None:
        queue = message.queue or stack.queue_of(function)
        fifo: dict[str, Any] = {}
        if queue.endswith(".fifo"):
            # Under its old deduplication id SQS would accept it and discard it.
            fifo = {"MessageGroupId": message.group, "MessageDeduplicationId": str(uuid4())}
        stack.sqs.send_message(
            QueueUrl=url_of(queue),
            MessageBody=message.body,
            # By this the consumer knows that a person sent it again, and finds the receipt it left.
            MessageAttributes={"message_id": {"DataType": "String", "StringValue": message.message_id}},
            **fifo,
        )

    return send


def to_the_bus(stack: Stack) -> Send:
    """The way back of events that no rule knew, for when one does; each keeps its time, and so its age."""

    def send(message: ParkedMessage) -> None:
        event = message.content
        if "replay-name" in event:
            # The bus would deliver it as a new one, and nothing would show that it is late.
            raise Undelivered("a replayed event is not put back: send it anew if it is meant")
        try:
            entry: PutEventsRequestEntryTypeDef = {
                "EventBusName": stack.bus,
                "Source": event["source"],
                "DetailType": event["detail-type"],
                "Detail": json.dumps(event["detail"]),
                "Time": datetime.fromisoformat(event["time"]),
                "Resources": event.get("resources", []),
            }
        except (KeyError, TypeError, ValueError):
            raise Undelivered("not an event of the bus: send it anew") from None
        answer = stack.events.put_events(Entries=[entry])
        if answer["FailedEntryCount"]:
            raise Undelivered(f"the bus refused it: {answer['Entries'][0].get('ErrorCode', 'unknown')}")

    return send
