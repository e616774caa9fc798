"""The front door with all that stands behind it in memory, and senders that sign as their documents say."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from functions.receive_webhook.app import Door
from leaver.storage.secrets import SecretStore
from leaver.webhooks.bus import Bus
from leaver.webhooks.memory import SeenDeliveries
from leaver.webhooks.places import Places
from leaver.webhooks.secrets import DoorSecrets
from leaver.webhooks.sources import Answer
from local.http_events import http_event
from tests.doubles.aws_errors import client_error
from tests.doubles.clock import Clock
from tests.doubles.event_bus import FakeBus
from tests.doubles.secrets_manager import StrictSecretsManager

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Headers = dict[str, str]
JSON = {"content-type": "application/json"}
#: what each source signs with, in these tests
SECRETS = {
    "standard": "whsec_ZnJvbnQtZG9vci1zdGFuZGFyZC13ZWJob29rcy1rZXk=",
    "hibob": "hibob-secret",
    "bamboohr": "bamboo-key",
    "okta": "okta-hook-key",
    "gusto": "6590f590-3dba-495e-9bea-c361e1e2efc0",
    "zoom": "zoom-token",
}
OTHER_STANDARD = "whsec_" + base64.b64encode(b"another key of four and twenty").decode()


class ConditionalCheckFailedException(ClientError):
    """What the table is already."""


class _Exceptions:
    ConditionalCheckFailedException = ConditionalCheckFailedException


@dataclass
class DeliveriesTable:
    """DynamoDB with one table, whose items nobody deletes when they expire: AWS is days late."""

    items: dict[str, int] = field(default_factory=dict)
    #: what stands there for good: key → place → value, as DynamoDB holds it
    notes: dict[str, dict[str, Any]] = field(default_factory=dict)
    updates: int = 0
    broken: bool = False
    exceptions: _Exceptions = field(default_factory=_Exceptions)

    @property
    def client(self) -> "DynamoDBClient":
        return cast("DynamoDBClient", self)

    def get_item(self, *, TableName: str, Key: Any, ConsistentRead: bool) -> dict[str, Any]:  # noqa: ARG002, N803
        if self.broken:
            raise client_error("GetItem")
        assert ConsistentRead
        key = Key["delivery"]["S"]
        if key in self.notes:
            return {"Item": Key | self.notes[key]}
        return {"Item": {"expires_at": {"N": str(self.items[key])}}} if key in self.items else {}

    def update_item(
        self,
        *,
        TableName: str,  # noqa: ARG002, N803
        Key: Any,  # noqa: N803
        UpdateExpression: str,  # noqa: N803
        ExpressionAttributeNames: Any,  # noqa: N803
        ExpressionAttributeValues: Any,  # noqa: N803
    ) -> None:
        if self.broken:
            raise client_error("UpdateItem")
        assert UpdateExpression == "SET #place = :told"
        self.updates += 1
        noted = self.notes.setdefault(Key["delivery"]["S"], {})
        noted[ExpressionAttributeNames["#place"]] = ExpressionAttributeValues[":told"]

    def put_item(
        self,
        *,
        TableName: str,  # noqa: ARG002, N803
        Item: Any,  # noqa: N803
        ConditionExpression: str,  # noqa: N803
        ExpressionAttributeValues: Any,  # noqa: N803
    ) -> None:
        if self.broken:
            raise client_error("PutItem")
        assert ConditionExpression == "attribute_not_exists(delivery) OR expires_at <= :now"
        key, now = Item["delivery"]["S"], int(ExpressionAttributeValues[":now"]["N"])
        if self.items.get(key, 0) > now:
            raise ConditionalCheckFailedException({"Error": {"Code": "ConditionalCheckFailed"}}, "PutItem")
        self.items[key] = int(Item["expires_at"]["N"])


@dataclass
class FrontDoor:
    """A door, who knocks, and what came of it."""

    clock: Clock = field(default_factory=Clock)
    secrets: StrictSecretsManager = field(default_factory=StrictSecretsManager)
    table: DeliveriesTable = field(default_factory=DeliveriesTable)
    events: FakeBus = field(default_factory=FakeBus)
    counted: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    #: how many of these ring an alarm
    rings: int = 0
    logged: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.places = Places(self.table.client, table="Deliveries")
        store = SecretStore(self.secrets.client, prefix="leaver")
        self.door = Door(
            secrets=DoorSecrets(store, self.places.names, self.clock),
            seen=SeenDeliveries(self.table.client, table="Deliveries", clock=self.clock),
            places=self.places,
            bus=Bus(self.events.client, name="leaver"),
            clock=self.clock,
            count=self._count,
            log=lambda what, told: self.logged.append((what, told)),
        )
        for source, secret in SECRETS.items():
            self.store(f"{source}/main", current=secret)

    def _count(self, name: str, *, rings: bool = True, **told: str) -> None:
        self.counted.append((name, told))
        self.rings += rings

    def store(self, place: str, **secret: str | None) -> None:
        """Store a connection's secret, as an operator does."""
        self.places.connect(place, self.clock.now)
        name, text = f"leaver/webhooks/{place}", json.dumps(secret)
        if name in self.secrets.secrets:
            self.secrets.put_secret_value(SecretId=name, SecretString=text)
        else:
            self.secrets.create_secret(Name=name, SecretString=text)

    def post(
        self, path: str, body: bytes, *headers: Mapping[str, str] | tuple[str, str], method: str = "POST"
    ) -> Answer:
        """Knock; headers as they are sent, one given twice is sent twice."""
        sent = [pair for each in headers for pair in (each.items() if isinstance(each, Mapping) else [each])]
        if not any(name.lower() == "content-type" for name, _ in sent):
            sent += JSON.items()
        return self.door.answer(http_event(method, path, sent, body))

    def deliver(self, source: str, body: bytes, **options: Any) -> Answer:
        """Post a body that is rightly signed, now."""
        return self.post(f"/{source}/main", body, sign(source, body, self.clock.now, **options))

    @property
    def details(self) -> list[dict[str, Any]]:
        """What the bus has."""
        return [json.loads(each["Detail"]) for each in self.events.put]

    @property
    def refusals(self) -> list[tuple[str, str]]:
        """What was counted as refused: source and reason."""
        return [(told["source"], told["reason"]) for name, told in self.counted if name == "WebhooksRefused"]


