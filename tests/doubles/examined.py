"""A stack in front of `leaver doctor`, in memory, with which all is well; each test spoils one thing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

from leaver.connections.record import Connection, Unreadable
from leaver.consuming.answers import Answer
from leaver.messages.previews import Preview, Probe
from leaver.version import VERSION
from leaver.webhooks.places import Place
from leaver_cli.deployment import Deployment
from leaver_cli.doctor.seat import NOBODY, Seat
from leaver_cli.stack import Place as Function
from leaver_cli.stack import Stack
from tests.doubles.aws_errors import client_error
from tests.doubles.clock import NOW
from tests.doubles.connections_table import InMemoryConnections, connection

ACCOUNT = "123456789012"
TOPIC, PEOPLE = (f"arn:aws:sns:eu-central-1:{ACCOUNT}:{name}" for name in ("on-call", "people"))
ZOOM_SCOPES = "user:read:user:admin user:read:token:admin user:delete:token:admin user:update:status:admin"
PARTNER = "aws.partner/okta.com/acme/leaver"


class NotThere(Exception):
    """What an AWS client raises for what is not there, whatever it calls it."""


class Paged:
    """A client whose paginators find what they are told, on a page for each thing."""

    exceptions = SimpleNamespace(
        ResourceNotFoundException=NotThere,
        NotFoundException=NotThere,
        DashboardNotFoundError=NotThere,
        ResourceNotFound=NotThere,
    )

    def get_paginator(self, operation: str) -> Any:
        return SimpleNamespace(paginate=getattr(self, operation))


@dataclass
class Events(Paged):
    """EventBridge: rules by bus, buses, and partners' sources by their state."""

    rules: list[dict[str, str]] = field(default_factory=list)
    buses: set[str] = field(default_factory=lambda: {PARTNER})
    source: str = "ACTIVE"

    def add(self, name: str, bus: str = "leaver", state: str = "ENABLED") -> None:
        self.rules.append({"Name": name, "EventBusName": bus, "State": state})

    def list_rules(self, *, EventBusName: str = "default", NamePrefix: str = "") -> Iterator[Any]:  # noqa: N803
        for each in self.rules:
            if each["EventBusName"] == EventBusName and each["Name"].startswith(NamePrefix):
                yield {"Rules": [each]}

    def describe_event_bus(self, *, Name: str) -> None:  # noqa: N803
        if Name not in self.buses:
            raise NotThere

    def describe_event_source(self, *, Name: str) -> dict[str, str]:  # noqa: N803
        return {"Name": Name, "State": self.source}


@dataclass
class CloudWatch(Paged):
    """Alarms and dashboards."""

    alarms: list[dict[str, Any]] = field(default_factory=list)
    dashboards: set[str] = field(default_factory=lambda: {"leaver"})

    def describe_alarms(self, *, AlarmNamePrefix: str) -> Iterator[Any]:  # noqa: N803
        for each in self.alarms:
            if each["AlarmName"].startswith(AlarmNamePrefix):
                yield {"MetricAlarms": [each]}

    def get_dashboard(self, *, DashboardName: str) -> None:  # noqa: N803
        if DashboardName not in self.dashboards:
            raise NotThere


@dataclass
class Sns(Paged):
    """Topics, and who subscribes."""

    topics: dict[str, list[str]] = field(default_factory=lambda: {TOPIC: ["arn:aws:1"], PEOPLE: ["arn:aws:2"]})

    def list_subscriptions_by_topic(self, *, TopicArn: str) -> Iterator[Any]:  # noqa: N803
        if TopicArn not in self.topics:
            raise NotThere
        for each in self.topics[TopicArn]:
            yield {"Subscriptions": [{"SubscriptionArn": each, "Endpoint": "ada@example.com"}]}


