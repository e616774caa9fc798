"""A case begins: the tombstone under every name, and then one command for each thing that must end."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from leaver.cases.ceiling import Ceiling
from leaver.cases.people import Known, Name, People, who_says_leaves
from leaver.cases.record import PURGE, REPLACE, Case, Search, Step
from leaver.cases.states import OVER, CaseEvent, State
from leaver.cases.table import Cases
from leaver.connections.record import Connections
from leaver.messages import commands
from leaver.messages.commands import Command, parse
from leaver.messages.publisher import Publisher

#: the commands that carry out a step
COMMANDS: dict[str, type[Command]] = {
    each.__name__: each
    for each in (
        commands.RevokeSsoToken,
        commands.RevokeAccessToken,
        commands.RevokeGrants,
        commands.PurgeUserTokens,
        commands.DeactivateUser,
    )
}


@dataclass(frozen=True)
class CaseStart:
    """What sets a case going, and what takes that back."""

    cases: Cases
    people: People
    connections: Connections
    publisher: Publisher
    clock: Callable[[], datetime]
    #: how long a case may take before it is announced as overdue
    deadline: timedelta
    #: finds what has to end for a case's person as of now, and says where it looked
    search: Callable[[Case], Search]
    #: for how many people an hour cases may begin before one is held; None for whoever begins none
    ceiling: Ceiling | None = None

    def as_begun(self, case: Case) -> Case:
        """A case that is not recorded yet as begun, where its time has come and the guard lets it begin.

        Recorded so, it is written once and not twice; its tombstones and commands are still to come.
        """
        now = self.clock()
        if case.state is not State.SCHEDULED or case.effective_at > now:
            return case
        if (event := self._find_hold(case, now)) is not None:
            return case.after(event, now)
        return case.after_start(now, deadline=self.deadline)

    def begin(self, case: Case, known: Known = MappingProxyType({})) -> Case:
        """Set a recorded case going if its time has come; returns the case as it is then.

        Repeated, it sends nothing that is done, and nothing where the case is over. `known` is what was read of its
        names a moment ago.
        """
        now = self.clock()
        if case.state is State.OPEN:
            # Also where it had begun: nobody knows how far that came.
            case = self.raise_tombstones_again(case, now, known)
        elif case.watch_at is not None and case.watch_at <= now:
            case = self._start(case, now)
        if case.state is State.OPEN:
            self.send(case, case.outstanding)
        return case

    def _start(self, case: Case, now: datetime) -> Case:
        """Start a case that waited for its time.

        First the guard, and then the tombstones, so that nothing is given to the leaver while the commands are on their
        way.
        """

        def cancel(standing: Case) -> Case | None:
            return standing.after(CaseEvent.CANCELLED, now) if standing.allows(CaseEvent.CANCELLED) else None

        def start(standing: Case) -> Case | None:
            allowed = standing.allows(CaseEvent.STARTED)
            # After the tombstones: from then on nothing is added that nobody would find.
            found = self.search(standing).steps if allowed else ()
            return standing.with_steps(found).after_start(now, deadline=self.deadline) if allowed else None

        known = self.people.read_all(case.names) if case.kind == "departure" else {}
        if case.kind == "departure" and case.allows(CaseEvent.CANCELLED) and who_says_leaves(known) == frozenset():
            # Whoever said so came before the case was recorded, and found nothing that could be stopped.
            case = self.cases.settle(case, cancel)
        if case.state is State.SCHEDULED:
            case = self._hold_above_limit(case, now)
        if case.state is State.SCHEDULED:
            self.raise_tombstones(case, now, known)
            case = self.cases.settle(case, start)
        if case.state in OVER and not (case.state is State.DISCARDED and case.follows):
            # It was cancelled at this very moment, or a run was killed between a cancellation and this. But the
            # tombstones of somebody whose repeat a person threw away are those of the case before.
            self.lift_tombstones(case)
        return case

    def send(self, case: Case, names: Iterable[str]) -> None:
        """Put the commands of these steps on the bus, each over a connection that its account has now.

        A step that no connection is there for waits. Where the person stays, kept tokens are destroyed at once beside
        the case, and as its last step once more, behind the cutoff. Raises Undelivered if the bus took less than all.
        """
        wanted = set(names)
        steps = [step for step in case.steps if step.name in wanted and step.command != REPLACE]
        early = {PURGE} if case.kind != "departure" and case.awaited else set()
        if PURGE in {step.command for step in steps} - early:
            self.raise_cutoffs(case)
        urgency = {"urgency": case.urgency}
        requested_at = max(case.requested_at, case.effective_at).isoformat()
        of_case = {"case_id": case.case_id, "requested_at": requested_at}
        own = [step for step in steps if step.command not in early]
        beside = [step for step in steps if step.command in early]
        self.publisher.send_commands(
            self._commands(case, own, urgency | of_case) + self._commands(case, beside, urgency)
        )

    def _commands(self, case: Case, steps: Sequence[Step], told: Mapping[str, str]) -> list[Command]:
        """The commands of those steps that can be sent now, with what is told to all of them."""
        steps = [step for step in steps if step.refused is None]
        usable = self.connections.usable_at((step.provider for step in steps if step.provider), leaving=case.names)
        commands = []
        for step in steps:
            names = [each.connection for each in usable.get(step.at, ())] if step.provider else [step.at]
            failed = case.failed_over.get(step.name, ())
            # One that failed may lack a scope that its twin has.
            connection = next((name for name in names if name not in failed), names[0] if names else None)
            if connection is not None:
                # A step of no case is a command on one connection: the account is the case's word.
                named = {"account": step.account, "alias": step.alias} if "case_id" in told else {}
                fields = {**step.detail, **named, "connection": connection, **told}
                commands.append(parse(COMMANDS[step.command], fields, direct=False))
        return commands

    def raise_cutoffs(self, case: Case) -> None:
        """Say, where the person stays and kept tokens end, that none may be kept that a thief could ask for.

        Until the last step at a provider ended, by its receipt: however late this is said, the person's own stay.
        """
        others = {step.name for step in case.steps if step.command != PURGE}
        if case.kind == "departure" or len(others) == len(case.steps):
            return
        receipts = self.cases.read_receipts(case.case_id)
        ended = [each.finished_at for name, each in receipts.items() if name in others and each.finished_at]
        cutoff = max(ended, default=self.clock())
        for name in case.names:
            self.people.change(name, lambda found: found.with_cutoff(cutoff))

    def raise_tombstones(self, case: Case, now: datetime, known: Known = MappingProxyType({})) -> Mapping[str, Name]:
        """Say under every name of somebody who leaves that nothing may be given to them any more.

        Returns what was remembered of the names under which none stood yet. `known` is what was read of these names. A
        sweep raises none: where they are gone, the person is here again.
        """
        raised: dict[str, Name] = {}
        if case.kind != "departure" or case.sweep_of is not None:
            return raised

        def raise_one(found: Name) -> Name | None:
            # Another case's, where an account named this person otherwise only when access ended.
            other = self.cases.read(found.case) if found.case and found.case != case.case_id else None
            is_completed = other is not None and other.state is State.COMPLETED
            return found.with_tombstone(case.case_id, now, finished=found.case if is_completed else None)

        for name in case.names:
            if written := self.people.change(name, raise_one, known):
                raised[name] = written
        return raised

    def raise_tombstones_again(self, case: Case, now: datetime, known: Known = MappingProxyType({})) -> Case:
        """Raise those of a case under way, of which an earlier run may have been killed; returns the case after that.

        If somebody came back at this very moment, the case is over, and the tombstones are lifted. `known` is as
        raise_tombstones() has it.
        """
        raised = self.raise_tombstones(case, now, known)
        standing = self._stop_unsaid(case, raised, now)
        if standing.state in OVER:
            self.lift_tombstones(standing)
        return standing

    def _stop_unsaid(self, case: Case, raised: Known, now: datetime) -> Case:
        """Stop a case that is being begun where nobody says any more that the person leaves; returns it as it is then.

        Whoever says so came before the case was recorded, and found nothing that could be stopped.
        """

        def stop(standing: Case) -> Case | None:
            is_unsaid = standing.is_being_begun and standing.said == case.said
            return standing.as_never_begun(now) if is_unsaid else None

        if case.kind != "departure" or case.sweep_of is not None or not case.is_being_begun:
            return self.cases.require(case.case_id)
        known = {**self.people.read_all(set(case.names) - raised.keys()), **raised}
        if who_says_leaves(known) != frozenset():
            return self.cases.require(case.case_id)
        # First: nobody looks after the tombstones of a case that is over.
        self.lift_tombstones(case)
        return self.cases.settle(case, stop)

    def lift_tombstones(self, case: Case, *, kept: Collection[str] = ()) -> None:
        """Take that back, where it is still this case that said so; but for these names, which stay ended."""
        for name in set(case.names).difference(kept):
            self.people.change(name, lambda found: found.without_tombstone(case.case_id))

    def _hold_above_limit(self, case: Case, now: datetime) -> Case:
        """Hold a case above a limit of the hour: a broken feed must not log a whole company out."""
        event = self._find_hold(case, now)
        if event is None:
            return case

        def hold(standing: Case) -> Case | None:
            still = standing.urgency == case.urgency and standing.allows(event)
            return standing.after(event, now) if still else None

        return self.cases.settle(case, hold)

    def _find_hold(self, case: Case, now: datetime) -> CaseEvent | None:
        """Count whoever begins to leave, and tell how a case above a limit is held; None where it may begin."""
        exceeded = self.ceiling.find_exceeded(case, now) if self.ceiling else None
        if self.ceiling is None or exceeded is None:
            return None
        is_first = self.ceiling.people.is_first_beyond(exceeded, case.email, now)
        return CaseEvent.HELD_FIRST if is_first else CaseEvent.HELD
