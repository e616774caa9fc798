"""What a deployed stack says of itself: where its connections and secrets are, and which providers it speaks to."""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import boto3
from botocore.exceptions import ClientError
from pydantic import SecretStr

from leaver import settings
from leaver.cases.evidence import CommitmentKeys
from leaver.cases.heard import HeardEvents
from leaver.cases.log import CaseLog
from leaver.cases.people import People
from leaver.cases.table import Cases
from leaver.connections.grants import ProviderGrants
from leaver.connections.record import Connection, Connections, Role
from leaver.consuming.answers import Answer, Answers
from leaver.evidence.signing import SigningKey
from leaver.evidence.store import EvidenceStore
from leaver.messages.names import name_of
from leaver.providers.ca_bundle import CaBundle
from leaver.providers.entry import Client, HostVariables, Providers
from leaver.providers.sources import CONNECTABLE
from leaver.providers.transport import Transport
from leaver.reconcile.record import Documents, Runs
from leaver.storage.secrets import SecretStore
from leaver.webhooks.places import Places
from leaver_cli.asking import ask_all, question_about
from leaver_cli.commands import InASentence
from leaver_cli.connections.from_lambda import FirstLogin, prove
from leaver_cli.connections.misfits import find_misfits
from leaver_cli.connections.request import ConnectionRequest, NewConnection, Target
from leaver_cli.connections.setup import ConnectionSetup, Established
from leaver_cli.evidence.source import EvidenceSource
from leaver_cli.stack import AWS, LANED, Stack, reach
from leaver_cli.terminal import say_under_way

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

#: A lease is judged by the clocks of whoever takes it and whoever finds it; connections.LEASE allows for no more.
LARGEST_SKEW: Final = timedelta(minutes=1)
#: after some of many decisions were sent
DECIDE_THE_REST: Final = "the same command decides the rest"
#: messages that SQS takes at once
_BATCH: Final = 10


class NoSuchStack(InASentence):
    """There is no such stack here, or it is not Leaver's."""


class NotSent(InASentence):
    """SQS did not take all that a person decided."""


class WrongClock(InASentence):
    """The clock of this machine is too wrong to change a connection by."""


