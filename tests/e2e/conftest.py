"""One local world for the tests of a file, tidied up before each of them."""

from collections.abc import Iterator

import pytest

from local import acme
from tests.e2e.watched_world import WatchedWorld
from tests.used import strays


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
