"""The local world with eyes: what was announced, what lies parked, which receipt a command left, who waits how long."""

import atexit
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

from leaver.connections.record import LEASE
from leaver.storage.tables import item, values
from local import acme
from local.acme import Person
from local.fork_server import ForkServer
from local.simulators.provider import ProviderSimulator
from local.world import World
from tests.doubles.secrets_manager import place_of
from tests.used import USED

#: whoever has called within a limit remembers it
PACED = ("retrieve_user_token", "revoke_sso_token", "purge_user_tokens", "start_offboarding", "revoke_grants")
ALL_ZOOM_SCOPES = (acme.READ_USER, acme.READ_TOKEN, acme.END_SESSION)


@dataclass(frozen=True)
class Announced:
    """An announcement, as a rule of somebody else's would get it."""

    name: str
    detail: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.detail["announcement_id"])

    @property
    def is_about_a_case(self) -> bool:
        return self.name.startswith("Offboarding")


@dataclass(frozen=True)
class ParkedMessage:
    """A message in a dead-letter queue."""

    body: str
    attributes: Mapping[str, str]

    @property
    def reason(self) -> str:
        return self.attributes["reason"]

    @property
    def error(self) -> str:
        return self.attributes["error"]


@cache
def fork_server(layers: tuple[Path, ...]) -> ForkServer:
    """Keep what has imported the layers for every world of this test process, with which it ends."""
    server = ForkServer(layers)
    atexit.register(server.close)
    return server


