"""The evidence of many cases verifies offline: how many, how large it is, and how long that takes."""

import time
from collections.abc import Callable
from pathlib import Path

from leaver.evidence.bundle import CASE_IS_OVER, claimed_of
from leaver.evidence.canonical_json import canonical, read_canonical
from leaver.evidence.dsse import IN_TOTO, Envelope, pre_authentication_encoding
from leaver.evidence.log_proof import LogProof
from leaver.evidence.merkle import Frontier, leaf_hash
from leaver.evidence.note import Checkpoint, signed_note
from leaver.evidence.statement import Statement
from leaver.evidence.verification import CaseFiles
from leaver_cli.evidence.offline import check_folder
from tests.doubles.office import ADA, Office
from tests.evidence.conftest import Key
from tests.length import length

ORIGIN = "leaver-evidence/cases"


def a_bundle() -> bytes:
    office = Office()
    office.hire(ADA, "Z-1", "local:{1}", kept=True)
    office.hears_and_works()
    return office.evidence.bucket.objects[f"cases/{office.cases.only.case_id}/bundle.json"]


def signed(key: Key, tree: Frontier, case_id: str, bundle: bytes) -> tuple[CaseFiles, Frontier]:
    predicate = claimed_of(read_canonical(bundle)) | {"signedAt": "2030-01-01T00:00:00Z"}
    payload = Statement.about(bundle, name="bundle.json", predicate_type=CASE_IS_OVER, predicate=predicate).to_json()
    leaf = leaf_hash(payload)
    text = Checkpoint(ORIGIN, tree.size + 1, tree.root_with(leaf)).to_text()
    note = signed_note(text, key.sign(text.encode()), name=ORIGIN, public_key=key.public)
    proof = LogProof(tree.size, tree.path, note).to_text()
    envelope = Envelope(IN_TOTO, payload, key.sign(pre_authentication_encoding(IN_TOTO, payload)), case_id)
    return CaseFiles(bundle, envelope.to_json(), proof.encode()), tree.appended(leaf)


def test_all_of_it_verifies(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    key, tree, count, one, size = Key(), Frontier(), length(100), a_bundle(), 0
    for number in range(count):
        case_id = f"c-{number:06d}"
        bundle = read_canonical(one)
        bundle["case"]["case_id"] = case_id
        for receipt in bundle["receipts"]:
            receipt["case_id"] = case_id
        files, tree = signed(key, tree, case_id, canonical(bundle))
        folder = tmp_path / "cases" / case_id
        folder.mkdir(parents=True)
        for name, content in zip(CaseFiles.NAMES, (files.bundle, files.envelope, files.proof), strict=True):
            (folder / name).write_bytes(content)
            size += len(content)
    (tmp_path / "key.pem").write_bytes(key.pem)
    began = time.perf_counter()
    verdict = check_folder(tmp_path, origin=ORIGIN)
    seconds = time.perf_counter() - began
    assert (verdict.looked_at, verdict.findings) == (f"{count} cases", [])
    record_property("evidence", ["cases verified offline", count])
    record_property("evidence", ["bytes of evidence for each", size // count])
    record_property("evidence", ["milliseconds to verify all", round(seconds * 1000)])
