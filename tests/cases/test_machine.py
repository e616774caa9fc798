"""Leavers, and whatever can happen to their cases, in any order that a machine comes upon: what must never be."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from leaver.cases.record import DONE, Case
from leaver.cases.seal import head_of
from leaver.cases.states import UNDER_WAY, State
from leaver.connections.record import IN_USE, Status
from leaver.errors import ProviderResponse, ProviderUnavailable, Throttled
from leaver.outcomes import Outcome
from tests.doubles.office import ADA, Office
from tests.doubles.steps import Killed, Moment
from tests.length import length

PEOPLE = [ADA, "ben@example.com", "cleo@example.com"]
KINDS: tuple[str, ...] = ("immediate", "immediate", "scheduled", "cancelled", "reinstated")
#: as many real attempts as a step may take here: each fault and each crash is worth one, and so is each message
BOUND = 60

places = st.integers(min_value=0, max_value=30)
people = st.sampled_from(PEOPLE)


class Leavers(RuleBasedStateMachine):
    """HR says what it will, queues do what queues do, providers fail, processes die; a person redrives now and then."""

    figures: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.office = Office(routine_limit=1000)
        #: what HR said last of each, by when it happened: the truth
        self.last: dict[str, tuple[datetime, str]] = {}
        self.said: set[tuple[str, datetime]] = set()
        self.ended: dict[tuple[str, str], datetime] = {}

    @initialize()
    def hire(self) -> None:
        for number, email in enumerate(PEOPLE[1:]):
            self.office.hire(email, f"zoom-{number}", f"local:{{{number}}}")
        self.office.connects("zoom-ben", "ben@example.com")
        self.office.installs("zoom-eu", "europe")
        self.office.joins(PEOPLE[1], "ben-in-europe", "europe")

    # -- connections come and go

    @rule(name=st.sampled_from(["zoom", "zoom-eu", "venafi"]), status=st.sampled_from(list(Status)))
    def a_connection_dies_or_comes_back(self, name: str, status: Status) -> None:
        self._step()
        granted = {"granted_at": self.office.clock()} if status in IN_USE else {}
        self.office.table.alter(name, status=status, **granted)

    @rule(account=st.sampled_from(["acme", "europe"]))
    def somebody_connects_a_twin(self, account: str) -> None:
        self._step()
        name = f"zoom-{account}-twin"
        if name not in self.office.table.records:
            self.office.installs(name, account)

    # -- HR

    @rule(email=people, kind=st.sampled_from(KINDS), ago=st.integers(0, 30), ahead=st.integers(0, 90))
    def hr_says(self, email: str, kind: str, ago: int, ahead: int) -> None:
        self._step()
        occurred_at = self.office.clock() - timedelta(minutes=ago)
        while (email, occurred_at) in self.said:
            # Two events of one person at the same second have no order.
            occurred_at += timedelta(seconds=1)
        self.said.add((email, occurred_at))
        later = self.office.clock() + timedelta(minutes=ahead)
        effective_at = later if kind == "scheduled" else occurred_at
        self.office.hears(kind, email, occurred_at=occurred_at.isoformat(), effective_at=effective_at.isoformat())
        if email not in self.last or self.last[email][0] < occurred_at:
            self.last[email] = (occurred_at, kind)

    # -- queues

    @rule(place=places)
    def deliver(self, place: int) -> None:
        self._step()
        if self.office.queued:
            self.office.deliver(self.office.queued[place % len(self.office.queued)])

    @rule(place=places)
    def deliver_twice(self, place: int) -> None:
        self._step()
        if self.office.queued:
            message = self.office.queued[place % len(self.office.queued)]
            self.office.deliver(message)
            self.office.deliver(message)
            self.figures["duplicates"] += 1

    @rule()
    def reorder(self) -> None:
        self._step()
        self.office.queued.reverse()

    @rule()
    def redrive(self) -> None:
        self._step()
        self.office.redrive()

    @rule(place=places, email=people, command=st.sampled_from(["RevokeSsoToken", "PurgeUserTokens", "RevokeGrants"]))
    def somebody_forges_a_command(self, place: int, email: str, command: str) -> None:
        """A command about anybody, under a name that no step has, with the id of a case that is there."""
        self._step()
        cases = self.office.cases.every
        if cases:
            who = {"identity": f"AD+corp:{email}"} if command == "RevokeGrants" else {"user_id": f"no.step.{email}"}
            case_id = cases[place % len(cases)].case_id
            self.office.deliver(self.office.queue(command, who | {"case_id": case_id}))
            self.figures["forged"] += 1

    # -- faults

    @rule(provider=st.sampled_from(["zoom", "venafi"]), fault=st.sampled_from(["429", "5xx", "lost"]))
    def provider_fails(self, provider: str, fault: Literal["429", "5xx", "lost"]) -> None:
        self._step()
        error = {
            "429": Throttled("429", until=self.office.clock() + timedelta(seconds=2)),
            "5xx": ProviderUnavailable("503", ProviderResponse(503)),
            "lost": None,
        }[fault]
        self.office.weather.to_come.append((provider, error))

    @rule(email=people)
    def zoom_forgets(self, email: str) -> None:
        """Somebody else deletes the account at Zoom, and its session goes with it."""
        self._step()
        zoom_id = next((zoom_id for zoom_id, each in self.office.zoom.users.items() if each == email), None)
        if zoom_id is not None and email in self.last:
            del self.office.zoom.users[zoom_id]
            self.office.zoom.sessions.discard(zoom_id)
            self.figures["faults"] += 1

    @rule(place=places, crash=st.integers(0, 25), moment=st.sampled_from(["before", "after"]))
    def crash(self, place: int, crash: int, moment: Moment) -> None:
        self._step()
        if not self.office.queued:
            return
        message = self.office.queued[place % len(self.office.queued)]
        reached = -1

        def watch(_name: str, when: Moment) -> None:
            nonlocal reached
            reached += when == "before"
            if reached == crash and when == moment:
                raise Killed

        self.office.effects.watch = watch
        try:
            self.office.deliver(message)
        except Killed:
            self.figures["crashes"] += 1
        finally:
            self.office.effects.dead.clear()
            self.office.effects.watch = lambda _name, _moment: None

    # -- time

    @rule(minutes=st.sampled_from([1, 1, 5, 60]))
    def time_passes(self, minutes: int) -> None:
        self._step()
        self.office.clock.passes(minutes=minutes)
        self.office.minute()

    # -- what must hold at any moment

    @invariant()
    def nothing_says_revoked_that_the_provider_does_not_confirm(self) -> None:
        for (case_id, entry), receipt in self.office.receipts.items.items():
            if receipt.outcome not in DONE or (case_id, entry) in self.ended:
                continue
            self.ended[case_id, entry] = self.office.clock()
            case = self.office.cases.read(case_id)
            assert case is not None
            if receipt.command == "RevokeSsoToken":
                assert receipt.account not in self.office.sessions_of(case.email)
                continue
            what = {"RevokeGrants": "grants", "PurgeUserTokens": "user token"}
            assert what.get(receipt.command, receipt.connection) not in self._access_of(case.email)

    @invariant()
    def a_completed_case_has_a_receipt_for_every_step_and_its_chain_verifies(self) -> None:
        for case in self.office.cases.every:
            if case.state is State.COMPLETED:
                kept = self.office.cases.read_receipts(case.case_id)
                receipts = [kept[step.name] for step in case.steps]
                assert all(receipt.outcome in DONE | {Outcome.USER_NOT_FOUND} for receipt in receipts)
                stored = self.office.cases.read_stored(case.case_id)
                assert case.head == head_of(stored["case"], stored)

    @invariant()
    def nobody_has_two_cases_under_way(self) -> None:
        under_way = Counter(case.email for case in self.office.cases.every if case.state in UNDER_WAY)
        assert all(count == 1 for count in under_way.values()), under_way

    @invariant()
    def counts_partition(self) -> None:
        for case in self.office.cases.every:
            names, outstanding = [step.name for step in case.steps], case.outstanding
            assert len(set(names)) == len(names)
            assert set(outstanding) <= set(names)
            assert len(set(outstanding)) == len(outstanding)
            for name in set(names) - set(outstanding):
                receipt = self.office.receipts.items[case.case_id, f"{name}"]
                assert receipt.outcome in DONE | {Outcome.USER_NOT_FOUND}
            assert (case.state is State.COMPLETED) <= (not outstanding)

    @invariant()
    def what_is_over_has_no_command_carried_out_any_more(self) -> None:
        for case in self.office.cases.every:
            if case.finished_at is None or case.state not in {State.CANCELLED, State.REINSTATED}:
                continue
            for step in case.steps:
                receipt = self.office.receipts.items.get((case.case_id, step.name))
                if receipt is not None and receipt.outcome in DONE and receipt.finished_at is not None:
                    assert receipt.finished_at.replace(microsecond=0) <= case.finished_at

    @invariant()
    def attempts_are_bounded(self) -> None:
        assert all(receipt.attempts <= BOUND for receipt in self.office.receipts.items.values())

    # -- after the dust has settled

    def teardown(self) -> None:
        self._settle()
        for email, (_, kind) in self.last.items():
            if kind in {"immediate", "scheduled"}:
                assert self._access_of(email) == set(), f"{email} left, and still has {self._access_of(email)}"
                assert email in self.office.people.under_tombstones
            else:
                assert email not in self.office.people.under_tombstones, f"{email} is here, under a tombstone"
        for case in self.office.cases.every:
            assert case.state not in UNDER_WAY or self._waits_for_a_person(case), case
            assert case.pending_announcements == ()
        self.counts_partition()
        self.a_completed_case_has_a_receipt_for_every_step_and_its_chain_verifies()
        self.what_is_over_has_no_command_carried_out_any_more()
        self.figures["faults"] += self.office.weather.faults
        self.figures["cases"] += len(self.office.cases.every)
        self.figures["runs"] += 1

    def _settle(self) -> None:
        """No more faults: the queues are worked through, and hours pass, in which abandoned leases run out too."""
        self.office.weather.to_come.clear()
        for name in ("zoom", "zoom-eu", "venafi"):
            self.office.table.alter(name, status=Status.ACTIVE, granted_at=self.office.clock())
        for minutes in (1, 8, 60, 120, 180, 0):
            for _ in range(4):
                self.office.redrive()
                for message in list(self.office.queued):
                    self.office.deliver(message)
            self.office.clock.passes(minutes=minutes)
            self.office.minute()
        assert self.office.queued == []

    def _waits_for_a_person(self, case: Case) -> bool:
        """Zoom did not know them when it was asked: nobody may say that they are done with."""
        kept = self.office.cases.read_receipts(case.case_id)
        asked = [step for step in case.steps if step.name in case.outstanding]
        return all(kept[step.name].outcome is Outcome.USER_NOT_FOUND for step in asked)

    def _access_of(self, email: str) -> set[str]:
        universal = self.office.venafi.people[email][0]
        if email not in self.office.zoom.users.values():
            return {"grants"} if self.office.venafi.grants.get(universal) else set()
        return self.office.access_of(email)

    def _step(self) -> None:
        self.figures["steps"] += 1


def test_whatever_happens_every_leaver_loses_everything_and_nobody_says_otherwise(
    record_property: Callable[[str, Any], None],
) -> None:
    Leavers.figures = Counter()
    violations = 0
    try:
        run_state_machine_as_test(
            Leavers,
            settings=settings(
                max_examples=length(100),
                stateful_step_count=50,
                derandomize=True,
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    except BaseException:
        violations = 1
        raise
    finally:
        told = [Leavers.figures[each] for each in ("runs", "steps", "cases", "faults", "duplicates", "crashes")]
        record_property("cases", [*told, violations])
