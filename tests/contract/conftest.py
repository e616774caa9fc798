"""The stacks that the contract tests look at, each test its own copy."""

import pytest

from tests.contract.stack import FULL, SMALLEST, Stack, stack


@pytest.fixture
def full() -> Stack:
    return stack(FULL)


@pytest.fixture
def smallest() -> Stack:
    return stack(SMALLEST)


@pytest.fixture(params=["full", "smallest"])
def either(request: pytest.FixtureRequest) -> Stack:
    return stack({"full": FULL, "smallest": SMALLEST}[request.param])
