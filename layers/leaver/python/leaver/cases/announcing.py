"""What is announced of a case: whatever is pending, until the bus has taken it."""

from dataclasses import dataclass

from leaver.cases.record import Case
from leaver.cases.states import AnnouncementName
from leaver.cases.table import Cases
from leaver.messages.events import CaseAnnouncement
from leaver.messages.publisher import Publisher

COMPLETED: AnnouncementName = "OffboardingCompleted"
RESURRECTED: AnnouncementName = "AccountResurrected"

CaseAnnouncement.model_rebuild()


@dataclass(frozen=True)
class CaseAnnouncer:
    """Announces what is pending of cases."""

    cases: Cases
    publisher: Publisher
    #: seal_case alone says that a case is completed: everybody else leaves that pending
    says_completed: bool = False

    def announce_pending(self, case: Case) -> Case:
        """Announce what is pending; returns the case as it is then. Raises Undelivered."""
        for name in case.pending_announcements:
            if name == COMPLETED and not self.says_completed:
                continue
            self.publisher.announce(_announcement(case, name))

            def without(standing: Case, name: AnnouncementName = name) -> Case | None:
                return standing.without_pending(name) if name in standing.pending_announcements else None

            case = self.cases.change(case, without) or case
        return case


def _announcement(case: Case, name: AnnouncementName) -> CaseAnnouncement:
    told = [each for each in case.seen if each.follows] if name == RESURRECTED else []
    seen = told[-1].model_dump(mode="json", exclude_none=True) if told else None
    return CaseAnnouncement(
        detail_type=name,
        # Of each kind one, but an account can live again and again.
        announcement_id="/".join([case.case_id, name, *(each.event_id for each in told[-1:])]),
        case_id=case.case_id,
        kind=case.kind,
        state=case.state,
        subject=case.email,
        source=case.source,
        event_id=case.event_id,
        urgency=case.urgency,
        requested_at=case.requested_at,
        effective_at=case.effective_at,
        finished_at=case.finished_at,
        steps=[step.name for step in case.steps],
        outstanding=list(case.outstanding),
        time_to_revoke=case.time_to_revoke if name == "OffboardingCompleted" else None,
        head=case.head,
        evidence=case.evidence.model_dump() if case.evidence else None,
        residual=list(case.residual),
        sweep_of=case.sweep_of,
        seen=seen,
    )
