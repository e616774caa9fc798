"""A company in which somebody was forgotten in each way that there is, and everybody else is innocent."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from leaver.messages.names import name_of
from leaver.providers.listing import Holding, Person
from leaver.reconcile.comparison import Ended, Held

ZOOM, SECOND_ZOOM, VENAFI, OURS = "zoom/acme", "zoom/acme-eu", "venafi/tpp", "leaver"
ENDED_AT = datetime(2026, 10, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Orphan:
    """One way to be forgotten."""

    name: str
    #: in which list they must be found
    place: str
    people: tuple[Person, ...] = ()
    held: tuple[Held, ...] = ()
    #: the names under which a case of theirs was completed
    ended: tuple[str, ...] = ()
    deactivated: bool = False


def account(email: str, *, at: str = ZOOM, **fields: object) -> Held:
    """A Zoom account."""
    return Held(at, Holding(kind="account", email=email, what="active", **fields))  # type: ignore[arg-type]


def grant(id_: str, email: str | None = None, *, of: str = "vcert", **fields: object) -> Held:
    """Grants of a Venafi application."""
    return Held(VENAFI, Holding(kind="grant", id=id_, email=email, what=f"grant of {of}", **fields))  # type: ignore[arg-type]


def left(email: str, **fields: object) -> Person:
    """Somebody who left, by the roster."""
    return Person(email, is_gone=True, **fields)  # type: ignore[arg-type]


ORPHANS = (
    Orphan("the same address", "gone_and_alive", (left("a1@example.com"),), (account("a1@example.com", id="Z1"),)),
    Orphan(
        "another alias",
        "gone_and_alive",
        (left("a2@example.com", aliases=("ann.two@example.com",)),),
        (account("Ann.Two@example.com", id="Z2"),),
    ),
    Orphan(
        "employee id only",
        "gone_and_alive",
        (left("a3@example.com", employee_id="E-3"),),
        (account("private@home.example", id="Z3", employee_id="e-3"),),
    ),
    Orphan("another case", "gone_and_alive", (left("A4@Example.com"),), (account("a4@eXample.COM", id="Z4"),)),
    Orphan(
        "another composition", "gone_and_alive", (left("ren\u00e9@example.com"),), (account("rene\u0301@example.com"),)
    ),
    Orphan(
        "deactivated and back",
        "alive_again",
        (),
        (account("a5@example.com", id="Z5"),),
        ended=("a5@example.com",),
        deactivated=True,
    ),
    Orphan(
        "signed in since",
        "alive_again",
        (),
        (account("a6@example.com", id="Z6", last_seen_at="2026-11-20T08:00:00Z"),),
        ended=("a6@example.com",),
    ),
    Orphan(
        "a grant after the case", "alive_again", (), (grant("AD+corp:a7", "a7@example.com"),), ended=("a7@example.com",)
    ),
    Orphan(
        "known to a case by the id alone",
        "alive_again",
        (),
        (account("renamed@example.com", id="Z8"),),
        ended=("Z8",),
        deactivated=True,
    ),
    Orphan(
        "pending",
        "gone_and_alive",
        (left("a9@example.com"),),
        (Held(ZOOM, Holding(kind="account", email="a9@example.com", what="pending")),),
    ),
    Orphan(
        "an AD account already deleted with live grants",
        "gone_and_alive",
        (left("b1@example.com", ids=("AD+Corp:{27E5AAAA-2D77-43AF-8F1F-39F1BA132825}",)),),
        (grant("AD+corp:27e5aaaa2d7743af8f1f39f1ba132825"),),
    ),
    Orphan(
        "an application nobody thought of",
        "gone_and_alive",
        (left("b2@example.com"),),
        (grant("local:{b2}", "b2@example.com", of="forgotten-script"),),
    ),
    Orphan(
        "a second account",
        "gone_and_alive",
        (left("b3@example.com"),),
        (
            account("b3@example.com", id="Z9", at=SECOND_ZOOM),
            Held(ZOOM, Holding(kind="account", id="Z10", email="b3@example.com", what="inactive", is_alive=False)),
        ),
    ),
    Orphan(
        "missing from the roster since yesterday",
        "gone_and_alive",
        (Person("b4@example.com", is_gone=True, missing_since="2026-11-28"),),
        (account("b4@example.com", id="Z11"),),
    ),
    Orphan(
        "a personal connection",
        "gone_and_alive",
        (left("b5@example.com"),),
        (Held(OURS, Holding(kind="connection", email="B5@example.com", what="connection zoom-b5")),),
    ),
    Orphan(
        "a kept token, known by the id of an account that lets nobody in",
        "gone_and_alive",
        (left("b6@example.com"),),
        (
            Held(ZOOM, Holding(kind="account", id="Z12", email="b6@example.com", what="inactive", is_alive=False)),
            Held(OURS, Holding(kind="token", id="Z12", what="kept zak")),
        ),
    ),
    Orphan("on no roster", "unknown", (), (account("contractor@elsewhere.example", id="Z13"),)),
)


def innocents(count: int) -> Iterator[tuple[Person, tuple[Held, ...]]]:
    """Who is here, and has an account at Zoom, and some of them grants."""
    for number in range(count):
        email, id_ = f"p{number}@example.com", f"I{number}"
        person = Person(email, (f"alias{number}@example.com",), f"N-{number}")
        held = (account(email if number % 3 else f"ALIAS{number}@example.com", id=id_),)
        yield person, held if number % 5 else (*held, grant(f"local:{{{number}}}", email))


#: whoever looks like a leaver and is none: an address that passed on, a case of somebody who has the address no more
LOOKALIKES: tuple[tuple[tuple[Person, ...], tuple[Held, ...], tuple[str, ...]], ...] = (
    (
        (left("jdoe@example.com", employee_id="E-old"), Person("jdoe@example.com", employee_id="E-new")),
        (account("jdoe@example.com", id="Y1", employee_id="E-new"),),
        (),
    ),
    ((Person("back@example.com"),), (account("back@example.com", id="Y2"),), ("back@example.com",)),
    (
        (left("old@example.com", employee_id="E-9"), Person("new@example.com")),
        (account("new@example.com", id="Y3", employee_id="E-9"),),
        (),
    ),
)


def find_ended_in(orphans: Iterable[Orphan], also: Iterable[str] = ()) -> dict[str, Ended]:
    """The completed cases, by name."""
    found = {name_of(name): Ended("c-other", ENDED_AT, deactivated=False) for name in also}
    for each in orphans:
        for name in each.ended:
            found[name_of(name)] = Ended(f"c-{each.name}", ENDED_AT, each.deactivated)
    return found
