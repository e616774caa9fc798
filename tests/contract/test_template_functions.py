"""Every function of the template has its folder, its event and its settings, and runs as the others do."""

import importlib
import re
from datetime import timedelta
from typing import Any

import pytest

from leaver import settings
from leaver.connections.record import LONGEST_LIFE
from leaver.connections.refresh import TIME_FOR_A_CALL, TIME_TO_ENCRYPT
from leaver.providers.registry import PROVIDERS
from leaver.providers.sources import CONNECTABLE, SOURCES
from tests.contract.stack import (
    DROP,
    FULL,
    FUNCTIONS,
    ONLY_ASKED,
    ROOT,
    SMALLEST,
    WRITTEN,
    Stack,
    change,
    kebab,
    of_type,
    snake,
    stack,
)

HR_SOURCES = {
    *(
        "okta",
        "sailpoint",
        "sailpoint_other_attribute",
        "sailpoint_deleted",
        "scim",
        "caep",
        "caep_opaque_subject",
        "risc",
    ),
    *("bamboohr", "bamboohr_fields", "gusto", "hibob"),
}

#: what a variable of that name always stands for
VALUES = {
    "EVENT_BUS_NAME": "EventBus",
    "PROVIDERS": "zoom,venafi",
    "CASES_TABLE": "Cases",
    "CONNECTIONS_TABLE": "Connections",
    "SECRET_PREFIX": "leaver",
    "ZOOM_API_URL": "https://api.zoom.us/v2",
    "ZOOM_OAUTH_URL": "https://zoom.us",
    "VENAFI_URL": "https://tpp.example.com",
    "VENAFI_CA_BUNDLE": "leaver/venafi-ca",
    "VENAFI_PREFIXES": "AD+corp,local",
    "VENAFI_KNOWN_ADDRESS": "ada@example.com,bob@example.com",
    "BAMBOOHR_URL": "https://acme.bamboohr.com",
    "HIBOB_URL": "https://api.hibob.com",
    "GUSTO_URL": "https://api.gusto.com",
    "OKTA_URL": "https://acme.okta.com",
    "REFRESH_QUEUE_URL": "RefreshAccessTokenQueue",
    "SEAL_QUEUE_URL": "SealCaseQueue",
    "LOOK_UP_QUEUE_URL": "LookUpPersonQueue",
    "START_OFFBOARDING_QUEUE_URL": "StartOffboardingQueue",
    "START_OFFBOARDING_URGENT_QUEUE_URL": "StartOffboardingUrgentQueue",
    "GIVE_UP_AFTER": 86400,
    "KMS_KEY_ARN": "arn:aws:kms:eu-west-1:123456789012:key/Key",
    "MAX_USER_TOKEN_TTL": 7200,
    "DEACTIVATE_USERS": "true",
    "CASE_DEADLINE": 900,
    "ROUTINE_CASES_AN_HOUR": 50,
    "MOST_AN_HOUR": 2000,
    "SWEEP_AFTER": 86400,
    "MISSING_USER_IS_DONE": "",
    "EVIDENCE_BUCKET": "EvidenceBucket",
    "EVIDENCE_KEY_ARN": "arn:aws:kms:eu-west-1:123456789012:key/EvidenceKey",
    "URGENT_SOURCES": "hibob,caep,okta",
    "PACE_TABLE": "Pace",
    "DELIVERIES_TABLE": "Deliveries",
    "REQUESTS_PER_SECOND": 30,
    "OKTA_EMAIL_DOMAIN": "example.com",
    "SAILPOINT_LIFECYCLE_ATTRIBUTE": "cloudLifecycleState",
    "SAILPOINT_LEFT_VALUES": "inactive,terminated",
    "SAILPOINT_ACTIVE_VALUES": "active",
    "SAILPOINT_EMAIL_DOMAIN": "example.com",
    "ZOOM_DEPARTURES": "held",
    "POWERTOOLS_SERVICE_NAME": "leaver",
    "POWERTOOLS_METRICS_NAMESPACE": "Leaver",
    "STACK_NAME": "leaver",
    "NOTIFY_TOPIC_ARN": "arn:aws:sns:eu-west-1:123456789012:leaver-people",
    "NOTIFY_WITH": "id",
    "ROSTER": "csv",
    "ROSTER_BUCKET": "acme-rosters",
    "ROSTER_KEY": "roster.csv",
    "ROSTER_MAY_SHRINK": 5,
    "RESURRECTIONS_BEGIN": "false",
    "RECONCILE_QUEUE_URL": "ReconcileQueue",
    "ZOOM_REQUESTS_PER_SECOND": 30,
    "VENAFI_REQUESTS_PER_SECOND": 50,
}
#: what every function is told
TOLD_ALL = {
    "EVENT_BUS_NAME",
    "DEAD_LETTER_QUEUE_URL",
    "GIVE_UP_AFTER",
    "POWERTOOLS_SERVICE_NAME",
    "POWERTOOLS_METRICS_NAMESPACE",
    "STACK_NAME",
    "DELIVERIES_TABLE",
}
#: what each is told besides
HOSTS = {name for each in CONNECTABLE.values() for name in (each.host.url, each.host.ca_bundle) if name}
HR_HOSTS = {each.host.url for each in SOURCES.values()}
#: of what entries name for whoever lists people
LISTED = {
    name
    for each in PROVIDERS.values()
    if (asked := each.who_has_something)
    for name in (asked.host.url, asked.host.ca_bundle, asked.requests_per_second)
    if name
} | {each.host.url for each in SOURCES.values() if each.roster}
ASKS_EVERY_PROVIDER = {"RefreshAccessToken", "RevokeAccessToken"}
READER = {"CASES_TABLE", "CONNECTIONS_TABLE", "SECRET_PREFIX", "REFRESH_QUEUE_URL"}
STEP = READER | {"SEAL_QUEUE_URL", "MOST_AN_HOUR"}
PACED = {"PACE_TABLE", "REQUESTS_PER_SECOND"}
TOLD = {
    "RetrieveUserToken": READER | PACED | {"ZOOM_API_URL", "KMS_KEY_ARN", "MAX_USER_TOKEN_TTL"},
    "RefreshAccessToken": {"CASES_TABLE", "CONNECTIONS_TABLE", "SECRET_PREFIX", "KMS_KEY_ARN"} | HOSTS,
    "RevokeAccessToken": STEP | HOSTS,
    "RevokeSsoToken": STEP | PACED | {"ZOOM_API_URL"},
    "RevokeGrants": STEP | PACED | {"VENAFI_URL", "VENAFI_CA_BUNDLE", "VENAFI_PREFIXES", "VENAFI_KNOWN_ADDRESS"},
    "PurgeUserTokens": STEP | PACED | {"ZOOM_API_URL"},
    "DeactivateUser": STEP | PACED | {"ZOOM_API_URL"},
    "ScheduleRefreshes": {"CONNECTIONS_TABLE", "REFRESH_QUEUE_URL"},
    "StartOffboarding": READER
    | PACED
    | {
        *("PROVIDERS", "ZOOM_API_URL", "CASE_DEADLINE", "ROUTINE_CASES_AN_HOUR", "DEACTIVATE_USERS"),
        *("MISSING_USER_IS_DONE", "MOST_AN_HOUR", "LOOK_UP_QUEUE_URL", "SEAL_QUEUE_URL"),
        *("URGENT_SOURCES", "OKTA_EMAIL_DOMAIN", "SAILPOINT_LIFECYCLE_ATTRIBUTE", "SAILPOINT_LEFT_VALUES"),
        *("SAILPOINT_ACTIVE_VALUES", "SAILPOINT_EMAIL_DOMAIN", "ZOOM_DEPARTURES"),
    },
    "LookUpPerson": READER | HR_HOSTS | {"START_OFFBOARDING_QUEUE_URL", "START_OFFBOARDING_URGENT_QUEUE_URL"},
    "WatchDeadlines": {
        *("CASES_TABLE", "CONNECTIONS_TABLE", "SECRET_PREFIX"),
        *("PROVIDERS", "CASE_DEADLINE", "ROUTINE_CASES_AN_HOUR", "MOST_AN_HOUR", "SWEEP_AFTER", "SEAL_QUEUE_URL"),
        *("START_OFFBOARDING_QUEUE_URL", "START_OFFBOARDING_URGENT_QUEUE_URL"),
    },
    "ReceiveWebhook": {"SECRET_PREFIX"},
    "NotifyPeople": {"NOTIFY_TOPIC_ARN", "NOTIFY_WITH"},
    "SealCase": {
        *("PROVIDERS", "CASES_TABLE", "CONNECTIONS_TABLE", "CASE_DEADLINE", "MISSING_USER_IS_DONE"),
        *("EVIDENCE_BUCKET", "EVIDENCE_KEY_ARN"),
    },
    "Reconcile": READER
    | {
        *("PROVIDERS", "PACE_TABLE", "START_OFFBOARDING_QUEUE_URL", "RECONCILE_QUEUE_URL", "SEAL_QUEUE_URL"),
        *("ROSTER", "ROSTER_BUCKET", "ROSTER_KEY", "ROSTER_MAY_SHRINK", "RESURRECTIONS_BEGIN"),
    }
    | LISTED,
}
CALLS_VENAFI = {"RefreshAccessToken", "RevokeAccessToken", "RevokeGrants", "Reconcile"}


