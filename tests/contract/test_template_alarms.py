"""Somebody is told when a message is parked, when one waits, and when a connection needs a person."""

import pytest

from functions.receive_webhook.app import REFUSED
from functions.start_offboarding.app import APPS_REMOVED, DATED_AHEAD, RESURRECTIONS, RETURNS_HELD
from tests.contract.stack import CONSUMERS, DROP, LANED, Stack, change, of_type, queues_of

TOPIC = "arn:aws:sns:eu-west-1:123456789012:on-call"
AT_LEAST = {"ComparisonOperator": "GreaterThanOrEqualToThreshold", "Period": 60, "EvaluationPeriods": 1}


#: counted each minute: a minute without a count is no recovery
GAUGE = AT_LEAST | {
    "Namespace": "Leaver",
    "Dimensions": [{"Name": "service", "Value": "leaver"}, {"Name": "stack", "Value": "leaver"}],
    "Statistic": "Maximum",
    "Threshold": 1,
    "TreatMissingData": "ignore",
}


#: counted when it happens, each time
SUMS = (DATED_AHEAD, RETURNS_HELD, RESURRECTIONS, APPS_REMOVED, REFUSED)
#: counted when it happens
FAULTS = ("CasesNotSealed", "CasesAtOddsWithReceipts")


#: whose messages nobody measures: one hands over the same command, which is measured under that name; what the second
#: can't tell is parked at once, or tried for a day; of the third an alarm rings where no run was whole
UNMEASURED = {"ScheduleRefreshes", "NotifyPeople", "Reconcile"}
#: what is there where a roster is
RECONCILES = {"ReconciliationFoundAlarm", "ServiceOwnersGoneAlarm", "ReconciliationsStoppedAlarm", "ReconciledAlarm"}


#: their alarms
COUNTED = {
    "DatedAheadAlarm",
    "ReturnsHeldAlarm",
    "AccountsResurrectedAlarm",
    "AppsRemovedAlarm",
    "WebhooksRefusedAlarm",
    "ReconciliationsStoppedAlarm",
}


def alarm_faults(stack: Stack) -> list[str]:
    alarms = list(of_type(stack, "AWS::CloudWatch::Alarm"))
    expected: dict[str, dict[str, object]] = {
        # How many there are, each minute: not how many were found, which a crash could keep from being counted.
        "a person": GAUGE | {"MetricName": "ConnectionsNeedingAPerson"},
        "urgent cases": GAUGE | {"MetricName": "UrgentCasesAnHour", "Threshold": 200},
        "half of the ceiling": GAUGE | {"MetricName": "CeilingPercent", "Threshold": 50},
        "a watch that stands still": GAUGE
        | {
            "MetricName": "OpenCases",
            "Statistic": "SampleCount",
            "Period": 300,
            "ComparisonOperator": "LessThanThreshold",
            # What is not there can't count itself.
            "TreatMissingData": "breaching",
        },
        "a change of what evidence rests on": AT_LEAST
        | {
            "Namespace": "AWS/Events",
            "MetricName": "TriggeredRules",
            "Dimensions": [{"Name": "RuleName", "Value": "EvidenceChangedRule"}],
            "Statistic": "Sum",
            "Threshold": 1,
        },
    }
    for what in SUMS:
        expected[what] = GAUGE | {"MetricName": what, "Statistic": "Sum", "TreatMissingData": "notBreaching"}
    for what in (
        *("OverdueCases", "HeldCases", "ConnectionsToReplace", "ConnectionsFailing"),
        *("StepsWaiting", "CasesNotLookedAfter", "SilentSources"),
    ):
        expected[what] = GAUGE | {"MetricName": what}
    for function in (each for each in CONSUMERS if each not in UNMEASURED):
        waited = GAUGE | {"Period": 900, "TreatMissingData": "notBreaching"}
        expected[f"what waits for {function}"] = waited | {"MetricName": f"{function}.Waited", "Threshold": 900}
        if function in LANED:
            urgent = {"MetricName": f"{function}.UrgentWaited", "Threshold": 300}
            expected[f"what waits urgently for {function}"] = waited | urgent
    for what in FAULTS:
        expected[what] = GAUGE | {"MetricName": what, "TreatMissingData": "notBreaching"}
    for logical_id, queue in of_type(stack, "AWS::SQS::Queue"):
        about_a_queue = AT_LEAST | {
            "Namespace": "AWS/SQS",
            "Dimensions": [{"Name": "QueueName", "Value": queue["QueueName"]}],
            "Statistic": "Maximum",
        }
        if logical_id in {queue for function in CONSUMERS for queue in queues_of(function)}:
            expected[f"the age of {logical_id}"] = about_a_queue | {
                "MetricName": "ApproximateAgeOfOldestMessage",
                "Threshold": 300 if logical_id.endswith("UrgentQueue") else 900,
            }
        else:
            expected[f"a message on {logical_id}"] = about_a_queue | {
                "MetricName": "ApproximateNumberOfMessagesVisible",
                "Threshold": 1,
            }
    return [
        f"nobody is told of {what}"
        for what, alarm in expected.items()
        if not any(alarm.items() <= found.items() for _, found in alarms)
    ]


