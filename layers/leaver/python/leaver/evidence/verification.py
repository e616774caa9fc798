"""What an auditor does with evidence: whatever is wrong with it is found, each by name, without AWS and without us."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Final, Self

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
    questions_of_population,
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
#: what it may raise to read a file that somebody else has written: it is no such file, and stops no check
_MALFORMED: Final = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)


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


@dataclass(frozen=True)
class _Kind:
    """One kind of thing that is signed: what its statement claims of its bundle, and how the bundle is judged."""

    predicate_type: str
    #: in findings: "is about another …", "says something else than that …", "was signed before …"
    what: str
    is_over: str
    was_over: str
    #: what findings call its bundle
    bundle: str
    #: by what name the log has to know it, by the statement's predicate
    name_of: Callable[[Mapping[str, Any]], object]
    claimed_of: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    faults_of: Callable[[Mapping[str, Any]], Iterable[str]]
    #: whether the predicate says that it was signed before its end
    is_early: Callable[[Mapping[str, Any]], bool]


def findings_of_case(case_id: str, files: CaseFiles, trust: Trust) -> list[str]:
    """What is wrong with the evidence of this case."""
    kind = _Kind(
        CASE_IS_OVER,
        what="case",
        is_over="a case is over",
        was_over="the case was over",
        bundle="bundle",
        name_of=lambda predicate: predicate.get("caseId"),
        claimed_of=claimed_of,
        faults_of=lambda bundle: [*_faults_of_version(VERSION, bundle), *faults_of(bundle)],
        is_early=_is_before_its_end,
    )
    return _findings_of(kind, case_id, files, trust)


def findings_of_day(day: str, files: CaseFiles, trust: Trust) -> list[str]:
    """What is wrong with what is told of this day."""
    kind = _Kind(
        DAY_IS_OVER,
        what="day",
        is_over="a day is over",
        was_over="the day was over",
        bundle="day",
        name_of=lambda predicate: predicate.get("day"),
        claimed_of=claimed_of_day,
        faults_of=lambda population: [*_faults_of_version(POPULATION, population), *faults_of_day(population)],
        is_early=lambda predicate: str(predicate.get(SIGNED_AT))[:10] <= day,
    )
    return _findings_of(kind, day, files, trust)


def findings_of_run(name: str, files: CaseFiles, trust: Trust) -> list[str]:
    """What is wrong with what is told of this run of reconciliation, which the log knows by this name."""
    kind = _Kind(
        RUN_IS_DONE,
        what="run",
        is_over="a run of reconciliation is done",
        was_over="the run was done",
        bundle="run",
        name_of=lambda predicate: f"{RUN_PREFIX}{predicate.get('run')}",
        claimed_of=claimed_of_run,
        faults_of=faults_of_run,
        is_early=_is_before_its_end,
    )
    return _findings_of(kind, name, files, trust)


def findings_of_result(files: CaseFiles, result: bytes) -> list[str]:
    """What is wrong with the result of a run, which its summary names by its digest."""
    try:
        same = canonical(summary_of_run(result)) == files.bundle
    except _MALFORMED:
        return ["result: is no result of a run"]
    return [] if same else ["result: is another than the one that was signed"]


def findings_of_days(days: Mapping[str, CaseFiles], cases: Mapping[str, CaseFiles]) -> list[str]:
    """What is wrong with the days as a whole, of which none may be missing, and with these cases by them."""
    if not days:
        return []
    try:
        return list(findings_of_population(_read_bundles(days), _read_bundles(cases)))
    except _MALFORMED:
        # Which file it is, its own findings say.
        return ["population: a file is no such file"]


def open_questions(days: Mapping[str, CaseFiles], cases: Mapping[str, CaseFiles]) -> list[str]:
    """What these days and cases can't tell, and days and cases of another time would."""
    try:
        return list(questions_of_population(_read_bundles(days), _read_bundles(cases))) if days else []
    except _MALFORMED:
        # It is a finding.
        return []


