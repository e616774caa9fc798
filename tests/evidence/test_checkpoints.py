"""A log's checkpoint in a signed note, and the proof of a leaf with it."""

from base64 import b64encode

import pytest

from leaver.evidence.log_proof import BadLogProof, LogProof
from leaver.evidence.merkle import inclusion_proof, leaf_hash, root_hash, verify_inclusion
from leaver.evidence.note import BadNote, Checkpoint, key_id_of, signed_note, verified_text, verifier_key
from tests.evidence.conftest import Key

ORIGIN = "leaver.example.com/evidence"
LEAVES = [leaf_hash(b"%d" % number) for number in range(5)]
CHECKPOINT = Checkpoint(ORIGIN, 5, root_hash(LEAVES))


def noted(key: Key, text: str = CHECKPOINT.to_text(), name: str = ORIGIN) -> str:
    return signed_note(text, key.sign(text.encode()), name=name, public_key=key.public)


def verified(note: str, key: Key) -> str:
    return verified_text(note, key.is_signed, name=ORIGIN, public_key=key.public)


def test_a_checkpoint_is_three_lines() -> None:
    assert CHECKPOINT.to_text() == f"{ORIGIN}\n5\n{b64encode(root_hash(LEAVES)).decode()}\n"
    assert Checkpoint.from_text(CHECKPOINT.to_text()) == CHECKPOINT


@pytest.mark.parametrize(("old", "new"), [("\n5\n", "\n05\n"), ("\n5\n", "\n+5\n"), ("\n5\n", "\n-5\n"), ("=\n", "\n")])
def test_a_checkpoint_that_could_be_read_in_another_way_is_refused(old: str, new: str) -> None:
    with pytest.raises(BadNote):
        Checkpoint.from_text(CHECKPOINT.to_text().replace(old, new))


@pytest.mark.parametrize(
    "text", ["", "a\n", "a\n5\n", "a\nfive\nAA==\n", "a\n5\nAA==\n", CHECKPOINT.to_text() + "more\n"]
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(BadNote):
        Checkpoint.from_text(text)


def test_a_note_is_verified_with_its_key_and_no_other(key: Key, other_key: Key) -> None:
    assert verified(noted(key), key) == CHECKPOINT.to_text()
    with pytest.raises(BadNote):
        verified(noted(key), other_key)


def test_every_character_of_the_text_is_signed(key: Key) -> None:
    note = noted(key)
    for place in range(len(CHECKPOINT.to_text())):
        other = "A" if note[place] != "A" else "B"
        with pytest.raises(BadNote):
            verified(note[:place] + other + note[place + 1 :], key)


def test_a_note_under_another_name_is_none_of_this_log(key: Key) -> None:
    with pytest.raises(BadNote):
        verified(noted(key, name="other.example.com"), key)


def test_the_signatures_of_witnesses_are_passed_over(key: Key, other_key: Key) -> None:
    text = CHECKPOINT.to_text()
    witness = noted(other_key, name="witness.example.com").removeprefix(f"{text}\n")
    assert verified(noted(key) + witness, key) == text
    ours = noted(key).removeprefix(f"{text}\n")
    assert verified(f"{text}\n{witness}{ours}", key) == text


@pytest.mark.parametrize(
    "broken", [lambda note: note.rstrip("\n"), lambda note: note.replace("—", "-"), lambda note: note + "x\n"]
)
def test_what_is_no_note_is_refused(key: Key, broken: object) -> None:
    assert callable(broken)
    with pytest.raises(BadNote):
        verified(broken(noted(key)), key)


@pytest.mark.parametrize("encoded", ["!", "AA", ""])
def test_a_signature_that_is_not_base64_is_refused(key: Key, encoded: str) -> None:
    with pytest.raises(BadNote):
        verified(f"{CHECKPOINT.to_text()}\n— {ORIGIN} {encoded}\n", key)


def test_the_key_is_given_as_tools_for_notes_take_it(key: Key) -> None:
    name, key_id, encoded = verifier_key(ORIGIN, key.public).split("+", maxsplit=2)
    assert (name, key_id) == (ORIGIN, key_id_of(key.public).hex())
    assert encoded == b64encode(b"\x02" + key.public).decode()


def test_a_proof_holds_all_that_an_auditor_needs_besides_the_key(key: Key) -> None:
    written = LogProof(3, tuple(inclusion_proof(LEAVES, 3)), noted(key)).to_text()
    read = LogProof.from_text(written)
    checkpoint = Checkpoint.from_text(verified(read.checkpoint, key))
    verify_inclusion(leaf_hash(b"3"), read.index, checkpoint.size, read.hashes, checkpoint.root)
    assert read.to_text() == written


def test_a_proof_is_written_as_c2sp_has_it() -> None:
    proof = LogProof(3, (bytes(32),), "example.com/log\n4\nAAAA\n\n— example.com/log AAAA\n")
    assert proof.to_text().split("\n") == [
        "c2sp.org/tlog-proof@v1",
        "index 3",
        b64encode(bytes(32)).decode(),
        "",
        "example.com/log",
        "4",
        "AAAA",
        "",
        "— example.com/log AAAA",
        "",
    ]


def test_extra_data_is_passed_over() -> None:
    assert LogProof.from_text("c2sp.org/tlog-proof@v1\nextra AAAA\nindex 0\n\nnote") == LogProof(0, (), "note")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c2sp.org/tlog-proof@v2\nindex 0\n\nnote",
        "c2sp.org/tlog-proof@v1\nindex 00\n\nnote",
        "c2sp.org/tlog-proof@v1\nindex -1\n\nnote",
        "c2sp.org/tlog-proof@v1\n\nnote",
        "c2sp.org/tlog-proof@v1\nindex 0\nnote",
        "c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\nnote",
        "c2sp.org/tlog-proof@v1\nindex 0\n!\n\nnote",
    ],
)
def test_what_is_no_proof_is_refused(text: str) -> None:
    with pytest.raises(BadLogProof):
        LogProof.from_text(text)
