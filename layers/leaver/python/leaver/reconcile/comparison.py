"""Who was forgotten: the five lists that come of comparing who should be here with who has something."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, NamedTuple

from leaver.providers.listing import Holding, Person
from leaver.reconcile.names import Key, keys_of_holding, keys_of_person

#: why a row stands where it stands
LEFT: Final = "left, by the roster"
MISSING: Final = "was on the roster, and is not any more"
TWO_PEOPLE: Final = "one of its names is somebody's who is here, and another somebody's who left: a person looks"
UNKNOWN: Final = "on no roster, and of nobody who is known to have left"
UNDER_WAY: Final = "a case is under way, or waits for a person"
AGAIN: Final = "everything was ended, and this lives"
USED_SINCE: Final = "the account was used after everything had been ended"
REACTIVATED: Final = "the account was deactivated, and is active again"
STANDS: Final = "the account stands, and nobody has used it since everything was ended"


class Held(NamedTuple):
    """What somebody has, and where, as `provider/account`."""

    at: str
    holding: Holding


@dataclass(frozen=True)
class Ended:
    """A case of somebody who left."""

    case_id: str
    #: None: it is under way, or waits for a person
    finished_at: datetime | None
    #: whether it deactivated the person's accounts as well
    deactivated: bool


@dataclass(frozen=True)
class Row:
    """One line of a list. `because` says why it is there."""

    who: str
    at: str = ""
    kind: str = ""
    what: str = ""
    #: the provider's own id
    id: str | None = None
    #: the address by which it is there
    email: str | None = None
    last_seen_at: str | None = None
    because: str = ""
    #: the case that ended, or is to end, what the person had
    case: str | None = None


@dataclass(frozen=True)
class Lists:
    """The five lists."""

    gone_and_alive: list[Row] = field(default_factory=list)
    alive_again: list[Row] = field(default_factory=list)
    unknown: list[Row] = field(default_factory=list)
    owners_gone: list[Row] = field(default_factory=list)
    #: the proof of the negative
    gone_and_clean: list[Row] = field(default_factory=list)

    @property
    def found(self) -> list[Row]:
        """What should have ended."""
        return [*self.gone_and_alive, *self.alive_again]

    def counts(self) -> dict[str, int]:
        """How many lines each has."""
        return {name: len(rows) for name, rows in vars(self).items()}


#: finds the case by which somebody left who has one of these names; None of somebody who never left
FindEnded = Callable[[Iterable[str]], Ended | None]


def compare(people: Sequence[Person], held: Iterable[Held], owners: Mapping[str, str], find_ended: FindEnded) -> Lists:
    """Sort everything that somebody has; `people` are those of with_who_is_missing(), `owners` by service connection.

    Whoever is here by one name is never called gone by another: such a thing is a person's to look at.
    """
    lists = Lists()
    index = _Index.of(people)
    alive: set[int] = set()
    remarks: dict[int, list[str]] = {}
    merged = list(_merged(held))
    known = _known_by_id(merged)
    for each in merged:
        keys = keys_of_holding(each.holding) | known.get(_id(each), frozenset())
        gone = index.find_gone(keys)
        if index.is_here(keys):
            if gone is not None:
                lists.unknown.append(_row(each, gone, TWO_PEOPLE))
                alive.add(id(gone))
            continue
        own = find_ended(_names(each.holding))
        ended = own or (find_ended(_names_of(gone)) if gone else None)
        place, because = _judge(each.holding, gone, ended)
        if place == "alive_again" and own is None:
            # A roster that gives a leaver somebody else's alias must begin nothing: a person looks first.
            place = "gone_and_alive"
        row = _row(each, gone, because, ended)
        if place == "clean":
            remarks.setdefault(id(gone), []).append(f"{each.at}: {each.holding.what}: {because}")
            if gone is None:
                lists.gone_and_clean.append(row)
        elif place != "nothing":
            getattr(lists, place).append(row)
            alive.add(id(gone))
    for person in index.gone:
        if id(person) not in alive:
            because = "; ".join(remarks.get(id(person), ())) or _why(person)
            lists.gone_and_clean.append(Row(who=person.email, because=because))
    lists.owners_gone.extend(_owners(owners, index, find_ended))
    return lists


def _judge(holding: Holding, gone: Person | None, ended: Ended | None) -> tuple[str, str]:
    """In which list it stands, and why."""
    if not holding.is_alive:
        return ("clean" if gone or ended else "nothing"), "it lets nobody in"
    if ended is None:
        return ("gone_and_alive", _why(gone)) if gone else ("unknown", UNKNOWN)
    if ended.finished_at is None:
        return "gone_and_alive", UNDER_WAY
    if holding.kind != "account":
        return "alive_again", AGAIN
    if ended.deactivated:
        return "alive_again", REACTIVATED
    seen = _time(holding.last_seen_at)
    return ("alive_again", USED_SINCE) if seen and seen > ended.finished_at else ("clean", STANDS)


@dataclass(frozen=True)
class _Index:
    """Who is known by which key."""

    here: frozenset[Key]
    gone: tuple[Person, ...]
    by_key: Mapping[Key, Person]

    @classmethod
    def of(cls, people: Sequence[Person]) -> "_Index":
        here = frozenset(key for each in people if not each.is_gone for key in keys_of_person(each))
        gone = tuple(each for each in people if each.is_gone)
        # A name that passed on to somebody who is here is theirs alone.
        by_key = {key: each for each in reversed(gone) for key in keys_of_person(each) - here}
        return cls(here, gone, by_key)

    def is_here(self, keys: Collection[Key]) -> bool:
        return not self.here.isdisjoint(keys)

    def find_gone(self, keys: Iterable[Key]) -> Person | None:
        return next((self.by_key[key] for key in sorted(keys) if key in self.by_key), None)


def _known_by_id(held: Iterable[Held]) -> dict[str | None, frozenset[Key]]:
    """What else is known of whoever has an id: an application or a kept token may tell that id alone."""
    known: dict[str | None, frozenset[Key]] = {}
    for each in held:
        if (id_ := _id(each)) is not None:
            known[id_] = known.get(id_, frozenset()) | keys_of_holding(each.holding)
    return known


def _id(held: Held) -> str | None:
    return held.holding.id


def _merged(held: Iterable[Held]) -> Iterator[Held]:
    """One of each: a listing that began anew tells somebody twice, and applications are told together."""
    one: dict[tuple[str, str, str], Held] = {}
    for each in held:
        own = each.holding
        key = (each.at, own.kind, own.id or own.email or own.what)
        if key not in one:
            one[key] = each
        elif own.what not in (before := one[key].holding.what).split(", "):
            merged = replace(own, what=f"{before}, {own.what}", is_alive=own.is_alive or one[key].holding.is_alive)
            one[key] = Held(each.at, merged)
    yield from one.values()


def _owners(owners: Mapping[str, str], index: _Index, find_ended: FindEnded) -> Iterator[Row]:
    for connection, owner in sorted(owners.items()):
        keys = keys_of_holding(Holding(kind="connection", email=owner))
        if index.is_here(keys):
            continue
        gone, ended = index.find_gone(keys), find_ended([owner])
        if gone or ended:
            because = _why(gone) if gone else "left, by a case of Leaver's"
            case = ended.case_id if ended else None
            yield Row(owner, "", "connection", connection, email=owner, because=because, case=case)


def _row(held: Held, gone: Person | None, because: str, ended: Ended | None = None) -> Row:
    own = held.holding
    return Row(
        who=gone.email if gone else own.email or own.id or own.what,
        at=held.at,
        kind=own.kind,
        what=own.what,
        id=own.id,
        email=own.email,
        last_seen_at=own.last_seen_at,
        because=because,
        case=ended.case_id if ended else None,
    )


def _why(gone: Person | None) -> str:
    return MISSING if gone and gone.missing_since else LEFT


def _names(holding: Holding) -> list[str]:
    return [each for each in (holding.email, holding.id, *holding.names) if each]


def _names_of(person: Person) -> tuple[str, ...]:
    return (person.email, *person.aliases, *person.ids)


def _time(text: str | None) -> datetime | None:
    try:
        told = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return told if told.tzinfo else told.replace(tzinfo=UTC)
