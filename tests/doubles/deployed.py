"""Leaver's functions in this process, among tables, queues, secrets and a bus on moto."""

import importlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import uuid4

import pytest
from moto import mock_aws
from moto.kms.utils import generate_private_key

from leaver import bootstrap
from leaver.consuming.invocation import BatchFailures, LambdaContext
from leaver.consuming.metrics import SharedMetrics
from leaver.storage.tables import item, timestamp, values
from tests.doubles.lambda_events import Context, returned
from tests.doubles.secrets_manager import place_of, tokens
from tests.integration.dynamodb import SESSION, dynamodb, make_tables

Handler = Callable[[Mapping[str, Any], LambdaContext], BatchFailures | None]

ZOOM_API = "https://api.zoom.test/v2"
ZOOM_OAUTH = "https://zoom.test"
VENAFI = "https://venafi.test"
HR_SYSTEMS = {f"{name}_URL": f"https://{name.lower()}.test" for name in ("BAMBOOHR", "HIBOB", "GUSTO", "OKTA")}


class Clients:
    """A session whose clients all deployments have in common: to make one takes longer than most tests."""

    client = staticmethod(cache(SESSION.client))


_tables = cache(dynamodb)


#: what is kept in order
QUEUES = {"refresh_access_token": "refresh.fifo", "seal_case": "seal.fifo"}


