"""Whoever forges evidence, with every right but the one to sign, is found, and it is known by what."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from leaver.cases.evidence import bundle_of
from leaver.cases.states import State
from leaver.evidence.bundle import CASE_IS_OVER, claimed_of
from leaver.evidence.canonical_json import canonical, read_canonical
from leaver.evidence.dsse import IN_TOTO, Envelope, pre_authentication_encoding
from leaver.evidence.log_proof import LogProof
from leaver.evidence.merkle import inclusion_proof, leaf_hash, root_hash
from leaver.evidence.note import Checkpoint, signed_note
from leaver.evidence.statement import Statement
from leaver.evidence.verification import (
    CaseFiles,
    Trust,
    findings_of_case,
    findings_of_log,
    findings_of_names,
)
from tests.doubles.evidence import FakeSigner
from tests.doubles.office import Office
from tests.evidence.conftest import Key

#: a reader that calls itself for each bracket has no room left
DEEP = b"[" * 100_000


@dataclass
class Folder:
    """All that an auditor was given, and somebody may have changed; `key` is what the forger signs with."""

    office: Office
    files: dict[str, CaseFiles]
    leaves: list[bytes]
    held: list[str]
    trust: Trust
    key: Key

    @classmethod
    def of(cls, office: Office) -> "Folder":
        stored = office.evidence.bucket.objects
        names = ("bundle.json", "envelope.json", "envelope.tlog-proof")
        files = {
            case.case_id: CaseFiles(*(stored[f"cases/{case.case_id}/{name}"] for name in names))
            for case in office.cases.every
        }
        leaves = office.evidence.log.hashes
        held = [LogProof.from_text(each.proof.decode()).checkpoint for each in files.values()]
        return cls(office, files, leaves, held, office.evidence.trust, Key())

    @property
    def first(self) -> str:
        return min(self.files, key=lambda case_id: LogProof.from_text(self.files[case_id].proof.decode()).index)

    @property
    def other(self) -> str:
        return next(each for each in self.files if each != self.first)

    def change(self, **files: bytes) -> None:
        self.files[self.first] = replace(self.files[self.first], **files)

    def findings(self) -> list[str]:
        return [
            *(found for case_id, files in self.files.items() for found in findings_of_case(case_id, files, self.trust)),
            *findings_of_log(self.files, self.trust, held=self.held),
        ]

    def forged(self, bundle: bytes, **said: Any) -> CaseFiles:
        """A case's files as the forger would make them, logged where the tree ends; whoever checks has another key."""
        predicate = claimed_of(read_canonical(bundle)) | {"signedAt": "2030-01-01T00:00:00Z"} | said
        statement = Statement.about(bundle, name="bundle.json", predicate_type=CASE_IS_OVER, predicate=predicate)
        payload = statement.to_json()
        signature = self.key.sign(pre_authentication_encoding(IN_TOTO, payload))
        leaves = [*self.leaves, leaf_hash(payload)]
        text = Checkpoint(self.trust.origin, len(leaves), root_hash(leaves)).to_text()
        note = signed_note(text, self.key.sign(text.encode()), name=self.trust.origin, public_key=self.key.public)
        proof = LogProof(len(leaves) - 1, tuple(inclusion_proof(leaves, len(leaves) - 1)), note)
        envelope = Envelope(IN_TOTO, payload, signature, self.office.evidence.of_cases.statements.signing_key.key_id)
        return CaseFiles(bundle, envelope.to_json(), proof.to_text().encode())


@pytest.fixture
def folder() -> Folder:
    office = Office()
    for number in range(3):
        email = f"{number}@example.com"
        office.hire(email, f"Z-{number}", f"local:{{{number}}}", kept=False)
        office.hears_and_works(email=email)
        office.clock.passes(minutes=10)
    return Folder.of(office)


def edited(files: CaseFiles, edit: Callable[[Any], object]) -> bytes:
    bundle = read_canonical(files.bundle)
    edit(bundle)
    return canonical(bundle)


def drops_a_step(folder: Folder) -> None:
    def edit(bundle: Any) -> None:
        del bundle["case"]["steps"][0], bundle["receipts"][0]

    folder.change(bundle=edited(folder.files[folder.first], edit))


