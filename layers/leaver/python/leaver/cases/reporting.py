"""What a function that carries out steps has to do with their case: it reads the case first, and reports at last."""

from dataclasses import dataclass

from leaver.cases.record import Case
from leaver.cases.states import WAITING
from leaver.cases.table import Cases
from leaver.errors import BadMessage
from leaver.messages.commands import Command


@dataclass(frozen=True)
class StepReports:
    """The cases as whoever carries out their steps sees them: nobody of these changes a case."""

    cases: Cases

    def read_case(self, case_id: str, command: Command) -> Case:
        """Read the case whose step this command is; raises BadMessage where no such case asks for this very command."""
        case = self.cases.read(case_id)
        if case is None:
            raise BadMessage("case_id: expected the id of a case that exists")
        if not any(step.asks_for(command) for step in case.steps):
            raise BadMessage("case_id: expected the id of a case of which this very command is a step")
        if case.state in WAITING:
            raise BadMessage("case_id: expected the id of a case that has begun")
        return case
