"""The composition root: the only place that builds what is concrete, and that imports boto3.

What not every function needs is imported where it is built: whoever does without starts sooner.
"""

import gc
import os

if "AWS_LAMBDA_RUNTIME_API" in os.environ:
    # Six hundred modules are about to be loaded, and none is garbage: looking for some takes a sixth of a cold start.
    gc.disable()

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from leaver.cases.ceiling import Ceiling, PeopleAnHour
from leaver.cases.heard import Fate, HeardEvents
from leaver.cases.receipts import Receipts
from leaver.cases.record import Case
from leaver.cases.reporting import StepReports
from leaver.cases.table import Cases
from leaver.connections.access_tokens import AccessTokens
from leaver.connections.record import Connections
from leaver.consuming.answers import Answers, ProbeAnswers
from leaver.consuming.consumer import Consumer
from leaver.consuming.invocation import BatchFailures, LambdaContext
from leaver.consuming.journal import EventJournal
from leaver.consuming.metrics import SharedMetrics
from leaver.consuming.previews import Previews
from leaver.consuming.rate_limiter import RateLimiter
from leaver.errors import LeaverError, Rejected
from leaver.messages.commands import Command
from leaver.messages.envelope import Payload
from leaver.messages.publisher import Publisher
from leaver.outcomes import Result
from leaver.providers.ca_bundle import CaBundle
from leaver.providers.time_left import TimeLeft
from leaver.providers.transport import Transport
from leaver.settings import ActsOnPeople, Consumes, EndsAccess, InvalidSetting, Settings, local_world, stack_name
from leaver.storage.secrets import SecretStore

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

    from leaver.cases.announcing import CaseAnnouncer
    from leaver.cases.evidence import CaseEvidence
    from leaver.cases.finding import StepFinder
    from leaver.cases.people import People
    from leaver.cases.start import CaseStart
    from leaver.cases.user_tokens import StoredUserTokens
    from leaver.connections.grants import ProviderGrants
    from leaver.evidence.signing import SigningKey
    from leaver.providers.entry import Client, HostVariables, Providers, WhoHasSomething
    from leaver.providers.listing import Found, Lists
    from leaver.providers.source import LooksUp, Sources
    from leaver.reconcile.record import Documents, Runs
    from leaver.storage.encryption import TokenEncryption
    from leaver.storage.user_token_secrets import UserTokenSecrets
    from leaver.webhooks.places import Places

# Danger: at DEBUG they log bodies and headers, with every token; Lambda's own log level would set them to it.
for _library in ("boto3", "botocore", "requests", "urllib3"):
    logging.getLogger(_library).setLevel(logging.INFO)

# What is loaded by now stays: the collector, at work again, need not look at any of it.
gc.freeze()
gc.enable()

AnyCommand = TypeVar("AnyCommand", bound=Command)
AnySettings = TypeVar("AnySettings", bound=Settings)
Handler = Callable[[Mapping[str, Any], LambdaContext], BatchFailures]

#: messages that are worked on side by side: the most that a queue hands over in one batch
WIDTH: Final = 10

#: seconds that an attempt at AWS may take, to connect and to read: it fits into what is kept to record a call
_ATTEMPT: Final = (2, 3)
_AWS = Config(
    connect_timeout=_ATTEMPT[0],
    read_timeout=_ATTEMPT[1],
    retries={"mode": "standard", "total_max_attempts": 4},
    max_pool_connections=WIDTH,
)
#: for what can be done without
_QUICK = Config(connect_timeout=1, read_timeout=1, retries={"mode": "standard", "total_max_attempts": 1})
#: for what has to happen before the function is killed: its caller repeats it as long as there is time
_AT_ONCE = Config(
    connect_timeout=_ATTEMPT[0], read_timeout=_ATTEMPT[1], retries={"mode": "standard", "total_max_attempts": 1}
)


#: of the invocation that this process works on
_TIME_LEFT: Final = TimeLeft()


class TooLate(BotoCoreError):
    """AWS failed, and this run ends before AWS could be asked once more."""

    fmt = "too little time is left to ask AWS once more"


def has_time(milliseconds: int) -> bool:
    """Whether this invocation has so much time left."""
    return _TIME_LEFT.seconds() * 1000 > milliseconds