def told(function: str) -> set[str]:
    """The variables of a function; what no queue feeds and no schedule starts gives nothing up and parks nothing."""
    return (TOLD_ALL - {"DEAD_LETTER_QUEUE_URL", "GIVE_UP_AFTER"} if function in ONLY_ASKED else TOLD_ALL) | TOLD[
        function
    ]


def settings_of(function: str) -> Any:
    """The settings that stand in a function's own file."""
    return importlib.import_module(f"functions.{snake(function)}.app").Settings


def environment_faults(stack: Stack) -> list[str]:
    faults = []
    for function in FUNCTIONS:
        expected = {name: VALUES[name] for name in told(function) - {"DEAD_LETTER_QUEUE_URL"}}
        if function not in ONLY_ASKED:
            expected["DEAD_LETTER_QUEUE_URL"] = f"{function}DeadLetterQueue"
        if function == "RevokeGrants":
            # Venafi's, of which the deployment says what its server bears
            expected["REQUESTS_PER_SECOND"] = 50
        found = stack[f"{function}Function"]["Properties"]["Environment"]["Variables"]
        faults += [
            f"{function}Function: {name} is {found.get(name)}, not {expected.get(name)}"
            for name in expected.keys() | found.keys()
            if found.get(name) != expected.get(name)
        ]
    return faults


