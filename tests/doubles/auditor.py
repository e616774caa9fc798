"""An auditor's folder, made of everything that an office in memory holds."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from leaver.reconcile.record import Documents
from leaver_cli.deployment import Deployment
from leaver_cli.evidence.counted import Counted
from leaver_cli.evidence.export import take
from leaver_cli.evidence.folder import write_folder
from leaver_cli.evidence.offline import Verdict
from leaver_cli.evidence.source import EvidenceSource
from leaver_cli.evidence.wanted import Wanted
from tests.doubles.office import Office
from tests.doubles.reconciling import InMemoryDocuments
from tests.doubles.steps import Effects


@dataclass(frozen=True)
class AskedOffice:
    """The office, as `leaver evidence` knows a deployment."""

    office: Office
    documents: Documents = field(default_factory=lambda: InMemoryDocuments(Effects()))

    @property
    def evidence(self) -> EvidenceSource:
        kept = self.office.evidence.of_cases
        by = kept.statements
        return EvidenceSource(kept.cases, kept.keys, by.log, by.store, by.signing_key, self.documents)

    @property
    def heard(self) -> Any:
        return self.office.heard

    @property
    def connections(self) -> Any:
        return self.office.table

    def now(self) -> Any:
        return self.office.clock()


def hand_over(
    office: Office,
    folder: Path,
    wanted: Wanted,
    *,
    is_redacted: bool = False,
    counted: Counted | None = None,
    documents: Documents | None = None,
) -> Verdict:
    """What `leaver evidence` does with what is wanted."""
    deployment = cast("Deployment", AskedOffice(office, documents or InMemoryDocuments(Effects())))
    handed, period = take(
        deployment, wanted, stack="leaver", is_redacted=is_redacted, count=lambda *_: counted or Counted()
    )
    return write_folder(folder, handed, period, is_sample=not wanted.is_whole)


def came_by_rule(office: Office) -> None:
    """What was heard came as EventBridge sends it, although the office hands it over as it is."""
    kept = office.heard.items.kept
    kept.update({place: {**each, "by_rule": True} for place, each in kept.items()})
