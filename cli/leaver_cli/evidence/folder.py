"""Write an auditor's folder: evidence, names where they may be shown, pages, people.csv, and what checks all of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from leaver.evidence.verification import CaseFiles
from leaver_cli.evidence.case_page import case_page
from leaver_cli.evidence.exhibit import Exhibit, RunExhibit
from leaver_cli.evidence.offline import CHECKPOINT_FILE, KEY_FILE, LEAVES_FILE, RUNS_FOLDER, Verdict, check_folder
from leaver_cli.evidence.people_csv import PEOPLE_FILE, people_csv
from leaver_cli.evidence.period_page import Period, period_page
from leaver_cli.evidence.run_page import run_page
from leaver_cli.evidence.standalone import verify_py

#: the folder names people
_MODE: Final = 0o700


@dataclass(frozen=True)
class Handed:
    """What is handed to an auditor, but the pages."""

    exhibits: Sequence[Exhibit]
    #: by day
    days: Mapping[str, CaseFiles]
    runs: Sequence[RunExhibit]
    #: SPKI in DER
    public_key: bytes
    #: every leaf of the log, in order
    leaves: Sequence[bytes]
    #: a signed checkpoint of all of these
    checkpoint: str


def write_folder(folder: Path, handed: Handed, period: Period, *, is_sample: bool) -> Verdict:
    """Write all of it, and check it as an auditor will; the pages say what was found."""
    folder.mkdir(parents=True, exist_ok=True)
    # Also where it was there, and empty.
    folder.chmod(_MODE)
    pem = load_der_public_key(handed.public_key).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    _write(folder / KEY_FILE, pem)
    _write(folder / CHECKPOINT_FILE, handed.checkpoint.encode())
    _write(folder / LEAVES_FILE, "".join(f"{each.hex()}\n" for each in handed.leaves).encode())
    _write(folder / "verify.py", verify_py().encode())
    for each in handed.exhibits:
        for name, content in each.stored.items():
            _write(folder / "cases" / each.case_id / name, content)
    for day, files in handed.days.items():
        for name, content in zip(files.NAMES, (files.bundle, files.envelope, files.proof), strict=True):
            _write(folder / "days" / day / name, content)
    for run in handed.runs:
        for name, content in run.stored.items():
            _write(folder / RUNS_FOLDER / run.name / name, content)
    verdict = check_folder(folder, is_sample=is_sample)
    exhibits = [each for each in handed.exhibits if each.is_whole]
    findings = _by_case(verdict.findings, [*(each.case_id for each in exhibits), *(each.name for each in handed.runs)])
    for each in exhibits:
        shown = case_page(each, findings[each.case_id], is_redacted=period.is_redacted)
        _write(folder / "cases" / each.case_id / "index.html", shown.encode())
    for run in handed.runs:
        shown = run_page(run, findings[run.name], is_redacted=period.is_redacted)
        _write(folder / RUNS_FOLDER / run.name / "index.html", shown.encode())
    whole = replace(
        period, runs=handed.runs, exhibits=exhibits, findings=findings, beside=(*period.beside, *findings[""])
    )
    _write(folder / "index.html", period_page(whole).encode())
    _write(folder / PEOPLE_FILE, people_csv(exhibits).encode())
    return replace(verdict, findings=[*verdict.findings, *period.beside])


def _by_case(findings: Sequence[str], cases: Sequence[str]) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {each: [] for each in ("", *cases)}
    for each in findings:
        case, _, said = each.partition(": ")
        found[case if case in found else ""].append(said if case in found else each)
    return found


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=_MODE, parents=True, exist_ok=True)
    path.write_bytes(content)
