"""Which deliveries the bus has: remembered behind it, so that a lost answer costs a repeat and never a leaver."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

#: longer than any source repeats, and than any signed time may be old
REMEMBERED: Final = timedelta(days=14)
#: what one call takes at most: to connect, and to be answered
LONGEST: Final = timedelta(seconds=0.8)


class SeenDeliveries:
    """What was put on the bus, by what identifies it, in a table that DynamoDB clears of what has expired."""

    def __init__(self, dynamodb: "DynamoDBClient", *, table: str, clock: Callable[[], datetime]) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._clock = clock

    def has(self, delivery: str) -> bool:
        """Whether the bus has it already; where the table does not answer it is taken once more, and not lost."""
        try:
            found = self._dynamodb.get_item(
                TableName=self._table, Key={"delivery": {"S": delivery}}, ConsistentRead=True
            )
        except (BotoCoreError, ClientError):
            return False
        # DynamoDB deletes days late.
        return "Item" in found and int(found["Item"]["expires_at"]["N"]) > self._clock().timestamp()

    def remember(self, deliveries: Iterable[str]) -> None:
        """Remember what the bus has; where the table does not answer, a repeat is taken once more."""
        now = self._clock()
        for each in deliveries:
            try:
                self._dynamodb.put_item(
                    TableName=self._table,
                    Item={"delivery": {"S": each}, "expires_at": {"N": _seconds(now + REMEMBERED)}},
                    ConditionExpression="attribute_not_exists(delivery) OR expires_at <= :now",
                    ExpressionAttributeValues={":now": {"N": _seconds(now)}},
                )
            except self._dynamodb.exceptions.ConditionalCheckFailedException:
                continue
            except (BotoCoreError, ClientError):
                return


def _seconds(moment: datetime) -> str:
    return str(int(moment.timestamp()))
