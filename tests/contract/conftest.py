"""The stacks that the contract tests look at, each test its own copy."""

import copy

import pytest

from tests.contract.stack import FULL, SMALLEST, Stack, stack


@pytest.fixture(scope="session")
def made() -> dict[str, Stack]:
    return {"full": stack(FULL), "smallest": stack(SMALLEST)}


@pytest.fixture
def full(made: dict[str, Stack]) -> Stack:
    return copy.deepcopy(made["full"])


@pytest.fixture
def smallest(made: dict[str, Stack]) -> Stack:
    return copy.deepcopy(made["smallest"])


@pytest.fixture(params=["full", "smallest"])
def either(request: pytest.FixtureRequest, made: dict[str, Stack]) -> Stack:
    return copy.deepcopy(made[request.param])
