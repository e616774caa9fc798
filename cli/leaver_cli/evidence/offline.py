"""Check a folder of evidence with nothing but Python and `cryptography`: without AWS, a network, or Leaver's package.

`leaver verify` runs this, and so does verify.py, the one file that joins it with what it imports.
"""

import hashlib
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from leaver.evidence.canonical_json import canonical
from leaver.evidence.verification import (
    ERASED,
    NAMES_FILE,
    RESULT_FILE,
    CaseFiles,
    Trust,
    findings_of_case,
    findings_of_day,
    findings_of_days,
    findings_of_leaves,
    findings_of_log,
    findings_of_names,
    findings_of_result,
    findings_of_run,
    open_questions,
    places_of,
)
from leaver_cli.evidence.exhibit import Exhibit
from leaver_cli.evidence.people_csv import PEOPLE_FILE, findings_of_people

#: what lies in a folder that `leaver evidence` made, beside the statements
KEY_FILE: Final = "key.pem"
CHECKPOINT_FILE: Final = "checkpoint.txt"
LEAVES_FILE: Final = "leaves.txt"
#: and where the runs of reconciliation lie, here and in the bucket
RUNS_FOLDER: Final = "reconciliations"


class NothingToCheck(ValueError):
    """There is no evidence in the folder, or no key to check it with."""


@dataclass(frozen=True)
class Verdict:
    """What was looked at, and all that is wrong with it."""

    looked_at: str
    findings: Sequence[str]
    #: the key that came with the evidence, where no other was named
    enclosed_key: Path | None = None
    #: the cases whose person was erased: no finding, and nobody can say who it was
    erased: Sequence[str] = ()
    #: what was not looked at, or can't be told from this folder alone: no finding, and whoever hides something needs it
    notes: Sequence[str] = ()

    @property
    def lines(self) -> Iterator[str]:
        """What is told of it, the sum last."""
        if self.enclosed_key:
            digest = hashlib.sha256(self.enclosed_key.read_bytes()).hexdigest()
            yield f"{KEY_FILE} is the folder's own, with the SHA-256 {digest}: hold it against what you were told"
        yield from (f"{each}: erased: who it was, nobody can tell from it" for each in self.erased)
        yield from self.notes
        yield from self.findings
        yield f"{self.looked_at}, {len(self.findings)} findings"


def check_folder(
    folder: Path,
    *,
    key: Path | None = None,
    origin: str | None = None,
    checkpoints: Sequence[Path] = (),
    is_sample: bool = False,
) -> Verdict:
    """Check all evidence below a folder; raises NothingToCheck, and OSError where a file can't be read.

    The key that lies in the folder proves only that all of it is one person's; `checkpoints` are those that were kept.
    """
    cases = {each.name: CaseFiles.read(each) for each in sorted((folder / "cases").glob("*")) if each.is_dir()}
    days = {each.name: CaseFiles.read(each) for each in sorted((folder / "days").glob("*")) if each.is_dir()}
    below = folder / RUNS_FOLDER
    runs = {each.name: CaseFiles.read(each) for each in sorted(below.glob("*")) if each.is_dir()}
    if not cases and not days and not runs:
        raise NothingToCheck(f"{folder}: there is no case below cases/, and no day below days/")
    enclosed = [each for each in (folder / CHECKPOINT_FILE,) if each.is_file()]
    # What is no text is not signed either.
    notes = [each.read_text(encoding="utf-8", errors="replace") for each in (*checkpoints, *enclosed)]
    trust = trust_in(key or folder / KEY_FILE, origin or _origin_of(notes))
    findings = [
        f"{case_id}: {found}"
        for case_id, files in cases.items()
        for found in [*findings_of_case(case_id, files, trust), *_findings_of_names(folder, case_id, files)]
    ]
    if (people := folder / PEOPLE_FILE).is_file():
        exhibits = [Exhibit.read(folder / "cases" / each) for each in cases]
        findings += findings_of_people(people.read_bytes(), [each for each in exhibits if each.is_whole])
    findings += [f"{day}: {found}" for day, files in days.items() for found in findings_of_day(day, files, trust)]
    findings += findings_of_days(days, cases)
    findings += [
        f"{name}: {found}"
        for name, files in runs.items()
        for found in [*findings_of_run(name, files, trust), *_findings_of_result(below / name / RESULT_FILE, files)]
    ]
    logged = cases | days | runs
    leaves = _leaves_of(folder / LEAVES_FILE)
    if not is_sample:
        findings += findings_of_log(logged, trust, held=notes, leaves=leaves)
    elif leaves:
        findings += findings_of_leaves(logged, trust, held=notes, leaves=leaves)
    elif checkpoints:
        findings.append(f"log: without {LEAVES_FILE} nobody can hold a sample against a checkpoint that was kept")
    looked_at = f"{len(cases)} cases" + (f", {len(days)} days" if days else "")
    looked_at += f", {len(runs)} reconciliations" if runs else ""
    erased = [each for each in cases if _is_erased(folder / "cases" / each / NAMES_FILE)]
    told = [] if is_sample else [*_span_of(places_of(logged, trust), leaves, days), *open_questions(days, cases)]
    return Verdict(looked_at, findings, None if key else folder / KEY_FILE, erased, [*told, *_unsaid(folder, cases)])