@dataclass
class CloudTrail:
    """Trails, whether each writes, and what."""

    trails: list[dict[str, Any]] = field(
        default_factory=lambda: [{"Name": "all", "TrailARN": "arn:all", "IsMultiRegionTrail": True}]
    )
    is_logging: bool = True
    selectors: dict[str, list[Any]] = field(default_factory=dict)

    def describe_trails(self, *, includeShadowTrails: bool) -> dict[str, Any]:  # noqa: N803
        assert includeShadowTrails
        return {"trailList": self.trails}

    def get_trail_status(self, *, Name: str) -> dict[str, Any]:  # noqa: N803
        assert Name.startswith("arn:")
        return {"IsLogging": self.is_logging}

    def get_event_selectors(self, *, TrailName: str) -> dict[str, Any]:  # noqa: N803
        assert TrailName.startswith("arn:")
        return self.selectors


@dataclass
class Secrets(Paged):
    """Secrets by name, and when each was made."""

    made: dict[str, datetime] = field(default_factory=dict)

    def list_secrets(self, *, Filters: Any) -> Iterator[Any]:  # noqa: N803
        [prefix] = Filters[0]["Values"]
        for name, at in self.made.items():
            # AWS's filter ignores case.
            if name.lower().startswith(prefix):
                yield {"SecretList": [{"Name": name, "CreatedDate": at}]}


@dataclass
class Parking:
    """A dead-letter queue."""

    count_: int

    def count(self) -> int:
        return self.count_


@dataclass
class Functions:
    """Whoever works on the queues, and answers."""

    #: what is found, by provider's step: for nobody, and for anybody else
    scopes: dict[str, str] = field(
        default_factory=lambda: {"revoke_sso_token": ZOOM_SCOPES, "revoke_grants": "admin:delete;configuration"}
    )
    unproved: str | None = None
    unknown: set[str] = field(default_factory=lambda: {NOBODY})
    #: these do not answer; and why these can't say
    silent: set[str] = field(default_factory=set)
    because: str | None = None
    version: str = VERSION
    #: the queues into which probes went
    probed: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)

    def ask(self, function: Function, preview: Mapping[str, object]) -> None:
        asked = Preview.model_validate(preview)
        if function in self.silent:
            return
        who = str(asked.of.get("user_id") or asked.of.get("identity"))
        found: dict[str, Any] = {"scope": self.scopes[function]}
        if who in self.unknown:
            found |= {"nobody": True} | ({"because": self.unproved} if self.unproved else {})
        self._answer(asked.place, found, self.because)

    def send_message(self, *, QueueUrl: str, MessageBody: str, **fifo: str) -> None:  # noqa: N803
        self.probed[QueueUrl] = fifo
        if QueueUrl not in self.silent:
            found = {"function": QueueUrl, "version": self.version}
            self._answer(Probe.model_validate_json(MessageBody).place, found, None)

    def read(self, question: Preview | Probe) -> Answer | None:
        return self.answers.get(question.place)

    def _answer(self, place: str, found: dict[str, Any], because: str | None) -> None:
        self.answers[place] = Answer(delivery=place, found=found, because=because, expires_at=0)


class _WithBroken(InMemoryConnections):
    """Those records, and some that can't be read."""

    def __init__(self, readable: InMemoryConnections, broken: list[Unreadable]) -> None:
        super().__init__(*readable.records.values())
        self._broken = broken

    def read_all(self) -> Iterator[Any]:
        yield from super().read_all()
        yield from self._broken


