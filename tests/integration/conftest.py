"""The tables on moto, for the tests of what is read from them and written into them."""

from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from tests.integration.dynamodb import dynamodb, make_tables


@pytest.fixture
def aws() -> Iterator[Any]:
    """A client of a DynamoDB that has the stack's tables."""
    with mock_aws():
        client = dynamodb()
        make_tables(client)
        yield client