def runtime_faults(stack: Stack) -> list[str]:
    layers = [logical_id for logical_id, _ in of_type(stack, "AWS::Lambda::LayerVersion")]
    faults = []
    for logical_id, properties in of_type(stack, "AWS::Lambda::Function"):
        function = logical_id.removesuffix("Function")
        expected = {
            "FunctionName": f"leaver-{kebab(function)}",
            "Runtime": "python3.13",
            "Handler": "app.lambda_handler",
            "Architectures": ["x86_64"],
            "Layers": layers,
            "Timeout": {"RefreshAccessToken": 90, "ReceiveWebhook": 10}.get(function, 60),
            "MemorySize": 512,
            "LoggingConfig": {"LogFormat": "JSON", "LogGroup": f"{function}LogGroup"},
            # The SDK for traces is not in the layer: a function must not be told to trace.
            "TracingConfig": None,
        }
        # Anything else, as a reserve of no executions at all, would make it run otherwise than its neighbours.
        known = expected.keys() | {"Code", "Description", "Environment", "Role", "Tags", "VpcConfig"}
        faults += [
            f"{logical_id}: {name} is {properties.get(name)}, not {expected.get(name)}"
            for name in expected.keys() | (properties.keys() - known)
            if properties.get(name) != expected.get(name)
        ]
    return faults


