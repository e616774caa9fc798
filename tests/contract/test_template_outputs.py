"""A stack tells what it made: the first thing to do, where to look, and every queue, table and key."""

import re
from typing import Any

import pytest

from tests.contract.stack import FULL, SMALLEST, WRITTEN, Stack, of_type, outputs, stack


def declared(outputs: dict[str, Any]) -> dict[str, Any]:
    """Every output of the template as it is written, those in loops once."""
    found: dict[str, Any] = {}
    for name, value in outputs.items():
        found |= value[2] if name.startswith("Fn::ForEach::") else {name: value}
    return found


OUTPUTS = declared(WRITTEN["Outputs"])


@pytest.mark.parametrize("output", OUTPUTS)
def test_every_output_has_a_description(output: str) -> None:
    assert OUTPUTS[output]["Description"]


def test_the_first_thing_to_do_is_a_command_that_names_stack_and_region() -> None:
    told = outputs(SMALLEST, {"AWS::StackName": "prod", "AWS::Region": "eu-central-1"})
    assert told["WhatNext"] == "leaver connect zoom --stack prod --region eu-central-1"


@pytest.mark.parametrize(
    ("partition", "console"),
    [
        ("aws", "console.aws.amazon.com"),
        ("aws-cn", "console.amazonaws.cn"),
        ("aws-us-gov", "console.amazonaws-us-gov.com"),
    ],
)
def test_the_dashboard_opens_in_the_console_of_the_partition(partition: str, console: str) -> None:
    told = outputs(SMALLEST, {"AWS::Partition": partition, "AWS::StackName": "prod", "AWS::Region": "here-1"})
    assert told["DashboardUrl"] == f"https://{console}/cloudwatch/home?region=here-1#dashboards/dashboard/prod"


@pytest.mark.parametrize(("given", "prefix"), [("", "prod"), ("acme", "acme")])
def test_secrets_lie_below_the_given_prefix_or_else_below_the_stacks_name(given: str, prefix: str) -> None:
    parameters, pseudo = SMALLEST | {"SecretPrefix": given}, {"AWS::StackName": "prod"}
    made = stack(parameters, pseudo)
    functions = [each["Environment"]["Variables"] for _, each in of_type(made, "AWS::Lambda::Function")]
    told = {each["SECRET_PREFIX"] for each in functions if "SECRET_PREFIX" in each}
    assert told == {prefix} == {outputs(parameters, pseudo)["SecretPrefix"]}
    secrets = {each.split(":secret:")[1].split("/")[0] for each in re.findall(r"[^']+:secret:[^']+", str(made))}
    assert secrets == {prefix}


def test_every_queue_table_and_bus_is_told(full: Stack) -> None:
    told = set(outputs(FULL).values())
    queues = {queue for queue, _ in of_type(full, "AWS::SQS::Queue")} - {"UnroutedDeadLetterQueue"}
    assert queues | {"Cases", "Connections", "EventBus"} <= told
