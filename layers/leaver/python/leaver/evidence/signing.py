"""The key that signs evidence: it lies in KMS (P-256), and one role alone may use it."""

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from leaver.errors import NotKept
from leaver.evidence import note
from leaver.evidence.dsse import IN_TOTO, Envelope, pre_authentication_encoding

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

#: what KMS signs as it is, in bytes; more than that it takes only as a digest
MOST: Final = 4096


class SigningKey:
    """A key pair in KMS, of which nobody has the private half."""

    def __init__(self, kms: "KMSClient", *, key_arn: str) -> None:
        self._kms = kms
        self._key_arn = key_arn

    @cached_property
    def public_key(self) -> bytes:
        """The public half, as SPKI in DER; raises NotKept."""
        try:
            return self._kms.get_public_key(KeyId=self._key_arn)["PublicKey"]
        except (BotoCoreError, ClientError):
            raise NotKept("evidence: KMS did not give the public key") from None

    @property
    def key_id(self) -> str:
        """What envelopes name the key by: the SHA-256 of the public half, in hex."""
        return hashlib.sha256(self.public_key).hexdigest()

    def sign(self, message: bytes) -> bytes:
        """Sign a short message: ECDSA over its SHA-256, in DER, another one each time; raises NotKept."""
        if not 0 < len(message) <= MOST:
            raise NotKept(f"evidence: {len(message)} bytes: KMS signs 1 to {MOST}")
        try:
            signed = self._kms.sign(
                KeyId=self._key_arn, Message=message, MessageType="RAW", SigningAlgorithm="ECDSA_SHA_256"
            )
        except (BotoCoreError, ClientError):
            raise NotKept("evidence: KMS did not sign") from None
        return signed["Signature"]

    def enclose(self, statement: bytes) -> Envelope:
        """Sign a statement; raises NotKept."""
        signature = self.sign(pre_authentication_encoding(IN_TOTO, statement))
        return Envelope(IN_TOTO, statement, signature, self.key_id)

    def note(self, checkpoint: note.Checkpoint) -> str:
        """Sign how far a log has come; raises NotKept."""
        text = checkpoint.to_text()
        return note.signed_note(text, self.sign(text.encode()), name=checkpoint.origin, public_key=self.public_key)