def test_functions_folders_and_the_template_agree(either: Stack) -> None:
    folders = {path.parent.name for path in (ROOT / "functions").glob("*/app.py")}
    assert {logical_id for logical_id, _ in of_type(either, "AWS::Lambda::Function")} == {
        f"{function}Function" for function in FUNCTIONS
    }
    assert folders == {snake(function) for function in FUNCTIONS}


def test_a_function_is_built_from_the_folder_of_its_name() -> None:
    resources = WRITTEN["Resources"]
    for function in FUNCTIONS:
        assert resources[f"{function}Function"]["Properties"]["CodeUri"] == f"functions/{snake(function)}"


def test_every_function_has_its_event_and_every_event_its_function_or_hr_source() -> None:
    assert {path.stem for path in (ROOT / "events").glob("*.json")} == {snake(each) for each in FUNCTIONS} | HR_SOURCES


def test_every_function_is_told_exactly_what_it_needs(full: Stack) -> None:
    assert environment_faults(full) == []


@pytest.mark.parametrize("function", FUNCTIONS)
def test_settings_read_what_the_template_tells(function: str) -> None:
    reads = {name.upper() for name in settings_of(function).model_fields}
    tells = told(function)
    hosts = (
        HOSTS
        if function in ASKS_EVERY_PROVIDER
        else {"LookUpPerson": HR_HOSTS, "Reconcile": LISTED}.get(function, set())
    )
    # Powertools reads the first two, and bootstrap the third, for the metrics of every function.
    assert reads | hosts == tells - {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "STACK_NAME"}


def test_what_is_read_is_read_by_a_function() -> None:
    joined = {theme for function in FUNCTIONS for theme in settings_of(function).__mro__}
    themes = {
        each for each in vars(settings).values() if isinstance(each, type) and issubclass(each, settings.Settings)
    }
    assert themes - joined == set()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_settings_can_be_read_from_what_the_template_tells(function: str, either: Stack) -> None:
    variables = either[f"{function}Function"]["Properties"]["Environment"]["Variables"]
    read = settings_of(function).read({name: str(value) for name, value in variables.items()})
    assert read.event_bus_name == "EventBus"


def test_nobody_is_deactivated_unless_the_deployment_wants_it(full: Stack, smallest: Stack) -> None:
    told = [each["StartOffboardingFunction"]["Properties"]["Environment"]["Variables"] for each in (full, smallest)]
    assert [each.get("DEACTIVATE_USERS") for each in told] == ["true", None]
    # The function is there, and nothing leads to it.
    ways = {"DeactivateUserRule", "DeactivateUserFunctionQueue"}
    assert (ways & full.keys(), ways & smallest.keys()) == (ways, set())


def test_nobody_is_told_anything_unless_the_deployment_wants_it(full: Stack, smallest: Stack) -> None:
    # The function is there, and nothing leads to it, nor away from it.
    ways = {"NotifyPeopleRule", "NotifyPeopleFunctionQueue"}
    ways |= {"NotifyConnection", "NotifyDestination", "NotifyDestinationRole", "NotifyDestinationRule"}
    assert (ways & full.keys(), ways & smallest.keys()) == (ways, set())


@pytest.mark.parametrize(
    ("wanted", "hears", "posts"),
    [("NotifyTopicArn", True, False), ("NotifyUrl", True, True)],
)
def test_a_topic_or_an_address_is_enough(wanted: str, *, hears: bool, posts: bool) -> None:
    made = stack(SMALLEST | {name: FULL[name] for name in FULL if name.startswith(wanted)})
    assert ("NotifyPeopleRule" in made, "NotifyDestinationRule" in made) == (hears, posts)
    assert made["NotifyPeopleFunction"]["Properties"]["Environment"]["Variables"]["NOTIFY_TOPIC_ARN"] == (
        "" if posts else FULL["NotifyTopicArn"]
    )


