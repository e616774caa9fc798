"""Cases that are looked after, in memory: a leaver's, the clock, and what goes over the bus meanwhile."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import uuid4

from aws_lambda_powertools import Logger

from functions.seal_case.app import SealCase, seal_case
from functions.watch_deadlines.app import Watch, look_after
from leaver.cases.announcing import CaseAnnouncer
from leaver.cases.ceiling import Ceiling
from leaver.cases.completion import CaseCompletion
from leaver.cases.people import Name
from leaver.cases.receipts import Receipt
from leaver.cases.record import REPLACE, Case, Search, Step, new_case
from leaver.cases.start import CaseStart
from leaver.outcomes import Outcome, Result
from leaver.providers.registry import PROVIDERS
from tests.doubles.cases_table import InMemoryPeople, InMemoryPeopleAnHour
from tests.doubles.clock import NOW
from tests.doubles.connections_table import InMemoryConnections, connection
from tests.doubles.consumer_harness import ConsumerHarness
from tests.doubles.evidence import Evidence
from tests.doubles.secrets_manager import StrictSecretsManager
from tests.doubles.sqs import INTAKE_QUEUE, SEAL_QUEUE
from tests.doubles.user_tokens import KeptTokens

ADA = "ada@example.com"
DEADLINE = timedelta(minutes=15)
SSO = Step(command="RevokeSsoToken", at="zoom/acme", identity=ADA, found_by="account", detail={"user_id": ADA})
GRANTS = Step(command="RevokeGrants", at="venafi/acme", identity=ADA, found_by="address", detail={"identity": ADA})
PERSONAL = Step(command="RevokeAccessToken", at="adas-zoom", identity="adas-zoom")
REPLACED = Step(command=REPLACE, at="zoom", identity=ADA, detail={"owner": ADA})


@dataclass
class World(ConsumerHarness):
    """Cases, people and connections, and somebody who looks after them every minute."""

    people: InMemoryPeople = field(default_factory=InMemoryPeople)
    connections: InMemoryConnections = field(
        default_factory=lambda: InMemoryConnections(connection(), connection("venafi", provider="venafi"))
    )
    sweep_after: timedelta | None = None
    done_where_missing: frozenset[str] = frozenset()
    counted: InMemoryPeopleAnHour = field(default_factory=InMemoryPeopleAnHour)
    #: the times that were measured
    measured: list[tuple[str, int]] = field(default_factory=list)

    @cached_property
    def evidence(self) -> Evidence:
        return Evidence(self.cases, self.clock)

    @property
    def watch(self) -> Watch:
        case_start = CaseStart(
            self.cases,
            self.people,
            self.connections,
            self.publisher(),
            self.clock,
            DEADLINE,
            lambda case: Search((), tuple({"owner of connections": name} for name in case.names)),
            ceiling=Ceiling(self.counted, most=2000, routine=50),
        )
        return Watch(
            cases=self.cases,
            people=self.people,
            announcer=CaseAnnouncer(self.cases, self.publisher()),
            request_seal=self.publisher().request_seal,
            request_begin=lambda case: self.publisher().request_begin(case.case_id, INTAKE_QUEUE),
            case_start=case_start,
            receipts=self.receipts,
            connections=self.connections,
            kept=KeptTokens(StrictSecretsManager(), self.clock).stored,
            providers=PROVIDERS,
            clock=self.clock,
            give_up_after=timedelta(hours=24),
            sweep_after=self.sweep_after,
        )

    @property
    def sealing(self) -> CaseCompletion:
        return CaseCompletion(
            cases=self.cases,
            announcer=CaseAnnouncer(self.cases, self.publisher(), says_completed=True),
            case_start=self.watch.case_start,
            providers=PROVIDERS,
            clock=self.clock,
            keep_evidence=self.evidence.keep,
            done_where_missing=self.done_where_missing,
            measure=lambda name, seconds: self.measured.append((name, seconds)),
        )

    def seals(self) -> None:
        """seal_case works through its queue."""
        asked = [json.loads(each["MessageBody"])["case_id"] for each in self.sqs.to(SEAL_QUEUE)]
        self.sqs.sent = [each for each in self.sqs.sent if each["QueueUrl"] != SEAL_QUEUE]
        for case_id in asked:
            seal_case(
                SealCase(case_id=case_id),
                cases=self.cases,
                completion=self.sealing,
                measure=self.sealing.measure,
                logger=Logger(service=str(uuid4()), stream=self.log),
            )

    def looks(self, *, most: int = 100) -> int:
        """Look after what is due, as each minute; returns how many cases failed."""
        left = iter(range(most))
        failed = look_after(
            self.watch,
            self.cases.find_due(self.clock()),
            logger=Logger(service=str(uuid4()), stream=self.log),
            has_time=lambda: next(left, None) is not None,
        )
        self.seals()
        return failed

    def minutes(self, count: int) -> None:
        for _ in range(count):
            self.clock.passes(minutes=1)
            self.looks()

    def opens(self, *steps: Step, case_id: str = "c-1", name: str = ADA, **fields: Any) -> Case:
        """Have a case under way, of which nothing is done."""
        scheduled = self.scheduled(*steps, case_id=case_id, name=name, **fields)
        begun = scheduled.after_start(self.clock(), deadline=DEADLINE)
        case = begun.without_pending("OffboardingStarted")
        self.cases.put(case)
        self.people.change(name, lambda found: found.model_copy(update={"case": case_id, "gone_since": NOW}))
        return case

    def scheduled(self, *steps: Step, case_id: str = "c-1", name: str = ADA, at: datetime = NOW, **fields: Any) -> Case:
        """Have a case that waits for its time."""
        usual: dict[str, Any] = {
            "email": name,
            "event_id": f"event of {case_id}",
            "source": "hr",
            "urgency": "routine",
            "request": {
                "event_id": f"event of {case_id}",
                "source": "hr",
                "kind": "immediate",
                "subject": {"email": name},
                "effective_at": at.isoformat(),
                "occurred_at": at.isoformat(),
            },
            "requested_at": NOW - timedelta(minutes=1),
            "effective_at": at,
        }
        case = new_case(case_id, steps, [name], **usual | fields).with_look_at(at)
        self.cases.put(case)
        return case

    def receives(self, step: Step, outcome: Outcome = Outcome.REVOKED, *, case_id: str = "c-1") -> Receipt:
        """Have a receipt of which the case has not heard: a run was killed in between."""
        return self.receipts.finish(self.tried(step, case_id=case_id).closed(Result(outcome), now=self.clock()))

    def tried(self, step: Step, *, case_id: str = "c-1") -> Receipt:
        return Receipt(
            case_id=case_id,
            entry=step.name,
            command=step.command,
            system="zoom",
            subject=step.identity,
            account=step.account,
            connection=step.at if step.account is None else "zoom",
            requested_at=NOW - timedelta(minutes=1),
            first_attempt_at=self.clock(),
        )

    def case(self, case_id: str = "c-1") -> Case:
        found = self.cases.read(case_id)
        assert found is not None
        return found

    def name(self, name: str = ADA) -> Name:
        found = self.people.read(name)
        assert found is not None
        return found

    def commands(self) -> list[tuple[str, str]]:
        """What was sent since it was last asked: command and case."""
        sent = [each for each in self.bus.put if each["Source"] == "leaver.command"]
        self.bus.put = [each for each in self.bus.put if each not in sent]
        return [(each["DetailType"], json.loads(each["Detail"])["case_id"]) for each in sent]

    def announced(self) -> list[str]:
        return [each["detail_type"] for each in self.bus.announced]

    def step_done(self, steps: Iterable[Step], *, case_id: str = "c-1") -> None:
        for step in steps:
            self.receives(step, case_id=case_id)
