"""C2SP's tlog-proof: one file by which anybody can check offline that a statement is in the log."""

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Final, Self

from leaver.evidence.merkle import HASH_SIZE

_HEAD: Final = "c2sp.org/tlog-proof@v1"
_INDEX: Final = re.compile(r"index (0|[1-9][0-9]*)")


class BadLogProof(ValueError):
    """It is no proof of this format."""


@dataclass(frozen=True)
class LogProof:
    """Where a leaf stands, the hashes from its sibling up to the root, and the checkpoint with that root."""

    index: int
    hashes: tuple[bytes, ...]
    #: the signed note, verbatim
    checkpoint: str

    def to_text(self) -> str:
        """The proof as it is stored."""
        hashes = (b64encode(each).decode() for each in self.hashes)
        return "\n".join([_HEAD, f"index {self.index}", *hashes, "", self.checkpoint])

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read a proof; raises BadLogProof. Extra data is passed over, as the format allows."""
        head, separator, checkpoint = text.partition("\n\n")
        first, *lines = head.split("\n")
        if lines and lines[0].startswith("extra "):
            del lines[0]
        if first != _HEAD or not separator or not lines or not (index := _INDEX.fullmatch(lines[0])):
            raise BadLogProof("is not a proof of a log")
        try:
            hashes = tuple(b64decode(line, validate=True) for line in lines[1:])
        except ValueError:
            raise BadLogProof("a hash is not base64") from None
        if any(len(each) != HASH_SIZE for each in hashes):
            raise BadLogProof("a hash is not of 32 bytes")
        return cls(int(index[1]), hashes, checkpoint)
