"""A refresh token encrypted into a connection's record: the last resort when Secrets Manager does not take it."""

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import SecretStr

from leaver.errors import NotKept, NotRead

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient


class TokenEncryption:
    """The stack's KMS key; what it encrypts is decrypted only for the same connection and the same parent version."""

    def __init__(self, kms: "KMSClient", *, key_arn: str) -> None:
        self._kms = kms
        self._key_arn = key_arn

    def encrypt(self, token: SecretStr, *, connection: str, parent_version: str) -> str:
        """Encrypt (KMS takes up to 4 KiB) and return the ciphertext in base64; raises NotKept."""
        try:
            encrypted = self._kms.encrypt(
                KeyId=self._key_arn,
                Plaintext=token.get_secret_value().encode(),
                EncryptionContext=_context(connection, parent_version),
            )
        except (BotoCoreError, ClientError):
            encrypted = None
        if encrypted is None:
            raise NotKept(f"connection {connection}: KMS did not encrypt")
        return b64encode(encrypted["CiphertextBlob"]).decode()

    def decrypt(self, ciphertext: str, *, connection: str, parent_version: str) -> SecretStr:
        """Decrypt; raises NotRead."""
        try:
            decrypted = self._kms.decrypt(
                KeyId=self._key_arn,
                CiphertextBlob=b64decode(ciphertext),
                EncryptionContext=_context(connection, parent_version),
            )
        except (BotoCoreError, ClientError):
            raise NotRead(f"connection {connection}: KMS did not decrypt") from None
        return SecretStr(decrypted["Plaintext"].decode())


def _context(connection: str, parent_version: str) -> dict[str, str]:
    return {"connection": connection, "parent_version": parent_version}
