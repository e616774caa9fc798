"""The Merkle tree: roots and proofs as RFC 6962 has them, and every changed proof is refused."""

import hashlib
from itertools import product

import pytest
from pymerkle import InmemoryTree

from leaver.evidence.merkle import (
    BadProof,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_hash,
    verify_consistency,
    verify_inclusion,
)

#: Certificate Transparency's own vectors: the leaves, and the roots of the trees of none, one, two ... of them
ENTRIES = [
    bytes.fromhex(each)
    for each in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [leaf_hash(each) for each in ENTRIES]
#: and a tree that is larger than any pattern of bits that could hide a mistake
MANY = [leaf_hash(b"%d" % number) for number in range(70)]


@pytest.mark.parametrize("size", range(9))
def test_the_roots_are_those_of_certificate_transparency(size: int) -> None:
    assert root_hash(LEAVES[:size]).hex() == ROOTS[size]


@pytest.mark.parametrize("size", range(1, 71))
def test_somebody_elses_tree_has_the_same_root_and_the_same_proofs(size: int) -> None:
    theirs, ours = InmemoryTree(algorithm="sha256"), MANY[:size]
    theirs.append_entries([b"%d" % number for number in range(size)])
    assert theirs.get_root() == root_hash(ours)
    for index in range(size):
        assert theirs.prove_inclusion(index + 1).path == [MANY[index], *inclusion_proof(ours, index)]
        theirs.prove_consistency(index + 1).verify(root_hash(MANY[: index + 1]), root_hash(ours))


def test_every_leaf_of_every_tree_is_proved() -> None:
    for size in range(1, len(MANY) + 1):
        tree = MANY[:size]
        for index in range(size):
            verify_inclusion(tree[index], index, size, inclusion_proof(tree, index), root_hash(tree))


def test_every_tree_is_proved_to_have_begun_with_every_earlier_one() -> None:
    for size in range(1, len(MANY) + 1):
        tree = MANY[:size]
        for earlier in range(1, size + 1):
            proof = consistency_proof(tree, earlier)
            verify_consistency(earlier, size, proof, root_hash(tree[:earlier]), root_hash(tree))


def test_the_frontier_knows_the_root_and_the_last_leafs_proof_of_every_tree() -> None:
    frontier = Frontier()
    for size, leaf in enumerate(MANY, start=1):
        assert list(frontier.path) == inclusion_proof(MANY[:size], size - 1)
        assert frontier.root_with(leaf) == root_hash(MANY[:size])
        frontier = frontier.appended(leaf)
        assert frontier.size == size


def test_no_other_leaf_place_or_size_is_proved() -> None:
    for size in (1, 2, 3, 5, 8, 11):
        tree = MANY[:size]
        for index, leaf, place, claimed in product(range(size), (0, size // 2, size - 1), range(13), range(13)):
            if (tree[leaf], place) == (tree[index], index) and claimed == size:
                continue
            if not _same_way(index, size, place, claimed):
                with pytest.raises(BadProof):
                    verify_inclusion(tree[leaf], place, claimed, inclusion_proof(tree, index), root_hash(tree))


def _same_way(index: int, size: int, place: int, claimed: int) -> bool:
    """Whether the path has the same turns: a root alone does not tell the tree's size, a checkpoint does."""
    if not 0 <= place < claimed:
        return False
    tree = [bytes([number]) * 32 for number in range(max(size, claimed))]
    return _turns(tree[:size], index) == _turns(tree[:claimed], place)


def _turns(leaves: list[bytes], index: int) -> list[bool]:
    turns = []
    while len(leaves) > 1:
        middle = 1 << (len(leaves) - 1).bit_length() - 1
        turns.append(index < middle)
        leaves, index = (leaves[:middle], index) if index < middle else (leaves[middle:], index - middle)
    return turns


@pytest.mark.parametrize("size", [2, 3, 5, 7, 8, 13, 64, 70])
def test_a_proof_of_which_anything_was_changed_is_refused(size: int) -> None:
    tree = MANY[:size]
    earlier = size // 2
    inclusion, consistency = inclusion_proof(tree, earlier), consistency_proof(tree, earlier)
    for changed in _changed(inclusion):
        with pytest.raises(BadProof):
            verify_inclusion(tree[earlier], earlier, size, changed, root_hash(tree))
    for changed in _changed(consistency):
        with pytest.raises(BadProof):
            verify_consistency(earlier, size, changed, root_hash(tree[:earlier]), root_hash(tree))


def _changed(proof: list[bytes]) -> list[list[bytes]]:
    zero = bytes(32)
    swapped = [
        [*proof[:place], bytes([each[0] ^ 1]) + each[1:], *proof[place + 1 :]] for place, each in enumerate(proof)
    ]
    return [*swapped, proof[:-1], proof[1:], [*proof, zero], [zero, *proof], [*proof, proof[-1][:31]], []]


def test_a_log_that_dropped_a_leaf_contradicts_what_it_was() -> None:
    before, after = MANY[:40], [*MANY[:20], *MANY[21:]]
    with pytest.raises(BadProof):
        verify_consistency(40, 69, consistency_proof(after, 40), root_hash(before), root_hash(after))


def test_two_logs_of_one_size_contradict_each_other() -> None:
    with pytest.raises(BadProof):
        verify_consistency(2, 2, [], root_hash(MANY[:2]), root_hash(MANY[1:3]))


def test_an_empty_tree_says_nothing_about_a_later_one() -> None:
    with pytest.raises(BadProof):
        verify_consistency(0, 5, [], hashlib.sha256().digest(), root_hash(MANY[:5]))


def test_no_tree_began_with_a_larger_one() -> None:
    with pytest.raises(BadProof):
        verify_consistency(2, 1, [], MANY[0], MANY[0])


def test_what_proves_a_beginning_proves_none_of_smaller_trees() -> None:
    proof = consistency_proof(MANY[:8], 7)
    with pytest.raises(BadProof):
        verify_consistency(3, 4, proof, root_hash(MANY[:7]), root_hash(MANY[:8]))


@pytest.mark.parametrize("earlier", [0, -1, 6])
def test_a_tree_proves_nothing_about_trees_that_it_never_was(earlier: int) -> None:
    with pytest.raises(IndexError):
        consistency_proof(MANY[:5], earlier)
    with pytest.raises(BadProof):
        verify_consistency(earlier, 5, [], MANY[0], MANY[0])


@pytest.mark.parametrize("index", [-1, 5])
def test_there_is_no_proof_of_a_leaf_that_is_not_there(index: int) -> None:
    with pytest.raises(IndexError):
        inclusion_proof(MANY[:5], index)


def test_what_is_no_digest_is_refused() -> None:
    with pytest.raises(BadProof):
        verify_inclusion(b"", 0, 1, [], b"")
