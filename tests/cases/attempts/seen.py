"""What somebody tries, to have a case completed while access lives; and what is seen of it, asked of the providers."""

import re
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

from leaver.cases.record import Case
from leaver.cases.seal import head_of
from leaver.cases.states import State
from leaver.outcomes import Outcome
from tests.doubles.office import ADA, ADA_ID, Message, Office

_CASE_ID: Final = re.compile(r"c-[0-9a-f-]{36}")
#: what Ada has at first
EVERYTHING: Final = frozenset({"session of ada", "grants of local:{ada}", "user token of ada", "adas-zoom"})


@dataclass(frozen=True)
class Seen:
    """What a person and a provider would say afterwards."""

    #: what the cases say, and what became of the last message
    says: str
    #: what lives of the leaver's
    lives: frozenset[str]
    #: what somebody else had, and has no more
    lost: frozenset[str] = frozenset()
    #: whether all that was this person's is said to be ended, with nothing in the residual by name
    is_said_to_have_ended: bool = False


@dataclass(frozen=True)
class Attempt:
    """One thing that was tried; `says` is how that begins which is to be seen."""

    name: str
    group: str
    tried: str
    play: Callable[[], Seen]
    says: str
    lives: frozenset[str]


class Attempts:
    """The attempts of one group; called, it makes a function one of them, whose docstring says what is tried."""

    def __init__(self, group: str) -> None:
        self._group = group
        self.all: list[Attempt] = []

    def __call__(
        self, says: str = "completed", lives: Collection[str] = ()
    ) -> Callable[["Callable[[], Company | Seen]"], None]:
        """Take how that begins which the cases then say, and what then lives."""

        def mark(play: "Callable[[], Company | Seen]") -> None:
            def played() -> Seen:
                came = play()
                return came if isinstance(came, Seen) else came.seen

            self.all.append(Attempt(play.__name__, self._group, str(play.__doc__), played, says, frozenset(lives)))

        return mark


class Company(Office):
    """Ada leaves. Ben, whatever he is called, loses nothing: `ben` stands in each name of what is his."""

    def __init__(self, *, ben: str = "ben@example.com", **told: Any) -> None:
        super().__init__(**told)
        self._deactivates = bool(told.get("deactivates"))
        self._bens: set[str] = set()
        self.connects("adas-zoom", ADA)
        self.hire(ben, "ben", "local:{ben}")
        self.connects("bens-zoom", ben)

    def queue(self, command: str, body: dict[str, Any]) -> Message:
        self._bens |= self.bens
        return super().queue(command, body)

    def hands_over(self, name: str, owner: str, *, ended: Outcome | None = None, **fields: Any) -> None:
        """What `leaver connect` writes under a name that there is; unless `ended`, the old grant lives."""
        old = self.table.records[name]
        old.refuse_to_forget(owner)
        self.grants[f"old grant of {old.owner}"] = self.grants[name]
        self.grants[name].alive = ended is None
        self.connects(name, owner, role=old.role, **fields)
        made = self.table.records[name].model_copy(update={"granted_at": self.clock()})
        written = old.with_new_grant(made, now=self.clock())
        self.table.put(written.with_replaced_grant_ended(ended, "ended") if ended else written)

    def waits(self, minutes: int = 1, **time: float) -> None:
        """Time passes, then the watch looks once in each of so many minutes."""
        self.clock.passes(**time)
        for _ in range(minutes):
            self.clock.passes(minutes=1)
            self.minute()
            self.works()

    def decides(self, decision: str, **told: str) -> None:
        """A person decides of the last case."""
        self.clock.passes(minutes=1)
        self.queue("StartOffboarding", {"case": self.cases.every[-1].case_id, "decision": decision} | told)
        self.works()

    def alive(self) -> set[str]:
        """What works at the providers, and what is kept, whosever it is."""
        found = {f"session of {each}" for each in self.zoom.sessions}
        found |= {f"login of {each}" for each in self.zoom.users.keys() - self.zoom.deactivated if self._deactivates}
        found |= {f"grants of {grantee}" for grantee, count in self.venafi.grants.items() if count}
        found |= {f"user token of {name.split('/')[2]}" for name in self.secrets.secrets if "/user-tokens/" in name}
        found |= {name for name, grant in self.grants.items() if grant.alive}
        return {each.replace(ADA_ID, "ada") for each in found}

    @property
    def bens(self) -> set[str]:
        return {each for each in self.alive() if "ben" in each}

    @property
    def seen(self) -> Seen:
        cases = [case for case in self.cases.every if case.kind == "departure"]
        closed = [each for case in cases for each in case.residual if "step" in each]
        all_completed = bool(cases) and all(case.state is State.COMPLETED for case in cases)
        return Seen(
            says=_CASE_ID.sub("c-…", "; ".join([*self._cases(), *self._last_words()])),
            lives=frozenset(self.alive() - self.bens),
            lost=frozenset(self._bens - self.bens),
            is_said_to_have_ended=all_completed and not closed and bool(self.people.under_tombstones),
        )

    def _cases(self) -> list[str]:
        told = Counter(self._says(case) for case in self.cases.every)
        return [says if count == 1 else f"{says} ({count} cases)" for says, count in told.items()] or ["no case"]

    def _says(self, case: Case) -> str:
        says = str(case.state) if case.kind == "departure" else f"{case.kind} {case.state}"
        if case.because:
            says += f": {case.because}"
        if case.state is State.OPEN:
            receipts = self.cases.read_receipts(case.case_id)
            says += f": {', '.join(self._outstanding(case, name, receipts) for name in case.outstanding)}"
        if case.head is not None:
            stored = self.cases.read_stored(case.case_id)
            says += ", the seal holds" if head_of(stored["case"], stored) == case.head else ", the seal is broken"
        says += "".join(f", {each['step']} closed by a person" for each in case.residual if "step" in each)
        if case.kind == "departure" and case.state is State.COMPLETED and not self.people.under_tombstones:
            says += ", and taken back"
        return says

    def _outstanding(self, case: Case, name: str, receipts: Any) -> str:
        if name in case.waiting:
            return f"{name} waits for a connection"
        refused = next(step.refused for step in case.steps if step.name == name)
        outcome = receipts[name].outcome if name in receipts else None
        return f"{name} {refused or outcome or 'waits for a person'}"

    def _last_words(self) -> list[str]:
        reasons = [f"dead-lettered: {reason}" for reason in dict.fromkeys(self.reasons())]
        last = self.heard.fates[-1] if self.heard.fates else None
        refused = last is not None and last.because and last.fate in {"refused", "changed", "nothing_follows"}
        return [*reasons, f"{last.fate}: {last.because}"] if last and refused else reasons
