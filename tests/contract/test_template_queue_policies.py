"""A queue is a door: its rules, its feeders and operators send to it, its function and operators take from it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from tests.contract.iam import ANONYMOUS, Caller, administrator, is_allowed, principal, rule
from tests.contract.stack import FUNCTIONS, HR_RULES, ONLY_ASKED, Stack, arn, change, of_type, queues_of
from tests.contract.test_template_permissions import statements
from tests.contract.tries import Try, throw
from tests.field import Field, harms_of

RULE = "arn:aws:events:eu-west-1:123456789012:rule/"
ROLE = "arn:aws:iam::123456789012:role/"
TAKES = ("sqs:PurgeQueue", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility")
#: whoever is locked out can mend the policy by these
MENDS = ("sqs:SetQueueAttributes", "sqs:GetQueueAttributes")
OPERATOR = administrator(f"{ROLE}aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Leaver_0123456789abcdef")
STRANGER = administrator(f"{ROLE}administrator")

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
    "LookUpPersonQueue": [],
    "LookUpPersonDeadLetterQueue": [],
    "StartOffboardingQueue": ["StartOffboardingRule", "SailPointRule", "SailPointDeletedRule"],
    # In the full deployment all that Okta says is urgent.
    "StartOffboardingUrgentQueue": ["StartOffboardingUrgentRule", "OktaRule"],
    "StartOffboardingDeadLetterQueue": [*HR_RULES],
    "NotifyPeopleQueue": ["NotifyPeopleRule"],
    "NotifyPeopleDeadLetterQueue": ["NotifyPeopleRule", "NotifyDestinationRule"],
    "ReconcileQueue": [],
    "ReconcileDeadLetterQueue": ["ReconcileSchedule"],
    "UnroutedQueue": ["UnroutedRule"],
    "UnroutedDeadLetterQueue": ["UnroutedRule"],
}
#: queue → the functions that feed it; its own dead-letter queue each function feeds
FEEDS = {
    "RefreshAccessTokenQueue": {
        *("RetrieveUserToken", "RevokeAccessToken", "RevokeSsoToken", "PurgeUserTokens", "DeactivateUser"),
        *("RevokeGrants", "ScheduleRefreshes", "StartOffboarding", "LookUpPerson", "Reconcile"),
    },
    "ReconcileQueue": {"Reconcile"},
    "LookUpPersonQueue": {"StartOffboarding"},
    "StartOffboardingQueue": {"LookUpPerson", "WatchDeadlines", "Reconcile"},
    "StartOffboardingUrgentQueue": {"LookUpPerson", "WatchDeadlines"},
    "SealCaseQueue": {
        *("RevokeAccessToken", "RevokeSsoToken", "PurgeUserTokens", "DeactivateUser", "RevokeGrants"),
        *("StartOffboarding", "WatchDeadlines", "Reconcile"),
    },
    **{f"{function}DeadLetterQueue": {function} for function in FUNCTIONS if function not in ONLY_ASKED},
}
CONSUMER = {queue: function for function in FUNCTIONS for queue in queues_of(function)}


def tries(stack: Stack, only: str | None = None) -> Iterator[Try]:
    """Let everybody try every action on every queue, whatever their own policies allow."""
    policies: dict[str, list[Any]] = {queue: [] for queue in ADMITS}
    for _, properties in of_type(stack, "AWS::SQS::QueuePolicy"):
        for queue in properties["Queues"]:
            policies[queue].append(properties["PolicyDocument"]["Statement"])
    rules = [RULE + each for each, _ in of_type(stack, "AWS::Events::Rule")]
    # With every right of their own: what keeps a function from a neighbour's queue must be the queue.
    roles = {administrator(f"{ROLE}{function}Role"): function for function in FUNCTIONS}
    for queue in [only] if only else [each for each in ADMITS if each in stack]:
        # A second policy for a queue would silently replace the first.
        if len(policies[queue]) != 1:
            yield Try(f"be kept by one policy: {queue}", expected=True, found=False)
            continue
        admitted = {RULE + each for each in ADMITS[queue]}
        callers: dict[Caller, tuple[bool, bool, bool]] = {
            STRANGER: (False, False, True),
            ANONYMOUS: (False, False, False),
            OPERATOR: (True, True, True),
            **{each: (name in FEEDS.get(queue, ()), name == CONSUMER.get(queue), True) for each, name in roles.items()},
            **{rule(each): (each in admitted, False, False) for each in rules},
            # another service that says it comes for one of these rules
            **{replace(rule(each), service="sns.amazonaws.com"): (False, False, False) for each in admitted},
        }
        policy = policies[queue][0]
        allows = [each for each in policy if each["Effect"] == "Allow"]
        for caller, (sends, takes, mends) in callers.items():
            expected = {"sqs:SendMessage": sends, **dict.fromkeys(TAKES, takes), **dict.fromkeys(MENDS, mends)}
            for action, may in expected.items():
                # To whom nothing else gives a right, the allow alone gives no more than is meant.
                for said in [policy] if caller.own else [policy, allows]:
                    found = is_allowed(caller, action, arn(stack, queue), said)
                    yield Try(f"{queue}: {caller.name} {action}", expected=may, found=found)
            clear = {"aws:SecureTransport": "false"}
            found = is_allowed(caller, "sqs:SendMessage", arn(stack, queue), policy, clear)
            yield Try(f"{queue}: {caller.name} sends in the clear", expected=False, found=found)


def door_faults(stack: Stack, only: str | None = None) -> Iterator[Try]:
    return (each for each in tries(stack, only) if each.is_wrong)


def test_a_queue_is_sent_to_and_taken_from_by_its_own_alone(either: Stack, field: Field) -> None:
    throw(field, "everybody tries every action on every queue", tries(either))


def test_a_rule_is_admitted_wherever_it_delivers(full: Stack) -> None:
    # What a queue does not admit is lost on its dead-letter queue too, without a trace.
    queues = {arn(full, queue): queue for queue in ADMITS}
    for name, properties in of_type(full, "AWS::Events::Rule"):
        for target in properties["Targets"]:
            # A schedule's target is a function.
            for delivered in {target["Arn"], target.get("DeadLetterConfig", {}).get("Arn")} & queues.keys():
                assert name in ADMITS[queues[delivered]]


def test_a_function_is_admitted_wherever_it_sends_and_takes_and_nowhere_else(full: Stack) -> None:
    for function in FUNCTIONS:
        own = principal(f"{ROLE}{function}Role", statements(full, function))
        may = {action: {queue for queue in ADMITS if _may(full, own, action, queue)} for action in ("Send", "Receive")}
        assert may["Send"] == {queue for queue, feeders in FEEDS.items() if function in feeders}
        assert may["Receive"] == {queue for queue in CONSUMER if CONSUMER[queue] == function and queue in full}


def _may(stack: Stack, caller: Caller, action: str, queue: str) -> bool:
    [policy] = [each for _, each in of_type(stack, "AWS::SQS::QueuePolicy") if queue in each["Queues"]]
    return is_allowed(caller, f"sqs:{action}Message", arn(stack, queue), policy["PolicyDocument"]["Statement"])


def test_without_a_partner_bus_nothing_is_admitted_for_it(smallest: Stack) -> None:
    assert not {"OktaRule", "SailPointRule", "SailPointDeletedRule"} & smallest.keys()
    policies = json.dumps([each for _, each in of_type(smallest, "AWS::SQS::QueuePolicy")])
    assert "OktaRule" not in policies
    assert "SailPoint" not in policies


def test_a_policy_is_one_that_sqs_takes(full: Stack) -> None:
    for name, properties in of_type(full, "AWS::SQS::QueuePolicy"):
        document = properties["PolicyDocument"]
        conditions = [key for each in document["Statement"] for keys in each["Condition"].values() for key in keys]
        assert len(conditions) <= 10, name
        # Real names are longer than ours, and a company has more operators.
        assert len(json.dumps(document)) < 8192 / 2, name
        for each in document["Statement"]:
            assert "NotPrincipal" not in each
            is_tls = each["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            assert each["Effect"] == "Allow" or is_tls or {*_listed(each["Action"])} <= {"sqs:SendMessage", *TAKES}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _mutations(stack: Stack) -> Iterator[tuple[str, str, list[str | int]]]:
    """Every statement of every policy, and every condition of it, by the first of its queues."""
    for name, properties in of_type(stack, "AWS::SQS::QueuePolicy"):
        for index, statement in enumerate(properties["PolicyDocument"]["Statement"]):
            path: list[str | int] = [name, "Properties", "PolicyDocument", "Statement", index]
            yield properties["Queues"][0], f"{name} {index}", path
            for operator, keys in statement["Condition"].items():
                for key in keys:
                    yield (
                        properties["Queues"][0],
                        f"{name} {index} {operator} {key}",
                        [*path, "Condition", operator, key],
                    )


def test_each_statement_and_each_condition_of_each_queue_is_needed(full: Stack, field: Field) -> None:
    unnoticed, mutations = [], list(_mutations(full))
    for queue, what, (*above, last) in mutations:
        parent: Any = full
        for step in above:
            parent = parent[step]
        whole = parent[last]
        if isinstance(last, int):
            parent[last] = {**whole, "Action": "sqs:ListQueueTags"}
        else:
            del parent[last]
        if next(door_faults(full, queue), None) is None:
            unnoticed.append(what)
        parent[last] = whole
    field("a policy with a hole", "a statement or condition of a queue is away", len(mutations), false=unnoticed)
    assert unnoticed == []


STATEMENTS = ["RevokeSsoTokenQueuePolicy", "Properties", "PolicyDocument", "Statement"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ([*STATEMENTS, 0, "Principal"], "*"),
        ([*STATEMENTS, 0, "Condition", "ArnEquals", "aws:SourceArn"], RULE + "*"),
        ([*STATEMENTS, 0, "Action"], "sqs:*"),
        # By the principal alone EventBridge is denied as well: its calls carry none.
        ([*STATEMENTS, 1, "Condition", "ArnNotEquals"], {"aws:PrincipalArn": f"{ROLE}RevokeSsoTokenRole"}),
        ([*STATEMENTS, 1, "Condition", "StringNotLike", "aws:PrincipalArn"], "*"),
        ([*STATEMENTS, 1, "Action"], "sqs:*"),
        ([*STATEMENTS, 2, "Action"], ["sqs:ReceiveMessage", "sqs:DeleteMessage"]),
        ([*STATEMENTS, 2, "Condition", "ArnNotEquals", "aws:PrincipalArn"], f"{ROLE}RevokeGrantsRole"),
        ([*STATEMENTS, 3, "Effect"], "Allow"),
        (["RevokeSsoTokenQueuePolicy", "Properties", "Queues"], []),
        (["RevokeGrantsQueuePolicy", "Properties", "Queues"], ["RevokeSsoTokenQueue"]),
    ],
)
def test_a_queue_that_admits_others_is_noticed(full: Stack, path: list[str | int], value: object) -> None:
    change(full, path, value)
    assert list(door_faults(full, "RevokeSsoTokenQueue"))
    assert harms_of(partial(test_a_queue_is_sent_to_and_taken_from_by_its_own_alone, full))
