"""What is asked in an examination: AWS by its read-only calls, and of the providers their functions, by previews."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final, NamedTuple

import boto3

from leaver.connections.record import Connection, Unreadable
from leaver.consuming.answers import Answer
from leaver_cli.asking import ask_all, question_about
from leaver_cli.deployment import Deployment, describe
from leaver_cli.stack import AWS

#: is nobody anywhere (RFC 2606): a search for them says what the search can see
NOBODY: Final = "nobody@leaver-doctor.example"


class Asked(NamedTuple):
    """Whom a function was asked for, over which connection; `answer` is None where it did not answer in time."""

    connection: Connection
    who: str
    answer: Answer | None


@dataclass(frozen=True)
class Seat:
    """One stack, and who sits in front of it."""

    deployment: Deployment
    #: as CloudFormation describes it
    description: Mapping[str, Any]
    region: str
    #: boto3's clients, whose stubs are no dependency of ours
    sts: Any = field(repr=False)
    events: Any = field(repr=False)
    sns: Any = field(repr=False)
    cloudtrail: Any = field(repr=False)
    dynamodb: Any = field(repr=False)

    @property
    def name(self) -> str:
        """The stack's."""
        return self.deployment.stack.name

    @property
    def outputs(self) -> Mapping[str, str]:
        """What the stack tells of itself."""
        return {each["OutputKey"]: each["OutputValue"] for each in self.description.get("Outputs", [])}

    @property
    def created_at(self) -> datetime:
        """When the stack was made."""
        made: datetime = self.description["CreationTime"]
        return made

    def parameter(self, name: str) -> str:
        """A parameter of the template's; empty where the stack is older than the parameter."""
        return self.deployment.parameters.get(name, "")

    def listed(self, name: str) -> list[str]:
        """A parameter that is a list."""
        return [each.strip() for each in self.parameter(name).split(",") if each.strip()]

    @cached_property
    def records(self) -> list[Connection]:
        """The connections whose records can be read, by name."""
        found = (each for each in self._everything if isinstance(each, Connection))
        return sorted(found, key=lambda each: each.connection)

    @cached_property
    def unreadable(self) -> list[Unreadable]:
        """Those whose records can't."""
        return [each for each in self._everything if isinstance(each, Unreadable)]

    @cached_property
    def _everything(self) -> list[Connection | Unreadable]:
        return list(self.deployment.connections.read_all())

    @cached_property
    def worked_through(self) -> list[Connection]:
        """The connections by which cases end access: the best one at each account of each provider."""
        usable = self.deployment.connections.usable_at(self.listed("Providers"))
        return [those[0] for _, those in sorted(usable.items())]

    @cached_property
    def asked(self) -> list[Asked]:
        """Ask the function of each account's first step for nobody, and for the connection's owner; changes nothing."""
        questions = {
            (each.connection, who): (each, question)
            for each in self.worked_through
            for who in (NOBODY, each.owner)
            if (question := question_about(each, who))
        }
        answers = ask_all(self.deployment, [question for _, question in questions.values()])
        return [
            Asked(each, who, answer) for ((_, who), (each, _)), answer in zip(questions.items(), answers, strict=True)
        ]


def take_seat(name: str, region: str | None, profile: str | None) -> Seat:
    """Open the way to a stack and to what is around it; raises NoSuchStack."""
    session = boto3.Session(region_name=region, profile_name=profile)
    deployment = describe(name, region, profile)
    cloudformation = session.client("cloudformation", config=AWS)
    [description] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    return Seat(
        deployment=deployment,
        description=description,
        region=cloudformation.meta.region_name,
        sts=session.client("sts", config=AWS),
        events=session.client("events", config=AWS),
        sns=session.client("sns", config=AWS),
        cloudtrail=session.client("cloudtrail", config=AWS),
        dynamodb=session.client("dynamodb", config=AWS),
    )
