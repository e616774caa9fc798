"""What alarms and dashboard look for is what a function emits: CloudWatch matches a metric by its exact dimensions."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from leaver import bootstrap
from leaver.errors import ProviderUnavailable
from leaver.messages.commands import RevokeSsoToken
from leaver.settings import InvalidSetting
from tests.contract.stack import SMALLEST, Stack, of_type, stack
from tests.contract.test_template_dashboard import shown
from tests.doubles.clock import NOW
from tests.doubles.consumer_harness import ConsumerHarness, Operation, consume
from tests.doubles.deployed import forget
from tests.doubles.lambda_events import QUEUE, record

#: names and values of a metric's dimensions
Dimensions = frozenset[tuple[str, str]]


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    """A process builds its metrics once."""
    forget()
    yield
    forget()


def emitted(stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Dimensions:
    """The dimensions of what a function of this stack emits."""
    variables = stack["WatchDeadlinesFunction"]["Properties"]["Environment"]["Variables"]
    for name in ("POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "STACK_NAME"):
        monkeypatch.setenv(name, variables[name])
    bootstrap.gauge("OpenCases", 1)
    printed = json.loads(capsys.readouterr().out)
    [metrics] = printed["_aws"]["CloudWatchMetrics"]
    [names] = metrics["Dimensions"]
    return frozenset((name, printed[name]) for name in names)


def looked_for(stack: Stack) -> set[Dimensions]:
    """Every set of dimensions that an alarm or the dashboard names for a metric of ours."""
    alarms = [alarm for _, alarm in of_type(stack, "AWS::CloudWatch::Alarm") if alarm["Namespace"] == "Leaver"]
    by_alarms = {frozenset((each["Name"], each["Value"]) for each in alarm["Dimensions"]) for alarm in alarms}
    rows = [dimensions for namespace, _, dimensions in shown(stack) if namespace == "Leaver"]
    by_dashboard = {frozenset(zip(row[::2], row[1::2], strict=True)) for row in rows}
    return by_alarms | by_dashboard


@pytest.mark.parametrize("name", ["leaver", "leaver-test"])
def test_what_a_function_emits_is_what_alarms_and_dashboard_look_for(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = stack(SMALLEST, {"AWS::StackName": name})
    ours = emitted(made, monkeypatch, capsys)
    assert ours == {("service", "leaver"), ("stack", name)}
    assert looked_for(made) == {ours}


@pytest.mark.parametrize(
    ("queue", "name", "threshold"),
    [
        (QUEUE, "RevokeSsoToken.Waited", 900),
        (f"{QUEUE}-urgent", "RevokeSsoToken.UrgentWaited", 300),
    ],
)
def test_how_long_a_message_has_waited_is_emitted_under_the_name_and_dimensions_of_an_alarm(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], queue: str, name: str, threshold: int
) -> None:
    made = stack(SMALLEST)
    variables = made["WatchDeadlinesFunction"]["Properties"]["Environment"]["Variables"]
    for variable in ("POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "STACK_NAME"):
        monkeypatch.setenv(variable, variables[variable])
    comes_back = ConsumerHarness().consumer(RevokeSsoToken, Operation(ProviderUnavailable("out of order")))
    # Received so often, it is no part of SQS's own age any more.
    waiting = record({"user_id": "john.doe@example.com"}, queue=queue, sent_at=NOW - timedelta(hours=2), receives=9)
    consume(replace(comes_back, metrics=bootstrap._metrics()), waiting)
    printed = json.loads(capsys.readouterr().out)
    [metrics] = printed["_aws"]["CloudWatchMetrics"]
    [names] = metrics["Dimensions"]
    assert printed[name] == [7200.0]
    [alarm] = [
        each
        for _, each in of_type(made, "AWS::CloudWatch::Alarm")
        if (each["Namespace"], each["MetricName"]) == (metrics["Namespace"], name)
    ]
    assert {each["Name"]: each["Value"] for each in alarm["Dimensions"]} == {each: printed[each] for each in names}
    assert {each["Name"] for each in alarm["Dimensions"]} == {"service", "stack"}
    assert (alarm["Threshold"], alarm["Statistic"]) == (threshold, "Maximum")


def test_a_function_that_does_not_know_its_stack_fails_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STACK_NAME", raising=False)
    with pytest.raises(InvalidSetting, match="STACK_NAME"):
        bootstrap.gauge("OpenCases", 1)
