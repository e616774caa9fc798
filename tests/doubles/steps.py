"""Several runs at once, one effect at a time: who goes next is chosen, and a run may die before and after each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, TypeVar

from greenlet import getcurrent, greenlet
from pydantic import BaseModel

Moment = Literal["before", "after"]
T = TypeVar("T")

#: Effects that neither change anything nor depend on what others do. When these happen makes no difference to anybody,
#: and who dies before one leaves the same behind as who dies after it: so nobody is stopped there.
OF_NO_MATTER: Final = frozenset({"receive", "encrypt", "decrypt", "sign"})


def in_words(what: object) -> str:
    """The same words for the same: what `repr` is for, but that it takes a third of the exploration on records."""
    return what.model_dump_json() if isinstance(what, BaseModel) else repr(what)


class Killed(BaseException):
    """The process is gone: nothing of it runs any more, no `except` and no `finally` of ours included."""


def die() -> None:
    """What a process does that is killed."""
    raise Killed


@dataclass
class Effects:
    """What everything that can be seen from outside goes through."""

    #: told of each effect, by name, just before and just after it
    watch: Callable[[str, Moment], None] = lambda _name, _moment: None
    #: told what came of each effect, an error or a result
    seen: Callable[[str, object], None] = lambda _name, _result: None
    #: the processes that are gone: what their `finally` still tries has no effect
    dead: set[greenlet] = field(default_factory=set)

    def of(self, name: str, do: Callable[[], T]) -> T:
        self._reached(name, "before")
        try:
            done = do()
        except Exception as error:
            # An error is an answer too, and one can die in the next moment.
            self.seen(name, error)
            self._reached(name, "after")
            raise
        self.seen(name, done)
        self._reached(name, "after")
        return done

    def interrupt(self, place: int, moment: Moment, act: Callable[[], object]) -> list[str]:
        """Have `act` done once, at the effect of this number from now on; returns what holds its name from then on."""
        met: list[str] = []
        number = -1

        def watch(name: str, when: Moment) -> None:
            nonlocal number
            number += when == "before"
            if number == place and when == moment:
                met.append(name)
                self.watch = lambda _name, _moment: None
                act()

        self.watch = watch
        return met

    def _reached(self, name: str, moment: Moment) -> None:
        if getcurrent() in self.dead:
            raise Killed
        try:
            self.watch(name, moment)
        except Killed:
            self.dead.add(getcurrent())
            raise


@dataclass
class Run:
    """A process: something to do, step by step. A mortal one is dead before its lease could be taken over."""

    name: str
    do: Callable[[], object]
    #: functions are; a person's laptop may sleep, and wake up much later
    mortal: bool = True
    failure: Exception | None = None
    #: all that it has done and seen: with the same past it has the same future
    past: list[str] = field(default_factory=list)
    #: the effect that it stands before
    next: str = ""
    _greenlet: greenlet | None = None

    @property
    def begun(self) -> bool:
        return self._greenlet is not None

    @property
    def over(self) -> bool:
        return self._greenlet is not None and self._greenlet.dead

    @property
    def standing(self) -> tuple[str, ...] | None:
        """All that its future depends on; None of one that has none, whatever it did and saw."""
        return None if self.over else (self.next, *self.past)

    @property
    def holds_the_only_copy(self) -> bool:
        """Whether the provider has answered it, and nothing is written yet."""
        return self.next == "write secret" and any(
            each.startswith("refresh at the provider") for each in self.past[-1:]
        )

    def step(self) -> None:
        """Go on to just before the next effect, or to the end."""
        if self._greenlet is None:
            self._greenlet = greenlet(self._begin)
        self._greenlet.switch()

    def kill(self) -> None:
        if self._greenlet is not None and not self._greenlet.dead:
            self._greenlet.throw(Killed)
            assert self._greenlet.dead

    def is_running(self) -> bool:
        return getcurrent() is self._greenlet

    def _begin(self) -> None:
        try:
            self.do()
        except Killed:
            return
        except Exception as error:  # noqa: BLE001 - what it raises is looked at afterwards
            self.failure = error


def take_turns(effects: Effects, runs: list[Run]) -> None:
    """Let every run stop before each effect that matters, until it is stepped on, and remember what it saw."""
    main = getcurrent()

    def running() -> Run | None:
        return next((run for run in runs if run.is_running()), None)

    def stop(name: str, moment: Moment) -> None:
        if moment == "before" and name not in OF_NO_MATTER and (run := running()):
            run.next = name
            main.switch()

    def seen(name: str, result: object) -> None:
        if run := running():
            run.past.append(f"{name}: {in_words(result)}")

    effects.watch, effects.seen = stop, seen


@dataclass
class Choices:
    """One way through all choices: those that were laid down, and then the first of each."""

    laid_down: list[int]
    #: what was met before, from where everything has been tried
    known: set[object]
    #: what was chosen, and of how many
    made: list[tuple[int, int]] = field(default_factory=list)
    #: where there was a choice the last time
    _chose: bool = True

    def among(self, options: int, state: Callable[[], object]) -> int:
        """Choose; raises Known where all that can follow from here has been played already."""
        place = len(self.made)
        chose, self._chose = self._chose, options > 1
        if place < len(self.laid_down):
            chosen = self.laid_down[place] if options > 1 else 0
        else:
            chosen = 0
            # Where there is no choice, the first state of many tells as much as all of them.
            if chose or options > 1:
                met = state()
                if met in self.known:
                    raise Known
                self.known.add(met)
        if options > 1:
            self.made.append((chosen, options))
        return chosen


class Known(Exception):
    """Another order had led here before: to the same world, and the same to come."""


def all_ways(play: Callable[[Choices], T]) -> Iterator[T | None]:
    """Play once for every way through the choices that playing meets: depth first, each from a fresh start.

    None for a way that joins one which has been played.
    """
    laid_down: list[int] = []
    known: set[object] = set()
    while True:
        choices = Choices(laid_down, known)
        try:
            yield play(choices)
        except Known:
            yield None
        while choices.made and choices.made[-1][0] == choices.made[-1][1] - 1:
            choices.made.pop()
        if not choices.made:
            return
        *before, (last, _) = choices.made
        laid_down = [chosen for chosen, _ in before] + [last + 1]
