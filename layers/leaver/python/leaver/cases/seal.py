"""The seal of a completed case: a chain of digests over its receipts, that anybody can compute."""

import hashlib
import json
from collections.abc import Iterable
from typing import Final

from leaver.cases.receipts import Receipt

#: the digest before the first receipt
NOTHING: Final = "0" * 64


def chain(receipts: Iterable[Receipt]) -> list[str]:
    """Digest each receipt together with the digest before it, so that a changed, missing or moved one shows.

    SHA-256 over the digest before (64 zeros at first) and the receipt's canonical JSON: keys sorted, no spaces, UTF-8.
    """
    digests: list[str] = []
    before = NOTHING
    for receipt in receipts:
        fields = receipt.model_dump(mode="json", exclude_none=True)
        canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        before = hashlib.sha256(f"{before}{canonical}".encode()).hexdigest()
        digests.append(before)
    return digests


def head_of(receipts: Iterable[Receipt]) -> str:
    """The last digest of the chain: 64 zeros where there is no receipt."""
    return [NOTHING, *chain(receipts)][-1]
