"""The dashboard shows what a person would want to look at, of this stack, by metrics that somebody emits."""

import json
from typing import Any

import pytest

from functions.watch_deadlines.app import gauges
from leaver.messages import commands
from leaver.outcomes import Outcome
from tests.contract.stack import Stack, of_type
from tests.doubles.clock import NOW

#: what is emitted under our namespace, beside outcomes
EMITTED = {
    *gauges([], NOW),
    *("CaseTimeToRevoke", "UrgentCasesAnHour", "CasesNotLookedAfter", "ConnectionsNeedingAPerson"),
}


def widgets(stack: Stack) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(stack["Dashboard"]["Properties"]["DashboardBody"])["widgets"]
    return found


def shown(stack: Stack) -> set[tuple[str, str, str]]:
    """Every metric on it: namespace, name, and the value of its one dimension."""
    return {(row[0], row[1], row[3]) for widget in widgets(stack) for row in widget["properties"]["metrics"]}


def test_every_queue_is_on_it_by_its_age_or_by_what_is_parked(either: Stack) -> None:
    queues = {queue["QueueName"] for _, queue in of_type(either, "AWS::SQS::Queue")}
    seen = {name for namespace, _, name in shown(either) if namespace == "AWS/SQS"}
    # one function is there only where the deployment wants it
    assert queues <= seen <= queues | {"leaver-deactivate-user", "leaver-deactivate-user-dead-letters"}


def test_everything_else_on_it_is_what_a_function_emits(either: Stack) -> None:
    for namespace, name, dimension in shown(either):
        if namespace == "Leaver":
            command, _, what = name.partition(".")
            assert dimension == "leaver"
            assert name in EMITTED or (hasattr(commands, command) and what in {*Outcome, "TimeToRevoke"}), name


@pytest.mark.parametrize("name", ["OpenCases", "HeldCases", "OverdueCases", "ConnectionsNeedingAPerson"])
def test_what_waits_for_a_person_is_on_it(full: Stack, name: str) -> None:
    assert ("Leaver", name, "leaver") in shown(full)


def test_the_time_to_revoke_is_shown_by_its_median_and_by_its_slowest(full: Stack) -> None:
    [widget] = [each for each in widgets(full) if each["properties"]["title"].startswith("Time to revoke, a whole")]
    assert {row[-1]["stat"] for row in widget["properties"]["metrics"]} >= {"p50", "p95"}


def test_every_alarm_of_ours_rings_for_a_metric_that_somebody_emits(full: Stack) -> None:
    alarms = [alarm for _, alarm in of_type(full, "AWS::CloudWatch::Alarm") if alarm["Namespace"] == "Leaver"]
    assert {alarm["MetricName"] for alarm in alarms} <= EMITTED
