"""A case begins: the tombstone under every name, and then one command for each thing that must end."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from leaver.cases.people import Name, People
from leaver.cases.record import OVER, REPLACE, UNDER_WAY, Case, Cases, State, Step
from leaver.messages import commands
from leaver.messages.commands import Command, parse
from leaver.messages.publisher import Publisher

#: what a step can be told to a function as
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
    publisher: Publisher
    clock: Callable[[], datetime]
    #: how long a case may take before it is announced as overdue
    deadline: timedelta
    #: how soon it is looked at whether a command was lost
    look_again: timedelta

    def begin(self, case_id: str) -> None:
        """Set a recorded case going; repeated, it sends nothing that is done, and nothing where the case is over.

        First the tombstones, so that nothing is given to the leaver while the commands are on their way.
        """
        case = self.cases.read(case_id)
        now = self.clock()
        if case is not None and case.state in UNDER_WAY and self._stays(case):
            # Whoever said so came before the case was recorded, and found nothing that could be stopped.
            case = self.cases.change(case_id, lambda standing: standing.over(State.CANCELLED, now))
        if case is not None and case.state in OVER:
            # A run that was killed between the two may have raised them of a case that was just cancelled.
            self.lift_tombstones(case)
        if case is None or case.state not in {State.SCHEDULED, State.OPEN}:
            return
        self.raise_tombstones(case, now)
        started = self.cases.change(
            case_id,
            lambda standing: (
                standing.started(now, deadline=self.deadline, look_again=self.look_again)
                if standing.state is State.SCHEDULED
                else None
            ),
        )
        if started is None:
            # Somebody cancelled it at this very moment; or it had begun, and nobody knows how far that came.
            started = self.cases.read(case_id) or case
            if started.state in OVER:
                self.lift_tombstones(case)
            if started.state is not State.OPEN:
                return
        self.send(started, started.all_outstanding())

    def _stays(self, case: Case) -> bool:
        return any(found.stays for found in map(self.people.read, case.all_names()) if found)

    def send(self, case: Case, names: Iterable[str]) -> None:
        """Put the commands of these steps on the bus; raises Undelivered if it took less than all of them."""
        wanted = set(names)
        steps = [step for step in case.all_steps() if step.name in wanted and step.command != REPLACE]
        self.publisher.send_commands([_command(case, step) for step in steps])

    def raise_tombstones(self, case: Case, now: datetime) -> None:
        """Say under every name of the person that nothing may be given to them any more."""
        for name in case.all_names():
            self.people.change(name, case.requested_at, lambda found: _gone(found, case.case_id, now))

    def lift_tombstones(self, case: Case) -> None:
        """Take that back, where it is still this case that said so."""
        for name in case.all_names():
            self.people.change(name, case.requested_at, lambda found: _here(found, case.case_id))


def recorded(case_id: str, state: State, steps: Sequence[Step], names: Iterable[str], **told: object) -> Case:
    """A case with every step it expects, none of them done."""
    return Case.model_validate(
        {
            "case_id": case_id,
            "state": state,
            "steps": json.dumps([step.model_dump() for step in steps]),
            "outstanding": json.dumps([step.name for step in steps]),
            "names": json.dumps(sorted(set(names))),
            **told,
        }
    )


def _command(case: Case, step: Step) -> Command:
    told = {
        **step.detail,
        "connection": step.connection,
        "case_id": case.case_id,
        "urgency": case.urgency,
        "requested_at": max(case.requested_at, case.effective_at).isoformat(),
    }
    return parse(COMMANDS[step.command], told, direct=False)


def _gone(found: Name, case_id: str, now: datetime) -> Name | None:
    if found.gone_since and found.case == case_id:
        return None
    return found.model_copy(update={"gone_since": found.gone_since or now, "case": case_id})


def _here(found: Name, case_id: str) -> Name | None:
    if found.gone_since is None or found.case != case_id:
        return None
    return found.model_copy(update={"gone_since": None})
