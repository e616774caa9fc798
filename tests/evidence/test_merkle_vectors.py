"""Our verifiers say of each of transparency-dev's test vectors what theirs say, but of one."""

import json
from base64 import b64decode
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from leaver.evidence.merkle import (
    BadProof,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_hash,
    verify_consistency,
    verify_inclusion,
)
from tests.evidence.test_merkle import LEAVES

Vector = dict[str, Any]

NUMBERS = {"index", "earlier", "size"}
HASHES = {"leaf", "earlier_root", "root"}


def arguments(vector: Vector) -> Vector:
    """What a vector asks a verifier."""
    numbers = {each: vector[each] for each in NUMBERS & vector.keys()}
    hashes = {each: b64decode(vector[each], validate=True) for each in HASHES & vector.keys()}
    return {**numbers, **hashes, "proof": [b64decode(each, validate=True) for each in vector["proof"]]}


READ = json.loads((Path(__file__).parent / "vectors" / "transparency_dev.json").read_text())["vectors"]
VECTORS = {each["name"]: arguments(each) for each in READ}
ACCEPTED = {each["name"] for each in READ if each["accepted"]}
REFUSED = VECTORS.keys() - ACCEPTED

#: Of two trees of one size, theirs asks only that the roots are equal. Here they are of 12 bytes each, and ours takes
#: nothing but digests of 32: else an empty root would pass for that of a tree.
NO_DIGESTS = "consistency/additional/sizes-are-equal-one-and-proof-is-empty"

EMPTY = sha256().digest()
RANDOM = bytes.fromhex("abacaba" + 43 * "0" + "60061e00123456")


def flipped(happy: Vector, place: int, bit: int) -> Vector:
    proof = list(happy["proof"])
    proof[place] = bytes([proof[place][0] ^ 1 << bit]) + proof[place][1:]
    return {"proof": proof}


#: What the name of a refused vector says is changed in the accepted one of its folder.
CHANGES: dict[str, Callable[[Vector], Vector]] = {
    "leafIdx---1": lambda happy: {"index": (happy["index"] - 1) % 2**64},
    "leafIdx-+-1": lambda happy: {"index": happy["index"] + 1},
    "leafIdx-^-2": lambda happy: {"index": happy["index"] ^ 2},
    "treeSize-*-2": lambda happy: {"size": happy["size"] * 2},
    "treeSize-div-2": lambda happy: {"size": happy["size"] // 2},
    "size1---1": lambda happy: {"earlier": happy["earlier"] - 1},
    "size1-+-1": lambda happy: {"earlier": happy["earlier"] + 1},
    "size1-^-2": lambda happy: {"earlier": happy["earlier"] ^ 2},
    "size2-*-2": lambda happy: {"size": happy["size"] * 2},
    "size2-div-2": lambda happy: {"size": happy["size"] // 2},
    "wrong-leaf": lambda _: {"leaf": b"WrongLeaf"},
    "wrong-root1": lambda _: {"earlier_root": b"WrongRoot"},
    "wrong-root2": lambda _: {"root": b"WrongRoot"},
    "empty-root": lambda _: {"root": EMPTY},
    "random-root": lambda _: {"root": RANDOM},
    "swapped-roots": lambda happy: {"earlier_root": happy["root"], "root": happy["earlier_root"]},
    "empty-proof": lambda _: {"proof": []},
    "removed-component": lambda happy: {"proof": happy["proof"][:-1]},
    "truncated-proof": lambda happy: {"proof": happy["proof"][:-1]},
    "inserted-component": lambda happy: {"proof": [happy["proof"][0], RANDOM, *happy["proof"][1:]]},
    "preceding-garbage": lambda happy: {"proof": [b"", *happy["proof"]]},
    "preceding-proof[0]": lambda happy: {"proof": [happy["proof"][0], *happy["proof"]]},
    "preceding-root": lambda happy: {"proof": [happy["root"], *happy["proof"]]},
    "preceding-root1": lambda happy: {"proof": [happy["earlier_root"], *happy["proof"]]},
    "preceding-root2": lambda happy: {"proof": [happy["root"], *happy["proof"]]},
    "trailing-garbage": lambda happy: {"proof": [*happy["proof"], b""]},
    "trailing-root": lambda happy: {"proof": [*happy["proof"], happy["root"]]},
    "trailing-root1": lambda happy: {"proof": [*happy["proof"], happy["earlier_root"]]},
    "trailing-root2": lambda happy: {"proof": [*happy["proof"], happy["root"]]},
    **{
        f"modified-proof[{place}]-bit-{bit}": partial(flipped, place=place, bit=bit)
        for place in range(3)
        for bit in (3, 4)
    },
}


def verify(name: str) -> None:
    (verify_inclusion if name.startswith("inclusion/") else verify_consistency)(**VECTORS[name])


def folder(name: str) -> str:
    return name.split("/")[1]


def test_all_the_vectors_are_here() -> None:
    assert (len(READ), len(VECTORS), len(ACCEPTED)) == (196, 196, 12)


@pytest.mark.parametrize("name", sorted(ACCEPTED - {NO_DIGESTS}))
def test_what_theirs_takes_ours_takes(name: str) -> None:
    verify(name)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_theirs_refuses_ours_refuses(name: str) -> None:
    with pytest.raises(BadProof):
        verify(name)


def test_ours_refuses_the_roots_that_are_no_digests() -> None:
    with pytest.raises(BadProof, match="32 bytes"):
        verify(NO_DIGESTS)


@pytest.mark.parametrize("name", sorted(each for each in ACCEPTED if folder(each).isdigit()))
def test_we_prove_as_they_do(name: str) -> None:
    vector = VECTORS[name]
    tree = LEAVES[: vector["size"]]
    if name.startswith("inclusion/"):
        index = vector["index"]
        proved = {"index": index, "leaf": tree[index], "proof": inclusion_proof(tree, index)}
    else:
        earlier = vector["earlier"]
        proved = {
            "earlier": earlier,
            "earlier_root": root_hash(tree[:earlier]),
            "proof": consistency_proof(tree, earlier),
        }
    assert vector == {**proved, "size": len(tree), "root": root_hash(tree)}


# A mistake in writing one off would be refused, too, and for another reason than theirs.
@pytest.mark.parametrize("name", sorted(each for each in REFUSED if folder(each).isdigit()))
def test_a_refused_one_differs_from_the_accepted_one_as_its_name_says(name: str) -> None:
    inside, _, change = name.rpartition("/")
    happy = VECTORS[f"{inside}/happy-path"]
    assert VECTORS[name] == {**happy, **CHANGES[change](happy)}


def test_the_others_hold_no_hash_but_those_known() -> None:
    others = [vector for name, vector in VECTORS.items() if not folder(name).isdigit()]
    held = {hashed for each in others for hashed in (*(each[key] for key in HASHES & each.keys()), *each["proof"])}
    assert held == {b"", EMPTY, RANDOM, leaf_hash(b"data"), b"don't care 1", b"don't care 2"}