@dataclass
class Deployment:
    """One account with Leaver in it."""

    sqs: Any
    secrets: Any
    dynamodb: Any
    kms_key_arn: str
    urls: dict[str, str]
    #: milliseconds that a function has left, each time it asks; the last of them for ever
    left: Sequence[int] = (90_000,)

    def invoke(self, function: str, event: Mapping[str, Any]) -> BatchFailures | None:
        """Call a function's handler, in a fresh environment of its own."""
        forget()
        handler: Handler = importlib.import_module(f"functions.{function}.app").lambda_handler
        return handler(event, Context(list(self.left)))

    def deliver(self, function: str, *bodies: str | Mapping[str, Any]) -> set[str]:
        """Put messages into a queue and hand them to the function; returns the bodies of those that come back."""
        queue = self.urls[QUEUES.get(function, "commands")]
        for body in bodies:
            text = body if isinstance(body, str) else json.dumps(body)
            fifo = {"MessageGroupId": "zoom", "MessageDeduplicationId": str(uuid4())} if "fifo" in queue else {}
            self.sqs.send_message(QueueUrl=queue, MessageBody=text, **fifo)
        return self.poll(function)

    def poll(self, function: str) -> set[str]:
        """Hand what is visible in the queue to the function, and delete what it acknowledges."""
        queue = self.urls[QUEUES.get(function, "commands")]
        received = self.received(queue)
        arn = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        failures = self.invoke(function, {"Records": [_record(message, arn) for message in received]})
        assert failures is not None
        for message in received:
            if message["MessageId"] not in returned(failures):
                self.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return {each["Body"] for each in received if each["MessageId"] in returned(failures)}

    def drained(self, queue: str) -> list[dict[str, Any]]:
        """Everything that is visible in a queue, and no longer in it."""
        messages: list[dict[str, Any]] = []
        while batch := self.received(queue):
            messages += batch
            for message in batch:
                self.sqs.delete_message(QueueUrl=self.urls[queue], ReceiptHandle=message["ReceiptHandle"])
        return messages

    def received(self, queue: str) -> list[dict[str, Any]]:
        answer = self.sqs.receive_message(
            QueueUrl=self.urls.get(queue, queue),
            MaxNumberOfMessages=10,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    def heard(self) -> list[dict[str, Any]]:
        """The events that went over the bus since it was last asked."""
        return [json.loads(message["Body"]) for message in self.received("heard")]

    def reasons(self, queue: str = "dead") -> list[str]:
        """Why messages were parked since it was last asked."""
        return [message["MessageAttributes"]["reason"]["StringValue"] for message in self.drained(queue)]

    def receipts(self) -> list[dict[str, Any]]:
        items = [values(found) for found in self.dynamodb.scan(TableName="Cases")["Items"]]
        return [each for each in items if str(each["partition"]).startswith(("receipts#", "message#"))]

    def leaves(self, *names: str) -> None:
        """Raise a tombstone under these names."""
        now = timestamp(datetime.now(tz=UTC))
        for name in names:
            gone = {"partition": f"person#{name}", "entry": "person", "occurred_at": now, "gone_since": now}
            self.dynamodb.put_item(TableName="Cases", Item=item(gone))

    @property
    def user_tokens(self) -> list[str]:
        """The secrets in which user tokens lie."""
        secrets = self.secrets.list_secrets()["SecretList"]
        return [each["Name"] for each in secrets if "/user-tokens/" in each["Name"]]

    def connection(self, name: str) -> dict[str, Any]:
        return values(self.dynamodb.get_item(TableName="Connections", Key=item({"connection": name}))["Item"])

    def connect(self, name: str, *, minutes: float = 30, **other: Any) -> str:
        """Make a connection as README shows it; returns the version of its tokens."""
        now = datetime.now(tz=UTC)
        credentials = {"client_id": "client-id"} | ({"client_secret": "client-secret"} if name == "zoom" else {})
        self.secrets.create_secret(Name=f"leaver/credentials/{place_of(name)}", SecretString=json.dumps(credentials))
        expires_at = now + timedelta(minutes=minutes)
        version: str = self.secrets.create_secret(
            Name=f"leaver/tokens/{place_of(name)}", SecretString=tokens(expires_at=expires_at)
        )["VersionId"]
        record = {
            "connection": name,
            "provider": name,
            "account": "acme",
            "grant_type": "refresh_token",
            "owner": "it@example.com",
            "role": "service",
            "status": "active",
            "version": version,
            "expires_at": timestamp(expires_at),
            "refresh_at": timestamp(expires_at - timedelta(minutes=10)),
        }
        self.dynamodb.put_item(TableName="Connections", Item=item(record | other))
        return version

    def rewrite(self, name: str, **fields: str | None) -> None:
        """Somebody edits a connection's record by hand: another field, or none."""
        record = self.connection(name) | fields
        self.dynamodb.delete_item(TableName="Connections", Key=item({"connection": name}))
        self.dynamodb.put_item(TableName="Connections", Item=item(record))

    def stored(self, name: str) -> dict[str, Any]:
        """The current value of a secret."""
        found = self.secrets.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")
        value: dict[str, Any] = json.loads(found["SecretString"])
        return value


def _generate_private_key(key_spec: str) -> object:
    return None if key_spec == "SYMMETRIC_DEFAULT" else generate_private_key(key_spec)


@contextmanager
def deployment(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """Everything that template.yaml would make, as far as the functions see it."""
    # moto makes an RSA key even of a symmetric one, and that takes longer than all the rest
    monkeypatch.setattr("moto.kms.models.generate_private_key", _generate_private_key)
    with mock_aws():
        sqs, events, tables = Clients.client("sqs"), Clients.client("events"), _tables()
        make_tables(tables)
        fifo: Any = {"FifoQueue": "true", "ContentBasedDeduplication": "false"}
        urls = {
            name: sqs.create_queue(QueueName=name, Attributes=fifo if name.endswith(".fifo") else {})["QueueUrl"]
            for name in (
                "heard",
                "commands",
                "dead",
                "refresh.fifo",
                "seal.fifo",
                "dead.fifo",
                "look-up",
                "intake",
                "intake-urgent",
            )
        }
        events.create_event_bus(Name="leaver")
        pattern = json.dumps({"source": [{"prefix": "leaver"}]})
        events.put_rule(Name="everything", EventBusName="leaver", EventPattern=pattern)
        arn = sqs.get_queue_attributes(QueueUrl=urls["heard"], AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events.put_targets(Rule="everything", EventBusName="leaver", Targets=[{"Id": "heard", "Arn": arn}])
        Clients.client("s3").create_bucket(
            Bucket="evidence",
            ObjectLockEnabledForBucket=True,
            CreateBucketConfiguration={"LocationConstraint": "eu-central-1"},
        )
        signs: Any = {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}
        environment = {
            "AWS_DEFAULT_REGION": "eu-central-1",
            "STACK_NAME": "leaver",
            "EVENT_BUS_NAME": "leaver",
            "CASES_TABLE": "Cases",
            "CONNECTIONS_TABLE": "Connections",
            "PACE_TABLE": "Pace",
            "DELIVERIES_TABLE": "Deliveries",
            "REQUESTS_PER_SECOND": "30",
            "SECRET_PREFIX": "leaver",
            "ZOOM_API_URL": ZOOM_API,
            "ZOOM_OAUTH_URL": ZOOM_OAUTH,
            "VENAFI_URL": VENAFI,
            **HR_SYSTEMS,
            "REFRESH_QUEUE_URL": urls["refresh.fifo"],
            "SEAL_QUEUE_URL": urls["seal.fifo"],
            "LOOK_UP_QUEUE_URL": urls["look-up"],
            "START_OFFBOARDING_QUEUE_URL": urls["intake"],
            "START_OFFBOARDING_URGENT_QUEUE_URL": urls["intake-urgent"],
            "DEAD_LETTER_QUEUE_URL": urls["dead"],
            "KMS_KEY_ARN": Clients.client("kms").create_key()["KeyMetadata"]["Arn"],
            "EVIDENCE_BUCKET": "evidence",
            "EVIDENCE_KEY_ARN": Clients.client("kms").create_key(**signs)["KeyMetadata"]["Arn"],
            "MAX_USER_TOKEN_TTL": "7200",
            "GIVE_UP_AFTER": "86400",
            "CASE_DEADLINE": "900",
            "PROVIDERS": "zoom,venafi",
            "ROUTINE_CASES_AN_HOUR": "50",
            "MOST_AN_HOUR": "2000",
            "SWEEP_AFTER": "86400",
            "SAILPOINT_LIFECYCLE_ATTRIBUTE": "cloudLifecycleState",
            # Powertools keeps one logger per name, with the stream that it had first
            "POWERTOOLS_SERVICE_NAME": str(uuid4()),
            "POWERTOOLS_METRICS_NAMESPACE": "Leaver",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(bootstrap, "_session", Clients)
        # before a second look, and between two attempts to keep something: nothing here takes longer for it
        monkeypatch.setattr(time, "sleep", lambda _: None)
        yield Deployment(sqs, Clients.client("secretsmanager"), tables, environment["KMS_KEY_ARN"], urls)
    forget()


def forget() -> None:
    """Let bootstrap build everything anew: it lasts as long as a process does."""
    for built in vars(bootstrap).values():
        if hasattr(built, "cache_clear"):
            built.cache_clear()
    # Powertools keeps them for all instances.
    SharedMetrics().clear_default_dimensions()
    SharedMetrics().clear_metrics()


def _record(message: Mapping[str, Any], arn: str) -> dict[str, Any]:
    own = message.get("MessageAttributes", {})
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {
            name: {"stringValue": each["StringValue"], "dataType": each["DataType"]} for name, each in own.items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": "eu-central-1",
    }
