"""What a deployment keeps as evidence, as an auditor's folder is made of it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import click

from leaver.cases.evidence import CommitmentKeys, bundle_of
from leaver.cases.log import CaseLog, Leaf
from leaver.cases.record import ENTRY
from leaver.cases.states import OVER, UNDER_WAY, State
from leaver.cases.table import Cases, ListedCase, UnreadableCase
from leaver.errors import NotKept, NotRead
from leaver.evidence.bundle import SIGNED_AT
from leaver.evidence.dsse import Envelope
from leaver.evidence.log_proof import LogProof
from leaver.evidence.reconciled import RUN_PREFIX
from leaver.evidence.signing import SigningKey
from leaver.evidence.statement import Statement
from leaver.evidence.store import EvidenceStore
from leaver.evidence.verification import CaseFiles
from leaver.reconcile.record import Documents, result_name
from leaver.reconcile.record import canonical as text_of
from leaver_cli.evidence.exhibit import Exhibit, RunExhibit
from leaver_cli.evidence.offline import RUNS_FOLDER


@dataclass(frozen=True)
class EvidenceSource:
    """The bucket, the log, the public key, and the tables that know whose evidence it is."""

    cases: Cases
    keys: CommitmentKeys
    log: CaseLog
    store: EvidenceStore
    signing_key: SigningKey
    #: the results of reconciliation, as long as they lie
    documents: Documents

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
        """The newest one that is there: of all that is in the log."""
        for name in reversed(tuple(self.leaves)):
            try:
                return LogProof.from_text(self._fetch(f"{folder_of(name)}/envelope.tlog-proof").decode()).checkpoint
            except ValueError:
                # The newest case's proof is gone, which is a finding.
                continue
        raise click.ClickException("the bucket holds no proof of any case")

    def not_logged(self, names: Iterable[str]) -> Sequence[str]:
        """Which of these stand nowhere in the log as it is by now: something may have been signed meanwhile."""
        missing = set(names) - self.leaves.keys()
        return sorted(missing - {each.case_id for each in self.log.read_all()}) if missing else []

    def find_unlogged(self) -> Iterator[str]:
        """Find what the bucket says was in the log, and is not: whoever may write the tables may not delete there."""
        try:
            stored = [each.rpartition("/")[2] for each in self.store.find_all(CaseFiles.NAMES[2])]
        except NotKept as error:
            raise click.ClickException(f"{error}") from None
        yield from self.not_logged(stored)

    def find_vanished(self, opened: Iterable[str]) -> Iterator[str]:
        """Find which of the cases that were opened are neither in the log nor under way."""
        for case_id in self.not_logged(opened):
            stored = self.cases.read_stored(case_id).get(ENTRY, {})
            if stored.get("state") not in UNDER_WAY:
                yield case_id

    def signed_at(self, name: str) -> str | None:
        """When a case's or a day's statement was signed; None where none is there."""
        try:
            envelope = Envelope.from_json(self._fetch(f"{folder_of(name)}/envelope.json"))
            return str(Statement.from_json(envelope.payload).predicate[SIGNED_AT])
        except (ValueError, KeyError):
            return None

    def files_of(self, folder: str) -> CaseFiles:
        """Fetch what lies in a folder of the bucket; a file that is not there is empty."""
        return CaseFiles(*(self._fetch(f"{folder}/{name}") for name in CaseFiles.NAMES))

    def _fetch(self, key: str) -> bytes:
        try:
            return self.store.find(key) or b""
        except NotKept as error:
            raise click.ClickException(f"{error}") from None

    def exhibit(self, case_id: str, *, is_redacted: bool) -> Exhibit:
        """Fetch a case's evidence, as far as it is there."""
        files = self.files_of(folder_of(case_id))
        key = None if is_redacted else self.keys.find(case_id)
        stored = self.cases.read_stored(case_id) if key else {}
        try:
            plain = bundle_of(stored) if ENTRY in stored else None
        except (KeyError, TypeError, AttributeError, ValueError):
            # Whoever may write the tables: these are no names of what was signed, which is a finding.
            plain = {}
        case = None if key or is_redacted else self.cases.read(case_id)
        return Exhibit(case_id, files, plain, key, is_erased=case is not None and case.erased_at is not None)

    def run(self, name: str, *, is_redacted: bool) -> RunExhibit:
        """Fetch what is there of a run of reconciliation; its result is gone after 40 days."""
        files = self.files_of(folder_of(name))
        if is_redacted:
            return RunExhibit(name, files)
        try:
            result = self.documents.read(result_name(name.removeprefix(RUN_PREFIX)))
        except NotRead:
            return RunExhibit(name, files)
        return RunExhibit(name, files, text_of(result).encode())


def folder_of(name: str) -> str:
    """Where the bucket has what the log knows by this name."""
    kind = RUNS_FOLDER if is_run(name) else "days" if is_day(name) else "cases"
    return f"{kind}/{name}"


def is_name(name: str) -> bool:
    """Whether this can be a folder's name: whoever may write the tables may have another one stand there."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}", name) is not None


def is_run(name: str) -> bool:
    """Whether what the log knows by this name is a run of reconciliation."""
    return name.startswith(RUN_PREFIX)


def is_day(name: str) -> bool:
    """Whether what the log knows by this name is a day, and no case."""
    try:
        date.fromisoformat(name)
    except ValueError:
        return False
    return True
