"""The Merkle tree of RFC 6962: one digest over all that was ever logged, and short proofs that nothing was changed.

Leaves are given by their hashes of 32 bytes; the verifying loops are those of RFC 9162, 2.1.3.2 and 2.1.4.2.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

Hashes = Sequence[bytes]

HASH_SIZE: Final = 32


class BadProof(ValueError):
    """The proof does not prove it."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node; its prefix keeps it from ever being a leaf's."""
    return hashlib.sha256(b"\1" + left + right).digest()


def root_hash(leaves: Hashes) -> bytes:
    """The digest over the whole tree."""
    match len(leaves):
        case 0:
            return hashlib.sha256().digest()
        case 1:
            return leaves[0]
    middle = _split(len(leaves))
    return node_hash(root_hash(leaves[:middle]), root_hash(leaves[middle:]))


@dataclass(frozen=True)
class Frontier:
    """As much of a tree as it takes to go on with it: the roots of its full subtrees, the largest first."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    @property
    def path(self) -> tuple[bytes, ...]:
        """The inclusion proof of the next leaf in the tree that ends with that leaf."""
        return self.hashes[::-1]

    def root_with(self, leaf: bytes) -> bytes:
        """The root of the tree that ends with this leaf."""
        found = leaf
        for each in self.path:
            found = node_hash(each, found)
        return found

    def appended(self, leaf: bytes) -> "Frontier":
        """The frontier after this leaf: with it, full subtrees of one size become one of twice that size."""
        hashes, full, size = list(self.hashes), leaf, self.size
        while size & 1:
            full, size = node_hash(hashes.pop(), full), size >> 1
        return Frontier(self.size + 1, (*hashes, full))


def inclusion_proof(leaves: Hashes, index: int) -> list[bytes]:
    """The hashes that lead from this leaf to the root, its sibling first; raises IndexError where there is no leaf."""
    if not 0 <= index < len(leaves):
        raise IndexError("the tree has no such leaf")
    if len(leaves) == 1:
        return []
    middle = _split(len(leaves))
    if index < middle:
        return [*inclusion_proof(leaves[:middle], index), root_hash(leaves[middle:])]
    return [*inclusion_proof(leaves[middle:], index - middle), root_hash(leaves[:middle])]


def consistency_proof(leaves: Hashes, earlier: int) -> list[bytes]:
    """The hashes that show that the tree began with its first `earlier` leaves; raises IndexError for none or more."""
    if not 0 < earlier <= len(leaves):
        raise IndexError("the tree never had that many leaves")
    return _subproof(leaves, earlier, is_known=True)


def _subproof(leaves: Hashes, earlier: int, *, is_known: bool) -> list[bytes]:
    if earlier == len(leaves):
        return [] if is_known else [root_hash(leaves)]
    middle = _split(len(leaves))
    if earlier <= middle:
        return [*_subproof(leaves[:middle], earlier, is_known=is_known), root_hash(leaves[middle:])]
    return [*_subproof(leaves[middle:], earlier - middle, is_known=False), root_hash(leaves[:middle])]


def _split(size: int) -> int:
    """The largest power of two below the size."""
    return 1 << (size - 1).bit_length() - 1


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Hashes, root: bytes) -> None:
    """Raises BadProof where this leaf is not known to stand there in the tree of that size and root."""
    _check_sizes(leaf, root, *proof)
    if not 0 <= index < size:
        raise BadProof("the tree has no such leaf")
    place, last, found = index, size - 1, leaf
    for each in proof:
        if last == 0:
            raise BadProof("the proof is too long")
        found = node_hash(each, found) if (is_left := _is_left(place, last)) else node_hash(found, each)
        place, last = _above(place, last, is_left=is_left)
    if last or found != root:
        raise BadProof("the leaf is not in the tree of this root")


def verify_consistency(earlier: int, size: int, proof: Hashes, earlier_root: bytes, root: bytes) -> None:
    """Raises BadProof where the tree is not known to have begun with that earlier one.

    An earlier tree of no leaves is refused: it says nothing.
    """
    _check_sizes(earlier_root, root, *proof)
    if not 0 < earlier <= size:
        raise BadProof("the earlier tree is empty, or larger")
    if earlier == size:
        if proof or earlier_root != root:
            raise BadProof("two trees of one size differ")
        return
    hashes = [earlier_root, *proof] if earlier & (earlier - 1) == 0 else list(proof)
    if not hashes:
        raise BadProof("the proof is too short")
    place, last = earlier - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    earlier_found = found = hashes[0]
    for each in hashes[1:]:
        if last == 0:
            raise BadProof("the proof is too long")
        if is_left := _is_left(place, last):
            earlier_found, found = node_hash(each, earlier_found), node_hash(each, found)
        else:
            found = node_hash(found, each)
        place, last = _above(place, last, is_left=is_left)
    if last or (earlier_found, found) != (earlier_root, root):
        raise BadProof("the tree did not begin with the earlier one")


def _is_left(place: int, last: int) -> bool:
    """Whether the next hash of a proof stands at the left of this node."""
    return bool(place & 1) or place == last


def _above(place: int, last: int, *, is_left: bool) -> tuple[int, int]:
    """The node above, and the last one beside that: at the right edge, levels without a sibling are passed over."""
    while is_left and place and not place & 1:
        place, last = place >> 1, last >> 1
    return place >> 1, last >> 1


def _check_sizes(*hashes: bytes) -> None:
    # Else the root of an empty tree could be taken for a leaf, and the other way round.
    if any(len(each) != HASH_SIZE for each in hashes):
        raise BadProof("a hash is not of 32 bytes")
