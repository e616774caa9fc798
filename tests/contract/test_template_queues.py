"""Nothing vanishes in a queue: long retention, one dead-letter queue each, time enough, failures one by one."""

import pytest

from leaver.messages import commands
from tests.contract.stack import (
    CONSUMERS,
    DROP,
    FIFO,
    LANED,
    ONLY_SCHEDULED,
    PACED,
    SMALLEST,
    Stack,
    arn,
    change,
    fed,
    kebab,
    of_type,
    queues_of,
    stack,
)

FOURTEEN_DAYS = 1_209_600
KEPT_IN_ORDER = {"FifoQueue": True, "ContentBasedDeduplication": False}


def queue_faults(stack: Stack) -> list[str]:
    faults = []
    for function in CONSUMERS:
        fifo = KEPT_IN_ORDER if function in FIFO else {}
        suffix = ".fifo" if fifo else ""
        queues, dead_letters = queues_of(function), f"{function}DeadLetterQueue"
        for queue, lane in zip(queues, ("", "-urgent"), strict=False):
            faults += _differences(
                stack,
                queue,
                fifo
                | {
                    "QueueName": f"leaver-{kebab(function)}{lane}{suffix}",
                    "MessageRetentionPeriod": FOURTEEN_DAYS,
                    "VisibilityTimeout": 6 * stack[f"{function}Function"]["Properties"]["Timeout"],
                    "RedrivePolicy": {"deadLetterTargetArn": arn(stack, dead_letters), "maxReceiveCount": 1000},
                    "SqsManagedSseEnabled": True,
                },
            )
        faults += _differences(
            stack,
            dead_letters,
            fifo
            | {
                "QueueName": f"leaver-{kebab(function)}-dead-letters{suffix}",
                "MessageRetentionPeriod": FOURTEEN_DAYS,
                "RedriveAllowPolicy": {
                    "redrivePermission": "byQueue",
                    "sourceQueueArns": [arn(stack, queue) for queue in queues],
                },
                "SqsManagedSseEnabled": True,
            },
        )
    for queue, name in (
        ("WatchDeadlinesDeadLetterQueue", "leaver-watch-deadlines-dead-letters"),
        ("UnroutedQueue", "leaver-unrouted"),
        ("UnroutedDeadLetterQueue", "leaver-unrouted-dead-letters"),
    ):
        expected: dict[str, object] = {
            "QueueName": name,
            "MessageRetentionPeriod": FOURTEEN_DAYS,
            "SqsManagedSseEnabled": True,
        }
        faults += _differences(stack, queue, expected)
    return faults


#: function → messages in a batch and batches at once, on Zoom's plan Pro; all others have ten and two
SIZES = {
    # One connection at a time and nothing behind it: a refresh must not wait for its neighbours. And each is a
    # PutSecretValue, of which AWS takes 50 a second.
    "RefreshAccessToken": (1, 10),
    "RevokeSsoToken": (10, 3),
    "StartOffboarding": (10, 3),
    "RetrieveUserToken": (5, 2),
    "PurgeUserTokens": (5, 2),
    "DeactivateUser": (5, 2),
    "LookUpPerson": (5, 2),
    "RevokeGrants": (4, 2),
    # one run at a time, page after page
    "Reconcile": (1, 2),
}


def mapping_faults(stack: Stack) -> list[str]:
    faults = []
    for function in fed(stack):
        batch, at_once = SIZES.get(function, (10, 2))
        for queue in queues_of(function):
            expected: dict[str, object] = {
                "EventSourceArn": arn(stack, queue),
                "FunctionName": f"{function}Function",
                "BatchSize": batch,
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
                "ScalingConfig": {"MaximumConcurrency": 2 if queue.endswith("UrgentQueue") else at_once},
            }
            faults += _differences(stack, f"{function}Function{queue.removeprefix(function)}", expected)
    return faults


def _differences(stack: Stack, logical_id: str, expected: dict[str, object]) -> list[str]:
    found = stack[logical_id]["Properties"]
    return [
        f"{logical_id}: {name} is {found.get(name)}, not {expected.get(name)}"
        for name in expected.keys() | found.keys()
        if found.get(name) != expected.get(name)
    ]


def test_every_queue_keeps_what_it_is_given(either: Stack) -> None:
    assert queue_faults(either) == []


