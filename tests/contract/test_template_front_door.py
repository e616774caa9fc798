"""The front door's address: none where nobody opted in, a route for each source, and logs without content."""

import subprocess
import sys
from functools import cache

import pytest

from leaver.webhooks.sources import SOURCES
from tests.contract.stack import FULL, ROOT, SMALLEST, Stack, of_type, outputs, stack

LAYER = ROOT / "layers" / "leaver" / "python"


def test_without_opting_in_there_is_no_address(smallest: Stack) -> None:
    assert [name for name, each in smallest.items() if each["Type"].startswith("AWS::ApiGateway")] == []
    assert "FrontDoorPermission" not in smallest
    assert "FrontDoorUrl" not in outputs(SMALLEST)
    opened = outputs(SMALLEST | {"FrontDoor": "http-api"})
    assert opened["FrontDoorUrl"] == "https://FrontDoorApi.execute-api.eu-west-1.amazonaws.com"


def test_an_own_domain_leads_to_the_same_api_and_needs_a_door(full: Stack) -> None:
    assert outputs(FULL)["FrontDoorUrl"] == "https://hooks.example.com"
    assert outputs(FULL)["FrontDoorDnsTarget"] == "d-FrontDoorDomain.execute-api.eu-west-1.amazonaws.com"
    assert full["FrontDoorMapping"]["Properties"] == {
        "DomainName": "FrontDoorDomain",
        "ApiId": "FrontDoorApi",
        "Stage": "FrontDoorStage",
    }
    # Whoever posts to the API's own address still is heard.
    assert "DisableExecuteApiEndpoint" not in full["FrontDoorApi"]["Properties"]
    without_a_door = FULL | {"FrontDoor": "none"}
    assert "FrontDoorDomain" not in stack(without_a_door)
    assert "FrontDoorUrl" not in outputs(without_a_door)


def test_every_source_has_its_route_and_all_else_is_answered_by_the_same_function(full: Stack) -> None:
    routes = {each["RouteKey"] for _, each in of_type(full, "AWS::ApiGatewayV2::Route")}
    assert routes == {f"ANY /{source}/{{connection}}" for source in SOURCES} | {"$default"}
    assert {each["Target"] for _, each in of_type(full, "AWS::ApiGatewayV2::Route")} == {
        "integrations/FrontDoorIntegration"
    }
    integration = full["FrontDoorIntegration"]["Properties"]
    assert integration["IntegrationUri"].endswith(":function:ReceiveWebhookFunction")
    assert integration["PayloadFormatVersion"] == "2.0"


def test_every_route_is_throttled_and_strangers_first(full: Stack) -> None:
    stage = full["FrontDoorStage"]["Properties"]
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] == 100
    assert stage["RouteSettings"]["$default"]["ThrottlingRateLimit"] == 5


def test_whoever_never_repeats_after_a_429_gets_a_5xx_first(full: Stack) -> None:
    stage = full["FrontDoorStage"]
    # More at a time than an account's functions run, whose own refusal is a 5xx.
    assert stage["Properties"]["RouteSettings"]["ANY /bamboohr/{connection}"]["ThrottlingBurstLimit"] > 1000
    routes = {name: each["RouteKey"] for name, each in of_type(full, "AWS::ApiGatewayV2::Route")}
    # A stage can't be made with the settings of a route that is not there yet.
    assert {routes[each] for each in stage["DependsOn"]} == set(stage["Properties"]["RouteSettings"])


def test_a_sender_that_is_throttled_is_told_of_and_a_stranger_is_not(full: Stack) -> None:
    told = full["WebhooksThrottledFilter"]["Properties"]
    assert told["FilterPattern"] == '{ $.status = "429" && $.route != "$default" }'
    assert told["LogGroupName"] == "FrontDoorLogGroup"
    [metric], alarm = told["MetricTransformations"], full["WebhooksThrottledAlarm"]["Properties"]
    assert (metric["MetricNamespace"], metric["MetricName"]) == (alarm["Namespace"], alarm["MetricName"])
    for field in ('"status":"$context.status"', '"route":"$context.routeKey"'):
        assert field in full["FrontDoorStage"]["Properties"]["AccessLogSettings"]["Format"]


@pytest.mark.parametrize("word", ["path", "header", "requestOverride", "querystring", "authorizer", "body"])
def test_the_access_log_holds_nothing_that_a_stranger_writes(full: Stack, word: str) -> None:
    assert word not in full["FrontDoorStage"]["Properties"]["AccessLogSettings"]["Format"]


def test_the_access_log_is_one_line_of_json(full: Stack) -> None:
    text = full["FrontDoorStage"]["Properties"]["AccessLogSettings"]["Format"]
    assert (text[0], text[-1], "\n" in text) == ("{", "}", False)


def test_the_gateway_may_ask_this_function_and_for_this_api_alone(full: Stack) -> None:
    assert full["FrontDoorPermission"]["Properties"] == {
        "FunctionName": "ReceiveWebhookFunction",
        "Action": "lambda:InvokeFunction",
        "Principal": "apigateway.amazonaws.com",
        "SourceArn": "arn:aws:execute-api:eu-west-1:123456789012:FrontDoorApi/*",
    }


@pytest.mark.parametrize(
    "unwanted",
    [
        *("leaver.bootstrap", "leaver.cases", "leaver.connections", "leaver.consuming", "leaver.providers"),
        *("leaver.messages.hr", "leaver.messages.commands", "requests"),
        "aws_lambda_powertools.event_handler",
    ],
)
def test_a_sender_waits_three_seconds_and_pays_for_no_import_that_the_door_does_not_need(unwanted: str) -> None:
    assert unwanted not in _imported()


@pytest.mark.parametrize("library", ["boto3", "botocore.endpoint", "botocore.auth", "urllib3.connectionpool"])
def test_no_library_says_more_whatever_is_switched_on(library: str) -> None:
    # At DEBUG they log bodies and headers, with every secret.
    told = _printed(f"logging.root.setLevel(1), logging.getLogger('{library}').isEnabledFor(logging.DEBUG)")
    assert told == "None False\n"


def _imported() -> set[str]:
    return set(_printed("*sys.modules").split())


@cache
def _printed(what: str) -> str:
    """What a process prints that has loaded the function, as Lambda does."""
    told = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", f"import logging, sys, functions.receive_webhook.app; print({what})"],
        env={"PYTHONPATH": f"{ROOT}:{LAYER}"},
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout
