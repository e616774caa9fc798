"""Complete and seal a case whose every step has ended, and sign what any case came to: no other function does.

It alone may also erase whom cases are about.
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated, ClassVar, Literal

from aws_lambda_powertools import Logger
from pydantic import Field

from leaver import bootstrap
from leaver.cases.completion import CaseCompletion
from leaver.cases.days import DayEvidence
from leaver.cases.erasure import Erasure
from leaver.cases.finding import StepFinder
from leaver.cases.record import Case
from leaver.cases.table import Cases
from leaver.consuming.consumer import Consumer
from leaver.errors import BadMessage, Rejected
from leaver.messages.commands import CaseId, Command, parse
from leaver.messages.envelope import Payload
from leaver.providers.registry import PROVIDERS
from leaver.reconcile.sealing import RunEvidence, Summary
from leaver.settings import Consumes, EndsSteps, KeepsEvidence, ServesProviders, StartsCases


class Settings(Consumes, ServesProviders, StartsCases, EndsSteps, KeepsEvidence):
    """What `seal_case` reads from its environment."""

    cases_table: str
    connections_table: str


class SealCase(Command):
    """A step of a case has a final receipt, or watch_deadlines finds that the case should be looked at."""

    system: ClassVar[str] = "leaver"
    announced_as: ClassVar[str] = "OffboardingCompleted"
    outlasts_case: ClassVar[bool] = True

    case_id: CaseId

    @property
    def subject(self) -> str:
        """The case."""
        return self.case_id


class SealDays(Command):
    """An hour began: there may be a day that is over and was not told of."""

    system: ClassVar[str] = "leaver"
    announced_as: ClassVar[str] = "OffboardingCompleted"

    days: Literal["over"]

    @property
    def subject(self) -> str:
        """All days."""
        return "days"


class SealRun(Command):
    """A run of reconciliation is done."""

    system: ClassVar[str] = "leaver"
    announced_as: ClassVar[str] = "OffboardingCompleted"

    reconciled: Summary

    @property
    def subject(self) -> str:
        """The run."""
        return self.reconciled.run


class ErasePerson(Command):
    """A person asks that whom these cases are about is erased; by their ids, so that no message names anybody."""

    system: ClassVar[str] = "leaver"
    announced_as: ClassVar[str] = "OffboardingCompleted"

    erase: Annotated[list[CaseId], Field(min_length=1, max_length=1000)]

    @property
    def subject(self) -> str:
        """The cases."""
        return "erasure"


Asked = SealCase | SealDays | SealRun | ErasePerson


def understand(payload: Payload) -> Asked:
    """Read which of the four is asked for; raises BadMessage."""
    if "erase" in payload.detail:
        if payload.event is not None:
            raise BadMessage("erase: expected straight in the queue, as leaver erase sends it")
        return parse(ErasePerson, payload.detail, direct=True)
    if "days" in payload.detail:
        return parse(SealDays, payload.detail, direct=payload.event is None)
    if "reconciled" in payload.detail:
        if payload.event is not None:
            raise BadMessage("reconciled: expected straight in the queue, as reconcile sends it")
        return parse(SealRun, payload.detail, direct=True)
    return parse(SealCase, payload.detail, direct=payload.event is None)


def seal_case(
    command: SealCase, *, cases: Cases, completion: CaseCompletion, measure: Callable[[str, int], None], logger: Logger
) -> None:
    """Complete the case if it is done; one that fails is left to watch_deadlines, which sends it again in a minute.

    All cases are one group of one FIFO queue: a message that came back would hold up every other case.
    """
    try:
        completion.complete(cases.require(command.case_id))
    except Exception as error:  # noqa: BLE001 - see above
        # Not the message of a foreign exception: it may quote anything.
        logger.warning("case could not be sealed", extra={"case_id": command.case_id, "error": type(error).__name__})
        measure("CasesNotSealed", 1)


def seal_days(days: DayEvidence, *, measure: Callable[[str, int], None], logger: Logger) -> None:
    """Tell of the days that are over; what fails is asked for again in an hour."""
    try:
        days.keep()
    except Exception as error:  # noqa: BLE001 - as in seal_case
        logger.warning("days could not be told of", extra={"error": type(error).__name__})
        measure("CasesNotSealed", 1)


def seal_run(command: SealRun, runs: RunEvidence, *, measure: Callable[[str, int], None]) -> None:
    """Sign what a run found; what fails comes back, for nobody asks again, and no case is in its group."""
    try:
        runs.keep(command.reconciled)
    except Exception:
        measure("CasesNotSealed", 1)
        raise


def erase_person(
    command: ErasePerson, erasure: Erasure, *, measure: Callable[[str, int], None], logger: Logger
) -> None:
    """Erase; what is refused, or fails, is seen by whoever asked, and asked for again."""
    try:
        erasure.erase(command.erase)
    except Rejected as refused:
        logger.warning("nobody was erased", extra={"because": refused.reason})
    except Exception as error:  # noqa: BLE001 - as in seal_case
        logger.warning("a person could not be erased", extra={"error": type(error).__name__})
        measure("CasesNotSealed", 1)
    else:
        logger.info("a person was erased", extra={"cases": command.erase})


def read_case(case_id: str, _: Command, *, cases: Cases) -> Case:
    """Read the case; raises BadMessage where there is none."""
    case = cases.read(case_id)
    if case is None:
        raise BadMessage("case_id: expected the id of a case that exists")
    return case


def consumer() -> Consumer[Asked]:
    """What works through the queue `seal-case`."""
    settings = bootstrap.settings_of(Settings)
    publisher = bootstrap.publisher(settings.event_bus_name, settings.dead_letter_queue_url)
    cases = bootstrap.cases(settings.cases_table)
    providers = settings.served(PROVIDERS)
    evidence = bootstrap.case_evidence(settings.cases_table, settings.evidence_bucket, settings.evidence_key_arn)
    completion = CaseCompletion(
        cases=cases,
        announcer=bootstrap.announcer(settings.cases_table, publisher, says_completed=True),
        case_start=bootstrap.case_start(
            settings.cases_table,
            StepFinder(bootstrap.connections(settings.connections_table), providers),
            publisher,
            case_deadline=settings.case_deadline,
        ),
        providers=providers,
        clock=bootstrap.now,
        keep_evidence=evidence.keep,
        done_where_missing=settings.done_where_missing(PROVIDERS),
        measure=bootstrap.measure,
    )
    days = DayEvidence(bootstrap.heard_events(settings.cases_table), evidence.statements)
    runs = RunEvidence(evidence.statements)
    erasure = Erasure(cases, bootstrap.people(settings.cases_table), evidence.keys, bootstrap.now)
    measure, logger = bootstrap.measure, bootstrap.logger()

    def operation(command: Asked) -> None:
        if isinstance(command, SealDays):
            seal_days(days, measure=measure, logger=logger)
        elif isinstance(command, SealRun):
            seal_run(command, runs, measure=measure)
        elif isinstance(command, ErasePerson):
            erase_person(command, erasure, measure=measure, logger=logger)
        else:
            seal_case(command, cases=cases, completion=completion, measure=measure, logger=logger)

    # One after another, as the queue has them: each appends to the one log, and side by side most would do so in vain.
    return bootstrap.consumer(
        SealCase, operation, settings, read=understand, read_case=partial(read_case, cases=cases), width=1
    )


lambda_handler = bootstrap.serve(consumer)
