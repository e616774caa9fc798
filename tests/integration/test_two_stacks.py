"""Two stacks in one account and region share nothing: no name, no secret, no event, no metric, no permission."""

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from leaver_cli.deployment import describe
from local.aws.moto_server import CREDENTIAL, MotoServer
from local.aws.stack import Stack
from local.aws.template import ACCOUNT, REGION, Template

LEAVER = Path(__file__).parents[2] / "template.yaml"

#: the name of one begins with the name of the other, as it often does
PROD, TEST = "leaver", "leaver-test"

#: variables that say how a function works, and not with what: they may be the same
HOW = {
    *("BAMBOOHR_URL", "HIBOB_URL", "GUSTO_URL", "OKTA_URL"),
    *("ZOOM_API_URL", "ZOOM_OAUTH_URL", "VENAFI_URL", "VENAFI_CA_BUNDLE", "REQUESTS_PER_SECOND", "GIVE_UP_AFTER"),
    *("ZOOM_REQUESTS_PER_SECOND", "VENAFI_REQUESTS_PER_SECOND"),
    *(
        "PROVIDERS",
        "MAX_USER_TOKEN_TTL",
        "CASE_DEADLINE",
        "ROUTINE_CASES_AN_HOUR",
        "MOST_AN_HOUR",
        "SWEEP_AFTER",
        "MISSING_USER_IS_DONE",
    ),
    *("SAILPOINT_LIFECYCLE_ATTRIBUTE", "SAILPOINT_LEFT_VALUES", "SAILPOINT_ACTIVE_VALUES", "SAILPOINT_EMAIL_DOMAIN"),
    *(
        "DEACTIVATE_USERS",
        "URGENT_SOURCES",
        "OKTA_EMAIL_DOMAIN",
        "ZOOM_DEPARTURES",
        "POWERTOOLS_SERVICE_NAME",
        "POWERTOOLS_METRICS_NAMESPACE",
        "NOTIFY_WITH",
        "ROSTER",
        # the customer's own
        "ROSTER_BUCKET",
        "ROSTER_KEY",
        "ROSTER_MAY_SHRINK",
        "RESURRECTIONS_BEGIN",
        "NOTIFY_TOPIC_ARN",
        "VENAFI_PREFIXES",
        "VENAFI_KNOWN_ADDRESS",
    ),
}


@pytest.fixture(scope="module")
def aws() -> Iterator[MotoServer]:
    with MotoServer() as aws:
        yield aws


@pytest.fixture(scope="module")
def stacks(aws: MotoServer) -> dict[str, Stack]:
    operators = "arn:aws:iam::123456789012:role/operator"
    parameters = {"VenafiUrl": "https://tpp.example.com", "Operators": operators, "DeactivateUsers": "true"}
    return {name: Stack(Template(LEAVER, parameters, {"AWS::StackName": name}), aws) for name in (PROD, TEST)}


def arns(stack: Stack) -> set[str]:
    """Everything that a stack has, by its ARN."""
    kinds = [
        *("AWS::DynamoDB::Table", "AWS::Events::EventBus", "AWS::Events::Rule", "AWS::IAM::Role", "AWS::KMS::Key"),
        *("AWS::Lambda::Function", "AWS::Logs::LogGroup", "AWS::SQS::Queue"),
    ]
    return {resource.attributes["Arn"] for kind in kinds for resource in stack.of_type(kind)}


