"""One row of an examination: what is so, and what is wrong with that, each with what to do."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Trouble:
    """Something that a person has to mend."""

    what: str
    to_do: str


@dataclass(frozen=True)
class Row:
    """What was looked at; without a trouble all is well with it."""

    name: str
    #: in a sentence, also where all is well
    says: str
    troubles: tuple[Trouble, ...] = ()