def test_the_address_is_told_a_secret_that_stands_in_no_template(full: Stack) -> None:
    parameters = full["NotifyConnection"]["Properties"]["AuthParameters"]["ApiKeyAuthParameters"]
    assert parameters == {
        "ApiKeyName": "Authorization",
        "ApiKeyValue": "{{resolve:secretsmanager:leaver/hooks:SecretString}}",
    }
    destination = full["NotifyDestination"]["Properties"]
    assert (destination["HttpMethod"], destination["InvocationEndpoint"]) == ("POST", FULL["NotifyUrl"])


def test_all_functions_run_alike(either: Stack) -> None:
    assert runtime_faults(either) == []


def test_whoever_changes_a_connections_tokens_is_dead_before_its_lease_is_over(either: Stack) -> None:
    names = ("RefreshAccessToken", "RevokeAccessToken")
    lives = [timedelta(seconds=either[f"{name}Function"]["Properties"]["Timeout"]) for name in names]
    assert max(lives) == LONGEST_LIFE
    # A killed run's message comes back after it; tests/refresh/test_leases.py adds up what that means.
    visibility = either["RefreshAccessTokenQueue"]["Properties"]["VisibilityTimeout"]
    assert timedelta(seconds=visibility) == 6 * LONGEST_LIFE


def test_the_refresher_has_time_for_two_calls_and_for_the_seal(either: Stack) -> None:
    lives = timedelta(seconds=either["RefreshAccessTokenFunction"]["Properties"]["Timeout"])
    assert lives >= TIME_FOR_A_CALL + TIME_TO_ENCRYPT


