"""An HR system that is asked about people: a provider's entry where nobody has a step, and its word on somebody."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from pydantic import SecretStr

from leaver.providers.entry import Client, Credentials, Leaver, LeaverStep, Provider
from leaver.providers.listing import Lists, Person
from leaver.providers.transport import Transport


@dataclass(frozen=True)
class Account:
    """What an HR system says of somebody by now."""

    #: the one at work: no private address may end anybody's access
    email: str
    #: whether the system itself says that the person left, or is shut out
    is_gone: bool
    #: of an end that was entered; None: none is, or nobody asked for it
    last_day: date | None = None


class LooksUp(Protocol):
    """An HR system's API, as far as it says who somebody is."""

    def look_up(self, person: str, access_token: SecretStr, *, with_last_day: bool) -> Account:
        """Ask for the account of an id.

        Raises BadMessage where it can't be one, Rejected where nobody has it, or where a field is left out (by its
        name), InvalidToken where a refresh may help, Throttled, and ProviderUnavailable.
        """


def _no_steps(_: Leaver) -> Sequence[LeaverStep]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Source(Provider[Client, Credentials]):
    """An HR system's entry: nobody loses anything there, so that it has neither steps nor names of people."""

    identity_keys: frozenset[str] = frozenset()
    steps: Callable[[Leaver], Sequence[LeaverStep]] = _no_steps
    #: makes the client of its API, on the same host; imports that client, which costs a function time to start
    api: Callable[[Transport, Callable[[], datetime]], LooksUp]
    #: makes the listing of everybody, with those who left, where it can be a roster; on the same host
    roster: Callable[[Transport, Callable[[], datetime]], Lists[Person]] | None = None


#: by name, as HR events call them
Sources = Mapping[str, Source[Any, Any]]