def test_every_dead_letter_queue_unrouted_every_age_and_reauthorization_have_an_alarm(either: Stack) -> None:
    assert alarm_faults(either) == []
    assert len(list(of_type(either, "AWS::CloudWatch::Alarm"))) == 3 * len(CONSUMERS) - len(UNMEASURED) + 2 * len(
        LANED
    ) + 4 + 11 + len(SUMS) + len(FAULTS) + ("WebhooksThrottledAlarm" in either) + len(RECONCILES & either.keys())


def test_alarms_tell_the_topic_where_there_is_one(full: Stack, smallest: Stack) -> None:
    assert all(alarm["AlarmActions"] == [TOPIC] for _, alarm in of_type(full, "AWS::CloudWatch::Alarm"))
    assert not any("AlarmActions" in alarm for _, alarm in of_type(smallest, "AWS::CloudWatch::Alarm"))


def test_every_alarm_also_says_when_it_is_over(full: Stack, smallest: Stack) -> None:
    for made in (full, smallest):
        for name, alarm in of_type(made, "AWS::CloudWatch::Alarm"):
            assert alarm.get("OKActions") == alarm.get("AlarmActions"), name
    assert all(alarm["OKActions"] == [TOPIC] for _, alarm in of_type(full, "AWS::CloudWatch::Alarm"))


def test_a_quiet_metric_is_no_alarm(either: Stack) -> None:
    quiet = {name: alarm["TreatMissingData"] for name, alarm in of_type(either, "AWS::CloudWatch::Alarm")}
    assert quiet.pop("WatchIsSilentAlarm") == "breaching"
    # What does not run counts nothing: no news is bad news.
    assert quiet.pop("ReconciledAlarm", "breaching") == "breaching"
    gauges = {name for name, alarm in of_type(either, "AWS::CloudWatch::Alarm") if alarm["Namespace"] == "Leaver"}
    # What is counted where it happens is silent where nothing happens.
    gauges -= {f"{fault}Alarm" for fault in FAULTS} | {name for name in gauges if name.endswith("WaitedAlarm")}
    assert {quiet.pop(name) for name in (gauges & quiet.keys()) - COUNTED} == {"ignore"}
    assert set(quiet.values()) == {"notBreaching"}


@pytest.mark.parametrize(
    ("alarm", "name", "value", "fault"),
    [
        (
            "RevokeSsoTokenDeadLettersAlarm",
            "Threshold",
            10,
            "nobody is told of a message on RevokeSsoTokenDeadLetterQueue",
        ),
        ("UnroutedAlarm", "MetricName", "NumberOfMessagesSent", "nobody is told of a message on UnroutedQueue"),
        ("RevokeGrantsAgeAlarm", "Dimensions", DROP, "nobody is told of the age of RevokeGrantsQueue"),
        ("ReauthorizationAlarm", "Namespace", "leaver", "nobody is told of a person"),
        ("ReauthorizationAlarm", "TreatMissingData", "notBreaching", "nobody is told of a person"),
        ("OverdueCasesAlarm", "Statistic", "Average", "nobody is told of OverdueCases"),
        ("HeldCasesAlarm", "Threshold", 2, "nobody is told of HeldCases"),
        ("EvidenceChangedAlarm", "Threshold", 2, "nobody is told of a change of what evidence rests on"),
        ("WatchIsSilentAlarm", "TreatMissingData", "notBreaching", "nobody is told of a watch that stands still"),
    ],
)
def test_an_alarm_that_would_stay_silent_is_noticed(
    full: Stack, alarm: str, name: str, value: object, fault: str
) -> None:
    change(full, [alarm, "Properties", name], value)
    assert alarm_faults(full) == [fault]