def swaps_a_receipt(folder: Folder) -> None:
    theirs = read_canonical(folder.files[folder.other].bundle)["receipts"][0]

    def edit(bundle: Any) -> None:
        bundle["receipts"][0] = theirs

    folder.change(bundle=edited(folder.files[folder.first], edit))


def turns_an_outcome(folder: Folder) -> None:
    folder.change(bundle=folder.files[folder.first].bundle.replace(b'"revoked"', b'"already_gone"', 1))


def swaps_two_cases(folder: Folder) -> None:
    folder.files[folder.first], folder.files[folder.other] = folder.files[folder.other], folder.files[folder.first]


def signs_with_another_key(folder: Folder) -> None:
    folder.files[folder.first] = folder.forged(folder.files[folder.first].bundle)


def invents_a_case(folder: Folder) -> None:
    bundle = edited(folder.files[folder.first], lambda each: each["case"].update(case_id="c-invented"))
    folder.files["c-invented"] = folder.forged(bundle)


def takes_a_case_away(folder: Folder) -> None:
    del folder.files[folder.other]


def cuts_the_end_of_the_log_off(folder: Folder) -> None:
    last = f"index {len(folder.files) - 1}\n".encode()
    del folder.files[next(case_id for case_id, files in folder.files.items() if last in files.proof)]


def puts_a_case_before_another(folder: Folder) -> None:
    folder.change(proof=folder.files[folder.first].proof.replace(b"index 0", b"index 1"))
    second = folder.files[folder.other]
    folder.files[folder.other] = replace(second, proof=second.proof.replace(b"index 1", b"index 0"))


def tells_a_case_twice(folder: Folder) -> None:
    folder.files["c-again"] = folder.files[folder.first]


def tells_two_of_two_logs(folder: Folder) -> None:
    # Somebody else was told of a log of one size with another root, by the right key: that must never happen.
    signer = folder.office.evidence.signer
    text = Checkpoint(folder.trust.origin, len(folder.leaves), root_hash(folder.leaves[::-1])).to_text()
    signature = signer.sign(
        KeyId=folder.office.evidence.of_cases.statements.signing_key._key_arn,
        Message=text.encode(),
        MessageType="RAW",
        SigningAlgorithm="ECDSA_SHA_256",
    )["Signature"]
    folder.held.append(signed_note(text, signature, name=folder.trust.origin, public_key=signer.public))


def gives_another_proof(folder: Folder) -> None:
    folder.change(proof=folder.files[folder.other].proof)


def moves_the_index(folder: Folder) -> None:
    folder.change(proof=folder.files[folder.first].proof.replace(b"index 0", b"index 1"))


def writes_another_size(folder: Folder) -> None:
    folder.change(proof=folder.files[folder.first].proof.replace(b"/cases\n1\n", b"/cases\n2\n"))


def retypes_the_payload(folder: Folder) -> None:
    folder.change(envelope=folder.files[folder.first].envelope.replace(b"in-toto+json", b"in-toto"))


def writes_the_bundle_otherwise(folder: Folder) -> None:
    bundle = json.dumps(read_canonical(folder.files[folder.first].bundle)).encode()
    folder.change(bundle=bundle)


FORGERIES: list[tuple[Callable[[Folder], None], str]] = [
    (drops_a_step, "statement: is about another bundle"),
    (swaps_a_receipt, "bundle: step 1 (RevokeSsoToken): has 0 receipts"),
    (turns_an_outcome, "statement: is about another bundle"),
    (swaps_two_cases, "statement: is about another case"),
    (signs_with_another_key, "envelope: the signature is not of this key over this payload"),
    (invents_a_case, "envelope: the signature is not of this key over this payload"),
    (takes_a_case_away, "log: no statement stands at place 1"),
    (cuts_the_end_of_the_log_off, "log: 2 statements, and a checkpoint of 3"),
    (puts_a_case_before_another, "log: the first 1 statements are not those of a checkpoint"),
    (tells_a_case_twice, "log: 2 statements stand at place 0"),
    (tells_two_of_two_logs, "log: the first 3 statements are not those of a checkpoint"),
    (gives_another_proof, "proof: the leaf is not in the tree of this root"),
    (moves_the_index, "proof: the tree has no such leaf"),
    (writes_another_size, "proof: is not signed with this key"),
    (retypes_the_payload, "envelope: the payload is of another type"),
    (writes_the_bundle_otherwise, "bundle: is written in another way"),
]


