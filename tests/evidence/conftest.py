"""A key as KMS holds one, and what an auditor has of it."""

import pytest

from tests.doubles.key_pair import ALGORITHM, KeyPair


class Key(KeyPair):
    """A key that whoever tests signs with."""

    def sign(self, message: bytes) -> bytes:
        return self.private.sign(message, ALGORITHM)


@pytest.fixture
def key() -> Key:
    return Key()


@pytest.fixture
def other_key() -> Key:
    return Key()