def secrets(stack: Stack) -> set[str]:
    """One secret of each kind that may come to be below a stack's prefix."""
    prefix = stack["RevokeAccessTokenFunction"].properties["Environment"]["Variables"]["SECRET_PREFIX"]
    names = ("credentials/zoom/zoom", "tokens/zoom/zoom", "user-tokens/KDcuGIm1QgePTO8WbOqwIQ/zoom/zak")
    return {f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{prefix}/{name}-a1B2c3" for name in names}


def reach(stack: Stack) -> set[str]:
    """Every resource, or pattern of resources, that a role of this stack may use."""
    found: set[str] = set()
    for role in stack.of_type("AWS::IAM::Role"):
        for statement in role.properties["Policies"][0]["PolicyDocument"]["Statement"]:
            resources = statement["Resource"]
            # Of names alone, and of what GetSecretValue lets it read: AWS knows no smaller right.
            if statement["Action"] in ("secretsmanager:ListSecrets", "secretsmanager:BatchGetSecretValue"):
                continue
            found |= {resources} if isinstance(resources, str) else set(resources)
    return found


def watched(stack: Stack) -> set[tuple[str, ...]]:
    """Every metric that an alarm or the dashboard looks at: namespace, name, and its dimensions."""
    found = {
        (it["Namespace"], it["MetricName"], *(each["Name"] + "=" + each["Value"] for each in it["Dimensions"]))
        for it in (alarm.properties for alarm in stack.of_type("AWS::CloudWatch::Alarm"))
    }
    [dashboard] = stack.of_type("AWS::CloudWatch::Dashboard")
    for widget in json.loads(dashboard.properties["DashboardBody"])["widgets"]:
        for namespace, name, *dimensions, _ in widget["properties"]["metrics"]:
            pairs = zip(dimensions[::2], dimensions[1::2], strict=True)
            found.add((namespace, name, *("=".join(pair) for pair in pairs)))
    return found


def test_no_resource_is_in_both(stacks: dict[str, Stack]) -> None:
    assert arns(stacks[PROD]).isdisjoint(arns(stacks[TEST]))
    assert len(arns(stacks[PROD])) == len(arns(stacks[TEST])) > 70


def test_aws_has_each_twice(aws: MotoServer, stacks: dict[str, Stack]) -> None:
    made: dict[str, list[Any]] = {
        "AWS::SQS::Queue": aws.client("sqs").list_queues()["QueueUrls"],
        "AWS::DynamoDB::Table": aws.client("dynamodb").list_tables()["TableNames"],
        "AWS::CloudWatch::Alarm": aws.client("cloudwatch").describe_alarms()["MetricAlarms"],
        "AWS::Events::Archive": aws.client("events").list_archives()["Archives"],
        "AWS::KMS::Key": aws.client("kms").list_keys()["Keys"],
    }
    assert {kind: len(each) for kind, each in made.items()} == {
        kind: 2 * len(stacks[PROD].of_type(kind)) for kind in made
    }


def test_a_function_is_told_of_nothing_that_the_others_functions_are_told_of(stacks: dict[str, Stack]) -> None:
    told = {
        name: {
            f"{key}={value}"
            for function in stack.of_type("AWS::Lambda::Function")
            for key, value in function.properties["Environment"]["Variables"].items()
            if key not in HOW
        }
        for name, stack in stacks.items()
    }
    assert told[PROD] & told[TEST] == set()
    assert {f"STACK_NAME={TEST}", f"SECRET_PREFIX={TEST}", f"EVENT_BUS_NAME={TEST}"} <= told[TEST]


@pytest.mark.parametrize(("one", "other"), [(PROD, TEST), (TEST, PROD)])
def test_no_role_may_use_what_is_the_others(stacks: dict[str, Stack], one: str, other: str) -> None:
    theirs = arns(stacks[other]) | secrets(stacks[other])
    assert [pair for pair in product(reach(stacks[one]), theirs) if fnmatchcase(pair[1], pair[0])] == []
    ours = arns(stacks[one]) | secrets(stacks[one])
    assert {pattern for pattern, each in product(reach(stacks[one]), ours) if fnmatchcase(each, pattern)}


def test_no_alarm_and_no_dashboard_looks_at_the_others_metrics(aws: MotoServer, stacks: dict[str, Stack]) -> None:
    assert watched(stacks[PROD]).isdisjoint(watched(stacks[TEST]))
    names = [alarm["AlarmName"] for alarm in aws.client("cloudwatch").describe_alarms()["MetricAlarms"]]
    assert len(set(names)) == len(names)
    dashboards = {stack["Dashboard"].properties["DashboardName"] for stack in stacks.values()}
    assert dashboards == {PROD, TEST}


@pytest.mark.parametrize(("one", "other"), [(PROD, TEST), (TEST, PROD)])
def test_a_command_reaches_the_queue_of_its_own_stack(
    aws: MotoServer, stacks: dict[str, Stack], one: str, other: str
) -> None:
    entry = {"EventBusName": one, "Source": "leaver.command", "DetailType": "PurgeUserTokens", "Detail": "{}"}
    assert aws.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0
    sqs = aws.client("sqs")
    received = {
        name: len(sqs.receive_message(QueueUrl=stacks[name]["PurgeUserTokensQueue"].ref).get("Messages", []))
        for name in (one, other)
    }
    sqs.purge_queue(QueueUrl=stacks[one]["PurgeUserTokensQueue"].ref)
    assert received == {one: 1, other: 0}


@pytest.mark.usefixtures("stacks")
def test_the_command_line_keeps_the_secrets_of_each_below_its_own_name(
    aws: MotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, CREDENTIAL)
    for stack in (PROD, TEST):
        describe(stack, REGION, None).secret_store.store_credentials("zoom/zoom", SecretStr(f'"{stack}"'))
    vault = aws.client("secretsmanager")
    kept = {
        each["Name"]: vault.get_secret_value(SecretId=each["Name"])["SecretString"]
        for each in vault.list_secrets()["SecretList"]
    }
    assert kept == {f"{stack}/credentials/zoom/zoom": f'"{stack}"' for stack in (PROD, TEST)}
