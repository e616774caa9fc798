"""DynamoDB whose every answer to a write is lost once: botocore sends the write again, and it meets itself."""

from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

WRITES: Final = frozenset({"put_item", "update_item", "delete_item", "transact_write_items"})


class LosesAnswers:
    """A client; what reads is as it was."""

    def __init__(self, dynamodb: "DynamoDBClient") -> None:
        self._dynamodb = dynamodb

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self._dynamodb, name)
        if name not in WRITES:
            return operation

        def twice(**asked: Any) -> Any:
            operation(**asked)
            return operation(**asked)

        return twice

    @property
    def client(self) -> "DynamoDBClient":
        return cast("DynamoDBClient", self)
