"""Whose an address is by now: the leaver's for three days after the case began, and then an id has to tell."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

from leaver.cases.record import STILL_THEIRS
from leaver.cases.table import Cases
from leaver.messages.commands import Command
from leaver.outcomes import Outcome, Result

#: why it can not be told whose an address is by now
FOUND_LATE: Final = (
    "the leaver was first found days after that name or address was given, as {}, who may be somebody new by now: send "
    "this command without a case under the leaver's own id; then close the step"
)


class Somebody(Protocol):
    """Whom a provider finds."""

    @property
    def id(self) -> str:
        """The provider's own id, which it gives to nobody else."""


def tell_age(command: Command, *, cases: Cases, clock: Callable[[], datetime]) -> timedelta:
    """Tell how long ago the case began, or a later event gave the name; nothing of a command that is no case's.

    Where nobody could say on the day whose the addresses are, it is how long ago somebody did. A sweep goes by the
    address of the case before, and began later.
    """
    case, now = cases.read(command.case_id) if command.case_id else None, clock()
    if case is not None and case.sweep_of is not None:
        case = cases.read(case.sweep_of)
    if case is None or case.theirs_at is None:
        return timedelta(0)
    later = [said.at for said in case.said if command.alias is not None]
    return now - max([case.theirs_at, *later])


def find_late(
    command: Command, find: Callable[[], Somebody | Result], age_of: Callable[[Command], timedelta]
) -> Result | None:
    """Say that the address may be somebody new's by now, or is nobody's; None while it is the leaver's, and of an id.

    `find` asks the provider whose it is; `age_of` is tell_age().
    """
    if "@" not in command.subject or age_of(command) <= STILL_THEIRS:
        return None
    found = find()
    if isinstance(found, Result):
        return found
    return Result(Outcome.NOT_SEARCHABLE, details={"because": FOUND_LATE.format(found.id)})
