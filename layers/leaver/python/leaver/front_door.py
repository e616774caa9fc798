"""The composition root of the front door, with nothing but what the door needs: a sender waits three seconds."""

import gc
import os

if "AWS_LAMBDA_RUNTIME_API" in os.environ:
    # As in bootstrap: nothing that is about to be loaded is garbage.
    gc.disable()

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Final, TypeVar

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config

from leaver.settings import Settings, stack_name
from leaver.storage.secrets import SecretStore
from leaver.webhooks.bus import LONGEST as LONGEST_PUT
from leaver.webhooks.bus import Bus
from leaver.webhooks.memory import LONGEST, SeenDeliveries
from leaver.webhooks.places import Places
from leaver.webhooks.secrets import DoorSecrets

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# Danger: at DEBUG they log bodies and headers, with every secret; Lambda's own log level would set them to it.
for _library in ("boto3", "botocore", "urllib3"):
    logging.getLogger(_library).setLevel(logging.INFO)

gc.freeze()
gc.enable()

AnySettings = TypeVar("AnySettings", bound=Settings)

#: seconds of what a call may take in which it must be connected
_CONNECT: Final = 0.3


def now() -> datetime:
    """The clock of everything that is deployed."""
    return datetime.now(tz=UTC)


@cache
def settings_of(kind: type[AnySettings]) -> AnySettings:
    """Read this function's settings once; raises InvalidSetting by name."""
    return kind.read(os.environ)


def _within(longest: timedelta) -> Config:
    """One attempt, and no longer: whoever calls knows what time is left."""
    read = longest.total_seconds() - _CONNECT
    return Config(connect_timeout=_CONNECT, read_timeout=read, retries={"mode": "standard", "total_max_attempts": 1})


@cache
def session() -> boto3.Session:
    """What clients are made of."""
    return boto3.Session()


def bus(name: str) -> Bus:
    """The bus that everything goes to."""
    return Bus(session().client("events", config=_within(LONGEST_PUT)), name=name)


def secrets(prefix: str, table: str) -> DoorSecrets:
    """What the connections in this table sign with."""
    client = session().client("secretsmanager", config=_within(LONGEST))
    return DoorSecrets(SecretStore(client, prefix=prefix), places(table).names, now)


@cache
def _dynamodb() -> "DynamoDBClient":
    return session().client("dynamodb", config=_within(LONGEST))


def seen_deliveries(table: str) -> SeenDeliveries:
    """What was put on the bus already."""
    return SeenDeliveries(_dynamodb(), table=table, clock=now)


def places(table: str) -> Places:
    """The door's connections."""
    return Places(_dynamodb(), table=table)


@cache
def logger() -> Logger:
    """What is printed."""
    return Logger()


def count(name: str, *, rings: bool = True, **told: str) -> None:
    """Tell CloudWatch of one event by what is told of it; one that `rings` is also counted without that, for alarms.

    In CloudWatch's embedded metric format: Powertools' Metrics counts everything without that, too.
    """
    whose = {"service": os.environ["POWERTOOLS_SERVICE_NAME"], "stack": stack_name(os.environ)}
    metric = {
        "Namespace": os.environ["POWERTOOLS_METRICS_NAMESPACE"],
        "Dimensions": [[*whose, *told], *([[*whose]] if rings else [])],
        "Metrics": [{"Name": name, "Unit": "Count"}],
    }
    milliseconds = int(now().timestamp() * 1000)
    line = {"_aws": {"Timestamp": milliseconds, "CloudWatchMetrics": [metric]}, **whose, **told, name: 1}
    print(json.dumps(line))  # noqa: T201 - what is printed is what CloudWatch reads


def in_init(build: Callable[[], object]) -> None:
    """Build what a function needs while Lambda initialises it: the first delivery finds it warm."""
    if "AWS_LAMBDA_RUNTIME_API" in os.environ:
        build()