@dataclass
class Installation:
    """Everything that is looked at; `seat` is how it is now."""

    parameters: dict[str, str] = field(
        default_factory=lambda: {
            "Providers": "zoom,venafi",
            "OktaEventBusName": PARTNER,
            "AlarmTopicArn": TOPIC,
            "NotifyTopicArn": PEOPLE,
            "DeactivateUsers": "true",
        }
    )
    outputs: dict[str, str] = field(
        default_factory=lambda: {
            "Version": VERSION,
            "Operators": f"arn:aws:iam::{ACCOUNT}:role/on-call",
            "KeyArn": "arn:aws:kms:eu-central-1:123456789012:key/k-1",
            "SecretPrefix": "leaver",
            "CasesTable": "leaver-Cases",
            "DashboardUrl": "https://console.aws.amazon.com/cloudwatch",
        }
    )
    status: str = "UPDATE_COMPLETE"
    created_at: datetime = NOW - timedelta(days=9)
    who: str = f"arn:aws:sts::{ACCOUNT}:assumed-role/on-call/ada"
    ahead: timedelta = timedelta(0)
    connections: InMemoryConnections = field(
        default_factory=lambda: InMemoryConnections(
            connection("zoom"), connection("venafi", provider="venafi", account="tpp.example.com")
        )
    )
    events: Events = field(default_factory=Events)
    cloudwatch: CloudWatch = field(default_factory=CloudWatch)
    sns: Sns = field(default_factory=Sns)
    cloudtrail: CloudTrail = field(default_factory=CloudTrail)
    secrets: Secrets = field(default_factory=Secrets)
    functions: Functions = field(default_factory=Functions)
    places: dict[str, Place] = field(default_factory=lambda: {"hibob/main": Place(since=NOW, spoke_at=NOW)})
    door_url: str | None = "https://hooks.example.com"
    parked: dict[str, int] = field(default_factory=dict)
    has_cases: bool = True
    broken: list[Unreadable] = field(default_factory=list)
    #: an operation that AWS refuses
    denied: str | None = None

    def __post_init__(self) -> None:
        self.events.add("leaver-StartOffboardingRule-1A2B")
        for name in ("ScheduleRefreshes", "WatchDeadlines"):
            self.events.add(f"leaver-{name}Schedule-1A2B", "default")
        self.rings("leaver-OverdueCasesAlarm-1A2B", state="OK")
        for record in self.connections.read_all():
            self.keep(f"tokens/{record.place}", f"credentials/{record.place}")
        self.keep("webhooks/hibob/main")

    def keep(self, *names: str, at: datetime = NOW) -> None:
        self.secrets.made |= {f"leaver/{name}": at for name in names}

    def rings(self, name: str, *, state: str = "ALARM", enabled: bool = True) -> None:
        self.cloudwatch.alarms.append(
            {"AlarmName": name, "AlarmDescription": "Overdue.", "StateValue": state, "ActionsEnabled": enabled}
        )

    def connect(self, name: str, **other: Any) -> Connection:
        record = connection(name, **other)
        self.connections.put(record)
        self.keep(f"tokens/{record.place}", f"credentials/{record.place}")
        return record

    @property
    def seat(self) -> Seat:
        stack = SimpleNamespace(
            name="leaver",
            bus="leaver",
            sqs=self.functions,
            queue_url=lambda name: name,
            queue_of=lambda place: f"{place}.fifo" if place in {"refresh_access_token", "seal_case"} else place,
            parkings=lambda place: [Parking(self.parked.get(place, 0))],
        )
        deployment = SimpleNamespace(
            stack=cast("Stack", stack),
            connections=_WithBroken(self.connections, self.broken),
            parameters=self.parameters,
            ahead=self.ahead,
            door_url=self.door_url,
            places=SimpleNamespace(connected=lambda: self.places),
            secrets_manager=self.secrets,
            cloudwatch=self.cloudwatch,
            preview_answers=self.functions,
            ask=self.functions.ask,
            now=lambda: NOW,
        )
        return Seat(
            deployment=cast("Deployment", deployment),
            description={
                "StackStatus": self.status,
                "CreationTime": self.created_at,
                "Outputs": [{"OutputKey": name, "OutputValue": value} for name, value in self.outputs.items()],
            },
            region="eu-central-1",
            sts=SimpleNamespace(get_caller_identity=self._identity),
            events=self.events,
            sns=self.sns,
            cloudtrail=self.cloudtrail,
            dynamodb=SimpleNamespace(scan=lambda **_: {"Items": [{"entry": str(uuid4())}] if self.has_cases else []}),
        )

    def _identity(self) -> dict[str, str]:
        if self.denied == "GetCallerIdentity":
            raise client_error("GetCallerIdentity", "AccessDenied", "not authorized to perform: sts:GetCallerIdentity")
        return {"Arn": self.who}
