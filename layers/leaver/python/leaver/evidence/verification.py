"""What an auditor does with evidence: whatever is wrong with it is found, each by name, without AWS and without us."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Final, Self

from leaver.evidence.bundle import CASE_IS_OVER, SIGNED_AT, VERSION, claimed_of, committed, faults_of
from leaver.evidence.canonical_json import canonical, read_canonical
from leaver.evidence.dsse import Envelope, SignatureCheck
from leaver.evidence.log_proof import LogProof
from leaver.evidence.merkle import Frontier, leaf_hash, verify_inclusion
from leaver.evidence.note import Checkpoint, verified_text
from leaver.evidence.population import (
    DAY_IS_OVER,
    POPULATION,
    claimed_of_day,
    faults_of_day,
    findings_of_population,
)
from leaver.evidence.reconciled import RUN_IS_DONE, RUN_PREFIX, claimed_of_run, faults_of_run, summary_of_run
from leaver.evidence.statement import Statement

#: several checks read one bundle, and none changes it
_read_bundle = lru_cache(maxsize=2)(read_canonical)
#: where a folder with names has them: the key of a case's commitments, and the bundle to which these commit
NAMES_FILE: Final = "names.json"
#: where a folder with names has what a run of reconciliation found
RESULT_FILE: Final = "result.json"
#: what that file says of whom nobody can name any more
ERASED: Final = {"erased": True}


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
    """What is stored of a case, a day or a run, as it was found; a file that is not there is empty."""

    NAMES: ClassVar = ("bundle.json", "envelope.json", "envelope.tlog-proof")

    bundle: bytes
    envelope: bytes
    proof: bytes

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the files of a case, a day or a run."""
        files = (folder / name for name in cls.NAMES)
        return cls(*(each.read_bytes() if each.is_file() else b"" for each in files))

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


def findings_of_day(day: str, files: CaseFiles, trust: Trust) -> list[str]:
    """What is wrong with what is told of this day."""
    try:
        payload = files.statement(trust)
    except ValueError as error:
        return [f"envelope: {error}"]
    checks = (("statement", _check_statement_of_day), ("day", _check_day), ("proof", _check_proof))
    return [f"{name}: {found}" for name, check in checks for found in _findings(check, day, payload, files, trust)]


def findings_of_run(name: str, files: CaseFiles, trust: Trust) -> list[str]:
    """What is wrong with what is told of this run of reconciliation, which the log knows by this name."""
    try:
        payload = files.statement(trust)
    except ValueError as error:
        return [f"envelope: {error}"]
    checks = (("statement", _check_statement_of_run), ("run", _check_run), ("proof", _check_proof))
    return [f"{check}: {found}" for check, do in checks for found in _findings(do, name, payload, files, trust)]


def findings_of_result(files: CaseFiles, result: bytes) -> list[str]:
    """What is wrong with the result of a run, which its summary names by its digest."""
    try:
        same = canonical(summary_of_run(result)) == files.bundle
    except (ValueError, KeyError, TypeError, AttributeError):
        return ["result: is no result of a run"]
    return [] if same else ["result: is another than the one that was signed"]


def findings_of_days(days: Mapping[str, CaseFiles], cases: Mapping[str, CaseFiles]) -> list[str]:
    """What is wrong with the days as a whole, of which none may be missing, and with these cases by them."""
    if not days:
        return []
    try:
        bundles = [{name: read_canonical(each.bundle) for name, each in files.items()} for files in (days, cases)]
        return list(findings_of_population(*bundles))
    except (ValueError, KeyError, TypeError, AttributeError):
        # Which file it is, its own findings say.
        return ["population: a file is no such file"]


def findings_of_names(files: CaseFiles, names: bytes) -> list[str]:
    """What is wrong with the file of names: what the tables say of the case, and the key under which it is signed."""
    try:
        told = read_canonical(names)
        if told == ERASED:
            return []
        same = canonical(committed(told["bundle"], bytes.fromhex(told["key"]))) == files.bundle
    except (ValueError, KeyError, TypeError, AttributeError):
        return ["names: is no file of names"]
    return [] if same else ["names: the case or a receipt is another than the one that was signed"]


def findings_of_log(
    cases: Mapping[str, CaseFiles], trust: Trust, *, held: Iterable[str] = (), leaves: Sequence[bytes] = ()
) -> list[str]:
    """What is wrong with the log: one statement at each place, and every checkpoint true.

    `held` are checkpoints that somebody kept: the log has to have begun as each of them says. `leaves` are the hashes
    of the whole log: with them these may be a part of it, from one place to another without a gap. Without them these
    are to be all.
    """
    by_place: dict[int, list[bytes]] = {}
    for files in cases.values():
        if (found := _place_of(files, trust)) is not None:
            by_place.setdefault(found[0], []).append(found[1])
    first = min(by_place, default=0) if leaves else 0
    places = range(first, max(by_place, default=-1) + 1)
    findings = [f"log: no statement stands at place {place}" for place in places if place not in by_place]
    findings += [
        f"log: {len(each)} statements stand at place {place}" for place, each in by_place.items() if len(each) > 1
    ]
    if leaves:
        return findings + findings_of_leaves(cases, trust, held=held, leaves=leaves)
    if findings:
        # Of a tree with a hole nobody knows the root.
        return findings
    return _findings_of_checkpoints(cases, trust, held, [by_place[place][0] for place in places])


