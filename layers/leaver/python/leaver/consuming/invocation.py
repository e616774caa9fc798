"""What Lambda gives a function beside its event, and what it expects back for a batch of messages."""

from typing import Protocol, TypedDict


class LambdaContext(Protocol):
    """What is used of Lambda's context object."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda kills the function."""


class BatchItemFailure(TypedDict):
    """A message that Lambda must not delete."""

    itemIdentifier: str


class BatchFailures(TypedDict):
    """What ReportBatchItemFailures expects."""

    batchItemFailures: list[BatchItemFailure]
