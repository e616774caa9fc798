"""What there is to end for somebody: the steps of a case, by the connections that there are at that moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from leaver.cases import identities
from leaver.cases.kinds import is_ended_by
from leaver.cases.record import REPLACE, Case, Step
from leaver.cases.start import COMMANDS
from leaver.connections.record import Connection, Connections, Status
from leaver.errors import BadMessage
from leaver.messages.commands import Command, RevokeAccessToken, parse
from leaver.messages.events import OffboardingRequested, Subject
from leaver.providers.entry import Providers

ZOOM: Final = "zoom"


@dataclass(frozen=True)
class StepFinder:
    """Finds the steps of a case, when it is recorded and once more before it is completed."""

    connections: Connections
    providers: Providers

    def find(
        self, subject: Subject, zoom_user_id: str | None, names: Sequence[str], *, deactivates_users: bool
    ) -> Sequence[Step]:
        """Find what has to end; raises BadMessage where a step's command can't be sent."""
        usable = {name: each for name, each in self.providers.items() if find_usable(self.connections, name)}
        steps = [
            _step(step.command, name, step.fields)
            for name, step in identities.steps(subject, usable, {ZOOM: zoom_user_id} if zoom_user_id else {})
            if deactivates_users or not step.opt_in
        ]
        owned = [record for name in names for record in self._owned_by(name)]
        steps += [_step(RevokeAccessToken, record.connection, {}) for record in owned if record.role == "personal"]
        steps.sort(key=lambda step: list(COMMANDS).index(step.command))
        # Leaver must not be switched off by somebody's leaving: a person replaces what it works through.
        return steps + [
            Step(command=REPLACE, connection=record.connection, detail={"owner": record.owner})
            for record in owned
            if record.role == "service"
        ]

    def find_anew(self, case: Case) -> Sequence[Step]:
        """Find what has to end for a case's person as of now; a sweep only looks once more at what was there.

        What somebody who stays has connected since the case began is theirs.
        """
        if case.sweep_of is not None:
            return ()
        subject = OffboardingRequested.model_validate(case.request, strict=False).subject
        deactivates = case.policy is not None and case.policy.deactivate_users
        found = self.find(subject, case.zoom_user_id, case.names, deactivates_users=deactivates)
        return [
            step for step in found if is_ended_by(case.kind, step.command) and not self._is_of_who_stays(step, case)
        ]

    def _is_of_who_stays(self, step: Step, case: Case) -> bool:
        if case.kind == "departure" or case.started_at is None or step.command != RevokeAccessToken.__name__:
            return False
        granted_at = self.connections.read(step.connection).granted_at
        return granted_at is not None and granted_at > case.started_at

    def _owned_by(self, name: str) -> list[Connection]:
        records = [self.connections.read(each) for each in self.connections.owned_by(name)]
        return [record for record in records if record.status is not Status.REVOKED]


def find_usable(connections: Connections, name: str) -> Connection | None:
    """Read a connection; None where there is none, or a revoked one."""
    try:
        record = connections.read(name)
    except BadMessage:
        return None
    return None if record.status is Status.REVOKED else record


def _step(command: type[Command], connection: str, fields: Mapping[str, str]) -> Step:
    """A step whose command can be sent; raises BadMessage while nothing is recorded and a person can still mend it."""
    parse(command, {**fields, "connection": connection}, direct=False)
    return Step(command=command.__name__, connection=connection, detail=dict(fields))