def test_only_functions_that_call_venafi_lie_in_its_network(full: Stack, smallest: Stack) -> None:
    network = {"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}
    for function in FUNCTIONS:
        expected = network if function in CALLS_VENAFI else None
        assert full[f"{function}Function"]["Properties"].get("VpcConfig") == expected
    for function in FUNCTIONS:
        assert "VpcConfig" not in smallest[f"{function}Function"]["Properties"]


def test_the_layer_is_built_by_its_own_makefile() -> None:
    layer = WRITTEN["Resources"]["LeaverLayer"]
    # SAM's own builder ships nothing compiled; see tests/shipped for what the makefile makes.
    assert layer["Metadata"] == {"BuildMethod": "makefile"}
    assert "build-LeaverLayer:" in (ROOT / layer["Properties"]["ContentUri"] / "Makefile").read_text()
    assert layer["Properties"]["CompatibleRuntimes"] == ["python3.13"]
    assert layer["Properties"]["CompatibleArchitectures"] == ["x86_64", "arm64"]


def test_the_template_never_names_what_only_the_local_world_sets() -> None:
    text = (ROOT / "template.yaml").read_text()
    assert not re.search("AWS_ENDPOINT_URL|LEAVER_LOCAL_WORLD", text)


@pytest.mark.parametrize(
    ("parameter", "refused"),
    [
        ("ZoomApiUrl", "http://api.zoom.us/v2"),
        ("ZoomApiUrl", "https://api.zoom.us"),
        ("ZoomApiUrl", "https://api.zoom.us@evil.example/v2"),
        ("ZoomOAuthUrl", "http://zoom.us"),
        ("ZoomOAuthUrl", "https://zoom.us/oauth"),
        ("VenafiUrl", ""),
        ("VenafiUrl", "http://tpp.example.com"),
        ("VenafiUrl", "https://tpp.example.com/vedsdk"),
        ("VenafiCaBundle", "leaver/*"),
        ("VenafiPrefixes", "corp"),
        ("VenafiPrefixes", "AD+corp:jdoe"),
        ("VenafiPrefixes", "AD+corp;local"),
        ("VenafiKnownAddress", "ada"),
        ("VenafiKnownAddress", "ada@example.com bob@example.com"),
        # with nobody in it nobody could send a command, and with everybody anybody
        ("Operators", ""),
        ("Operators", "*"),
        ("Operators", "arn:aws:iam::*:role/on-call"),
        ("Operators", "arn:aws:sts::123456789012:assumed-role/on-call/ada"),
        ("Operators", "arn:aws:iam::123456789012:role/on-call,*"),
        ("HrProducers", "*"),
        ("NotifyTopicArn", "leaver-people"),
        # its queue would be one, and e-mail can't subscribe
        ("NotifyTopicArn", "arn:aws:sns:eu-west-1:123456789012:people.fifo"),
        ("NotifyUrl", "http://hooks.example.com/leaver"),
        ("NotifyUrl", "https://hooks.example.com/*"),
        # addresses that are secrets themselves: Slack's, Teams', and one with a password
        ("NotifyUrl", "https://hooks.slack.com/services/T0/B0/x"),
        ("NotifyUrl", "https://prod.logic.azure.com/workflows/x/triggers/manual/paths/invoke?sig=x"),
        ("NotifyUrl", "https://leaver:x@hooks.example.com/"),
        ("NotifyUrl", "https://hooks.example.com/{{resolve:ssm:x}}"),
        ("NotifyUrlSecret", "leaver/hooks}}{{resolve:ssm:x"),
        ("SecretPrefix", "leaver/tokens"),
        ("SecretPrefix", "*"),
        ("SecretPrefix", "-leaver"),
        ("SailPointLifecycleAttribute", ""),
        ("SailPointEmailDomain", "@example.com"),
        ("OktaEmailDomain", "@example.com"),
    ],
)
def test_a_deployment_with_an_unusable_parameter_is_refused(parameter: str, refused: str) -> None:
    pattern = WRITTEN["Parameters"][parameter]["AllowedPattern"]
    assert re.fullmatch(pattern, refused) is None


@pytest.mark.parametrize("parameters", [SMALLEST, FULL, {"HrProducers": ""}])
def test_what_a_deployment_gives_fits_its_patterns(parameters: dict[str, str]) -> None:
    for name, value in parameters.items():
        pattern = WRITTEN["Parameters"][name].get("AllowedPattern", ".*")
        # CloudFormation is documented to check a list's values, and the list itself is one text.
        assert all(re.fullmatch(pattern, each) for each in (value, *value.split(",")))


@pytest.mark.parametrize(
    ("parameter", "least", "most"),
    [
        # SQS forgets a message after 14 days: it must be parked before.
        ("GiveUpAfter", 60, 13 * 86_400),
        # Zoom's own limit is one year.
        ("MaxUserTokenTtl", 1, 31_536_000),
        # Less than a minute, and every case is overdue before anybody looks.
        ("CaseDeadline", 60, 86_400),
        # 0 is never; after a month who came back is not who left.
        ("SweepAfter", 0, 2_592_000),
    ],
)
def test_a_deployment_with_a_number_out_of_bounds_is_refused(parameter: str, least: int, most: int) -> None:
    declared = WRITTEN["Parameters"][parameter]
    assert (declared["Type"], declared["MinValue"], declared["MaxValue"]) == ("Number", least, most)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VENAFI_URL", DROP),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:5000"),
        ("DEAD_LETTER_QUEUE_URL", "RevokeSsoTokenDeadLetterQueue"),
    ],
)
def test_a_wrong_environment_is_noticed(full: Stack, name: str, value: object) -> None:
    change(full, ["RevokeGrantsFunction", "Properties", "Environment", "Variables", name], value)
    assert [fault for fault in environment_faults(full) if fault.startswith(f"RevokeGrantsFunction: {name} ")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Runtime", "python3.12"),
        ("Layers", DROP),
        ("Timeout", 30),
        ("TracingConfig", {"Mode": "Active"}),
        ("LoggingConfig", {"LogFormat": "JSON"}),
        ("ReservedConcurrentExecutions", 0),
    ],
)
def test_a_function_that_runs_otherwise_is_noticed(full: Stack, name: str, value: object) -> None:
    change(full, ["RevokeGrantsFunction", "Properties", name], value)
    assert [fault for fault in runtime_faults(full) if fault.startswith(f"RevokeGrantsFunction: {name} ")]