def begin(context: LambdaContext) -> None:
    """Go by this invocation from now on; a Consumer does so itself."""
    _TIME_LEFT.begins(context.get_remaining_time_in_millis)


def now() -> datetime:
    """The clock of everything that is deployed."""
    return datetime.now(tz=UTC)


@cache
def settings_of(kind: type[AnySettings]) -> AnySettings:
    """Read this function's settings once; raises InvalidSetting by name."""
    return kind.read(os.environ)


def serve(consumer: Callable[[], Consumer[AnyCommand]]) -> Handler:
    """Make the handler of a queue's function; what it needs is built in init, see in_init()."""
    in_init(consumer)

    def handler(event: Mapping[str, Any], context: LambdaContext) -> BatchFailures:
        return consumer().consume(event, context)

    return handler


def in_init(build: Callable[[], object]) -> None:
    """Build a function's consumer while Lambda initialises it, with all of a processor: its first batch finds it warm.

    Elsewhere (tests, tools that import the function) this does nothing.
    """
    if _in_lambda():
        build()


@cache
def api(client: "Callable[[Transport, Callable[[], datetime]], Client]", url: str, ca_bundle: str = "") -> "Client":
    """Make the client of a provider's API, with connections for a whole batch, see in_init().

    `ca_bundle` is empty, the path of a PEM file, or the name of a secret that holds one.
    """
    return client(_opened(_trusting(url, ca_bundle)), now)


def provider_grants(providers: "Providers", secret_store: SecretStore) -> "ProviderGrants":
    """Make what renews and revokes connections; raises InvalidSetting by name where a provider's host is not given."""
    from leaver.connections.grants import ProviderGrants

    clients = {name: provider.client(_transport_to(provider.host), now) for name, provider in providers.items()}
    return ProviderGrants(providers, clients, secret_store)


def sources(entries: "Sources") -> "Mapping[str, LooksUp]":
    """Make the APIs of HR systems; raises InvalidSetting by name where a system's host is not given."""
    return {name: entry.api(_transport_to(entry.host), now) for name, entry in entries.items()}


def listing(
    make: "Callable[[Transport, Callable[[], datetime]], Lists[Found]]", host: "HostVariables"
) -> "Lists[Found]":
    """Make a listing of a host; raises InvalidSetting by name where the host is not given."""
    return make(_transport_to(host), now)


def limit_of(entry: "WhoHasSomething") -> int:
    """How many requests a second an account takes there; raises InvalidSetting by name where nobody says so."""
    text = os.environ.get(entry.requests_per_second, "")
    if not text.isdecimal():
        raise InvalidSetting(f"the environment variable {entry.requests_per_second} is missing, or no whole number")
    return int(text)


def read_file(bucket: str, key: str) -> bytes:
    """Read a file of the deployment's own; raises Rejected where there is none, or where it may not be read."""
    try:
        body = _s3().get_object(Bucket=bucket, Key=key)["Body"]
        return body.read()
    except (ClientError, ParamValidationError) as error:
        raise Rejected(f"the file {key} can't be read: {type(error).__name__}") from None


@cache
def _transport_to(host: "HostVariables") -> Transport:
    url = os.environ.get(host.url, "")
    if not url:
        raise InvalidSetting(f"the environment variable {host.url} is missing")
    return _trusting(url, os.environ.get(host.ca_bundle or "", ""))


def _trusting(url: str, ca_bundle: str) -> Transport:
    if not ca_bundle:
        return _transport(url)
    if ca_bundle.startswith("/"):
        return _transport(url, ca_bundle=CaBundle.in_file(Path(ca_bundle)))
    return _transport(url, ca_bundle=CaBundle(f"secret {ca_bundle}", lambda: secret_store("").text(ca_bundle)))


@cache
def secret_store(prefix: str, kms_key_arn: str | None = None, *, at_once: bool = False) -> SecretStore:
    """The secrets below `prefix`; with `at_once` a call is tried once and soon given up, for its caller to repeat."""
    client = _secrets_manager(_AT_ONCE) if at_once else _secrets_manager()
    return SecretStore(client, prefix=prefix, kms_key_arn=kms_key_arn)


@cache
def token_encryption(kms_key_arn: str) -> "TokenEncryption":
    """The stack's key, as the last resort of the refresher."""
    from leaver.storage.encryption import TokenEncryption

    return TokenEncryption(_kms(), key_arn=kms_key_arn)


