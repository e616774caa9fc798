"""How far a case is, and every way from one state to another: what is not in TRANSITIONS can not happen."""

from enum import StrEnum
from typing import Final, Literal, NamedTuple

AnnouncementName = Literal[
    "OffboardingStarted",
    "OffboardingCompleted",
    "OffboardingOverdue",
    "OffboardingCancelled",
    "OffboardingHeld",
    "AccountResurrected",
]


class State(StrEnum):
    """How far a case is; a new one is scheduled."""

    #: waits for its time
    SCHEDULED = "scheduled"
    #: stopped by the guard, or in doubt: waits for a person
    HELD = "held"
    OPEN = "open"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    REINSTATED = "reinstated"
    #: a person looked at a held one and threw it away
    DISCARDED = "discarded"


#: at most one such case per person
UNDER_WAY: Final = frozenset({State.SCHEDULED, State.HELD, State.OPEN})
#: nothing of such a case has begun, and whoever gets a command of it does not carry it out either
WAITING: Final = frozenset({State.SCHEDULED, State.HELD})
#: whoever gets a command of such a case does not carry it out
OVER: Final = frozenset({State.CANCELLED, State.REINSTATED, State.DISCARDED})


class CaseEvent(StrEnum):
    """What happens to a case."""

    #: its time has come
    STARTED = "started"
    #: the guard stopped it: the first of its hour, and each further one
    HELD_FIRST = "held first"
    HELD = "held"
    #: it cannot be told who is meant
    DOUBTED = "doubted"
    #: a person let it go on
    RELEASED = "released"
    #: another event about the same person is urgent
    MADE_URGENT = "made urgent"
    #: it waited for another source to say so as well, which one did
    CONFIRMED = "confirmed"
    #: a person threw it away
    DISCARDED = "discarded"
    #: it was said that the person does not leave, or is back
    CANCELLED = "cancelled"
    REINSTATED = "reinstated"
    #: of somebody who stays: a newer event wants everything ended once more
    SUPERSEDED = "superseded"
    #: before anything of it was sent: nobody says any more that the person leaves
    UNSAID = "unsaid"
    #: it took longer than it may
    OVERDUE = "overdue"
    #: the last receipt is there
    SEALED = "sealed"


class LookAgain(StrEnum):
    """When a case is looked at again."""

    #: when it is to take effect
    WHEN_DUE = "when due"
    IN_A_MINUTE = "in a minute"
    #: when a person has decided
    BY_A_PERSON = "by a person"


class Transition(NamedTuple):
    """One way from one state to another, or back to itself."""

    before: State
    event: CaseEvent
    after: State
    announced: AnnouncementName | None
    look_again: LookAgain


class ImpossibleTransition(Exception):
    """Nothing of the kind can happen to a case in this state."""

    def __init__(self, state: State, event: CaseEvent) -> None:
        super().__init__(f"a case that is {state} can not be {event}")


#: What is over or completed is looked at in a minute, until its announcement was taken and its sweep has begun.
TRANSITIONS: Final = (
    Transition(State.SCHEDULED, CaseEvent.STARTED, State.OPEN, "OffboardingStarted", LookAgain.IN_A_MINUTE),
    Transition(State.SCHEDULED, CaseEvent.HELD_FIRST, State.HELD, "OffboardingHeld", LookAgain.BY_A_PERSON),
    Transition(State.SCHEDULED, CaseEvent.HELD, State.HELD, None, LookAgain.BY_A_PERSON),
    Transition(State.SCHEDULED, CaseEvent.DOUBTED, State.HELD, "OffboardingHeld", LookAgain.BY_A_PERSON),
    Transition(State.HELD, CaseEvent.RELEASED, State.SCHEDULED, None, LookAgain.WHEN_DUE),
    Transition(State.HELD, CaseEvent.MADE_URGENT, State.SCHEDULED, None, LookAgain.WHEN_DUE),
    Transition(State.HELD, CaseEvent.CONFIRMED, State.SCHEDULED, None, LookAgain.WHEN_DUE),
    Transition(State.HELD, CaseEvent.DISCARDED, State.DISCARDED, "OffboardingCancelled", LookAgain.IN_A_MINUTE),
    Transition(State.SCHEDULED, CaseEvent.CANCELLED, State.CANCELLED, "OffboardingCancelled", LookAgain.IN_A_MINUTE),
    Transition(State.HELD, CaseEvent.CANCELLED, State.CANCELLED, "OffboardingCancelled", LookAgain.IN_A_MINUTE),
    Transition(State.SCHEDULED, CaseEvent.REINSTATED, State.REINSTATED, "OffboardingCancelled", LookAgain.IN_A_MINUTE),
    Transition(State.HELD, CaseEvent.REINSTATED, State.REINSTATED, "OffboardingCancelled", LookAgain.IN_A_MINUTE),
    Transition(State.OPEN, CaseEvent.REINSTATED, State.REINSTATED, "OffboardingCancelled", LookAgain.IN_A_MINUTE),
    Transition(State.OPEN, CaseEvent.SUPERSEDED, State.CANCELLED, "OffboardingCancelled", LookAgain.IN_A_MINUTE),
    Transition(State.OPEN, CaseEvent.UNSAID, State.CANCELLED, "OffboardingCancelled", LookAgain.IN_A_MINUTE),
    Transition(State.OPEN, CaseEvent.OVERDUE, State.OPEN, "OffboardingOverdue", LookAgain.IN_A_MINUTE),
    Transition(State.OPEN, CaseEvent.SEALED, State.COMPLETED, "OffboardingCompleted", LookAgain.IN_A_MINUTE),
)
_BY_STATE_AND_EVENT: Final = {(each.before, each.event): each for each in TRANSITIONS}


def is_possible(state: State, event: CaseEvent) -> bool:
    """Whether this can happen to a case in this state."""
    return (state, event) in _BY_STATE_AND_EVENT


def transition(state: State, event: CaseEvent) -> Transition:
    """Look up what an event makes of a case; raises ImpossibleTransition where the table has no such row."""
    try:
        return _BY_STATE_AND_EVENT[state, event]
    except KeyError:
        raise ImpossibleTransition(state, event) from None
