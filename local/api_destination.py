"""Posts what a rule sends to an address outside, as EventBridge's API destinations do."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import requests

from local.aws.moto_server import MotoServer
from local.aws.template import Json

#: AWS, "API destinations": how long the address may take, seconds; what is tried again; how often, if no target says so
TIMEOUT_S: Final = 5
_RETRIED: Final = frozenset({HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS})
_MOST_RETRIES: Final = 185
_SECRET: Final = re.compile(r"\{\{resolve:secretsmanager:([^:}]+):SecretString\}\}")


class ApiDestination:
    """One rule's target: an address, what it is told of the sender, and a queue for what does not arrive.

    AWS spreads the attempts over a day; here they follow at once. AWS reads the secret when it makes the connection;
    here it is read for each post.
    """

    def __init__(
        self, aws: MotoServer, rule_arn: str, target: Json, *, destination: Json, connection: Json, dead_letters: str
    ) -> None:
        """Take the properties that the template gives; `dead_letters` is the URL of the target's queue."""
        self._aws = aws
        self._rule_arn = rule_arn
        self._target_arn: str = target["Arn"]
        self._retries: int = target.get("RetryPolicy", {}).get("MaximumRetryAttempts", _MOST_RETRIES)
        self._method: str = destination["HttpMethod"]
        self._url: str = destination["InvocationEndpoint"]
        self._key: Mapping[str, str] = connection["AuthParameters"]["ApiKeyAuthParameters"]
        self._dead_letters = dead_letters

    def post(self, event: Json) -> Json:
        """Post each message of a batch; what does not arrive goes to the queue."""
        for record in event["Records"]:
            failure = self._post(record["body"])
            if failure:
                self._set_aside(record["body"], failure)
        return None

    def _post(self, body: str) -> str:
        """Return why it did not arrive, empty where it did."""
        failure = ""
        for _ in range(1 + self._retries):
            try:
                status = requests.request(
                    self._method,
                    self._url,
                    data=body.encode(),
                    headers={
                        "Content-Type": "application/json; charset=utf-8",
                        "User-Agent": "Amazon/EventBridge/ApiDestinations",
                        self._key["ApiKeyName"]: self._secret(),
                    },
                    timeout=TIMEOUT_S,
                    allow_redirects=False,
                ).status_code
            except requests.RequestException as error:
                failure = type(error).__name__
                continue
            if 200 <= status < 300:
                return ""
            failure = f"HTTP {status}"
            if not (status >= 500 or status in _RETRIED):
                return failure
        return failure

    def _secret(self) -> str:
        secrets = self._aws.client("secretsmanager")
        return _SECRET.sub(
            lambda found: str(secrets.get_secret_value(SecretId=found.group(1))["SecretString"]),
            self._key["ApiKeyValue"],
        )

    def _set_aside(self, body: str, failure: str) -> None:
        told = {"RULE_ARN": self._rule_arn, "TARGET_ARN": self._target_arn, "ERROR_CODE": "SDK_CLIENT_ERROR"}
        told |= {"ERROR_MESSAGE": failure}
        self._aws.client("sqs").send_message(
            QueueUrl=self._dead_letters,
            MessageBody=body,
            MessageAttributes={name: {"DataType": "String", "StringValue": value} for name, value in told.items()},
        )
