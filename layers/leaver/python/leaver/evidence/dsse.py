"""DSSE: what is signed of a payload, and the envelope in which payload and signature are kept (DSSE v1.0.2)."""

import json
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self

#: what the payload of our envelopes is
IN_TOTO: Final = "application/vnd.in-toto+json"

#: whether a signature (DER) over these bytes is of the key that is trusted
SignatureCheck = Callable[[bytes, bytes], bool]


class BadEnvelope(ValueError):
    """It is no envelope, or not one that the trusted key has signed."""


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """The bytes that are signed: the payload, bound to its type."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


@dataclass(frozen=True)
class Envelope:
    """A payload with one signature; `key_id` is a hint that nobody has signed."""

    payload_type: str
    payload: bytes
    signature: bytes
    key_id: str

    @property
    def signed(self) -> bytes:
        """What the signature is over."""
        return pre_authentication_encoding(self.payload_type, self.payload)

    def to_json(self) -> bytes:
        """The envelope as it is stored."""
        signature = {"keyid": self.key_id, "sig": b64encode(self.signature).decode()}
        envelope = {
            "payload": b64encode(self.payload).decode(),
            "payloadType": self.payload_type,
            "signatures": [signature],
        }
        return json.dumps(envelope, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Read an envelope; raises BadEnvelope. Standard and URL-safe base64 are the same, as DSSE says."""
        try:
            read = json.loads(text)
            (signature,) = read["signatures"]
            return cls(
                payload_type=str(read["payloadType"]),
                payload=_from_base64(read["payload"]),
                signature=_from_base64(signature["sig"]),
                key_id=str(signature.get("keyid", "")),
            )
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, Error):
            raise BadEnvelope("is not an envelope with one signature") from None

    def verified_payload(self, check: SignatureCheck, *, payload_type: str = IN_TOTO) -> bytes:
        """The payload, which alone may be used; raises BadEnvelope where it is of another type or not signed."""
        if self.payload_type != payload_type:
            raise BadEnvelope("the payload is of another type")
        if not check(self.signature, self.signed):
            raise BadEnvelope("the signature is not of this key over this payload")
        return self.payload


def _from_base64(text: Any) -> bytes:
    return b64decode(str(text).replace("-", "+").replace("_", "/"), validate=True)
