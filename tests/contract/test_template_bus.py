"""What is put on the bus reaches exactly one queue."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from leaver.messages.hr import WEBHOOKS
from leaver.messages.notices import TOLD
from local.aws.patterns import matches
from tests.contract.stack import DROP, FULL, HR_RULES, LANED, ROOT, Stack, arn, change, of_type, stack
from tests.contract.test_template_permissions import ANNOUNCES

OKTA_BUS = "aws.partner/okta.com/acme/leaver"
SAILPOINT_BUS = "aws.partner/sailpoint.com/acme/idn/identity-attributes-changed"
SAILPOINT_DELETED_BUS = "aws.partner/sailpoint.com/acme/idn/identity-deleted"

COMMANDS = {
    "RetrieveUserToken": "RetrieveUserTokenQueue",
    "RevokeAccessToken": "RevokeAccessTokenQueue",
    "RevokeSsoToken": "RevokeSsoTokenQueue",
    "RevokeGrants": "RevokeGrantsQueue",
    "PurgeUserTokens": "PurgeUserTokensQueue",
    # A rule's FIFO group is fixed, so what is to be refreshed goes to the scheduler, which knows the connection.
    "RefreshAccessToken": "ScheduleRefreshesQueue",
}


#: rules that hear announcements
FOR_PEOPLE = ("NotifyPeopleRule", "NotifyDestinationRule")

#: tests/contract/test_template_evidence.py
COUNTED_BY_AN_ALARM = "EvidenceChangedRule"


def delivered(stack: Stack, bus: str, event: dict[str, Any]) -> list[str]:
    """The queues that an event on a bus reaches, by logical id."""
    queues = {arn(stack, logical_id): logical_id for logical_id, _ in of_type(stack, "AWS::SQS::Queue")}
    return [
        queues[target["Arn"]]
        for _, rule in of_type(stack, "AWS::Events::Rule")
        if rule.get("EventBusName") == bus and matches(rule["EventPattern"], event)
        for target in rule["Targets"]
        if target["Arn"] in queues
    ]


def target_faults(stack: Stack) -> list[str]:
    """Every rule is on and hands over the whole event, to no FIFO queue; each target has its dead-letter queue.

    But the one rule whose events are counted by an alarm.
    """
    faults = []
    for logical_id, rule in of_type(stack, "AWS::Events::Rule"):
        if logical_id == COUNTED_BY_AN_ALARM:
            continue
        if rule.get("State", "ENABLED") != "ENABLED":
            faults.append(f"{logical_id}: is {rule['State']}")
        for target in rule["Targets"]:
            own = logical_id.removesuffix("Rule").removesuffix("Schedule").removesuffix("Urgent")
            owner = "StartOffboarding" if logical_id in HR_RULES else own.replace("NotifyDestination", "NotifyPeople")
            expected = {"Arn": arn(stack, f"{owner}DeadLetterQueue")}
            if target.get("DeadLetterConfig") != expected:
                faults.append(f"{logical_id}: what can't be delivered goes to {target.get('DeadLetterConfig')}")
            if target["Arn"].endswith(".fifo"):
                faults.append(f"{logical_id}: feeds a FIFO queue")
            # Input, InputPath and InputTransformer would deliver something else than what was put on the bus.
            usual = {"Id", "Arn", "DeadLetterConfig"} | (
                {"RoleArn"} if logical_id == "NotifyDestinationRule" else set()
            )
            if more := target.keys() - usual:
                faults.append(f"{logical_id}: has {sorted(more)} too")
    return faults


def source_faults(stack: Stack) -> list[str]:
    """Rules listen to commands, HR events and the partners, where each is put; two to what is for people.

    One listens to AWS itself.
    """
    listens: dict[str, list[Any]] = {
        "EventBus": [["leaver.command"], ["leaver.hr"]],
        OKTA_BUS: [[{"prefix": "aws.partner/okta.com"}]],
        SAILPOINT_BUS: [[{"prefix": "aws.partner/sailpoint.com"}]],
        SAILPOINT_DELETED_BUS: [[{"prefix": "aws.partner/sailpoint.com"}]],
        "the default bus": [["aws.kms"], ["aws.s3"], ["aws.lambda"]],
    }
    return [
        f"{logical_id}: listens to {source} on {rule.get('EventBusName')}"
        for logical_id, rule in of_type(stack, "AWS::Events::Rule")
        if "ScheduleExpression" not in rule
        for source in _sources(rule["EventPattern"])
        if (source, rule.get("EventBusName")) != (["leaver"], "EventBus") or logical_id not in FOR_PEOPLE
        if source not in listens.get(rule.get("EventBusName", "the default bus"), [])
    ]


def _sources(pattern: dict[str, Any]) -> Sequence[Any]:
    return [(pattern | branch).get("source") for branch in pattern.get("$or", [pattern])]


@pytest.mark.parametrize(("command", "queue"), COMMANDS.items())
def test_a_command_reaches_its_queue_alone(either: Stack, command: str, queue: str) -> None:
    assert delivered(either, "EventBus", {"source": "leaver.command", "detail-type": command}) == [queue]


def test_a_deactivation_reaches_its_queue_where_the_deployment_wants_it_and_else_is_seen(
    full: Stack, smallest: Stack
) -> None:
    event = {"source": "leaver.command", "detail-type": "DeactivateUser"}
    assert delivered(full, "EventBus", event) == ["DeactivateUserQueue"]
    assert delivered(smallest, "EventBus", event) == ["UnroutedQueue"]


def test_a_canonical_hr_event_starts_an_offboarding(either: Stack) -> None:
    event = {"source": "leaver.hr", "detail-type": "OffboardingRequested"}
    assert delivered(either, "EventBus", event) == ["StartOffboardingQueue"]


@pytest.mark.parametrize("detail_type", WEBHOOKS)
def test_a_webhook_that_an_adapter_knows_reaches_start_offboarding_alone(either: Stack, detail_type: str) -> None:
    event = {"source": "leaver.hr", "detail-type": detail_type}
    # A session or an account that is compromised waits behind nobody.
    lane = "Urgent" if detail_type == "SecurityEventToken" else ""
    assert delivered(either, "EventBus", event) == [f"StartOffboarding{lane}Queue"]


@pytest.mark.parametrize(
    ("detail", "urgent"),
    [
        ({}, False),
        ({"urgency": "routine"}, False),
        ({"urgency": "urgent"}, True),
        # what is wrong with these, the function says: no lane may be so choosy that they vanish
        ({"urgency": "Urgent"}, False),
        ({"urgency": ""}, False),
        ({"urgency": 1}, False),
        ({"urgency": None}, False),
        ({"urgency": True}, False),
        ({"urgency": {"level": "urgent"}}, False),
    ],
    ids=str,
)
@pytest.mark.parametrize("function", LANED)
def test_every_event_takes_exactly_one_of_the_two_lanes(
    either: Stack, function: str, detail: dict[str, Any], *, urgent: bool
) -> None:
    is_hr = function == "StartOffboarding"
    source, detail_type = ("leaver.hr", "OffboardingRequested") if is_hr else ("leaver.command", function)
    event = {"source": source, "detail-type": detail_type, "detail": detail}
    assert delivered(either, "EventBus", event) == [f"{function}{'Urgent' if urgent else ''}Queue"]


@pytest.mark.parametrize(
    ("detail", "urgent"),
    [
        ({"type": "employee.access.revoked.immediately"}, True),
        ({"type": "employee.left"}, False),
        ({}, False),
        ({"type": None}, False),
        ({"type": {"name": "employee.access.revoked.immediately"}}, False),
    ],
    ids=str,
)
def test_what_hibob_itself_calls_immediate_takes_the_urgent_lane(
    either: Stack, detail: dict[str, Any], *, urgent: bool
) -> None:
    event = {"source": "leaver.hr", "detail-type": "HiBobWebhook", "detail": detail}
    assert delivered(either, "EventBus", event) == [f"StartOffboarding{'Urgent' if urgent else ''}Queue"]


@pytest.mark.parametrize(
    ("partners", "okta", "sailpoint"), [("", 0, 0), ("okta", 1, 0), ("sailpoint", 0, 1), ("okta,sailpoint", 1, 1)]
)
def test_partners_whose_every_event_is_urgent_take_the_urgent_lane(partners: str, okta: int, sailpoint: int) -> None:
    made = stack(FULL | {"UrgentPartners": partners})
    lanes = ["StartOffboardingQueue", "StartOffboardingUrgentQueue"]
    for bus, name, urgent in ((OKTA_BUS, "okta", okta), (SAILPOINT_BUS, "sailpoint", sailpoint)):
        event = json.loads((ROOT / "events" / f"{name}.json").read_text())
        assert delivered(made, bus, event) == [lanes[urgent]]
        sources = made["StartOffboardingFunction"]["Properties"]["Environment"]["Variables"]["URGENT_SOURCES"]
        assert (name in sources.split(",")) == bool(urgent)
        admitted = [json.dumps(made[f"{lane}Policy"]) for lane in lanes]
        rule = {"okta": "OktaRule", "sailpoint": "SailPointRule"}[name]
        assert [rule in each for each in admitted] == [not urgent, bool(urgent)]


@pytest.mark.parametrize(
    ("source", "detail_type"),
    [
        ("leaver.command", "ScimPatch"),
        ("leaver.hr", "ScimPut"),
        ("leaver.hr", "HibobWebhook"),
        ("leaver.command", "RevokeSSOToken"),
        ("leaver.command", "OffboardingRequested"),
        ("leaver.hr", "RevokeSsoToken"),
        ("leaver.hr", "offboarding-requested"),
    ],
)
def test_what_no_rule_knows_is_unrouted(either: Stack, source: str, detail_type: str) -> None:
    assert delivered(either, "EventBus", {"source": source, "detail-type": detail_type}) == ["UnroutedQueue"]


def announced(detail_type: str) -> dict[str, Any]:
    return {"source": "leaver", "detail-type": detail_type}


def test_announcements_come_back_to_nobody_but_who_tells_people(full: Stack, smallest: Stack) -> None:
    every = {each for types in ANNOUNCES.values() for each in types}
    heard = {each for each in every if delivered(full, "EventBus", announced(each))}
    assert heard == set(TOLD)
    assert {queue for each in heard for queue in delivered(full, "EventBus", announced(each))} == {"NotifyPeopleQueue"}
    assert not any(delivered(smallest, "EventBus", announced(each)) for each in every)


def test_what_people_are_told_is_told_once_and_not_of_itself(full: Stack) -> None:
    pattern = full["NotifyDestinationRule"]["Properties"]["EventPattern"]
    assert pattern == {"source": ["leaver"], "detail-type": ["PeopleNotified"]}
    assert not {*TOLD} & ANNOUNCES["NotifyPeople"]


@pytest.mark.parametrize("event_type", ["user.lifecycle.deactivate", "user.lifecycle.suspend"])
@pytest.mark.parametrize("detail_type", ["SystemLog", "System Log", "anything"])
def test_an_okta_deactivation_or_suspension_starts_an_offboarding_whatever_it_is_called(
    full: Stack, event_type: str, detail_type: str
) -> None:
    event = json.loads((ROOT / "events" / "okta.json").read_text())
    event |= {"detail-type": detail_type, "detail": event["detail"] | {"eventType": event_type}}
    assert delivered(full, OKTA_BUS, event) == ["StartOffboardingUrgentQueue"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("eventType", "user.lifecycle.activate"), ("outcome", {"result": "FAILURE", "reason": "no rights"})],
)
def test_other_okta_events_start_nothing(full: Stack, field: str, value: object) -> None:
    event = json.loads((ROOT / "events" / "okta.json").read_text())
    event["detail"][field] = value
    assert delivered(full, OKTA_BUS, event) == []


def test_a_change_of_sailpoints_lifecycle_attribute_starts_an_offboarding(full: Stack) -> None:
    event = json.loads((ROOT / "events" / "sailpoint.json").read_text())
    assert delivered(full, SAILPOINT_BUS, event) == ["StartOffboardingQueue"]
    event["detail"]["changes"].insert(0, {"attribute": "department", "oldValue": "Music", "newValue": "History"})
    assert delivered(full, SAILPOINT_BUS, event) == ["StartOffboardingQueue"]


def test_a_change_of_other_attributes_starts_nothing(full: Stack) -> None:
    event = json.loads((ROOT / "events" / "sailpoint_other_attribute.json").read_text())
    assert delivered(full, SAILPOINT_BUS, event) == []


def test_a_deleted_identity_of_sailpoints_starts_an_offboarding(full: Stack) -> None:
    event = json.loads((ROOT / "events" / "sailpoint_deleted.json").read_text())
    assert delivered(full, SAILPOINT_DELETED_BUS, event) == ["StartOffboardingQueue"]
    event["detail"]["_metadata"]["triggerId"] = "idn:identity-created"
    assert delivered(full, SAILPOINT_DELETED_BUS, event) == []


def test_which_attribute_it_is_the_deployment_says() -> None:
    event = json.loads((ROOT / "events" / "sailpoint_other_attribute.json").read_text())
    made = stack(FULL | {"SailPointLifecycleAttribute": "department"})
    assert delivered(made, SAILPOINT_BUS, event) == ["StartOffboardingQueue"]


def test_every_target_has_its_dead_letter_queue(either: Stack) -> None:
    assert target_faults(either) == []


def test_rules_listen_to_our_inbound_sources_alone(either: Stack) -> None:
    assert source_faults(either) == []


@pytest.mark.parametrize("function", ["ScheduleRefreshes", "WatchDeadlines"])
def test_the_schedule_starts_a_function_every_minute(either: Stack, function: str) -> None:
    assert either[f"{function}Schedule"]["Properties"]["ScheduleExpression"] == "rate(1 minute)"
    assert_it_may_start(either, function)


def test_nothing_else_is_started_by_a_schedule(full: Stack) -> None:
    permitted = {each for each, _ in of_type(full, "AWS::Lambda::Permission")} - {"FrontDoorPermission"}
    assert permitted == {f"{each}SchedulePermission" for each in ("ScheduleRefreshes", "WatchDeadlines", "Reconcile")}


def assert_it_may_start(either: Stack, function: str) -> None:
    schedule = either[f"{function}Schedule"]["Properties"]
    assert "EventBusName" not in schedule
    assert [target["Arn"].rpartition(":")[2] for target in schedule["Targets"]] == [f"{function}Function"]
    assert either[f"{function}SchedulePermission"]["Properties"] == {
        "FunctionName": f"{function}Function",
        "Action": "lambda:InvokeFunction",
        "Principal": "events.amazonaws.com",
        "SourceArn": f"arn:aws:events:eu-west-1:123456789012:rule/{function}Schedule",
    }


def test_each_night_is_reconciled_where_a_deployment_has_a_roster(full: Stack, smallest: Stack) -> None:
    ways = {"ReconcileSchedule", "ReconcileSchedulePermission"}
    assert (ways & full.keys(), ways & smallest.keys()) == (ways, set())
    assert full["ReconcileSchedule"]["Properties"]["ScheduleExpression"] == "cron(0 2 * * ? *)"
    assert_it_may_start(full, "Reconcile")


def test_hr_events_are_archived_for_90_days(either: Stack) -> None:
    archive = either["HrEventArchive"]["Properties"]
    assert archive["EventPattern"] == {"source": ["leaver.hr"]}
    assert archive["RetentionDays"] == 90


@pytest.mark.parametrize(
    ("rule", "path", "value"),
    [
        ("RevokeSsoTokenRule", ["Targets", 0, "DeadLetterConfig"], DROP),
        ("RevokeSsoTokenRule", ["Targets", 0, "DeadLetterConfig", "Arn"], "arn:aws:sqs:eu-west-1:123456789012:other"),
        ("ScheduleRefreshesSchedule", ["Targets", 0, "DeadLetterConfig"], DROP),
        ("UnroutedRule", ["Targets", 0, "DeadLetterConfig"], DROP),
        ("StartOffboardingRule", ["Targets", 0, "DeadLetterConfig"], DROP),
        ("SailPointRule", ["Targets", 0, "DeadLetterConfig"], DROP),
        (
            "ScheduleRefreshesRule",
            ["Targets", 0, "Arn"],
            "arn:aws:sqs:eu-west-1:123456789012:leaver-refresh-access-token.fifo",
        ),
        ("RevokeSsoTokenRule", ["Targets", 0, "InputPath"], "$.detail"),
        ("OktaRule", ["State"], "DISABLED"),
    ],
)
def test_a_target_that_could_lose_an_event_is_noticed(
    full: Stack, rule: str, path: list[str | int], value: object
) -> None:
    change(full, [rule, "Properties", *path], value)
    assert [fault for fault in target_faults(full) if fault.startswith(f"{rule}: ")]


@pytest.mark.parametrize(
    ("rule", "path", "value"),
    [
        ("RevokeSsoTokenRule", ["EventPattern", "source"], DROP),
        ("RevokeSsoTokenRule", ["EventPattern", "source"], [{"prefix": "leaver"}]),
        ("RevokeSsoTokenRule", ["EventBusName"], DROP),
        ("OktaRule", ["EventBusName"], "EventBus"),
        ("SailPointRule", ["EventBusName"], "EventBus"),
        ("StartOffboardingUrgentRule", ["EventPattern", "source"], [{"prefix": "leaver."}]),
        ("UnroutedRule", ["EventPattern", "$or", 1, "source"], ["leaver"]),
    ],
)
def test_a_rule_that_listens_to_others_is_noticed(full: Stack, rule: str, path: list[str | int], value: object) -> None:
    change(full, [rule, "Properties", *path], value)
    assert [fault for fault in source_faults(full) if fault.startswith(f"{rule}: ")]
