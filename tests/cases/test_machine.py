"""Leavers, and whatever can happen to their cases, in any order that a machine comes upon: what must never be."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Literal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from leaver.cases.heard import Heard
from leaver.cases.intake import BEGUN
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
#: works there all the time, under a name that is nearly another's
BYSTANDER: Final = "ada.b@example.com"
KINDS: tuple[str, ...] = ("immediate", "immediate", "scheduled", "cancelled", "reinstated")
SOURCES: tuple[str, ...] = ("hr-system", "hr-system", "okta", "scim")
#: how fast a clock may be: by more than a redrive could wait for
AHEAD = timedelta(days=30)
#: as many real attempts as a step may take here: each fault and each crash is worth one, and so is each message
BOUND = 60

places = st.integers(min_value=0, max_value=30)
#: mostly they come back
statuses = st.sampled_from([Status.ACTIVE] * 8 + list(Status))
people = st.sampled_from(PEOPLE)


@dataclass(frozen=True)
class Word:
    """What a source said of somebody, and when that happened: no later than it was heard."""

    source: str
    event_id: str
    kind: str
    at: datetime

    @property
    def leaves(self) -> bool:
        return self.kind in {"immediate", "scheduled"}


class Leavers(RuleBasedStateMachine):
    """HR says what it will, queues do what queues do, providers fail, processes die; a person redrives now and then.

    What must be is asked of the providers, and of what sources said: not of Leaver's own records.
    """

    figures: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.office = Office(routine_limit=1000)
        self.words: dict[str, list[Word]] = {email: [] for email in PEOPLE}
        #: by message: whose case a person took back, and when
        self.decided: dict[str, tuple[str, datetime]] = {}
        self.signed_in: dict[str, datetime] = {}
        #: the ids at both providers of who had an address before somebody new got it
        self.before: dict[str, tuple[str, str]] = {}
        self.completed: set[str] = set()
        self.ended: dict[tuple[str, str], datetime] = {}

    @initialize()
    def hire(self) -> None:
        for number, email in enumerate(PEOPLE[1:]):
            self.office.hire(email, f"zoom-{number}", f"local:{{{number}}}")
        self.office.connects("zoom-ben", "ben@example.com")
        self.office.hire(BYSTANDER, "zoom-bystander", "local:{bystander}")
        self.office.connects("zoom-bystander", BYSTANDER)

    # -- connections come and go

    @rule(name=st.sampled_from(["zoom", "venafi"]), status=statuses)
    def a_connection_dies_or_comes_back(self, name: str, status: Status) -> None:
        self._step()
        granted = {"granted_at": self.office.clock()} if status in IN_USE else {}
        self.office.table.alter(name, status=status, **granted)

    @rule()
    def somebody_connects_a_twin(self) -> None:
        self._step()
        if "zoom-twin" not in self.office.table.records:
            self.office.installs("zoom-twin", "acme")

    # -- HR

    @rule(
        email=people,
        kind=st.sampled_from(KINDS),
        source=st.sampled_from(SOURCES),
        ago=st.sampled_from([0, 0, 1, 5, 30]),
        ahead=st.integers(0, 90),
        is_fast=st.sampled_from([False] * 7 + [True]),
    )
    def hr_says(self, email: str, kind: str, source: str, ago: int, ahead: int, *, is_fast: bool) -> None:
        self._step()
        self._says(email, kind, source, ago, ahead, is_fast=is_fast)

    def _says(self, email: str, kind: str, source: str, ago: int, ahead: int, *, is_fast: bool) -> None:
        self.office.clock.passes(seconds=1)
        now = self.office.clock()
        at = now if is_fast else now - timedelta(minutes=ago)
        while any(at == word.at for word in self.words[email]):
            # Two events of one person at the same second have no order.
            at -= timedelta(seconds=1)
        occurred_at = at + AHEAD if is_fast else at
        effective_at = now + timedelta(minutes=ahead) if kind == "scheduled" else occurred_at
        times = {"occurred_at": occurred_at.isoformat(), "effective_at": effective_at.isoformat()}
        may_repeat = {"may_repeat": True} if (source, kind) == ("scim", "reinstated") else {}
        event_id = str(sum(map(len, self.words.values())))
        self.office.hears(kind, email, source=source, event_id=event_id, **times, **may_repeat)
        if not is_fast or kind in {"immediate", "scheduled"}:
            self.words[email].append(Word(source, event_id, kind, at))

    @rule(place=places)
    def a_person_takes_it_back(self, place: int) -> None:
        self._step()
        cases = self.office.cases.every
        if cases and place % 3 == 0:
            self.office.clock.passes(seconds=1)
            case = cases[place % len(cases)]
            said = {"case": case.case_id, "decision": "reinstate"}
            message = self.office.queue("StartOffboarding", said)
            self.decided[message.id] = (case.email, self.office.clock())
            self.figures["decisions"] += 1

    # -- who works there

    @rule(email=people)
    def signs_in_again(self, email: str) -> None:
        """Whoever left has access again, and nobody heard of it."""
        self._step()
        if email in self.office.zoom.users.values() and email not in self.before:
            self.office.clock.passes(seconds=1)
            self.office.logs_in(email)
            self.signed_in[email] = self.office.clock()

    @rule(email=people, source=st.sampled_from(SOURCES))
    def signs_in_again_and_departs_once_more(self, email: str, source: str) -> None:
        """Whoever is gone has access again, and then a source says once more that they left."""
        self._step()
        if email in self.office.people.under_tombstones:
            self.signs_in_again(email)
            self._says(email, "immediate", source, 0, 0, is_fast=False)

    @rule()
    def somebody_new_gets_an_address(self) -> None:
        self._step()
        for email in PEOPLE:
            self._gives_the_address(email)

    def _gives_the_address(self, email: str) -> None:
        done = [each for each in self.office.cases.every if each.email == email and each.state is State.COMPLETED]
        # Who was not known by an id at both providers can't be told from whoever comes.
        known = bool(done) and all(case.identities and self._universal_of(case) for case in done)
        if not known or email in self.before or email not in self.office.zoom.users.values():
            return
        old = f"old.{email}"
        self.before[email] = (self.office.zoom_id(email), self.office.venafi.people[email][0])
        self.office.zoom.users[self.before[email][0]] = old
        self.office.venafi.people[old] = [self.before[email][1]]
        self.office.hire(email, f"new-{email[:3]}", f"local:{{new-{email[:3]}}}")
        self.figures["newcomers"] += 1

    def _universal_of(self, case: Case) -> object:
        receipts = self.office.cases.read_receipts(case.case_id).values()
        return next((each.details.get("prefixed_universal") for each in receipts if each.system == "venafi"), None)

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
    def everything_is_delivered(self) -> None:
        self._step()
        for _ in range(4):
            for message in list(self.office.queued):
                self.office.deliver(message)

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
        if zoom_id is not None and self.words[email] and email not in self.before:
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
            what = {"RevokeSsoToken": "session", "RevokeGrants": "grants", "PurgeUserTokens": "user token"}
            ended = what.get(receipt.command, receipt.connection)
            assert ended not in self._access_of_whom(case) or self._signed_in_since(case)

    @invariant()
    def whenever_a_case_says_completed_nobody_has_anything_alive_of_that_persons(self) -> None:
        for case in self.office.cases.every:
            if case.state is State.COMPLETED and case.case_id not in self.completed:
                self.completed.add(case.case_id)
                assert self._signed_in_since(case) or self._access_of_whom(case) == set()

    @invariant()
    def nobody_else_loses_anything(self) -> None:
        everything = {"session", "grants", "user token", "zoom-bystander"}
        assert self.office.access_of(BYSTANDER) == everything

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
        for email in PEOPLE:
            self._settled(email)
        for case in self.office.cases.every:
            assert case.state not in UNDER_WAY or self._waits_for_a_person(case), case
            assert case.pending_announcements == ()
        self.counts_partition()
        self.a_completed_case_has_a_receipt_for_every_step_and_its_chain_verifies()
        self.what_is_over_has_no_command_carried_out_any_more()
        self.figures["faults"] += self.office.weather.faults
        self.figures["repeats"] += sum(each.follows is not None for each in self.office.cases.every)
        self.figures["cases"] += len(self.office.cases.every)
        self.figures["runs"] += 1

    def _settled(self, email: str) -> None:
        """What becomes of somebody is what each source said last, but for what a person decided."""
        fates = {(each.source, each.event_id): each for each in self.office.heard.fates}
        taken_back = max((at for who, at in self._decisions() if who == email), default=None)
        newest: dict[str, Word] = {}
        for word in sorted(self.words[email], key=lambda each: each.at):
            refused = word.kind == "cancelled" and fates[word.source, word.event_id].because == BEGUN
            if not refused and (taken_back is None or word.at > taken_back):
                newest[word.source] = word
        leaves = [word for word in newest.values() if word.leaves]
        gone = email in self.office.people.under_tombstones
        if email in self.before:
            back = taken_back or any(word.kind == "reinstated" for word in self.words[email])
            # Leaver's own copies go by the address too: whoever needs one has it fetched again.
            assert back or self.office.access_of(email) >= {"session", "grants"}, f"{email} is new, and lost something"
        elif not leaves:
            assert not gone, f"{email} is here, under a tombstone"
        elif not gone:
            told = {fates[word.source, word.event_id].fate for word in leaves}
            held = any(case.email == email and case.state is State.HELD for case in self.office.cases.every)
            # A late word about a departure that was undone meanwhile touches nobody.
            assert held or told == {"repeated"}, f"{email} left, and there is no tombstone"
        elif self._is_ended_after_signing_in(email, leaves, fates):
            assert self._access_of(email) == set(), f"{email} left, and still has {self._access_of(email)}"

    def _is_ended_after_signing_in(self, email: str, leaves: list[Word], fates: Mapping[Any, Heard]) -> bool:
        since = self.signed_in.get(email)
        later = [word for word in leaves if since and word.at > since]
        return since is None or any(fates[word.source, word.event_id].fate == "opened" for word in later)

    def _decisions(self) -> list[tuple[str, datetime]]:
        """Whose cases a person took back, and when, as far as that came in time."""
        fates = {each.message_id: each.fate for each in self.office.heard.fates}
        return [whose for message, whose in self.decided.items() if fates.get(message) == "changed"]

    def _signed_in_since(self, case: Case) -> bool:
        since = self.signed_in.get(case.email)
        return since is not None and (case.started_at is None or since >= case.started_at)

    def _access_of_whom(self, case: Case) -> set[str]:
        """What the person of a case has: whoever had the address then."""
        if case.email not in self.before or (
            case.identities and self.before[case.email][0] not in case.identities.values()
        ):
            return self._access_of(case.email)
        zoom_id, universal = self.before[case.email]
        found = {"session"} if zoom_id in self.office.zoom.sessions else set()
        return found | ({"grants"} if self.office.venafi.grants.get(universal) else set())

    def _settle(self) -> None:
        """No more faults: the queues are worked through, and hours pass, in which abandoned leases run out too."""
        self.office.weather.to_come.clear()
        for name in ("zoom", "venafi"):
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
        """Zoom did not know them when it was asked, or somebody new may be meant: a person has to say."""
        if case.state is State.HELD:
            return case.because is not None
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
        assert violations or all(Leavers.figures[each] for each in ("decisions", "newcomers", "repeats"))
        told = [Leavers.figures[each] for each in ("runs", "steps", "cases", "faults", "duplicates", "crashes")]
        record_property("cases", [*told, violations])
