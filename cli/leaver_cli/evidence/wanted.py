"""What an auditor asks for, and which cases of the log that is."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple

import click

from leaver.cases.table import ListedCase, UnreadableCase
from leaver.messages.names import name_of
from leaver.storage.tables import timestamp
from leaver_cli.evidence.source import EvidenceSource


class Span(NamedTuple):
    """Days, the first and the last among them, in UTC."""

    since: datetime
    until: datetime

    @classmethod
    def of(cls, since: datetime, until: datetime) -> "Span":
        """From the first moment of the one day to the last of the other."""
        last = until.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC) + timedelta(days=1)
        return cls(since.replace(tzinfo=UTC), last - timedelta(seconds=1))

    @property
    def days(self) -> Iterator[datetime]:
        """Each day."""
        yield from (self.since + timedelta(days=number) for number in range((self.until - self.since).days + 1))

    def holds(self, at: datetime | None) -> bool:
        """Whether this was in that time."""
        return at is not None and self.since <= at <= self.until


@dataclass(frozen=True)
class Wanted:
    """Cases by name, or by time, or of a person; together they narrow each other down."""

    cases: tuple[str, ...]
    span: Span | None
    person: str | None

    @property
    def is_whole(self) -> bool:
        """Whether these are all cases of a time: then none may be missing between the first and the last."""
        return self.span is not None and not self.cases and self.person is None

    def choose(self, source: EvidenceSource) -> Sequence[str]:
        """The cases; of a whole time also its days, all that was signed in it, and what was logged between these.

        Raises ClickException where a case that is named is not in the log.
        """
        if self.is_whole and self.span:
            return _signed_in(self.span, source)
        if unknown := sorted(set(self.cases) - source.leaves.keys()):
            raise click.ClickException(f"{', '.join(unknown)}: not in the log; a case has evidence once it is over")
        chosen = set(self.cases)
        if self.span or self.person:
            found = {each.case_id for each in source.find_over() if self._is_meant(each)}
            chosen = chosen & found if chosen else found
        return sorted(chosen)

    def told(self, *, is_redacted: bool) -> str:
        """In words."""
        said = [f"case {each}" for each in self.cases]
        said += [f"{self.span.since:%Y-%m-%d} to {self.span.until:%Y-%m-%d}"] if self.span else []
        said += [f"of {self.person}" if not is_redacted else "of one person"] if self.person else []
        return ", ".join(said)

    def _is_meant(self, case: ListedCase | UnreadableCase) -> bool:
        if isinstance(case, UnreadableCase):
            # Nobody can tell: better one too many.
            return self.person is None
        if self.span and not self.span.holds(case.finished_at):
            return False
        names = {name_of(each) for each in (case.email, *case.names)}
        return self.person is None or name_of(self.person) in names


def _signed_in(span: Span, source: EvidenceSource) -> Sequence[str]:
    # By what was signed: whoever may write the tables may move a case out of any time there.
    names = list(source.leaves)
    signed_at = cache(source.signed_at)

    def told(places: Iterable[int]) -> str | None:
        return next((at for place in places if (at := signed_at(names[place]))), None)

    # What is gone counts as signed at any time between its neighbours: one too many shows, one too few does not.
    every = range(len(names))
    first = bisect_left(every, timestamp(span.since), key=lambda place: told(every[place:]) or "~")
    after = bisect_right(every, timestamp(span.until), key=lambda place: told(every[place::-1]) or "")
    days = {f"{day:%Y-%m-%d}" for day in span.days}
    places = [*range(first, after), *(place for place, name in enumerate(names) if name in days)]
    return names[min(places) : max(places) + 1] if places else []
