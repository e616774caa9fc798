"""One local world for the tests of a file, tidied up before each of them."""

from collections.abc import Iterable, Iterator
from functools import cache

import pytest

from local import acme
from local.aws.moto_server import CREDENTIAL
from local.aws.partitions import Reach
from tests.contract.iam import is_allowed, principal
from tests.contract.stack import FUNCTIONS, SMALLEST, Stack, arn, kebab, of_type, stack
from tests.contract.test_template_permissions import PARTITIONS, SECRET, statements
from tests.contract.test_template_queue_policies import ROLE
from tests.contract.test_template_speakers import BUS
from tests.e2e.watched_world import WatchedWorld


@pytest.fixture(scope="module")
def shared_world() -> Iterator[WatchedWorld]:
    # Of a module and not of the session: one process can hold one local AWS, and other tests start theirs.
    with WatchedWorld() as world:
        acme.set_up(world)
        yield world
        world.forget()


@pytest.fixture
def world(shared_world: WatchedWorld) -> Iterator[WatchedWorld]:
    shared_world.forget()
    yield shared_world
    assert strays(shared_world.aws.reached) == set()


def strays(reached: Iterable[Reach]) -> set[Reach]:
    """What functions got at although their roles, the queues or the bus do not let them: moto does."""
    by_functions = {each for each in reached if each.access_key != CREDENTIAL}
    return {each for each in by_functions if not (_may_reach(each) if ":" in each.operation else _is_listed(each))}


def _is_listed(reach: Reach) -> bool:
    """Whether a partition of the Cases table is one of those that the function's role is narrowed to."""
    return any(
        reach.access_key == f"leaver-{kebab(function)}" and f"{reach.kind}*" in operations.get(reach.operation, ())
        for function, operations in PARTITIONS.items()
    )


def _may_reach(reach: Reach) -> bool:
    """Whether IAM would let a function get at a secret or a queue, or announce that."""
    made = _made()
    [function] = [each for each in FUNCTIONS if f"leaver-{kebab(each)}" == reach.access_key]
    caller = principal(f"{ROLE}{function}Role", statements(made, function))
    match reach.operation.partition(":")[0]:
        case "secretsmanager":
            return is_allowed(caller, reach.operation, f"{SECRET}{reach.kind}-a1B2c3", [])
        case "sqs":
            [queue] = [name for name, each in of_type(made, "AWS::SQS::Queue") if each["QueueName"] == reach.kind]
            [policy] = [each for _, each in of_type(made, "AWS::SQS::QueuePolicy") if queue in each["Queues"]]
            return is_allowed(caller, reach.operation, arn(made, queue), policy["PolicyDocument"]["Statement"])
        case _:
            source, _, detail_type = reach.kind.partition("/")
            said = [each["Statement"] for _, each in of_type(made, "AWS::Events::EventBusPolicy")]
            asked = {"events:source": source, "events:detail-type": detail_type}
            return is_allowed(caller, reach.operation, BUS, said, asked)


@cache
def _made() -> Stack:
    return stack(SMALLEST | {"DeactivateUsers": "true"})
