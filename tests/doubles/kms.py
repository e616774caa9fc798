"""KMS in memory: what one key encrypted opens again only with the same key and the same encryption context."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast
from uuid import uuid4

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

KEY = "arn:aws:kms:eu-central-1:123456789012:key/1"


@dataclass
class FakeKms:
    """A key; `broken` refuses everything."""

    broken: bool = False
    #: ciphertext → key, plaintext, encryption context
    _sealed: dict[bytes, tuple[str, bytes, dict[str, str]]] = field(default_factory=dict, repr=False)

    @property
    def client(self) -> "KMSClient":
        return cast("KMSClient", self)

    def encrypt(self, *, KeyId: str, Plaintext: bytes, EncryptionContext: dict[str, str]) -> dict[str, bytes]:  # noqa: N803 - AWS's names
        self._works("Encrypt")
        assert 0 < len(Plaintext) <= 4096
        ciphertext = uuid4().bytes
        self._sealed[ciphertext] = (KeyId, Plaintext, dict(EncryptionContext))
        return {"CiphertextBlob": ciphertext}

    def decrypt(self, *, KeyId: str, CiphertextBlob: bytes, EncryptionContext: dict[str, str]) -> dict[str, bytes]:  # noqa: N803 - AWS's names
        self._works("Decrypt")
        key, plaintext, context = self._sealed.get(CiphertextBlob, ("", b"", {}))
        if (key, context) != (KeyId, EncryptionContext):
            raise ClientError({"Error": {"Code": "InvalidCiphertextException", "Message": ""}}, "Decrypt")
        return {"Plaintext": plaintext}

    def _works(self, operation: str) -> None:
        if self.broken:
            raise ClientError({"Error": {"Code": "KMSInternalException", "Message": ""}}, operation)