def findings_of_leaves(
    cases: Mapping[str, CaseFiles], trust: Trust, *, held: Iterable[str], leaves: Sequence[bytes]
) -> list[str]:
    """What is wrong with a log of these leaves, of which these are some statements."""
    found = [place for files in cases.values() if (place := _place_of(files, trust)) is not None]
    findings = [
        f"log: another statement stands at place {place}"
        for place, leaf in found
        if [leaf] != [*leaves[place : place + 1]]
    ]
    return findings + _findings_of_checkpoints(cases, trust, held, leaves)


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
    if claimed != claimed_of(_read_bundle(files.bundle)):
        yield "says something else than the bundle"
    if str(statement.predicate.get(SIGNED_AT)) < str(statement.predicate.get("finishedAt")):
        yield "was signed before the case was over"


def _check_statement_of_day(day: str, payload: bytes, files: CaseFiles, _: Trust) -> Iterator[str]:
    statement = Statement.from_json(payload)
    if statement.predicate_type != DAY_IS_OVER:
        yield "says something else than that a day is over"
    if statement.predicate.get("day") != day:
        yield "is about another day"
    if not statement.is_about(files.bundle):
        yield "is about another bundle"
    claimed = {name: value for name, value in statement.predicate.items() if name != SIGNED_AT}
    if claimed != claimed_of_day(_read_bundle(files.bundle)):
        yield "says something else than the bundle"
    if str(statement.predicate.get(SIGNED_AT))[:10] <= day:
        yield "was signed before the day was over"


def _check_statement_of_run(name: str, payload: bytes, files: CaseFiles, _: Trust) -> Iterator[str]:
    statement = Statement.from_json(payload)
    if statement.predicate_type != RUN_IS_DONE:
        yield "says something else than that a run of reconciliation is done"
    if f"{RUN_PREFIX}{statement.predicate.get('run')}" != name:
        yield "is about another run"
    if not statement.is_about(files.bundle):
        yield "is about another bundle"
    claimed = {said: value for said, value in statement.predicate.items() if said != SIGNED_AT}
    if claimed != claimed_of_run(_read_bundle(files.bundle)):
        yield "says something else than the bundle"
    if str(statement.predicate.get(SIGNED_AT)) < str(statement.predicate.get("finishedAt")):
        yield "was signed before the run was done"


def _check_run(_: str, __: bytes, files: CaseFiles, ___: Trust) -> Iterator[str]:
    yield from faults_of_run(_read_bundle(files.bundle))


def _check_day(_: str, __: bytes, files: CaseFiles, ___: Trust) -> Iterator[str]:
    population = _read_bundle(files.bundle)
    if population["version"] != POPULATION:
        yield "is of a version that is not known"
    yield from faults_of_day(population)


def _check_bundle(_: str, __: bytes, files: CaseFiles, ___: Trust) -> Iterator[str]:
    bundle = _read_bundle(files.bundle)
    if bundle["version"] != VERSION:
        yield "is of a version that is not known"
    yield from faults_of(bundle)


def _check_proof(_: str, payload: bytes, files: CaseFiles, trust: Trust) -> Iterator[str]:
    proof = LogProof.from_text(files.proof.decode())
    checkpoint = trust.checkpoint(proof.checkpoint)
    verify_inclusion(leaf_hash(payload), proof.index, checkpoint.size, proof.hashes, checkpoint.root)
    yield from ()


def _place_of(files: CaseFiles, trust: Trust) -> tuple[int, bytes] | None:
    try:
        return LogProof.from_text(files.proof.decode()).index, leaf_hash(files.statement(trust))
    except ValueError:
        # The case's own findings say so.
        return None


def _note_of(files: CaseFiles) -> str:
    _, _, note = files.proof.decode(errors="replace").partition("\n\n")
    return note


def _roots(leaves: Iterable[bytes]) -> list[bytes]:
    """The root of the tree after each of its leaves."""
    tree, roots = Frontier(), []
    for leaf in leaves:
        roots.append(tree.root_with(leaf))
        tree = tree.appended(leaf)
    return roots


def _findings_of_checkpoints(
    cases: Mapping[str, CaseFiles], trust: Trust, held: Iterable[str], leaves: Iterable[bytes]
) -> list[str]:
    roots = _roots(leaves)
    notes = [*held, *(_note_of(files) for files in cases.values())]
    return sorted({found for note in notes for found in _findings_of_checkpoint(note, roots, trust)})


def _findings_of_checkpoint(note: str, roots: Sequence[bytes], trust: Trust) -> list[str]:
    try:
        checkpoint = trust.checkpoint(note)
    except ValueError as error:
        return [f"log: a checkpoint: {error}"]
    if not 0 < checkpoint.size <= len(roots):
        return [f"log: {len(roots)} statements, and a checkpoint of {checkpoint.size}"]
    if roots[checkpoint.size - 1] != checkpoint.root:
        return [f"log: the first {checkpoint.size} statements are not those of a checkpoint"]
    return []
