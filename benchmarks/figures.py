"""One measured figure, what was promised of it, and whether that holds."""

from dataclasses import dataclass
from typing import Final

#: MiB that a function may hold
MOST_MEMORY: Final = 64.0


@dataclass(frozen=True)
class Figure:
    """A figure beside its target; the target is a floor or a ceiling, as `at_least` says."""

    name: str
    value: float
    target: float
    #: whether more is better
    at_least: bool = False
    unit: str = ""
    #: how it was measured, in a few words
    said: str = ""

    @property
    def holds(self) -> bool:
        """Whether the promise is kept."""
        return self.value >= self.target if self.at_least else self.value <= self.target
