"""A case's evidence: seal_case alone makes it, once the case is over, and stores it where nobody can change it."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic import BaseModel, ConfigDict, computed_field

from leaver.cases.partitions import KEY, of_evidence
from leaver.cases.record import ENTRY, OF_A_CONNECTION, Case
from leaver.cases.seal import COVERED, VERSION, Stored
from leaver.cases.statements import Statements
from leaver.cases.states import UNDER_WAY
from leaver.cases.table import Cases
from leaver.errors import NotKept
from leaver.evidence import bundle as bundles
from leaver.evidence.bundle import CASE_IS_OVER, claimed_of, committed, faults_of
from leaver.evidence.canonical_json import canonical, read_canonical
from leaver.messages.commands import step_name
from leaver.storage.tables import Items, read_as

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_KEY: Final = "key"


class CommitmentKey(BaseModel):
    """The key of a case's commitments: without it nobody can tell any more whom the evidence is about."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    case_id: str
    entry: str = _KEY
    #: 32 random bytes in hex
    key: str

    @computed_field  # type: ignore[prop-decorator] # mypy knows no property under a decorator
    @property
    def partition(self) -> str:
        """Where it lies in the table."""
        return of_evidence(self.case_id)


class CommitmentKeys:
    """The keys in the Cases table, one for each case that is over."""

    def __init__(self, dynamodb: "DynamoDBClient", *, table: str) -> None:
        self._items = Items(dynamodb, table=table, key=KEY, model=read_as(CommitmentKey))

    def of(self, case_id: str) -> bytes:
        """The case's key, made where there is none; raises NotKept where it was deleted between two looks."""
        made = CommitmentKey(case_id=case_id, key=secrets.token_hex(32))
        standing = made if self._items.add(made) else self._items.read(partition=made.partition, entry=made.entry)
        if standing is None:
            raise NotKept(f"evidence of {case_id}: its key was deleted meanwhile")
        return bytes.fromhex(standing.key)

    def delete(self, case_id: str) -> None:
        """Delete the case's key for ever."""
        self._items.remove(CommitmentKey(case_id=case_id, key=""))

    def find(self, case_id: str) -> bytes | None:
        """Find the case's key; None where there is none, or none any more."""
        standing = self._items.read(partition=of_evidence(case_id), entry=_KEY)
        return bytes.fromhex(standing.key) if standing else None


@dataclass(frozen=True)
class CaseEvidence:
    """What it takes to write evidence; seal_case alone has it."""

    cases: Cases
    keys: CommitmentKeys
    statements: Statements

    def keep(self, case: Case) -> Case:
        """Sign, store and log what a case that is over came to; returns it with what was signed.

        Begun anew after any crash, it stores nothing twice. Raises NotKept, also where what is stored is another thing
        than what is to be stored: somebody changed the case after its end, and a person has to look.
        """
        if case.state in UNDER_WAY or case.erased_at is not None or self._is_kept(case):
            return case
        stored = self.cases.read_stored(case.case_id)
        content = canonical(committed(bundle_of(stored), self.keys.of(case.case_id)))
        bundle = self._keep_bundle(case.case_id, content)
        claimed = claimed_of(read_canonical(bundle))
        signed = self.statements.keep(f"cases/{case.case_id}", bundle, kind=CASE_IS_OVER, claimed=claimed)

        def with_evidence(standing: Case) -> Case | None:
            return standing.model_copy(update={"evidence": signed}) if standing.evidence != signed else None

        return self.cases.settle(case, with_evidence)

    def _is_kept(self, case: Case) -> bool:
        """Whether the evidence that the table names is there.

        Asked of the bucket before anything is announced: whoever may write the table could have named some.
        """
        if case.evidence is None or not case.pending_announcements:
            return case.evidence is not None
        return self.statements.has(f"cases/{case.case_id}", case.evidence)

    def _keep_bundle(self, case_id: str, content: bytes) -> bytes:
        made = read_canonical(content)
        if faults := faults_of(made):
            raise NotKept(f"evidence of {case_id}: {'; '.join(faults)}")
        kept = self.statements.store.keep_once(f"cases/{case_id}/bundle.json", content)
        # A command that was on its way when its case was called off may have written its receipt since.
        if kept != content and read_canonical(kept)["case"] != made["case"]:
            raise NotKept(f"evidence of {case_id}: the case is another than the one that is stored")
        return kept


def bundle_of(stored: Mapping[str, Stored]) -> dict[str, Any]:
    """The bundle of a case in the clear, from what is stored of the case and its receipts by sort key."""
    case = cast("Mapping[str, Any]", stored[ENTRY])
    covered = COVERED[case.get("seal_version", VERSION)] | {"head"}
    steps = [_told(step) for step in case.get("steps", ())]
    return {
        "version": bundles.VERSION,
        "case": {name: value for name, value in case.items() if name in covered and value} | {"steps": steps},
        "receipts": [stored[step["name"]] for step in steps if step["name"] in stored],
    }


def _told(step: Mapping[str, Any]) -> dict[str, Any]:
    """A step with its name, and with provider and account, which are not personal, beside where it is `at`."""
    name = step_name(step["command"], step["at"], step.get("alias"))
    provider, _, account = ("", "", "") if step["command"] in OF_A_CONNECTION else step["at"].partition("/")
    told = {"name": name, "provider": provider, "account": account}
    return {**step, **{name: value for name, value in told.items() if value}}