class WatchedWorld(World):
    """A world of its own, in which a test can see what an operator and an auditor can see."""

    def __init__(self, **parameters: str) -> None:
        #: what was written before is none of this world's
        self.began = time.time()
        super().__init__(parameters=parameters, fork_from=lambda layers: nullcontext(fork_server(layers)))
        self._number = count(1)
        self._announced: list[Announced] = []
        self._ear = self._listen()

    def close(self) -> None:
        """End everything, and leave to the whole suite what the functions used of their roles."""
        super().close()
        USED.update(self.aws.reached)

    def forget(self) -> None:
        """End what an earlier test left: faults, held requests, messages, what was heard and asked."""
        for simulator in (self.zoom, self.venafi, self.hr):
            simulator.clear_faults()
            simulator.release()
        with self.aws.lock:
            for name, queue in self.aws.sqs.queues.items():
                queue.last_purged_at = None  # otherwise once a minute, as AWS has it
                self.aws.sqs.purge_queue(name)
        self.wait_until_idle()
        self.limits_are_over()
        for simulator in (self.zoom, self.venafi, self.hr):
            simulator.clear_journal()
        self._announced.clear()

    def limits_are_over(self) -> None:
        """Let the time pass after which nobody remembers that a provider refused a call."""
        table = self.resource("Pace").ref
        kept = self.client("dynamodb").scan(TableName=table)["Items"]
        for each in kept:
            self.client("dynamodb").delete_item(TableName=table, Key={"bucket": each["bucket"]})
        if any("factor" in each for each in kept):
            for function in PACED:
                self.kill(function)

    # -- who there is

    def hire(self, *, at_zoom: bool = True, at_venafi: bool = True) -> Person:
        """Let somebody join whom no other test knows: signed in at Zoom, with one grant at Venafi."""
        number = next(self._number)
        person = Person(f"person.{number}@example.com", f"{number:05}GIm1QgePTO8WbOqw", f"local:{{{uuid4()}}}")
        acme.hire(self, person, at_zoom=at_zoom, at_venafi=at_venafi)
        return person

    def connect_zoom(self, scopes: tuple[str, ...] = ALL_ZOOM_SCOPES) -> str:
        """Make a connection to Zoom that no other test knows, and return its name."""
        name = f"zoom-{next(self._number)}"
        acme.connect_zoom(self, name, scopes)
        return name

    def connect_venafi(self) -> str:
        """Make a connection to Venafi that no other test knows, and return its name."""
        name = f"venafi-{next(self._number)}"
        acme.connect_venafi(self, name)
        return name

    # -- what is sent

    def leaves_at_hibob(self, person: Person, *, is_gone: bool = True) -> str:
        """Connect Leaver to HiBob, where this person is somebody, and by default gone; returns the id there."""
        number = next(self._number)
        acme.connect_hibob(self, f"hibob-{number}")
        self.hr.add_person("hibob", str(number), person.email)
        if is_gone:
            self.hr.leaves("hibob", str(number))
        return str(number)

    def send(self, function: str, *bodies: object) -> list[str]:
        """Put messages straight into a function's queue, all at once; returns their ids. A str is sent as it is."""
        entries: list[Any] = [
            {"Id": str(place), "MessageBody": body if isinstance(body, str) else json.dumps(body)}
            for place, body in enumerate(bodies)
        ]
        if function in {"refresh_access_token", "seal_case"}:
            for entry, body in zip(entries, bodies, strict=True):
                group = str(body.get("connection")) if isinstance(body, dict) else "by-hand"
                entry |= {"MessageGroupId": group, "MessageDeduplicationId": str(uuid4())}
        answer = self.client("sqs").send_message_batch(QueueUrl=self.queue_url(function), Entries=entries)
        assert not answer.get("Failed")
        sent = {each["Id"]: each["MessageId"] for each in answer["Successful"]}
        return [sent[entry["Id"]] for entry in entries]

    def try_again(self, timeout: float = 30) -> None:
        """Let what waits for its next attempt have it as soon as nothing else moves, until nothing is left to do."""

        def is_idle() -> bool:
            if not self._moving():
                self.hurry()
            return not self.work()

        self.wait_until(is_idle, timeout, what=lambda: f"still to do: {self.work()}")

    # -- what came of it

    def announced(self, name: str | None = None) -> list[Announced]:
        """Return what was announced since `forget`, by its name if one is given.

        Of a case it is told at least once: two functions that end its last steps at once may both tell. So whoever
        listens counts the same one once, by its `announcement_id`.
        """
        sqs = self.client("sqs")
        while received := sqs.receive_message(QueueUrl=self._ear, MaxNumberOfMessages=10).get("Messages"):
            for message in received:
                event = json.loads(message["Body"])
                told = Announced(event["detail-type"], event["detail"])
                if not (told.is_about_a_case and told.id in {each.id for each in self._announced}):
                    self._announced.append(told)
                sqs.delete_message(QueueUrl=self._ear, ReceiptHandle=message["ReceiptHandle"])
        return [each for each in self._announced if name in (None, each.name)]

    def announced_names(self) -> list[str]:
        """Return the names of what was announced, sorted."""
        return sorted(each.name for each in self.announced())

    def receipt(self, sent: str) -> Mapping[str, Any]:
        """Return the one receipt of a message or event, by its id."""
        [receipt] = [each for each in self.receipts() if each["partition"] == f"message#{sent}"]
        return receipt

    def receipts(self, subject: str | None = None) -> list[Mapping[str, Any]]:
        """Return all receipts, or those about one subject."""
        receipts = [each for each in self._kept() if each["partition"].startswith(("receipts#", "message#"))]
        return [each for each in receipts if subject in (None, each["subject"])]

    def cases(self) -> list[Mapping[str, Any]]:
        """Return all cases."""
        return [each for each in self._kept() if each["entry"] == "case"]

    def _kept(self) -> list[Mapping[str, Any]]:
        pages = self.client("dynamodb").get_paginator("scan").paginate(TableName=self.resource("Cases").ref)
        return [values(each) for page in pages for each in page["Items"]]

    def parked(self, function: str) -> list[ParkedMessage]:
        """Return what is parked with a function, and leave it there."""
        return self.peek(self.dead_letter_queue_url(function))

    def peek(self, queue_url: str) -> list[ParkedMessage]:
        """Return what lies in a queue, and leave it there."""
        sqs, taken = self.client("sqs"), []
        while more := sqs.receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=10, VisibilityTimeout=600, MessageAttributeNames=["All"]
        ).get("Messages"):
            taken += more
        for message in taken:
            sqs.change_message_visibility(
                QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )
        return [
            ParkedMessage(
                body=message["Body"],
                attributes={name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()},
            )
            for message in taken
        ]

    def waits(self, function: str) -> list[float]:
        """Return how many seconds each message that will come back has still to wait."""
        queue = self.aws.sqs.get_queue(self.queue_url(function).rsplit("/", 1)[-1])
        with self.aws.lock:
            # SQS tells nobody; the emulation's own field does.
            return [message.visible_at / 1000 - time.time() for message in queue._messages if not message.visible]

    # -- connections

    def record(self, connection: str) -> Mapping[str, Any]:
        """Return a connection's record."""
        found = self.client("dynamodb").get_item(
            TableName=self.resource("Connections").ref, Key=item({"connection": connection}), ConsistentRead=True
        )
        return values(found["Item"])

    def change_record(self, connection: str, **columns: str) -> None:
        """Overwrite columns of a connection's record."""
        self.client("dynamodb").put_item(
            TableName=self.resource("Connections").ref, Item=item({**self.record(connection), **columns})
        )

    def age_intents(self) -> None:
        """Let the leases that killed functions left behind be as old as if they had run out meanwhile."""
        for page in self.client("dynamodb").get_paginator("scan").paginate(TableName=self.resource("Connections").ref):
            for record in map(values, page["Items"]):
                if "leased_at" in record:
                    self.change_record(str(record["connection"]), leased_at=in_seconds(-LEASE.total_seconds() - 60))

    def tokens(self, connection: str, version: str = "") -> Mapping[str, Any]:
        """Return a version of the tokens, or the one that the record names: a test may see what nobody else may."""
        kept = self.client("secretsmanager").get_secret_value(
            SecretId=f"leaver/tokens/{place_of(connection)}", VersionId=version or self.record(connection)["version"]
        )
        tokens: Mapping[str, Any] = json.loads(kept["SecretString"])
        return tokens

    def user_token(self, person: Person, connection: str = "zoom", kind: str = "zak") -> str:
        """Return the token that is kept for a person."""
        kept = self.client("secretsmanager").get_secret_value(
            SecretId=f"leaver/user-tokens/{person.zoom_id}/{connection}/{kind}", VersionStage="AWSCURRENT"
        )
        return str(json.loads(kept["SecretString"])["token"])

    def _listen(self) -> str:
        """Subscribe to the announcements, as a ticket system would."""
        queue = self.client("sqs").create_queue(QueueName="ear")["QueueUrl"]
        arn = self.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        events = self.client("events")
        bus = self.resource("EventBus").ref
        events.put_rule(Name="ear", EventBusName=bus, EventPattern=json.dumps({"source": ["leaver"]}))
        events.put_targets(Rule="ear", EventBusName=bus, Targets=[{"Id": "ear", "Arn": arn["Attributes"]["QueueArn"]}])
        return str(queue)


@contextmanager
def later(provider: ProviderSimulator[Any], seconds: float) -> Iterator[None]:
    """Let a provider's clock be ahead (or behind) meanwhile: tokens minted before are so much older (or younger)."""
    provider.advance(seconds)
    try:
        yield
    finally:
        provider.advance(-seconds)


def in_seconds(seconds: float) -> str:
    """Return that time as records and events tell it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
