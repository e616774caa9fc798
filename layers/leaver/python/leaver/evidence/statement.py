"""in-toto's Statement v1: a claim about a file, which it names by its digest."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from leaver.evidence.canonical_json import canonical, read_canonical

STATEMENT: Final = "https://in-toto.io/Statement/v1"


class BadStatement(ValueError):
    """It is no statement of the kind that was expected."""


@dataclass(frozen=True)
class Statement:
    """What is claimed of one file; only its digest tells which one is meant."""

    name: str
    #: lower-case hex
    sha256: str
    predicate_type: str
    predicate: Mapping[str, Any]

    @classmethod
    def about(cls, content: bytes, *, name: str, predicate_type: str, predicate: Mapping[str, Any]) -> Self:
        """A claim about this content."""
        return cls(name, hashlib.sha256(content).hexdigest(), predicate_type, predicate)

    def to_json(self) -> bytes:
        """The statement in canonical JSON; raises NotCanonical."""
        return canonical(
            {
                "_type": STATEMENT,
                "subject": [{"name": self.name, "digest": {"sha256": self.sha256}}],
                "predicateType": self.predicate_type,
                "predicate": self.predicate,
            }
        )

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Read a statement; raises BadStatement, and NotCanonical where we would have written it in another way."""
        match read_canonical(text):
            case {
                "_type": kind,
                "subject": [{"name": str(name), "digest": {"sha256": str(sha256)}}],
                "predicateType": str(predicate_type),
                "predicate": dict(predicate),
            } if kind == STATEMENT:
                return cls(name, sha256, predicate_type, predicate)
        raise BadStatement("is not an in-toto statement about one file")

    def is_about(self, content: bytes) -> bool:
        """Whether this content is what the statement speaks of."""
        return self.sha256 == hashlib.sha256(content).hexdigest()
