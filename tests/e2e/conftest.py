"""One local world for the tests of a file, tidied up between them."""

from collections.abc import Iterator

import pytest

from local import acme
from tests.e2e.watched_world import WatchedWorld


@pytest.fixture(scope="module")
def shared_world() -> Iterator[WatchedWorld]:
    # Of a module and not of the session: one process can hold one local AWS, and other tests start theirs.
    with WatchedWorld() as world:
        acme.set_up(world)
        yield world


@pytest.fixture
def world(shared_world: WatchedWorld) -> Iterator[WatchedWorld]:
    shared_world.forget()
    yield shared_world
    shared_world.forget()