def _read_bundles(files: Mapping[str, CaseFiles]) -> dict[str, Any]:
    return {name: read_canonical(each.bundle) for name, each in files.items()}


def places_of(logged: Mapping[str, CaseFiles], trust: Trust) -> list[int]:
    """Where in the log these statements stand, as their proofs say."""
    return sorted(place[0] for files in logged.values() if (place := _place_of(files, trust)) is not None)


def findings_of_names(files: CaseFiles, names: bytes) -> list[str]:
    """What is wrong with the file of names: what the tables say of the case, and the key under which it is signed."""
    try:
        told = read_canonical(names)
        if told == ERASED:
            return []
        same = canonical(committed(told["bundle"], bytes.fromhex(told["key"]))) == files.bundle
    except _MALFORMED:
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
    findings = [f"log: no statement stands at place {gap}" for gap in _gaps(sorted(by_place), first)]
    findings += [
        f"log: {len(each)} statements stand at place {place}" for place, each in by_place.items() if len(each) > 1
    ]
    if leaves:
        return findings + findings_of_leaves(cases, trust, held=held, leaves=leaves)
    if findings:
        # Of a tree with a hole nobody knows the root.
        return findings
    return _findings_of_checkpoints(cases, trust, held, [leaf for _, (leaf,) in sorted(by_place.items())])


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


def _findings_of(kind: _Kind, name: str, files: CaseFiles, trust: Trust) -> list[str]:
    try:
        payload = files.statement(trust)
    except ValueError as error:
        return [f"envelope: {error}"]
    checks: Mapping[str, Callable[[], Iterable[str]]] = {
        "statement": lambda: _check_statement(kind, name, payload, files),
        kind.bundle: lambda: kind.faults_of(_read_bundle(files.bundle)),
        "proof": lambda: _check_proof(payload, files, trust),
    }
    return [f"{checked}: {found}" for checked, check in checks.items() for found in _findings(check)]


def _findings(check: Callable[[], Iterable[str]]) -> list[str]:
    try:
        return list(check())
    except _MALFORMED as error:
        # Our own errors say what is wrong; of the others only the kind is any use: the file is no such file.
        return [str(error) if isinstance(error, ValueError) else f"has another form ({type(error).__name__})"]


def _check_statement(kind: _Kind, name: str, payload: bytes, files: CaseFiles) -> Iterator[str]:
    statement = Statement.from_json(payload)
    if statement.predicate_type != kind.predicate_type:
        yield f"says something else than that {kind.is_over}"
    if kind.name_of(statement.predicate) != name:
        yield f"is about another {kind.what}"
    if not statement.is_about(files.bundle):
        yield "is about another bundle"
    claimed = {said: value for said, value in statement.predicate.items() if said != SIGNED_AT}
    if claimed != kind.claimed_of(_read_bundle(files.bundle)):
        yield "says something else than the bundle"
    if kind.is_early(statement.predicate):
        yield f"was signed before {kind.was_over}"


def _check_proof(payload: bytes, files: CaseFiles, trust: Trust) -> Iterator[str]:
    proof = LogProof.from_text(files.proof.decode())
    checkpoint = trust.checkpoint(proof.checkpoint)
    verify_inclusion(leaf_hash(payload), proof.index, checkpoint.size, proof.hashes, checkpoint.root)
    yield from ()


def _faults_of_version(version: str, bundle: Mapping[str, Any]) -> Iterator[str]:
    if bundle["version"] != version:
        yield "is of a version that is not known"


def _is_before_its_end(predicate: Mapping[str, Any]) -> bool:
    return str(predicate.get(SIGNED_AT)) < str(predicate.get("finishedAt"))


def _gaps(places: Sequence[int], first: int) -> Iterator[str]:
    """What is missing between the first and the last: nobody counts up to whatever somebody has written there."""
    for before, place in pairwise([first - 1, *places]):
        if place - before > 1:
            yield f"{before + 1}" if place - before == 2 else f"{before + 1} to {place - 1}"


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