@cache
def connections(table: str) -> Connections:
    """The Connections table."""
    return Connections(_dynamodb(), table=table)


@cache
def access_tokens(connections_table: str, secret_prefix: str, provider: str) -> AccessTokens:
    """The way to a provider's access tokens; those that Leaver works with are read in init."""
    tokens = AccessTokens(connections(connections_table), secret_store(secret_prefix), now, provider)
    if _in_lambda():
        # Whatever is wrong with them, the first command that needs them says so.
        with suppress(LeaverError, BotoCoreError, ClientError):
            tokens.read_ahead()
    return tokens


@cache
def rate_limiter(table: str, per_second: int, tokens: AccessTokens) -> RateLimiter:
    """The pace of a provider's API that takes so many requests a second from each account."""
    # One that does not answer at once is done without.
    return RateLimiter(
        _dynamodb(_QUICK), table=table, per_second=per_second, account_of=tokens.account_of, clock=now, sleep=time.sleep
    )


@cache
def publisher(
    bus: str, dead_letter_queue_url: str, refresh_queue_url: str | None = None, seal_queue_url: str | None = None
) -> Publisher:
    """The bus and the queues that a function may write to."""
    return Publisher(
        events=_events(),
        sqs=_sqs(),
        bus=bus,
        dead_letter_queue_url=dead_letter_queue_url,
        refresh_queue_url=refresh_queue_url,
        seal_queue_url=seal_queue_url,
    )


@cache
def cases(table: str) -> Cases:
    """The cases in this table."""
    return Cases(_dynamodb(), table=table)


@cache
def people(table: str) -> "People":
    """Whoever left, by name."""
    from leaver.cases.people import People

    return People(_dynamodb(), table=table)


@cache
def stored_user_tokens(cases_table: str, secret_prefix: str, kms_key_arn: str | None = None) -> "StoredUserTokens":
    """The user tokens in Secrets Manager; only who keeps new ones needs the key."""
    from leaver.cases.partitions import KEY
    from leaver.cases.user_token_index import Address, Proof, StoredUserToken, UserTokenIndex
    from leaver.cases.user_tokens import StoredUserTokens
    from leaver.storage.tables import Items, identity_of
    from leaver.storage.user_token_secrets import UserTokenSecrets

    index = UserTokenIndex(
        Items(_dynamodb(), table=cases_table, key=KEY, model=StoredUserToken.model_validate),
        Items(_dynamodb(), table=cases_table, key=KEY, model=Address.model_validate),
        Items(_dynamodb(), table=cases_table, key=KEY, model=Proof.model_validate),
        table_identity=lambda: identity_of(_dynamodb(), cases_table),
    )
    return StoredUserTokens(
        index, UserTokenSecrets(_secrets_manager(), prefix=secret_prefix, kms_key_arn=kms_key_arn), now
    )


def journal(table: str, name: Callable[[AnyCommand], tuple[str, str | None]]) -> EventJournal[AnyCommand]:
    """What tells of HR events, in this table; see EventJournal."""
    return EventJournal(heard_events(table), name, logger())


def heard_events(table: str) -> HeardEvents:
    """What was heard, in this table."""
    return HeardEvents(_dynamodb(), table=table)


def announcer(table: str, publisher: Publisher, *, says_completed: bool = False) -> "CaseAnnouncer":
    """What announces how far cases are."""
    from leaver.cases.announcing import CaseAnnouncer

    return CaseAnnouncer(cases=cases(table), publisher=publisher, says_completed=says_completed)


def case_evidence(table: str, bucket: str, key_arn: str) -> "CaseEvidence":
    """What signs with this key what cases came to, and stores that in this bucket."""
    from leaver.cases.evidence import CaseEvidence, CommitmentKeys
    from leaver.cases.log import CaseLog
    from leaver.cases.statements import Statements
    from leaver.evidence.store import EvidenceStore

    return CaseEvidence(
        cases=cases(table),
        keys=CommitmentKeys(_dynamodb(), table=table),
        statements=Statements(
            signing_key=_signing_key(key_arn),
            store=EvidenceStore(_s3(), bucket=bucket),
            log=CaseLog(_dynamodb(), table=table),
            clock=now,
        ),
    )


