"""A deployed stack as an operator reaches it: the options that name it, and its queues."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import boto3
import typer
from botocore.config import Config
from click.core import ParameterSource

from leaver_cli.commands import InASentence
from leaver_cli.configuration import VARIABLES, fallback
from leaver_cli.parked.dead_letters import Cause, DeadLetterQueue

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sqs import SQSClient

#: where messages are parked: with each function that consumes a queue, and with none
Place = Literal[
    "retrieve_user_token",
    "refresh_access_token",
    "revoke_access_token",
    "revoke_sso_token",
    "revoke_grants",
    "purge_user_tokens",
    "deactivate_user",
    "schedule_refreshes",
    "start_offboarding",
    "look_up_person",
    "seal_case",
    "watch_deadlines",
    "notify_people",
    "reconcile",
    "unrouted",
]
PLACES: tuple[Place, ...] = get_args(Place)
#: beside whose queue there is an urgent one
LANED = frozenset({"revoke_access_token", "revoke_sso_token", "revoke_grants", "start_offboarding"})
#: one connection's refreshes are kept apart, and cases are sealed one after the other
_FIFO = frozenset({"refresh_access_token", "seal_case"})


def _or_configured(context: typer.Context, param: typer.CallbackParam, value: str | None) -> str | None:
    name = param.name or ""
    return fallback(name, value) if context.get_parameter_source(name) is ParameterSource.DEFAULT else value


def _option(name: str, meaning: str) -> Any:
    return typer.Option(
        f"--{name}", envvar=list(VARIABLES[name]), show_envvar=False, callback=_or_configured, help=meaning
    )


StackName = Annotated[str, _option("stack", "The CloudFormation stack; else as `leaver configure` has it.")]
Region = Annotated[str | None, _option("region", "The AWS region; else configured, or as the AWS CLI finds it.")]
Profile = Annotated[str | None, _option("profile", "The AWS profile; else configured, or as the AWS CLI finds it.")]

AWS = Config(connect_timeout=3, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 3})


def function_of(command: str) -> str:
    """The function that carries out a command, by the command's name."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", command).lower()


class NoSuchQueue(InASentence):
    """The stack has no queue of this name, or there is no such stack here."""


@dataclass(frozen=True)
class Stack:
    """The queues and the bus of one stack."""

    name: str
    sqs: "SQSClient"
    events: "EventBridgeClient"

    @property
    def bus(self) -> str:
        """The bus's name."""
        return self.name

    def parkings(self, place: Place) -> list[DeadLetterQueue]:
        """The queues in which this place's messages wait for a person; raises NoSuchQueue."""
        dead_letters = DeadLetterQueue(
            self.sqs, self.queue_url(self._named(place, "-dead-letters")), unexplained=Cause.CRASHED
        )
        if place != "unrouted":
            return [dead_letters]
        return [DeadLetterQueue(self.sqs, self.queue_url(self._named(place)), unexplained=Cause.UNROUTED), dead_letters]

    def queue_of(self, function: str) -> str:
        """The name of the queue that feeds a function."""
        return self._named(function)

    def queue_url(self, name: str) -> str:
        """The address of a queue; raises NoSuchQueue."""
        try:
            return self.sqs.get_queue_url(QueueName=name)["QueueUrl"]
        except self.sqs.exceptions.QueueDoesNotExist:
            raise NoSuchQueue(
                f"there is no queue {name} in {self.sqs.meta.region_name}:"
                f" is the stack called {self.name} (--stack), is it this region and account (--region, --profile)?"
            ) from None

    def _named(self, place: str, suffix: str = "") -> str:
        return f"{self.name}-{place.replace('_', '-')}{suffix}{'.fifo' if place in _FIFO else ''}"


def reach(name: str, region: str | None, profile: str | None) -> Stack:
    """Open the way to a stack; AWS_ENDPOINT_URL leads to a local one."""
    session = boto3.Session(region_name=region, profile_name=profile)
    return Stack(name, sqs=session.client("sqs", config=AWS), events=session.client("events", config=AWS))