def sign(source: str, body: bytes, now: datetime, *, secret: str | None = None, id: str = "msg_2KWP") -> Headers:  # noqa: A002
    """Sign a body as that source's documents say."""
    seconds = str(int(now.timestamp()))
    return _SIGNS[source](secret or SECRETS[source], body, seconds, id)


def mac(key: bytes, signed: bytes, digest: str = "sha256") -> bytes:
    return hmac.new(key, signed, digest).digest()


def _standard(secret: str, body: bytes, seconds: str, delivery: str) -> Headers:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = base64.b64encode(mac(key, f"{delivery}.{seconds}.".encode() + body)).decode()
    return {"webhook-id": delivery, "webhook-timestamp": seconds, "webhook-signature": f"v1,{digest}"}


def _hibob(secret: str, body: bytes, _: str, __: str) -> Headers:
    return {"Bob-Signature": base64.b64encode(mac(secret.encode(), body, "sha512")).decode()}


def _bamboohr(secret: str, body: bytes, seconds: str, _: str) -> Headers:
    digest = mac(secret.encode(), body + seconds.encode()).hex()
    return {"X-BambooHR-Signature": digest, "X-BambooHR-Timestamp": seconds}


def _okta(secret: str, _: bytes, __: str, ___: str) -> Headers:
    return {"Authorization": secret}


def _gusto(secret: str, body: bytes, _: str, __: str) -> Headers:
    return {"X-Gusto-Signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def _zoom(secret: str, body: bytes, seconds: str, _: str) -> Headers:
    digest = mac(secret.encode(), f"v0:{seconds}:".encode() + body).hex()
    return {"x-zm-signature": f"v0={digest}", "x-zm-request-timestamp": seconds}


_SIGNS: Mapping[str, Callable[[str, bytes, str, str], Headers]] = {
    "standard": _standard,
    "hibob": _hibob,
    "bamboohr": _bamboohr,
    "okta": _okta,
    "gusto": _gusto,
    "zoom": _zoom,
}