@cache
def _signing_key(key_arn: str) -> "SigningKey":
    """The key of evidence; its public half never changes, and is paid for each time that KMS is asked for it."""
    from leaver.evidence.signing import SigningKey

    return SigningKey(_kms(), key_arn=key_arn)


def case_start(
    table: str, step_finder: "StepFinder", publisher: Publisher, *, case_deadline: int, ceiling: Ceiling | None = None
) -> "CaseStart":
    """What sets a case going; `case_deadline` in seconds, and the ceiling of whoever begins cases."""
    from leaver.cases.start import COMMANDS, CaseStart

    # Danger: a model is not built safely by several threads, and the messages of a batch send the same commands.
    for command in COMMANDS.values():
        command.model_rebuild()
    return CaseStart(
        cases=cases(table),
        people=people(table),
        connections=step_finder.connections,
        publisher=publisher,
        clock=now,
        search=step_finder.search,
        deadline=timedelta(seconds=case_deadline),
        ceiling=ceiling,
    )


def ceiling(table: str, most_an_hour: int, *, routine: int | None = None) -> Ceiling:
    """For how many people an hour something may begin, and for how many of them a routine case."""
    return Ceiling(PeopleAnHour(_dynamodb(), table=table), most_an_hour, routine)


@cache
def receipts(table: str) -> Receipts:
    """The receipts in this table."""
    return Receipts(_dynamodb(), table=table)


def preview_answers(table: str) -> Answers:
    """What is answered to people, in this table."""
    return Answers(_dynamodb(), table=table)


def places(table: str) -> "Places":
    """The front door's connections in this table."""
    from leaver.webhooks.places import Places

    return Places(_dynamodb(), table=table)


def runs(table: str) -> "Runs":
    """The runs of reconciliation in this table."""
    from leaver.reconcile.record import Runs

    return Runs(_dynamodb(), table=table)


def documents(table: str) -> "Documents":
    """What runs of reconciliation keep, in this table."""
    from leaver.reconcile.record import Documents

    return Documents(_dynamodb(), table=table, clock=now)


def user_token_secrets(secret_prefix: str) -> "UserTokenSecrets":
    """The names of the user tokens that are kept."""
    from leaver.storage.user_token_secrets import UserTokenSecrets

    return UserTokenSecrets(_secrets_manager(), prefix=secret_prefix)


def measure(name: str, value: int) -> None:
    """Tell CloudWatch of one event, with the rest of what its batch counts: how long it took, or that it happened."""
    unit = MetricUnit.Seconds if name.endswith("Revoke") else MetricUnit.Count
    _metrics().add_metric(name=name, unit=unit, value=value)


def gauge(name: str, value: int) -> None:
    """Tell CloudWatch how many there are now."""
    gauges({name: value})


def gauges(values: Mapping[str, int]) -> None:
    """Tell CloudWatch how many there are now of several things, and what else was measured until now."""
    metrics = _metrics()
    for name, value in values.items():
        unit = MetricUnit.Seconds if name.endswith("Seconds") else MetricUnit.Count
        metrics.add_metric(name=name, unit=unit, value=value)
    metrics.flush_metrics()


def consumer(
    command: type[AnyCommand],
    operation: Callable[..., Result | Fate | None],
    settings: Consumes,
    *,
    cases_table: str | None = None,
    refresh_queue_url: str | None = None,
    read: Callable[[Payload], AnyCommand] | None = None,
    read_case: Callable[[str, AnyCommand], Case] | None = None,
    rate_limiter: RateLimiter | None = None,
    tokens: AccessTokens | None = None,
    journal: EventJournal[AnyCommand] | None = None,
    resumes: bool = False,
    ending: EndsAccess | None = None,
    previews: Previews[AnyCommand] | None = None,
    width: int = WIDTH,
) -> Consumer[AnyCommand]:
    """Join a function's queue to its operation; with `cases_table` every command leaves a receipt.

    Of commands that end access (`ending`) each may be a case's step, and the ceiling stops those that are none. So many
    messages are worked on side by side as it is wide.
    """
    command.model_rebuild()
    seal_queue_url = ending.seal_queue_url if ending else None
    out = publisher(settings.event_bus_name, settings.dead_letter_queue_url, refresh_queue_url, seal_queue_url)
    reports = StepReports(cases(cases_table)) if cases_table and ending else None
    function = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", command.__name__)
    return Consumer(
        function=function,
        command=command,
        operation=operation,
        sqs=_sqs(),
        publisher=out,
        receipts=receipts(cases_table) if cases_table else None,
        give_up_after=timedelta(seconds=settings.give_up_after),
        read_case=reports.read_case if reports else read_case,
        request_seals=out.request_seals if reports else None,
        ceiling=ceiling(cases_table, ending.most_an_hour) if cases_table and ending else None,
        clock=now,
        logger=logger(),
        metrics=_metrics(),
        executor=_executor(width),
        rate_limiter=rate_limiter,
        prepare=tokens.look_up if tokens else None,
        name_connection=tokens.connection_for if tokens else None,
        read=read,
        journal=journal,
        resumes=resumes,
        previews=previews,
        probes=ProbeAnswers(function, preview_answers(settings.deliveries_table), now),
        time_left=_TIME_LEFT,
    )