def test_there_are_no_other_queues(either: Stack) -> None:
    named = {*CONSUMERS, "Unrouted"}
    expected = {f"{name}{kind}" for name in named for kind in ("Queue", "DeadLetterQueue")}
    expected |= {f"{name}UrgentQueue" for name in LANED}
    expected |= {f"{name}DeadLetterQueue" for name in ONLY_SCHEDULED}
    assert {logical_id for logical_id, _ in of_type(either, "AWS::SQS::Queue")} == expected


def test_every_function_reads_its_own_queue_and_reports_failures_one_by_one(either: Stack) -> None:
    assert mapping_faults(either) == []
    assert len(list(of_type(either, "AWS::Lambda::EventSourceMapping"))) == len(fed(either)) + len(LANED)


@pytest.mark.parametrize("plan", ["Free", "Pro", "Business"])
def test_what_is_under_way_at_once_is_no_more_than_a_moment_of_the_limit(plan: str) -> None:
    made = stack(SMALLEST | {"ZoomPlan": plan, "DeactivateUsers": "true"})
    seconds = {}
    for function in PACED:
        mapping = made[f"{function}FunctionQueue"]["Properties"]
        limit = int(made[f"{function}Function"]["Properties"]["Environment"]["Variables"]["REQUESTS_PER_SECOND"])
        calls = getattr(getattr(commands, function, None), "calls", 1)
        messages = mapping["BatchSize"] * mapping["ScalingConfig"]["MaximumConcurrency"]
        seconds[function] = messages * calls / limit
    # On the plan Free two deactivations at once are more than its four requests a second, and less is not to be had.
    assert {function: each for function, each in seconds.items() if each > 1} == (
        {"DeactivateUser": 1.5} if plan == "Free" else {}
    )


def test_a_schedule_that_fails_leaves_a_trace(either: Stack) -> None:
    traces = {
        invoked["FunctionName"]: invoked["DestinationConfig"]["OnFailure"]["Destination"]
        for _, invoked in of_type(either, "AWS::Lambda::EventInvokeConfig")
    }
    assert traces == {
        f"{function}Function": arn(either, f"{function}DeadLetterQueue")
        for function in ("ScheduleRefreshes", "WatchDeadlines", "Reconcile")
    }


@pytest.mark.parametrize(
    ("queue", "name", "value"),
    [
        ("RevokeSsoTokenQueue", "VisibilityTimeout", 359),
        ("RevokeSsoTokenQueue", "RedrivePolicy", DROP),
        ("RevokeSsoTokenQueue", "MessageRetentionPeriod", 345_600),
        ("RevokeSsoTokenQueue", "FifoQueue", True),
        ("RevokeSsoTokenQueue", "SqsManagedSseEnabled", DROP),
        ("RevokeSsoTokenQueue", "KmsMasterKeyId", "Key"),
        ("RevokeGrantsDeadLetterQueue", "MessageRetentionPeriod", DROP),
        ("RevokeGrantsDeadLetterQueue", "RedriveAllowPolicy", {"redrivePermission": "allowAll"}),
        ("RefreshAccessTokenQueue", "ContentBasedDeduplication", True),
        ("RefreshAccessTokenDeadLetterQueue", "FifoQueue", DROP),
        ("UnroutedQueue", "MessageRetentionPeriod", 60),
    ],
)
def test_a_queue_that_could_lose_something_is_noticed(full: Stack, queue: str, name: str, value: object) -> None:
    change(full, [queue, "Properties", name], value)
    assert [fault for fault in queue_faults(full) if fault.startswith(f"{queue}: {name} ")]


def test_a_crash_that_is_parked_too_soon_is_noticed(full: Stack) -> None:
    change(full, ["RevokeSsoTokenQueue", "Properties", "RedrivePolicy", "maxReceiveCount"], 5)
    assert queue_faults(full)


def test_a_function_slower_than_its_queue_waits_is_noticed(full: Stack) -> None:
    change(full, ["RevokeSsoTokenFunction", "Properties", "Timeout"], 120)
    assert [fault for fault in queue_faults(full) if fault.startswith("RevokeSsoTokenQueue: VisibilityTimeout ")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FunctionResponseTypes", DROP),
        ("BatchSize", 10),
        ("ScalingConfig", DROP),
        ("FunctionName", "RevokeGrantsFunction"),
    ],
)
def test_a_mapping_that_would_fail_whole_batches_is_noticed(full: Stack, name: str, value: object) -> None:
    change(full, ["RefreshAccessTokenFunctionQueue", "Properties", name], value)
    assert [fault for fault in mapping_faults(full) if fault.startswith(f"RefreshAccessTokenFunctionQueue: {name} ")]
