"""The dashboard shows what a person would want to look at, of this stack, by metrics that somebody emits."""

import json
from typing import Any

import pytest

from functions.receive_webhook.app import REFUSED
from functions.reconcile.app import FOUND, OWNERS_GONE, RECONCILED, STOPPED
from functions.start_offboarding.app import APPS_REMOVED, DATED_AHEAD, RESURRECTIONS, RETURNS_HELD
from functions.watch_deadlines.app import gauges
from leaver.messages import commands
from leaver.outcomes import Outcome
from tests.contract.stack import CONSUMERS, Stack, of_type
from tests.doubles.clock import NOW

#: what is emitted under our namespace, beside outcomes
EMITTED = {
    *gauges([], 0, (), NOW),
    *("CaseTimeToRevoke", "UrgentCasesAnHour", "CeilingPercent", "CasesNotLookedAfter", "ConnectionsNeedingAPerson"),
    *(DATED_AHEAD, RETURNS_HELD, RESURRECTIONS, APPS_REMOVED, REFUSED, "ConnectionsFailing"),
    *(FOUND, OWNERS_GONE, RECONCILED, STOPPED),
    *("CasesNotSealed", "CasesAtOddsWithReceipts", "SilentSources"),
    # By each consumer, for each message that it is given.
    *(f"{function}.{lane}" for function in CONSUMERS for lane in ("Waited", "UrgentWaited")),
}


#: the dimensions of all that is emitted under our namespace
OURS = ("service", "leaver", "stack", "leaver")


def widgets(stack: Stack) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(stack["Dashboard"]["Properties"]["DashboardBody"])["widgets"]
    return found


def shown(stack: Stack) -> set[tuple[str, str, tuple[str, ...]]]:
    """Every metric on it: namespace, name, and its dimensions, each name before its value."""
    rows = [row for widget in widgets(stack) for row in widget["properties"]["metrics"]]
    return {(row[0], row[1], tuple(row[2:-1])) for row in rows}


def test_every_queue_is_on_it_by_its_age_or_by_what_is_parked(either: Stack) -> None:
    queues = {queue["QueueName"] for _, queue in of_type(either, "AWS::SQS::Queue")}
    seen = {dimensions for namespace, _, dimensions in shown(either) if namespace == "AWS/SQS"}
    assert seen == {("QueueName", queue) for queue in queues}


def test_everything_else_on_it_is_what_a_function_emits(either: Stack) -> None:
    for namespace, name, dimensions in shown(either):
        if namespace == "Leaver":
            command, _, what = name.partition(".")
            assert dimensions == OURS
            assert name in EMITTED or (hasattr(commands, command) and what in {*Outcome, "TimeToRevoke"}), name


@pytest.mark.parametrize("name", ["OpenCases", "HeldCases", "OverdueCases", "ConnectionsNeedingAPerson"])
def test_what_waits_for_a_person_is_on_it(full: Stack, name: str) -> None:
    assert ("Leaver", name, OURS) in shown(full)


def test_the_time_to_revoke_is_shown_by_its_median_and_by_its_slowest(full: Stack) -> None:
    [widget] = [each for each in widgets(full) if each["properties"]["title"].startswith("Time to revoke, a whole")]
    assert {row[-1]["stat"] for row in widget["properties"]["metrics"]} >= {"p50", "p95"}


def test_every_alarm_of_ours_rings_for_a_metric_that_somebody_emits(full: Stack) -> None:
    alarms = [alarm for _, alarm in of_type(full, "AWS::CloudWatch::Alarm") if alarm["Namespace"] == "Leaver"]
    assert {alarm["MetricName"] for alarm in alarms} <= EMITTED
