"""C2SP's signed note, and the checkpoint of a log that is written in one: its origin, its size, its root."""

import hashlib
from base64 import b64decode, b64encode
from binascii import Error
from dataclasses import dataclass
from typing import Final, Self

from leaver.evidence.dsse import SignatureCheck
from leaver.evidence.merkle import HASH_SIZE

#: ECDSA over SHA-256, the signature in DER
ECDSA_SHA256: Final = 0x02
_ID_SIZE: Final = 4


class BadNote(ValueError):
    """It is no note, no checkpoint, or not one that the trusted key has signed."""


def key_id_of(public_key: bytes) -> bytes:
    """The four bytes that tell a note which key it was signed with; the key is given as SPKI in DER."""
    return hashlib.sha256(public_key).digest()[:_ID_SIZE]


def verifier_key(name: str, public_key: bytes) -> str:
    """The public key (SPKI in DER) as tools for notes take it."""
    return f"{name}+{key_id_of(public_key).hex()}+{b64encode(bytes([ECDSA_SHA256]) + public_key).decode()}"


def signed_note(text: str, signature: bytes, *, name: str, public_key: bytes) -> str:
    """A text, which ends with a line feed, with its signature (DER)."""
    return f"{text}\n— {name} {b64encode(key_id_of(public_key) + signature).decode()}\n"


def verified_text(note: str, check: SignatureCheck, *, name: str, public_key: bytes) -> str:
    """The text of a note that this key has signed; raises BadNote. Signatures of other keys are passed over."""
    text, separator, signatures = note.rpartition("\n\n")
    if not separator or not signatures.endswith("\n"):
        raise BadNote("is not a signed note")
    text += "\n"
    lines = [line.split(" ") for line in signatures.removesuffix("\n").split("\n")]
    if any(len(line) != len(("dash", "name", "signature")) or line[0] != "—" for line in lines):
        raise BadNote("a line is no signature")
    for _, signer, encoded in lines:
        if signer != name:
            continue
        signature = _bytes_of(encoded)
        if signature[:_ID_SIZE] == key_id_of(public_key) and check(signature[_ID_SIZE:], text.encode()):
            return text
    raise BadNote("is not signed with this key")


@dataclass(frozen=True)
class Checkpoint:
    """What a log was at some time: how many leaves it had, and the digest over all of them."""

    #: a URL without a scheme, by which the log is known; the key's name is the same
    origin: str
    size: int
    root: bytes

    def to_text(self) -> str:
        """The three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read a checkpoint without extensions; raises BadNote."""
        try:
            origin, size, root = text.removesuffix("\n").split("\n")
            checkpoint = cls(origin, int(size), _bytes_of(root))
        except ValueError:
            raise BadNote("is not a checkpoint") from None
        # Written in another way, it could be understood in another way: `+5`, a space, a leading zero.
        if len(checkpoint.root) != HASH_SIZE or checkpoint.size < 0 or checkpoint.to_text() != text:
            raise BadNote("is not a checkpoint")
        return checkpoint


def _bytes_of(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except Error:
        raise BadNote("is not base64") from None
