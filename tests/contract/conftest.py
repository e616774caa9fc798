"""The stacks that the contract tests look at, each test its own copy."""

import json

import pytest

from tests.contract.stack import FULL, SMALLEST, Stack, stack


@pytest.fixture(scope="session")
def made() -> dict[str, str]:
    """As JSON: read again, it is a copy, at a third of what copying takes."""
    return {"full": json.dumps(stack(FULL)), "smallest": json.dumps(stack(SMALLEST))}


def copied(made: dict[str, str], name: str) -> Stack:
    found: Stack = json.loads(made[name])
    return found


@pytest.fixture
def full(made: dict[str, str]) -> Stack:
    return copied(made, "full")


@pytest.fixture
def smallest(made: dict[str, str]) -> Stack:
    return copied(made, "smallest")


@pytest.fixture(params=["full", "smallest"])
def either(request: pytest.FixtureRequest, made: dict[str, str]) -> Stack:
    return copied(made, request.param)
