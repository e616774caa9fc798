"""The last word on a command: on its receipt, to metrics and log, and as what others are still to be told."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from leaver.cases.receipts import SUCCESSES, WHILE_OPEN, Receipt, Receipts
from leaver.consuming.message import Handled
from leaver.messages.commands import Command
from leaver.messages.events import Announcement
from leaver.outcomes import Outcome, Result

#: nothing happened that anybody would want to hear of, or has not been told by who closed the step
UNANNOUNCED = frozenset({Outcome.STILL_FRESH, Outcome.REFUSED, Outcome.CLOSED})


@dataclass(frozen=True)
class OutcomeRecorder:
    """Records what came of one function's commands."""

    command: type[Command]
    #: refreshes and hand-overs leave none: their journal is the record, or the command that follows
    receipts: Receipts | None
    clock: Callable[[], datetime]
    logger: Logger
    metrics: Metrics

    def record(self, receipt: Receipt, result: Result, reason: str | None = None) -> Handled:
        """Write the receipt; returns what is left to do then."""
        because = result.details.get("because") if result.outcome is Outcome.REFUSED else None
        closed = receipt.closed(result, now=self.clock(), reason=reason or (str(because) if because else None))
        if self.receipts:
            closed = self.receipts.finish(closed)
        handled = self.repeat(closed)
        self.count(str(closed.outcome))
        if closed.time_to_revoke is not None:
            name = f"{self.command.__name__}.TimeToRevoke"
            self.metrics.add_metric(name=name, unit=MetricUnit.Seconds, value=closed.time_to_revoke)
        self.logger.info("finished", extra=log_fields(closed))
        return handled

    def repeat(self, closed: Receipt) -> Handled:
        """What is to be done once a receipt is written, and once more where a run may have been killed after that."""
        # Whoever is refused for a reason is told of it; what belongs to a case that is over is told by the case.
        # Refreshes leave no receipt, and are refused all the time.
        unannounced = closed.outcome in UNANNOUNCED and (closed.reason is None or self.receipts is None)
        announcement = None if unannounced else _announcement(self.command, closed)
        case_id = closed.case_id if closed.belongs_to_a_case else None
        return Handled(acknowledged=True, announcement=announcement, case_id=case_id)

    def count(self, event: str) -> None:
        """Count something that happened to this function's commands."""
        self.metrics.add_metric(name=f"{self.command.__name__}.{event}", unit=MetricUnit.Count, value=1)


def log_fields(receipt: Receipt) -> dict[str, Any]:
    """What a log line says of a command."""
    return receipt.model_dump(mode="json", exclude={"partition"}, exclude_none=True)


def _announcement(command: type[Command], closed: Receipt) -> Announcement:
    return Announcement(
        # The same receipt makes the same id, so that a repeated announcement shows as what it is.
        announcement_id=f"{closed.case_id}/{closed.entry}/{closed.outcome}/{closed.attempts}",
        detail_type=command.announced_as if closed.outcome in SUCCESSES else command.failure_announced_as,
        case_id=closed.case_id if closed.belongs_to_a_case else None,
        details=closed.details,
        **closed.model_dump(exclude={"case_id", "partition", "entry", "details", *WHILE_OPEN}),
    )
