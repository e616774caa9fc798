"""A key as KMS holds one, and what an auditor has of it."""

from dataclasses import dataclass, field

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


@dataclass(frozen=True)
class Key:
    """P-256, with signatures in DER."""

    private: EllipticCurvePrivateKey = field(default_factory=lambda: generate_private_key(SECP256R1()))

    @property
    def public(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def pem(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, message: bytes) -> bytes:
        return self.private.sign(message, ECDSA(SHA256()))

    def is_signed(self, signature: bytes, message: bytes) -> bool:
        try:
            self.private.public_key().verify(signature, message, ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


@pytest.fixture
def key() -> Key:
    return Key()


@pytest.fixture
def other_key() -> Key:
    return Key()
