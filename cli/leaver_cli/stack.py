"""A deployed stack as an operator reaches it: the options that name it, and its queues."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import boto3
import typer
from botocore.config import Config

from leaver_cli.commands import InASentence
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

StackName = Annotated[
    str, typer.Option("--stack", envvar="LEAVER_STACK", help="The CloudFormation stack that Leaver was deployed as.")
]
Region = Annotated[str | None, typer.Option("--region", help="The AWS region; else as the AWS CLI finds it.")]
Profile = Annotated[str | None, typer.Option("--profile", help="The AWS profile; else as the AWS CLI finds it.")]

AWS = Config(connect_timeout=3, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 3})


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

    def queue_of(self, function: Place) -> str:
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

    def _named(self, place: Place, suffix: str = "") -> str:
        return f"{self.name}-{place.replace('_', '-')}{suffix}{'.fifo' if place in _FIFO else ''}"


def reach(name: str, region: str | None, profile: str | None) -> Stack:
    """Open the way to a stack; AWS_ENDPOINT_URL leads to a local one."""
    session = boto3.Session(region_name=region, profile_name=profile)
    return Stack(name, sqs=session.client("sqs", config=AWS), events=session.client("events", config=AWS))