@dataclass(frozen=True)
class Deployment:
    """A stack, as far as its connections and cases are concerned."""

    stack: Stack
    connections: Connections
    cases: Cases
    people: People
    heard: HeardEvents
    evidence: EvidenceSource
    secret_store: SecretStore
    places: Places
    preview_answers: Answers
    reconciliations: Runs
    documents: Documents
    #: the template's parameters
    parameters: Mapping[str, str]
    #: by how much AWS's clock is ahead of this machine's
    ahead: timedelta
    #: where senders of webhooks post; None where nothing listens
    door_url: str | None
    secrets_manager: "SecretsManagerClient" = field(repr=False)
    #: boto3's client, whose stubs are no dependency of ours
    cloudwatch: Any = field(repr=False)
    logs: Any = field(repr=False)
    # Python 3.11 takes the registry itself for a mutable default.
    providers: Providers = field(default_factory=lambda: CONNECTABLE, repr=False)

    def send_decisions(self, decisions: Iterable[Mapping[str, str]]) -> None:
        """Send what a person decides of cases, straight to the queue of start_offboarding."""
        say_under_way(f"of what was decided, what was sent so far is carried out; {DECIDE_THE_REST}")
        url = self.stack.queue_url(self.stack.queue_of("start_offboarding"))
        bodies = [json.dumps(each) for each in decisions]
        for start in range(0, len(bodies), _BATCH):
            entries: Any = [
                {"Id": str(number), "MessageBody": each} for number, each in enumerate(bodies[start : start + _BATCH])
            ]
            if failed := self.stack.sqs.send_message_batch(QueueUrl=url, Entries=entries).get("Failed"):
                codes = ", ".join(sorted({each["Code"] for each in failed}))
                raise NotSent(
                    f"the queue refused {len(failed)} of {len(bodies)} decisions ({codes}): {DECIDE_THE_REST}"
                )

    def send(self, decision: Mapping[str, object], *, urgent: bool = False) -> str:
        """Send what a person decides, straight to a queue of start_offboarding; returns the message's id."""
        return self._send("start_offboarding", decision, urgent=urgent)

    def send_to(self, function: str, message: Mapping[str, object]) -> str:
        """Send what a person asks of a function that is no case's; returns the message's id."""
        return self._send(function, message, urgent=False)

    def ask(self, function: str, preview: Mapping[str, object]) -> None:
        """Ask a function what it would find, before everybody else where it has a lane for that."""
        self._send(function, preview, urgent=function in LANED)

    def _send(self, function: str, message: Mapping[str, object], *, urgent: bool) -> str:
        url = self.stack.queue_url(self.stack.queue_of(function) + ("-urgent" if urgent else ""))
        return self.stack.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(message))["MessageId"]

    def now(self) -> datetime:
        """Tell the time as AWS has it: what comes of a decision is dated by that."""
        return now() + self.ahead

    def webhook_places(self) -> Iterator[tuple[str, datetime]]:
        """Find the front door's connections, and when each one's secret was changed last."""
        prefix = f"{self.secret_store.prefix}/webhooks/"
        pages = self.secrets_manager.get_paginator("list_secrets").paginate(
            Filters=[{"Key": "name", "Values": [prefix]}]
        )
        for page in pages:
            yield from ((each["Name"].removeprefix(prefix), each["LastChangedDate"]) for each in page["SecretList"])

    def url(self, host: HostVariables) -> str:
        """Where a provider's host is."""
        return self._setting(host.url)

    def client(self, kind: Callable[[Transport, Callable[[], datetime]], Client], host: HostVariables) -> Client:
        """Make a provider's client, whose host is trusted as the functions trust it.

        Raises Rejected where the host's CA certificates can't be read.
        """
        return kind(self._transport(host), now)

    def _transport(self, host: HostVariables) -> Transport:
        secret = self._setting(host.ca_bundle) if host.ca_bundle else ""
        bundle = CaBundle(f"secret {secret}", lambda: self.secret_store.text(secret)) if secret else None
        transport = _transport(self.url(host), bundle)
        # Before anybody is asked for a password.
        transport.load_roots()
        return transport

    def _setting(self, variable: str) -> str:
        """Read the template's parameter that functions know by this variable: ZOOM_API_URL is ZoomApiUrl."""
        return next(value for name, value in self.parameters.items() if name.upper() == variable.replace("_", ""))

    def check_the_clock(self) -> None:
        """Raise WrongClock where a lease would begin too early or too late: others could not tell when it ends."""
        if abs(self.ahead) > LARGEST_SKEW:
            which = "behind" if self.ahead > timedelta(0) else "ahead of"
            seconds = round(abs(self.ahead).total_seconds())
            raise WrongClock(f"this machine's clock is {seconds} seconds {which} AWS's: set it, and try again")

    def force_refresh(self, name: str) -> None:
        """Have a connection's tokens replaced, although nothing is due."""
        self.stack.sqs.send_message(
            QueueUrl=self.stack.queue_url(self.stack.queue_of("refresh_access_token")),
            MessageBody=json.dumps({"connection": name, "force": True}),
            MessageGroupId=name,
            # A repeated id would be accepted, and the message thrown away.
            MessageDeduplicationId=str(uuid4()),
        )

    def look_around(self) -> list[str]:
        """Say what is amiss between providers, accounts and connections."""
        return [each.sentence for each in find_misfits(self)]

    def ask_for_owner(self, made: Connection) -> Answer | None:
        """Let a function ask whether the provider knows the owner, and note on the record if it does not."""
        if made.role != "service" or not (question := question_about(made, made.owner)):
            return None
        [answer] = ask_all(self, [question])
        if answer is not None and answer.found.get("nobody"):
            self.connections.change(
                made.connection, lambda current: current.model_copy(update={"owner_is_unknown": True})
            )
        return answer

    def prove_from_lambda(self, login: FirstLogin, target: Target, timeout: int) -> Connection:
        """Let a function log in for the first time; raises what prove() does."""
        return prove(self, login, target, timeout=timeout)

    def establish(self, new: ConnectionRequest, target: Target) -> Established:
        """Write a connection into the stack; raises what ConnectionSetup.establish does, and WrongClock."""
        self.check_the_clock()
        # No other provider is asked anything, and its CA certificates may not be there yet.
        provider = self.providers[new.provider]
        clients = {new.provider: self.client(provider.client, provider.host)}
        setup = ConnectionSetup(
            connections=self.connections,
            secret_store=self.secret_store,
            grants=ProviderGrants({new.provider: provider}, clients, self.secret_store),
            holder=f"connect#{uuid4()}",
            clock=now,
            pause=time.sleep,
        )
        return setup.establish(
            NewConnection(
                name=target.name,
                provider=new.provider,
                account=new.account,
                grant_type=new.grant_type,
                role=target.role,
                # As people are remembered: whoever leaves is looked up by that.
                owner=name_of(target.owner.strip()),
                credentials=new.credentials,
                obtain=new.obtain,
                find_consenter=_find_consenter(new),
                find_owner_id=_find_owner_id(new, target.role),
            )
        )


