"""The composition root of the front door, with nothing but what the door needs: a sender waits three seconds."""

import gc
import os

if "AWS_LAMBDA_RUNTIME_API" in os.environ:
    # As in bootstrap: nothing that is about to be loaded is garbage.
    gc.disable()

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Final, TypeVar

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config

from leaver.settings import Settings, stack_name
from leaver.storage.secrets import SecretStore
from leaver.webhooks.bus import Bus
from leaver.webhooks.memory import SeenDeliveries
from leaver.webhooks.secrets import DoorSecrets

# Danger: at DEBUG they log bodies and headers, with every secret; Lambda's own log level would set them to it.
for _library in ("boto3", "botocore", "urllib3"):
    logging.getLogger(_library).setLevel(logging.INFO)

gc.freeze()
gc.enable()

AnySettings = TypeVar("AnySettings", bound=Settings)

#: the bus is tried twice, by who puts there, within the three seconds that a sender waits
_BUS: Final = Config(connect_timeout=1.5, read_timeout=1.5, retries={"mode": "standard", "total_max_attempts": 1})
#: what does not answer at once is done without
QUICK: Final = Config(connect_timeout=1, read_timeout=1, retries={"mode": "standard", "total_max_attempts": 1})


def now() -> datetime:
    """The clock of everything that is deployed."""
    return datetime.now(tz=UTC)


@cache
def settings_of(kind: type[AnySettings]) -> AnySettings:
    """Read this function's settings once; raises InvalidSetting by name."""
    return kind.read(os.environ)


@cache
def session() -> boto3.Session:
    """What clients are made of."""
    return boto3.Session()


def bus(name: str) -> Bus:
    """The bus that everything goes to."""
    return Bus(session().client("events", config=_BUS), name=name)


def secrets(prefix: str) -> DoorSecrets:
    """What senders sign with."""
    return DoorSecrets(SecretStore(session().client("secretsmanager", config=QUICK), prefix=prefix), now)


def seen_deliveries(table: str) -> SeenDeliveries:
    """What was put on the bus already."""
    return SeenDeliveries(session().client("dynamodb", config=QUICK), table=table, clock=now)


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
