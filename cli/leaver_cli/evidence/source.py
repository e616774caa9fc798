"""What a deployment keeps as evidence, as an auditor's folder is made of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import click

from leaver.cases.evidence import CommitmentKeys, bundle_of
from leaver.cases.log import CaseLog, Leaf
from leaver.cases.record import ENTRY
from leaver.cases.states import OVER, UNDER_WAY, State
from leaver.cases.table import Cases, ListedCase, UnreadableCase
from leaver.errors import NotKept
from leaver.evidence.log_proof import LogProof
from leaver.evidence.signing import SigningKey
from leaver.evidence.store import EvidenceStore
from leaver.evidence.verification import CaseFiles
from leaver_cli.evidence.exhibit import Exhibit


@dataclass(frozen=True)
class EvidenceSource:
    """The bucket, the log, the public key, and the tables that know whose evidence it is."""

    cases: Cases
    keys: CommitmentKeys
    log: CaseLog
    store: EvidenceStore
    signing_key: SigningKey

    @cached_property
    def leaves(self) -> Mapping[str, Leaf]:
        """Every leaf of the log by its case or day, in order."""
        return {each.case_id: each for each in self.log.read_all()}

    def find_over(self) -> Iterator[ListedCase | UnreadableCase]:
        """Find every case that is over."""
        for state in (State.COMPLETED, *sorted(OVER)):
            yield from self.cases.find_in(state)

    def find_under_way(self) -> Iterator[ListedCase | UnreadableCase]:
        """Find every case that is not over."""
        for state in sorted(UNDER_WAY):
            yield from self.cases.find_in(state)

    @property
    def checkpoint(self) -> str:
        """The newest one that was signed: of all that is in the log."""
        newest = list(self.leaves)[-1]
        proof = self.store.read(f"{'days' if is_day(newest) else 'cases'}/{newest}/envelope.tlog-proof")
        return LogProof.from_text(proof.decode()).checkpoint

    def files_of(self, folder: str) -> CaseFiles:
        """Fetch what lies in a folder of the bucket; raises ClickException where it is not all there."""
        try:
            return CaseFiles(*(self.store.read(f"{folder}/{name}") for name in CaseFiles.NAMES))
        except NotKept as error:
            raise click.ClickException(f"{error}: a case has evidence once it is over, a day an hour later") from None

    def exhibit(self, case_id: str, *, is_redacted: bool) -> Exhibit:
        """Fetch a case's evidence; raises ClickException where it is not all there."""
        files = self.files_of(f"cases/{case_id}")
        key = None if is_redacted else self.keys.find(case_id)
        stored = self.cases.read_stored(case_id) if key else {}
        plain = bundle_of(stored) if ENTRY in stored else None
        case = None if key or is_redacted else self.cases.read(case_id)
        return Exhibit(case_id, files, plain, key, is_erased=case is not None and case.erased_at is not None)


def is_day(name: str) -> bool:
    """Whether what the log knows by this name is a day, and no case."""
    try:
        date.fromisoformat(name)
    except ValueError:
        return False
    return True
