"""One local world for the tests of a file, tidied up before each of them."""

from collections.abc import Iterable, Iterator

import pytest

from local import acme
from local.aws.moto_server import CREDENTIAL
from local.aws.partitions import Reach
from tests.contract.stack import kebab
from tests.contract.test_template_permissions import PARTITIONS
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
    """What functions got at in the Cases table although their roles may not: moto would let them."""
    may = {
        Reach(f"leaver-{kebab(function)}", operation, kind.removesuffix("*"))
        for function, operations in PARTITIONS.items()
        for operation, kinds in operations.items()
        for kind in kinds
    }
    return {each for each in reached if each.access_key != CREDENTIAL} - may
