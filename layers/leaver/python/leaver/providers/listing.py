"""Who has something at a provider, and who should be there by a roster: listings in pages that can be gone on with."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Generic, Literal, Protocol, TypeVar

from pydantic import SecretStr

from leaver.errors import Rejected

Found = TypeVar("Found")
Told = TypeVar("Told")
#: how far a listing is: what JSON can hold, and no secret; empty: at its beginning
Cursor = Mapping[str, Any]
BEGINNING: Final[Cursor] = {}
#: bytes of a page, beyond which Leaver reads no further
LONGEST_PAGE: Final = 16 * 2**20


class CutShort(Rejected):
    """A listing ended before its own total: whoever is missing from it may have anything."""


@dataclass(frozen=True)
class Holding:
    """What somebody has at one account."""

    #: an account outlasts the end of its sessions; whatever else there is should have ended
    kind: Literal["account", "grant", "connection", "token"]
    #: the provider's own id of whoever has it; None where it tells none
    id: str | None = None
    email: str | None = None
    #: under which other names the provider knows them: addresses, account names with their directory
    names: tuple[str, ...] = ()
    employee_id: str | None = None
    #: in the provider's words: a status, an application
    what: str = ""
    #: whether it lets anybody in by now
    is_alive: bool = True
    #: when it was used last, as the provider writes it
    last_seen_at: str | None = None


@dataclass(frozen=True)
class Person:
    """Somebody on a roster."""

    email: str
    aliases: tuple[str, ...] = ()
    employee_id: str | None = None
    #: what providers call them, and nobody else
    ids: tuple[str, ...] = ()
    #: the roster says that they left
    is_gone: bool = False
    #: the day when they were first missing; None: they are not, or the roster itself says that they left
    missing_since: str | None = None


@dataclass(frozen=True)
class Page(Generic[Found]):
    """Some of a listing, and how it goes on; None: this was the last."""

    found: tuple[Found, ...]
    next: Cursor | None


class Ask(Protocol):
    """Carries out one call at the account's pace, over a connection of the account."""

    def __call__(self, call: Callable[[SecretStr], Told], *, calls: int = 1) -> Told:
        """Return what the call returns; `calls` is how many requests it is at most, or weighs."""


class Lists(Protocol[Found]):
    """A listing of one account."""

    def read_page(self, cursor: Cursor, ask: Ask) -> Page[Found]:
        """Read on from there. Raises CutShort where it ends before its own total."""


def as_json(found: Holding | Person) -> dict[str, Any]:
    """What is stored of it: nothing of what is not there."""
    return {name: value for name, value in asdict(found).items() if value not in (None, (), "")}


def holding_of(stored: Mapping[str, Any]) -> Holding:
    """A holding as it was stored."""
    return Holding(**{**stored, "names": tuple(stored.get("names", ()))})


def person_of(stored: Mapping[str, Any]) -> Person:
    """A person as they were stored."""
    told = {**stored, "aliases": tuple(stored.get("aliases", ())), "ids": tuple(stored.get("ids", ()))}
    return Person(**told)
