"""Who may say what on the bus: three sources, three lists, whatever somebody's own policies allow."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from leaver.webhooks.sources import SOURCES as SENDERS
from tests.contract.iam import ANONYMOUS, Caller, administrator, is_allowed, principal, rule
from tests.contract.stack import DROP, FUNCTIONS, ONLY_ASKED, SMALLEST, Stack, change, of_type, stack
from tests.contract.test_template_permissions import ANNOUNCES, COMMANDERS, statements
from tests.contract.test_template_queue_policies import OPERATOR, ROLE, RULE, STRANGER
from tests.contract.tries import Try, throw
from tests.field import Field, harms_of

BUS = "arn:aws:events:eu-west-1:123456789012:event-bus/EventBus"
SOURCES = ("leaver", "leaver.command", "leaver.hr")


def tries(stack: Stack, *, producers: bool = True) -> Iterator[Try]:
    """Let everybody put events of every source on the bus, alone and beside somebody else's."""
    callers: dict[Caller, set[str]] = {
        **{
            administrator(f"{ROLE}{function}Role"): {"leaver", *({"leaver.command"} if function in COMMANDERS else ())}
            for function in FUNCTIONS
            if function not in ONLY_ASKED
        },
        administrator(f"{ROLE}ReceiveWebhookRole"): {"leaver.hr"},
        OPERATOR: {"leaver.command", "leaver.hr"},
        administrator(f"{ROLE}hr-sync"): {"leaver.hr"} if producers else set(),
        administrator(f"{ROLE}webhook-7"): {"leaver.hr"} if producers else set(),
        STRANGER: set(),
        ANONYMOUS: set(),
        rule(f"{RULE}of-another-bus"): set(),
    }
    for caller, sources in callers.items():
        for source in SOURCES:
            for asked in ([source], ["com.example", source]):
                found = _may_say(stack, caller, asked)
                yield Try(f"{caller.name} says {source}, among {asked}", expected=source in sources, found=found)


def _may_say(stack: Stack, caller: Caller, sources: list[str], *types: str) -> bool:
    policies = [each for _, each in of_type(stack, "AWS::Events::EventBusPolicy")]
    said = [each["Statement"] for each in policies if each["EventBusName"] == "EventBus"]
    return is_allowed(caller, "events:PutEvents", BUS, said, {"events:source": sources, "events:detail-type": [*types]})


def test_announcements_are_our_roles_commands_the_operators_and_hr_events_the_producers(
    full: Stack, field: Field
) -> None:
    throw(field, "everybody says everything on the bus", tries(full))


def test_without_producers_only_operators_tell_of_people(smallest: Stack, field: Field) -> None:
    # An empty list of exceptions must not turn into an exception for everybody.
    throw(field, "everybody says everything on the bus", tries(smallest, producers=False))


def test_an_operator_is_whoever_the_deployment_names_and_nobody_else() -> None:
    made = stack(SMALLEST | {"Operators": f"{ROLE}on-call"})
    assert _may_say(made, administrator(f"{ROLE}on-call"), ["leaver.command"])
    assert not _may_say(made, OPERATOR, ["leaver.command"])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_announces_only_what_it_makes(full: Stack, function: str) -> None:
    own = principal(f"{ROLE}{function}Role", statements(full, function))
    every = {each for types in ANNOUNCES.values() for each in types}
    assert {each for each in every if _may_say(full, own, ["leaver"], each)} == ANNOUNCES[function]
    some = sorted(ANNOUNCES[function])
    assert _may_say(full, own, ["leaver"], *some) is bool(some)
    assert not _may_say(full, own, ["leaver"], *some, "Anything")
    assert not _may_say(full, own, ["leaver.hr"], "OffboardingRequested")
    assert _may_say(full, own, ["leaver.command"], "RevokeSsoToken") is (function in COMMANDERS)
    assert not _may_say(full, own, ["leaver.command"], "RetrieveUserToken")


LISTS = test_announcements_are_our_roles_commands_the_operators_and_hr_events_the_producers


def test_the_front_door_alone_speaks_for_its_connections(either: Stack) -> None:
    own = principal(f"{ROLE}ReceiveWebhookRole", statements(either, "ReceiveWebhook"))
    for each in SENDERS.values():
        assert _may_say(either, own, ["leaver.hr"], each.detail_type)
        assert not _may_say(either, own, ["leaver.hr"], each.detail_type, "OffboardingRequested")
        assert not _may_say(either, own, ["leaver.command"], each.detail_type)
    # Beside a standard webhook stands the connection that it came by, and that is its source.
    for somebody in (OPERATOR, administrator(f"{ROLE}hr-sync"), administrator(f"{ROLE}StartOffboardingRole")):
        assert not _may_say(either, somebody, ["leaver.hr"], "StandardWebhook")
        assert not _may_say(either, somebody, ["leaver.hr"], "HiBobWebhook", "StandardWebhook")
    assert _may_say(either, OPERATOR, ["leaver.hr"], "HiBobWebhook")


@pytest.mark.parametrize("policy", ["AnnouncementsPolicy", "CommandsPolicy", "HrEventsPolicy"])
@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["Statement", "Effect"], "Allow"),
        (["Statement", "Condition", "ForAnyValue:StringEquals", "events:source"], "leaver.other"),
        (["Statement", "Condition", "ForAnyValue:StringEquals"], DROP),
        (["Statement", "Condition", "StringNotLike"], {"aws:PrincipalArn": "*"}),
        (["Statement", "Condition", "ArnNotEquals"], {"aws:PrincipalArn": ROLE + "*"}),
        (["EventBusName"], "default"),
    ],
)
def test_a_bus_that_hears_strangers_or_not_its_own_is_noticed(
    full: Stack, policy: str, path: list[str | int], value: Any
) -> None:
    change(full, [policy, "Properties", *path], value)
    assert harms_of(partial(LISTS, full))


@pytest.mark.parametrize(
    ("policy", "operator"),
    [
        ("AnnouncementsPolicy", "ArnNotEquals"),
        ("CommandsPolicy", "ArnNotEquals"),
        ("CommandsPolicy", "StringNotLike"),
        ("HrEventsPolicy", "ArnNotEquals"),
        ("HrEventsPolicy", "ArnNotLike"),
        ("HrEventsPolicy", "StringNotLike"),
    ],
)
def test_a_condition_of_the_bus_that_is_missing_is_noticed(full: Stack, policy: str, operator: str) -> None:
    change(full, [policy, "Properties", "Statement", "Condition", operator], DROP)
    assert harms_of(partial(LISTS, full))
