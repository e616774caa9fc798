"""The local world in a container, where other containers find it by name, and as it is seen from this machine."""

import json
import sysconfig
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import requests

from leaver.cases.record import new_case
from leaver.cases.user_token_index import StoredUserToken
from leaver.storage.tables import columns, item
from local import acme
from local.aws.moto_server import CREDENTIAL
from local.aws.template import REGION, STACK, Json
from local.container_engine import ContainerEngine, Failed
from local.simulators.control import RemoteSimulator
from local.world import PEOPLE

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

ROOT = Path(__file__).parents[1]

#: what other containers on its network call it
NAME = "leaver-world"
#: where it listens: in its container nobody else is
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - its own network's  # nosec B104
#: where it listens in there; on this machine the ports are free ones, on loopback alone
PORTS = {"aws": 5000, "zoom": 5001, "venafi": 5002, "control": 5003, "hr": 5004}

#: where Python finds things in there: the packages, ours, and the layer's
PYTHONPATH = "/site-packages:/leaver:/leaver/layers/leaver/python"

#: seconds that it may take to be ready, and between two looks
_PATIENCE = 60
_LOOK_S = 0.2


class WorldInContainer:
    """Leaver deployed and Acme set up; the functions run elsewhere, and the container ends with its network."""

    def __init__(self, engine: ContainerEngine, image: str, network: str) -> None:
        """Start the container and wait for Acme; Failed, with what the container printed, if it ends before."""
        self._container = engine.client.containers.run(
            image,
            [
                *("-m", "local", "up", "--advertise", NAME, "--without-functions"),
                *("--bind", EVERY_ADDRESS),
                *(word for what, port in PORTS.items() for word in (f"--{what}-port", str(port))),
            ],
            entrypoint="python3.13",
            detach=True,
            name=f"{network}-world",
            network=network,
            networking_config={network: engine.client.api.create_endpoint_config(aliases=[NAME])},
            ports={f"{port}/tcp": ("127.0.0.1", 0) for port in PORTS.values()},
            # The packages are this interpreter's: the image must have the same Python on the same kind of system.
            volumes=[f"{sysconfig.get_path('purelib')}:/site-packages:ro", f"{ROOT}:/leaver:ro"],
            environment={"PYTHONPATH": PYTHONPATH, "PYTHONDONTWRITEBYTECODE": "1"},
            working_dir="/leaver",
        )
        self._container.reload()
        urls = {what: f"http://127.0.0.1:{self._published(port)}" for what, port in PORTS.items()}
        self.aws_url, self.zoom_url, self._control_url = urls["aws"], urls["zoom"], urls["control"]
        self.zoom, self.venafi = RemoteSimulator(urls["zoom"]), RemoteSimulator(urls["venafi"])
        self.hr = RemoteSimulator(urls["hr"])
        session = boto3.Session(CREDENTIAL, CREDENTIAL, region_name=REGION)
        self._secrets_manager: SecretsManagerClient = session.client("secretsmanager", endpoint_url=self.aws_url)
        self._dynamodb: DynamoDBClient = session.client("dynamodb", endpoint_url=self.aws_url)
        self._sqs: SQSClient = session.client("sqs", endpoint_url=self.aws_url)
        self._wait()

    def environments(self) -> dict[str, dict[str, str]]:
        """Return the variables of each function, by its logical id, as its container needs them."""
        answer: dict[str, dict[str, str]] = requests.get(f"{self._control_url}/environments", timeout=10).json()
        return answer

    def secret(self, name: str) -> Json:
        """Return the current value of a secret, or None where there is no such secret."""
        try:
            kept = self._secrets_manager.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")
        except self._secrets_manager.exceptions.ResourceNotFoundException:
            return None
        return json.loads(kept["SecretString"])

    def messages(self, queue: str) -> list[Json]:
        """Return the bodies of the messages that are in a queue of this kebab-case name, and leave them there."""
        url = self._sqs.get_queue_url(QueueName=f"{STACK}-{queue}")["QueueUrl"]
        peeked = self._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        return [json.loads(message["Body"]) for message in peeked.get("Messages", [])]

    def told(self) -> list[Json]:
        """Return what people were told."""
        answer: list[Json] = requests.get(f"{self._control_url}/topics/{PEOPLE}", timeout=10).json()
        return answer

    def make_due(self, connection: str) -> None:
        """Let a connection's time to refresh have come."""
        self._dynamodb.update_item(
            TableName=self._connections(),
            Key={"connection": {"S": connection}},
            UpdateExpression="SET refresh_at = :past",
            ExpressionAttributeValues={":past": {"S": "2020-01-01T00:00:00Z"}},
        )

    def keep_dead_token(self, zoom_user_id: str) -> None:
        """Keep a user's token in Secrets Manager that has been dead for long."""
        long_ago = datetime(2020, 1, 1, tzinfo=UTC)
        self._secrets_manager.create_secret(
            Name=f"leaver/user-tokens/{zoom_user_id}/zoom/zak", SecretString='{"token": "dead"}'
        )
        fields = StoredUserToken(
            partition=f"user-token#{zoom_user_id}",
            entry="zoom#zak",
            connection="zoom",
            zoom_user_id=zoom_user_id,
            type="zak",
            expires_at=long_ago,
        ).with_expected(long_ago)
        self._dynamodb.put_item(TableName=self._cases(), Item=item(columns(fields)))

    def keep_done_case(self, case_id: str) -> None:
        """Have a sweep under way of which nothing is outstanding."""
        now = datetime.now(tz=UTC)
        fields = {"email": acme.ALAN.email, "event_id": "by-hand", "source": "sam-local", "urgency": "routine"}
        case = new_case(
            case_id, (), [acme.ALAN.email], **fields, requested_at=now, effective_at=now, sweep_of="c-before"
        )
        begun = case.after_start(now, deadline=timedelta(hours=1))
        self._dynamodb.put_item(TableName=self._cases(), Item=item(columns(begun)))

    def case_state(self, case_id: str) -> str:
        """Return how far a case is."""
        key = {"partition": {"S": f"case#{case_id}"}, "entry": {"S": "case"}}
        found = self._dynamodb.get_item(TableName=self._cases(), Key=key, ConsistentRead=True)
        return str(found["Item"]["state"]["S"])

    def _cases(self) -> str:
        return self.environments()["WatchDeadlinesFunction"]["CASES_TABLE"]

    def _published(self, port: int) -> str:
        """Return the port of this machine behind which a port of the container is."""
        bindings = self._container.ports[f"{port}/tcp"]
        if not bindings:
            raise Failed(f"the local world did not start:\n{self._container.logs().decode()}")
        return str(bindings[0]["HostPort"])

    def _connections(self) -> str:
        return self.environments()["RefreshAccessTokenFunction"]["CONNECTIONS_TABLE"]

    def _wait(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not self._is_set_up():
            self._container.reload()
            if self._container.status != "running" or time.monotonic() > deadline:
                raise Failed(f"the local world did not start:\n{self._container.logs().decode()}")
            time.sleep(_LOOK_S)

    def _is_set_up(self) -> bool:
        """Whether there is the connection that `stage.set_up` makes last."""
        try:
            table = self._connections()
        except requests.ConnectionError:
            return False
        return "Item" in self._dynamodb.get_item(TableName=table, Key={"connection": {"S": "venafi"}})
