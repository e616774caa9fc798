"""Only the rules may put something on a queue from outside our functions, and only over TLS."""

from typing import Any

import pytest

from tests.contract.stack import HR_RULES, Stack, arn, change, of_type

RULE = "arn:aws:events:eu-west-1:123456789012:rule/"

#: queue → the rules that feed it; written out, because a rule too many is the fault
ADMITS = {
    "RetrieveUserTokenQueue": ["RetrieveUserTokenRule"],
    "RetrieveUserTokenDeadLetterQueue": ["RetrieveUserTokenRule"],
    "RefreshAccessTokenQueue": [],
    "RefreshAccessTokenDeadLetterQueue": [],
    "SealCaseQueue": [],
    "SealCaseDeadLetterQueue": [],
    "RevokeAccessTokenQueue": ["RevokeAccessTokenRule"],
    "RevokeAccessTokenUrgentQueue": ["RevokeAccessTokenUrgentRule"],
    "RevokeAccessTokenDeadLetterQueue": ["RevokeAccessTokenRule", "RevokeAccessTokenUrgentRule"],
    "RevokeSsoTokenQueue": ["RevokeSsoTokenRule"],
    "RevokeSsoTokenUrgentQueue": ["RevokeSsoTokenUrgentRule"],
    "RevokeSsoTokenDeadLetterQueue": ["RevokeSsoTokenRule", "RevokeSsoTokenUrgentRule"],
    "RevokeGrantsQueue": ["RevokeGrantsRule"],
    "RevokeGrantsUrgentQueue": ["RevokeGrantsUrgentRule"],
    "RevokeGrantsDeadLetterQueue": ["RevokeGrantsRule", "RevokeGrantsUrgentRule"],
    "PurgeUserTokensQueue": ["PurgeUserTokensRule"],
    "PurgeUserTokensDeadLetterQueue": ["PurgeUserTokensRule"],
    "DeactivateUserQueue": ["DeactivateUserRule"],
    "DeactivateUserDeadLetterQueue": ["DeactivateUserRule"],
    "ScheduleRefreshesQueue": ["ScheduleRefreshesRule"],
    "ScheduleRefreshesDeadLetterQueue": ["ScheduleRefreshesRule", "ScheduleRefreshesSchedule"],
    "WatchDeadlinesDeadLetterQueue": ["WatchDeadlinesSchedule"],
    "StartOffboardingQueue": ["StartOffboardingRule", "SailPointRule", "SailPointDeletedRule"],
    # In the full deployment all that Okta says is urgent.
    "StartOffboardingUrgentQueue": ["StartOffboardingUrgentRule", "OktaRule"],
    "StartOffboardingDeadLetterQueue": [*HR_RULES],
    "UnroutedQueue": ["UnroutedRule"],
    "UnroutedDeadLetterQueue": ["UnroutedRule"],
}


def policy_faults(stack: Stack) -> list[str]:
    policies: dict[str, list[Any]] = {queue: [] for queue in ADMITS}
    for _, properties in of_type(stack, "AWS::SQS::QueuePolicy"):
        for queue in properties["Queues"]:
            policies[queue].append(properties["PolicyDocument"]["Statement"])
    faults = []
    for queue, rules in ADMITS.items():
        if queue not in stack:
            continue
        # A second policy for a queue would silently replace the first.
        if len(policies[queue]) != 1:
            faults.append(f"{queue}: has {len(policies[queue])} policies")
            continue
        existing = [RULE + rule for rule in rules if rule in stack]
        if _in_lists(policies[queue][0]) != _expected(arn(stack, queue), existing):
            faults.append(f"{queue}: admits others than {existing}")
    return faults


def _expected(queue: str, rules: list[str]) -> list[Any]:
    rules_may = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": rules}},
    }
    nobody_in_clear = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": queue,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return [rules_may, nobody_in_clear] if rules else [nobody_in_clear]


def _in_lists(statements: Any) -> Any:
    for statement in statements:
        sources = statement.get("Condition", {}).get("ArnEquals", {})
        if isinstance(sources.get("aws:SourceArn"), str):
            sources["aws:SourceArn"] = [sources["aws:SourceArn"]]
    return statements


def test_a_queue_admits_its_rules_alone(either: Stack) -> None:
    assert policy_faults(either) == []


def test_a_rule_is_admitted_wherever_it_delivers(full: Stack) -> None:
    # What a queue does not admit is lost on its dead-letter queue too, without a trace.
    queues = {arn(full, queue): queue for queue in ADMITS}
    for rule, properties in of_type(full, "AWS::Events::Rule"):
        for target in properties["Targets"]:
            # A schedule's target is a function.
            for delivered in {target["Arn"], target["DeadLetterConfig"]["Arn"]} & queues.keys():
                assert rule in ADMITS[queues[delivered]]


def test_without_a_partner_bus_nothing_is_admitted_for_it(smallest: Stack) -> None:
    assert not {"OktaRule", "SailPointRule", "SailPointDeletedRule"} & smallest.keys()
    assert policy_faults(smallest) == []


STATEMENTS = ["RevokeSsoTokenQueuePolicy", "Properties", "PolicyDocument", "Statement"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ([*STATEMENTS, 0, "Principal"], "*"),
        ([*STATEMENTS, 0, "Condition"], {}),
        ([*STATEMENTS, 0, "Condition", "ArnEquals", "aws:SourceArn"], RULE + "*"),
        ([*STATEMENTS, 0, "Action"], "sqs:*"),
        ([*STATEMENTS, 1, "Effect"], "Allow"),
        (["RevokeSsoTokenQueuePolicy", "Properties", "Queues"], []),
        (["RevokeGrantsQueuePolicy", "Properties", "Queues"], ["RevokeSsoTokenQueue"]),
    ],
)
def test_a_queue_that_admits_others_is_noticed(full: Stack, path: list[str | int], value: object) -> None:
    change(full, path, value)
    assert [fault for fault in policy_faults(full) if fault.startswith("RevokeSsoTokenQueue: ")]
