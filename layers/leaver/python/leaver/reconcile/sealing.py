"""Sign what a run of reconciliation found, by its digest: beside the cases, and in the one log."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from leaver.cases.statements import Statements
from leaver.errors import NotKept
from leaver.evidence.canonical_json import canonical
from leaver.evidence.reconciled import RUN_IS_DONE, RUN_PREFIX, SUMMARY, claimed_of_run, faults_of_run
from leaver.messages.commands import Printable, RunId
from leaver.storage.tables import timestamp

Count = Annotated[int, Field(ge=0)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, defer_build=True)


class RosterTold(_Told):
    """Of which roster the run was."""

    source: Printable = Field(alias="from")
    as_of: Printable
    people: Count
    here: Count


class Counts(_Told):
    """How many are on each list."""

    gone_and_alive: Count
    alive_again: Count
    owners_gone: Count
    unknown: Count
    gone_and_clean: Count


class ResultTold(_Told):
    """The result, by its digest."""

    sha256: Digest


class Summary(_Told):
    """What `reconcile` tells of a run: there is no field in which a name could stand."""

    version: Printable = SUMMARY
    run: RunId
    started_at: Printable
    finished_at: Printable
    roster: RosterTold
    places: tuple[Printable, ...]
    calls: Count
    counts: Counts
    stopped: Count
    held: Count
    begun: Count
    result: ResultTold

    def as_json(self) -> dict[str, Any]:
        """As it is signed."""
        return self.model_dump(mode="json", by_alias=True)


@dataclass(frozen=True)
class RunEvidence:
    """What it takes to sign runs; seal_case alone has it."""

    statements: Statements

    def keep(self, summary: Summary) -> None:
        """Sign, store and log a run's summary; told once more, it stores nothing twice.

        Raises NotKept, also where something else is stored of this run: then a person has to look.
        """
        told = summary.as_json()
        if faults := list(faults_of_run(told)):
            raise NotKept(f"evidence of {summary.run}: {'; '.join(faults)}")
        if summary.finished_at > timestamp(self.statements.clock()):
            raise NotKept(f"evidence of {summary.run}: is not done yet")
        folder, content = f"reconciliations/{RUN_PREFIX}{summary.run}", canonical(told)
        if self.statements.store.keep_once(f"{folder}/bundle.json", content) != content:
            raise NotKept(f"evidence of {summary.run}: another summary is stored")
        self.statements.keep(folder, content, kind=RUN_IS_DONE, claimed=claimed_of_run(told))
