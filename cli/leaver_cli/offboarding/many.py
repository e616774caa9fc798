"""`leaver offboard --from people.csv`: many people, each decided once, however often the run is interrupted."""

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from leaver.cases.heard import Heard
from leaver.cases.states import State
from leaver_cli.deployment import Deployment
from leaver_cli.fates import BAD, PATIENCE, PAUSE, SKEW
from leaver_cli.offboarding.people_csv import Line
from leaver_cli.offboarding.results import Results, Row

#: how many are under way at a time: a run that is stopped has not sent much more than it has heard of
AHEAD: Final = 40
HELD: Final = "held"
UNHEARD: Final = "not heard of"


@dataclass
class Run:
    """A list on its way."""

    deployment: Deployment
    results: Results
    lines: Sequence[Line]
    #: told how many became what, after each
    tell: Callable[["Counter[str]"], None] = lambda _: None
    _sent: dict[str, Row] = field(default_factory=dict, init=False)
    _last: float = field(default_factory=time.monotonic, init=False)
    _since: datetime = field(init=False)

    def go(self) -> None:
        """Decide on whoever is not decided on yet, and wait for what becomes of it; raises NoResult before the first.

        Ends where nobody has heard of anything for a while: what is left stays without a fate.
        """
        self._since = self.deployment.now() - SKEW
        waiting = deque(self.left)
        # Before anything is sent: whoever runs it again sends the same decisions.
        self.results.note(Row(each.begin.who, self.row_of(each).event_id) for each in waiting)
        self.tell(self.outcomes)
        self._last = time.monotonic()
        while waiting or self._sent:
            while waiting and len(self._sent) < AHEAD:
                self._send(waiting.popleft())
            if not self._hear() and time.monotonic() > self._last + PATIENCE.total_seconds():
                return
            if self._sent:
                time.sleep(PAUSE)

    def row_of(self, line: Line) -> Row:
        """What is known of somebody."""
        event_id = self.results.event_id(line.begin)
        return self.results.rows.get(event_id) or Row(line.begin.who, event_id)

    @property
    def outcomes(self) -> "Counter[str]":
        """How many of the list became what."""
        rows = [self.row_of(each) for each in self.lines]
        return Counter(outcome_of(each) for each in rows if each.fate)

    @property
    def left(self) -> list[Line]:
        """Whoever is not decided on yet, or only in vain."""
        return [each for each in self.lines if (fate := self.row_of(each).fate) in BAD or not fate]

    @property
    def unheard(self) -> int:
        """Of how many nothing is known."""
        return sum(not self.row_of(each).fate for each in self.lines)

    @property
    def is_well(self) -> bool:
        """Whether everybody's access ends as it was decided."""
        return not self.unheard and not self.outcomes.keys() & {HELD, *BAD}

    def _send(self, line: Line) -> None:
        row = self.row_of(line)
        begin = line.begin.model_copy(update={"event_id": row.event_id})
        self._sent[self.deployment.send(begin.as_message(), urgent=begin.urgency == "urgent")] = row

    def _hear(self) -> bool:
        """Note what became of some; tells whether anything did."""
        now = self.deployment.now()
        found = [each for each in self.deployment.heard.find_fates(self._since, now) if each.message_id in self._sent]
        if not found:
            return False
        self.results.note(self._row_with(self._sent[each.message_id], each) for each in found)
        for each in found:
            self._sent.pop(each.message_id, None)
        self._last = time.monotonic()
        if not self._sent:
            # What is heard from now on was sent from now on.
            self._since = now - SKEW - timedelta(seconds=1)
        self.tell(self.outcomes)
        return True

    def _row_with(self, row: Row, heard: Heard) -> Row:
        case = self.deployment.cases.read(heard.case_id) if heard.case_id else None
        return Row(
            row.who,
            row.event_id,
            heard.fate or "",
            heard.case_id or "",
            case.state if case else "",
            heard.because or (case.because if case and case.because else ""),
        )


def outcome_of(row: Row) -> str:
    """What became of somebody, in a word."""
    return HELD if row.state == State.HELD else row.fate


def in_words(outcomes: "Counter[str]") -> str:
    """The same of all."""
    return ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in sorted(outcomes.items()))