def test_of_what_nobody_changed_nothing_is_wrong(folder: Folder) -> None:
    assert folder.findings() == []


@pytest.mark.parametrize(("forge", "found"), FORGERIES, ids=[forge.__name__ for forge, _ in FORGERIES])
def test_a_forgery_is_found(folder: Folder, forge: Callable[[Folder], None], found: str) -> None:
    forge(folder)
    assert found in folder.findings()


def test_every_changed_place_of_every_file_is_found(folder: Folder) -> None:
    files = folder.files[folder.first]
    for name in ("bundle", "envelope", "proof"):
        content: bytes = getattr(files, name)
        for place in range(0, len(content), 7):
            changed = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
            found = findings_of_case(folder.first, replace(files, **{name: changed}), folder.trust)
            # The hint that names the key is not signed, nor is the name of a field that nobody reads.
            hint = content[place - 80 : place + 80]
            assert found or (name == "envelope" and b"keyid" in hint), (name, place)


def test_a_case_that_was_sealed_early_is_found_also_where_the_right_key_has_signed_it(folder: Folder) -> None:
    def opens(bundle: Any) -> None:
        del bundle["receipts"][0]["outcome"]

    folder.trust = replace(folder.trust, public_key=folder.key.public, check=folder.key.is_signed)
    forged = folder.forged(edited(folder.files[folder.first], opens))
    assert findings_of_case(folder.first, forged, folder.trust) == [
        "bundle: step 1 (RevokeSsoToken): its receipt has no last word"
    ]


def test_a_statement_that_says_more_than_its_bundle_is_found(folder: Folder) -> None:
    folder.trust = replace(folder.trust, public_key=folder.key.public, check=folder.key.is_signed)
    bundle = folder.files[folder.first].bundle
    forged = folder.forged(bundle, caseState="cancelled")
    assert findings_of_case(folder.first, forged, folder.trust) == ["statement: says something else than the bundle"]
    early = folder.forged(bundle, signedAt="2020-01-01T00:00:00Z")
    assert findings_of_case(folder.first, early, folder.trust) == ["statement: was signed before the case was over"]


@pytest.mark.parametrize("name", ["bundle", "envelope", "proof"])
@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"\xff", b'{"version":1}', b'"text"', DEEP])
def test_a_file_that_is_no_such_file_is_found_and_stops_nothing(folder: Folder, name: str, content: bytes) -> None:
    folder.change(**{name: content})
    assert [found for found in folder.findings() if found.startswith(("envelope:", "bundle:", "statement:", "proof:"))]


def test_a_place_far_away_is_found_and_nobody_counts_up_to_it(folder: Folder) -> None:
    proof = folder.files[folder.first].proof.replace(b"index 0", b"index 999999999999999")
    folder.change(proof=proof)
    assert {
        "proof: the tree has no such leaf",
        "log: no statement stands at place 0",
        "log: no statement stands at place 3 to 999999999999998",
    } <= set(folder.findings())


def test_names_that_were_changed_in_the_tables_are_found(folder: Folder) -> None:
    office, case_id = folder.office, folder.first
    key = office.evidence.keys.of(case_id)

    def findings() -> list[str]:
        plain = bundle_of(office.cases.read_stored(case_id))
        return findings_of_names(folder.files[case_id], canonical({"key": key.hex(), "bundle": plain}))

    assert findings() == []
    case = office.cases.require(case_id)
    assert case.state is State.COMPLETED
    for changed in ({"email": "grace@example.com"}, {"finished_at": office.clock() + timedelta(days=1)}):
        office.cases.put(case.model_copy(update=changed))
        assert findings() == ["names: the case or a receipt is another than the one that was signed"]
    for file in (b"", b"{}", b'{"bundle":{},"key":7}', b'{"bundle":{},"key":"zz"}', b"[]", DEEP):
        assert findings_of_names(folder.files[case_id], file)


def test_whoever_has_another_key_than_the_auditor_knows_is_found(folder: Folder) -> None:
    other = Key()
    trust = Trust(other.public, other.is_signed, folder.trust.origin)
    assert all(findings_of_case(case_id, files, trust) for case_id, files in folder.files.items())
    assert FakeSigner().is_signed(b"", b"") is False