def paced_consumer(
    command: type[AnyCommand],
    operation: Callable[..., Result | None],
    settings: ActsOnPeople,
    tokens: AccessTokens,
    *,
    resumes: bool = False,
    ending: EndsAccess | None = None,
    previews: Previews[AnyCommand] | None = None,
) -> Consumer[AnyCommand]:
    """Join a function's queue to an operation that acts on people through connections, at the pace of their account."""
    return consumer(
        command,
        operation,
        settings,
        cases_table=settings.cases_table,
        refresh_queue_url=settings.refresh_queue_url,
        ending=ending,
        rate_limiter=rate_limiter(settings.pace_table, settings.requests_per_second, tokens),
        tokens=tokens,
        resumes=resumes,
        previews=previews,
    )


def _in_lambda() -> bool:
    return "AWS_LAMBDA_RUNTIME_API" in os.environ


def _opened(transport: Transport) -> Transport:
    if _in_lambda():
        # Whatever is wrong with its CA bundle, the first command that needs it says so.
        with suppress(LeaverError):
            transport.open(WIDTH)
    return transport


@cache
def _executor(width: int) -> Executor:
    return ThreadPoolExecutor(width, thread_name_prefix="message")


@cache
def beside() -> Executor:
    """Threads for what one message asks side by side: the batch's own may all be at work, each waiting for another."""
    return ThreadPoolExecutor(WIDTH, thread_name_prefix="beside")


def _transport(url: str, *, ca_bundle: CaBundle | None = None) -> Transport:
    transport = Transport(
        url, ca_bundle=ca_bundle, plain_http_hosts=local_world(os.environ), clock=now, time_left=_TIME_LEFT
    )
    if _in_lambda():
        with suppress(LeaverError):
            transport.load_roots()
    return transport


@cache
def _session() -> boto3.Session:
    session = boto3.Session()
    session.events.register("request-created", _refuse_late_retries)
    return session


def _refuse_late_retries(request: AWSRequest, **_: object) -> None:
    # A first attempt takes milliseconds as a rule, and is worth beginning at any time.
    if request.context["retries"]["attempt"] > 1 and _TIME_LEFT.seconds() < sum(_ATTEMPT):
        raise TooLate


@cache
def _secrets_manager(config: Config = _AWS) -> "SecretsManagerClient":
    return _session().client("secretsmanager", config=config)


@cache
def _s3() -> "S3Client":
    return _session().client("s3", config=_AWS)


@cache
def _kms() -> "KMSClient":
    return _session().client("kms", config=_AT_ONCE)


@cache
def _dynamodb(config: Config = _AWS) -> "DynamoDBClient":
    return _session().client("dynamodb", config=config)


@cache
def _events() -> "EventBridgeClient":
    return _session().client("events", config=_AWS)


@cache
def _sqs() -> "SQSClient":
    return _session().client("sqs", config=_AWS)


@cache
def logger() -> Logger:
    """What is printed."""
    return Logger()


@cache
def _metrics() -> SharedMetrics:
    metrics = SharedMetrics()
    # Powertools adds the service. CloudWatch matches the exact set: alarms and dashboard name these two, and no other.
    metrics.set_default_dimensions(stack=stack_name(os.environ))
    return metrics
