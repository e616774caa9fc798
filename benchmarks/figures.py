"""One measured figure, what was promised of it, whether that holds, and how its number is written."""

from dataclasses import dataclass
from math import floor, log10
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
    how: str = ""

    @property
    def holds(self) -> bool:
        """Whether the promise is kept."""
        return self.value >= self.target if self.at_least else self.value <= self.target


def format_number(value: float) -> str:
    """Write a number as shortly as it says something: three digits, and thousands apart."""
    if value == 0:
        return "0"
    digits = max(0, 2 - floor(log10(abs(value))))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
