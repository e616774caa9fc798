"""The handler that one writes first: one message after the other, each over a connection of its own.

It is not careless: repeated messages are recognised with Powertools' idempotency, every revocation is recorded, and
what fails comes back alone.
"""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import boto3
import requests
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)

logger = Logger()
dynamodb = boto3.client("dynamodb")
secrets = boto3.client("secretsmanager")
config = IdempotencyConfig(event_key_jmespath="user_id")
store = DynamoDBPersistenceLayer(table_name="Idempotency", boto3_client=dynamodb)


@idempotent_function(data_keyword_argument="detail", persistence_store=store, config=config)  # type: ignore[untyped-decorator]  # Powertools gives it no types
def end_session(*, detail: Mapping[str, str], access_token: str) -> int:
    """End one session, and record it."""
    answer = requests.delete(
        f"{os.environ['ZOOM_API_URL']}/users/{quote(detail['user_id'])}/token",
        headers={"Authorization": f"Bearer {access_token}"},
        timeout=10,
    )
    answer.raise_for_status()
    dynamodb.put_item(
        TableName="Audit",
        Item={
            "user_id": {"S": detail["user_id"]},
            "status": {"N": str(answer.status_code)},
            "at": {"S": datetime.now(tz=UTC).isoformat()},
        },
    )
    logger.info("session ended", user_id=detail["user_id"], status=answer.status_code)
    return answer.status_code


def lambda_handler(event: Mapping[str, Any], context: object) -> dict[str, list[dict[str, str]]]:
    """Work through a batch."""
    config.register_lambda_context(context)  # type: ignore[arg-type]  # it asks for the time that is left, and no more
    secret = secrets.get_secret_value(SecretId="leaver/tokens/zoom/zoom")["SecretString"]
    access_token = json.loads(secret)["access_token"]
    failed = []
    for record in event["Records"]:
        try:
            end_session(detail=json.loads(record["body"])["detail"], access_token=access_token)
        except Exception:
            logger.exception("failed")
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}
