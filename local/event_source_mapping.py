"""Delivers a queue's messages to a function, batch by batch, as Lambda's event source mapping does."""

import base64
import contextlib
import threading
from collections.abc import Callable

from moto.sqs.exceptions import ReceiptHandleIsInvalid
from moto.sqs.models import Message

from local.aws.moto_server import MotoServer
from local.aws.template import ACCOUNT, REGION, Json
from local.runtime_api import FunctionError

#: how soon a message that became visible by time alone is seen, seconds; new ones are seen at once
_LOOK_S = 0.1

#: what moto calls a message's attributes, and what SQS and Lambda call them
_ATTRIBUTES = {
    "ApproximateReceiveCount": "approximate_receive_count",
    "SentTimestamp": "sent_timestamp",
    "SenderId": "sender_id",
    "ApproximateFirstReceiveTimestamp": "approximate_first_receive_timestamp",
    "SequenceNumber": "sequence_number",
    "MessageGroupId": "group_id",
    "MessageDeduplicationId": "deduplication_id",
}


class EventSourceMapping:
    """Polls a queue and hands over its messages, one batch after the other."""

    def __init__(
        self,
        aws: MotoServer,
        queue_name: str,
        invoke: Callable[[Json], Json],
        *,
        batch_size: int,
        reports_item_failures: bool,
    ) -> None:
        self._aws = aws
        self.queue_name = queue_name
        self._invoke = invoke
        self._batch_size = batch_size
        self._reports_item_failures = reports_item_failures
        self._stop = threading.Event()
        self._back_in_queue: dict[str, str] = {}
        self._under_way = False
        self._thread = threading.Thread(target=self._poll, name=f"poll-{queue_name}", daemon=True)

    def start(self) -> None:
        """Begin to poll."""
        self._thread.start()

    def stop(self) -> None:
        """Poll no more; the batch under way goes on."""
        self._stop.set()

    def wait(self) -> None:
        """Wait for the batch under way; close the function first to make that short."""
        if self._thread.ident is not None:
            self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether it still polls: an error in here would end the thread."""
        return self._thread.is_alive()

    @property
    def left(self) -> int:
        """How many messages there are: visible, delayed, under way, or waiting for their next attempt."""
        queue = self._aws.sqs.get_queue(self.queue_name)
        visible, under_way = queue.approximate_number_of_messages, queue.approximate_number_of_messages_not_visible
        return visible + under_way + queue.approximate_number_of_messages_delayed

    @property
    def moving(self) -> bool:
        """Whether a batch is under way or can be; otherwise nothing happens until a visibility timeout is over."""
        queue = self._aws.sqs.get_queue(self.queue_name)
        held_back = {message.group_id for message in queue.pending_messages if not message.visible} - {None}
        return self._under_way or any(message.group_id not in held_back for message in queue.messages)

    def hurry(self) -> None:
        """Make every message that waits for its next attempt visible, as if its visibility timeout had passed."""
        with self._aws.lock:
            for handle in self._back_in_queue.values():
                with contextlib.suppress(ReceiptHandleIsInvalid):  # purged by somebody
                    self._aws.sqs.change_message_visibility(self.queue_name, handle, 0)
            self._back_in_queue.clear()

    def _poll(self) -> None:
        queue = self._aws.sqs.get_queue(self.queue_name)
        while not self._stop.is_set():
            queue.wait_for_messages(_LOOK_S)  # type: ignore[arg-type]  # goes to Condition.wait_for, which takes a float
            if not queue.messages:
                continue
            with self._aws.lock:
                visibility_timeout = int(queue.attributes["VisibilityTimeout"])
                messages = self._aws.sqs.receive_message(
                    self.queue_name, self._batch_size, 0, visibility_timeout, ["All"]
                )
                for message in messages:
                    self._back_in_queue.pop(message.id, None)
                self._under_way = bool(messages)
            if messages:
                self._deliver(messages)
            else:
                # To moto a FIFO group that is held back is visible, so the wait above was none.
                self._stop.wait(_LOOK_S)

    def _deliver(self, messages: list[Message]) -> None:
        try:
            answer = self._invoke({"Records": [self._record(message) for message in messages]})
        except FunctionError:
            failed = {message.id for message in messages}
        else:
            failed = self._failed(messages, answer)
        with self._aws.lock:
            self._under_way = False
            for message in messages:
                handle = str(message.receipt_handle)
                if message.id in failed:
                    self._back_in_queue[message.id] = handle
                    continue
                with contextlib.suppress(ReceiptHandleIsInvalid):  # purged by somebody
                    self._aws.sqs.delete_message(self.queue_name, handle)

    def _failed(self, messages: list[Message], answer: Json) -> set[str]:
        """Return the ids that go back: as AWS documents it, all of them when the answer is not understood."""
        if not self._reports_item_failures or not answer:
            return set()
        ids = {message.id for message in messages}
        try:
            failed = {failure["itemIdentifier"] for failure in answer.get("batchItemFailures") or []}
        except (AttributeError, TypeError, KeyError):
            return ids
        return ids if failed - ids else failed

    def _record(self, message: Message) -> Json:
        attributes = {name: getattr(message, moto_name) for name, moto_name in _ATTRIBUTES.items()}
        record = {
            "messageId": message.id,
            "receiptHandle": message.receipt_handle,
            "body": message.body,
            "attributes": {name: str(value) for name, value in attributes.items() if value is not None},
            "messageAttributes": {
                name: _message_attribute(attribute) for name, attribute in message.message_attributes.items()
            },
            "md5OfBody": message.body_md5,
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{self.queue_name}",
            "awsRegion": REGION,
        }
        if message.message_attributes:
            record["md5OfMessageAttributes"] = message.attribute_md5
        return record


def _message_attribute(attribute: Json) -> Json:
    values = {"dataType": attribute["DataType"], "stringListValues": [], "binaryListValues": []}
    if "StringValue" in attribute:
        values["stringValue"] = attribute["StringValue"]
    if "BinaryValue" in attribute:
        value = attribute["BinaryValue"]
        values["binaryValue"] = value if isinstance(value, str) else base64.b64encode(value).decode()
    return values