def _span_of(places: Sequence[int], leaves: Sequence[bytes], days: Mapping[str, object]) -> Iterator[str]:
    """Which part of the log was checked: whoever cuts off its ends leaves no gap."""
    if places and leaves:
        told = f", days {min(days)} to {max(days)}" if days else ", and no day"
        yield f"places {places[0]} to {places[-1]} of a log of {len(leaves)}{told}: nothing is said of any other time"


def _unsaid(folder: Path, cases: Iterable[str]) -> Iterator[str]:
    """What nobody has signed, or what lacks in one case and not in others."""
    names = {each: (folder / "cases" / each / NAMES_FILE).is_file() for each in cases}
    if any(names.values()):
        yield from (f"{each}: has no {NAMES_FILE}, as others have" for each, is_there in names.items() if not is_there)
    if (folder / "index.html").is_file():
        yield "pages are not signed and were not checked: hold what you use of them against bundle.json"


def trust_in(pem: Path, origin: str) -> Trust:
    """Trust this key and this log alone; raises NothingToCheck."""
    try:
        public = load_pem_public_key(pem.read_bytes())
    except FileNotFoundError:
        raise NothingToCheck(f"{pem}: there is no key: name one with --key") from None
    except ValueError:
        raise NothingToCheck(f"{pem}: is no public key (PEM)") from None
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise NothingToCheck(f"{pem}: is no key of an elliptic curve")
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Trust(der, _check_with(public), origin)


def _check_with(public: ec.EllipticCurvePublicKey) -> Callable[[bytes, bytes], bool]:
    # The log is checked by the very signatures that each case was.
    @cache
    def is_signed(signature: bytes, message: bytes) -> bool:
        try:
            public.verify(signature, message, ec.ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True

    return is_signed


def _findings_of_names(folder: Path, case_id: str, files: CaseFiles) -> list[str]:
    names = folder / "cases" / case_id / NAMES_FILE
    return findings_of_names(files, names.read_bytes()) if names.is_file() else []


def _findings_of_result(result: Path, files: CaseFiles) -> list[str]:
    return findings_of_result(files, result.read_bytes()) if result.is_file() else []


def _is_erased(names: Path) -> bool:
    return names.is_file() and names.read_bytes() == canonical(ERASED)


def _leaves_of(path: Path) -> list[bytes]:
    if not path.is_file():
        return []
    try:
        return [bytes.fromhex(line) for line in path.read_text(encoding="ascii").split()]
    except ValueError:
        raise NothingToCheck(f"{path}: is no list of hashes in hex") from None


def _origin_of(notes: Sequence[str]) -> str:
    # Whatever it says: the key has signed it, and each proof has to name the same log.
    if not notes:
        raise NothingToCheck(f"the folder has no {CHECKPOINT_FILE}: name the log with --origin, BUCKET/cases")
    return notes[0].partition("\n")[0]


def main() -> int:
    """Check what the command line names."""
    parser = ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="what `leaver evidence` wrote, or `aws s3 sync` of the bucket")
    parser.add_argument("--key", type=Path, help="the public key (PEM), from elsewhere than the evidence")
    parser.add_argument("--origin", help="the log: the bucket's name, then /cases")
    parser.add_argument("--checkpoint", type=Path, action="append", default=[], help="a checkpoint that you kept")
    parser.add_argument("--sample", action="store_true", help="these are not all cases: look for none that is missing")
    asked = parser.parse_args()
    try:
        verdict = check_folder(
            asked.folder, key=asked.key, origin=asked.origin, checkpoints=asked.checkpoint, is_sample=asked.sample
        )
    except (NothingToCheck, OSError) as error:
        parser.error(str(error))
    for line in verdict.lines:
        # A name of a file may command a terminal.
        print("".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in line))
    return 1 if verdict.findings else 0