def describe(name: str, region: str | None, profile: str | None, providers: Providers = CONNECTABLE) -> Deployment:
    """Ask CloudFormation for a stack's parameters and outputs; raises NoSuchStack."""
    session = boto3.Session(region_name=region, profile_name=profile)
    cloudformation = session.client("cloudformation", config=AWS)
    try:
        response = cloudformation.describe_stacks(StackName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        raise NoSuchStack(
            f"there is no stack {name} in {cloudformation.meta.region_name}:"
            " is it called so (--stack), is it this region and account (--region, --profile)?"
        ) from None
    (stack,) = response["Stacks"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}
    parameters = {each["ParameterKey"]: each.get("ParameterValue", "") for each in stack.get("Parameters", [])}
    if not {"ConnectionsTable", "CasesTable", "DeliveriesTable", "KeyArn", "SecretPrefix"} <= outputs.keys():
        raise NoSuchStack(f"stack {name} is not Leaver's, or not deployed yet: it has no output ConnectionsTable")
    secrets_manager = session.client("secretsmanager", config=AWS)
    dynamodb = session.client("dynamodb", config=AWS)
    documents = Documents(dynamodb, table=outputs["DeliveriesTable"], clock=now)
    return Deployment(
        stack=reach(name, region, profile),
        connections=Connections(dynamodb, table=outputs["ConnectionsTable"]),
        cases=Cases(dynamodb, table=outputs["CasesTable"]),
        people=People(dynamodb, table=outputs["CasesTable"]),
        heard=HeardEvents(dynamodb, table=outputs["CasesTable"]),
        evidence=EvidenceSource(
            cases=Cases(dynamodb, table=outputs["CasesTable"]),
            keys=CommitmentKeys(dynamodb, table=outputs["CasesTable"]),
            log=CaseLog(dynamodb, table=outputs["CasesTable"]),
            store=EvidenceStore(session.client("s3", config=AWS), bucket=outputs.get("EvidenceBucket", "")),
            signing_key=SigningKey(session.client("kms", config=AWS), key_arn=outputs.get("EvidenceKeyArn", "")),
            documents=documents,
        ),
        secret_store=SecretStore(secrets_manager, prefix=outputs["SecretPrefix"], kms_key_arn=outputs["KeyArn"]),
        places=Places(dynamodb, table=outputs["DeliveriesTable"]),
        preview_answers=Answers(dynamodb, table=outputs["DeliveriesTable"]),
        reconciliations=Runs(dynamodb, table=outputs["DeliveriesTable"]),
        documents=documents,
        parameters=parameters,
        ahead=_ahead(response["ResponseMetadata"]["HTTPHeaders"]["date"]),
        door_url=outputs.get("FrontDoorUrl"),
        secrets_manager=secrets_manager,
        cloudwatch=session.client("cloudwatch", config=AWS),
        logs=session.client("logs", config=AWS),
        providers=providers,
    )


def now() -> datetime:
    """Tell the time of this machine."""
    return datetime.now(tz=UTC)


def _ahead(date: str) -> timedelta:
    return parsedate_to_datetime(date) - now()


def _transport(url: str, ca_bundle: CaBundle | None = None) -> Transport:
    return Transport(url, ca_bundle=ca_bundle, plain_http_hosts=settings.local_world(os.environ), clock=now)


def _find_consenter(new: ConnectionRequest) -> Callable[[SecretStr], str | None]:
    def find(access_token: SecretStr) -> str | None:
        user = new.find_consenter(access_token) if new.find_consenter else None
        return user.id if user else None

    return find


def _find_owner_id(new: ConnectionRequest, role: Role) -> Callable[[SecretStr], str | None]:
    def find(access_token: SecretStr) -> str | None:
        user = new.find_consenter(access_token) if new.find_consenter and role == "personal" else None
        # Of another account's id nobody can tell by this account's whose it is.
        return user.id if user and user.account in {None, new.account} else None

    return find
