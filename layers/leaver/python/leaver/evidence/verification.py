"""What an auditor does with evidence: whatever is wrong with it is found, each by name, without AWS and without us."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leaver.evidence.bundle import CASE_IS_OVER, SIGNED_AT, VERSION, claimed_of, committed, faults_of
from leaver.evidence.canonical_json import canonical, read_canonical
from leaver.evidence.dsse import Envelope, SignatureCheck
from leaver.evidence.log_proof import LogProof
from leaver.evidence.merkle import consistency_proof, leaf_hash, root_hash, verify_consistency, verify_inclusion
from leaver.evidence.note import Checkpoint, verified_text
from leaver.evidence.statement import Statement


@dataclass(frozen=True)
class Trust:
    """What is trusted, and nothing else is: the key, which the auditor has from elsewhere, and the log's name."""

    #: SPKI in DER
    public_key: bytes
    #: with that key
    check: SignatureCheck
    origin: str

    def checkpoint(self, note: str) -> Checkpoint:
        """The checkpoint in a note that the key has signed; raises BadNote."""
        return Checkpoint.from_text(verified_text(note, self.check, name=self.origin, public_key=self.public_key))


@dataclass(frozen=True)
class CaseFiles:
    """What is stored of a case, as it was found."""

    bundle: bytes
    envelope: bytes
    proof: bytes

    def statement(self, trust: Trust) -> bytes:
        """What was signed; raises ValueError."""
        return Envelope.from_json(self.envelope).verified_payload(trust.check)


def findings_of_case(case_id: str, files: CaseFiles, trust: Trust) -> list[str]:
    """What is wrong with the evidence of this case."""
    try:
        payload = files.statement(trust)
    except ValueError as error:
        return [f"envelope: {error}"]
    checks = (("statement", _check_statement), ("bundle", _check_bundle), ("proof", _check_proof))
    return [f"{name}: {found}" for name, check in checks for found in _findings(check, case_id, payload, files, trust)]


def findings_of_names(files: CaseFiles, plain: Mapping[str, Any], key: bytes) -> list[str]:
    """What is wrong with what the tables say of the case, to which the bundle commits under this key."""
    same = canonical(committed(plain, key)) == files.bundle
    return [] if same else ["names: the case or a receipt is another than the one that was signed"]


def findings_of_log(
    cases: Mapping[str, CaseFiles], leaves: Sequence[bytes], trust: Trust, *, held: Iterable[str] = ()
) -> list[str]:
    """What is wrong with the log as it is told by its leaves, in order.

    `held` are checkpoints that somebody kept: the log has to have begun as each of them says.
    """
    statements = {leaf: case_id for case_id, files in cases.items() if (leaf := _leaf_of(files, trust))}
    findings = [f"log: leaf {index} is no case's" for index, leaf in enumerate(leaves) if leaf not in statements]
    findings += [f"log: {case_id} is not in it" for leaf, case_id in statements.items() if leaf not in leaves]
    findings += ["log: a leaf is there twice"] if len(set(leaves)) < len(leaves) else []
    notes = [*held, *(_note_of(files) for files in cases.values())]
    return findings + sorted({found for note in notes for found in _findings_of_checkpoint(note, leaves, trust)})


def _findings(check: Callable[..., Iterator[str]], *given: object) -> list[str]:
    try:
        return list(check(*given))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # Our own errors say what is wrong; of the others only the kind is any use: the file is no such file.
        return [str(error) if isinstance(error, ValueError) else f"has another form ({type(error).__name__})"]


def _check_statement(case_id: str, payload: bytes, files: CaseFiles, _: Trust) -> Iterator[str]:
    statement = Statement.from_json(payload)
    if statement.predicate_type != CASE_IS_OVER:
        yield "says something else than that a case is over"
    if statement.predicate.get("caseId") != case_id:
        yield "is about another case"
    if statement.sha256 != hashlib.sha256(files.bundle).hexdigest():
        yield "is about another bundle"
    claimed = {name: value for name, value in statement.predicate.items() if name != SIGNED_AT}
    if claimed != claimed_of(read_canonical(files.bundle)):
        yield "says something else than the bundle"
    if str(statement.predicate.get(SIGNED_AT)) < str(statement.predicate.get("finishedAt")):
        yield "was signed before the case was over"


def _check_bundle(_: str, __: bytes, files: CaseFiles, ___: Trust) -> Iterator[str]:
    bundle = read_canonical(files.bundle)
    if bundle["version"] != VERSION:
        yield "is of a version that is not known"
    yield from faults_of(bundle)


def _check_proof(_: str, payload: bytes, files: CaseFiles, trust: Trust) -> Iterator[str]:
    proof = LogProof.from_text(files.proof.decode())
    checkpoint = trust.checkpoint(proof.checkpoint)
    verify_inclusion(leaf_hash(payload), proof.index, checkpoint.size, proof.hashes, checkpoint.root)
    yield from ()


def _leaf_of(files: CaseFiles, trust: Trust) -> bytes | None:
    try:
        return leaf_hash(files.statement(trust))
    except ValueError:
        # The case's own findings say so.
        return None


def _note_of(files: CaseFiles) -> str:
    _, _, note = files.proof.decode(errors="replace").partition("\n\n")
    return note


def _findings_of_checkpoint(note: str, leaves: Sequence[bytes], trust: Trust) -> list[str]:
    try:
        checkpoint = trust.checkpoint(note)
        proof = consistency_proof(leaves, checkpoint.size)
        verify_consistency(checkpoint.size, len(leaves), proof, checkpoint.root, root_hash(leaves))
    except ValueError as error:
        return [f"log: a checkpoint: {error}"]
    except IndexError:
        return [f"log: {len(leaves)} leaves, and a checkpoint of {checkpoint.size}"]
    return []
